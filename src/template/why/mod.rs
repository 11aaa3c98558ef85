//! Why a condition does not hold: the part of it that said no, with the values that it read.
//!
//! The condition's text is taken apart at load where `and`, `or` and `not` join its parts, and each part is compiled for
//! itself. Nothing of this runs until a condition has said no: then its parts are asked again, in their order.

mod cuts;
mod reads;

use std::fmt::Write as _;
use std::sync::Arc;

use minijinja::Error;
use minijinja::machinery::ast::{BinOpKind, Expr, UnaryOpKind};
use minijinja::machinery::parse_expr;

use self::cuts::{Cuts, bare};
use self::reads::{find_reads, shown};
use super::compiled::Code;
use super::engine::{Engine, compile_expression};
use super::scope::Scope;

/// A condition in parts.
#[derive(Clone)]
pub(super) struct Why(Arc<Part>);

enum Part {
    All(Vec<Part>),
    Any(Vec<Part>),
    Not(Box<Part>),
    Alone(Alone),
}

/// What is joined by none of the words, or is `not` of such.
struct Alone {
    source: &'static str,
    code: Code,
    /// What it reads of the event.
    reads: Vec<(String, Code)>,
}

/// Parts told of one condition.
const PARTS_MAX: usize = 4;
/// Bytes told of an error, which may repeat what a sender wrote.
const ERROR_MAX: usize = 100;

impl Why {
    /// The tree is that of the text.
    pub(super) fn new(source: &'static str, tree: &Expr<'static>) -> Option<Self> {
        let mut joints = 0;
        let part = Part::of(source, &mut joints);
        // Should the text have been misread, it is told as a whole.
        let part = match joints == joints_of(tree) {
            true => part?,
            false => Part::Alone(Alone::new(source.trim())?),
        };
        Some(Self(Arc::new(part)))
    }

    /// Which parts of the condition say no, with the values they read.
    pub(super) fn tell(&self, source: &str, engine: &Engine, scope: &Scope) -> String {
        let mut told = Vec::new();
        // It is known not to hold; what matters is what the parts say.
        let _ = self.0.judge(true, engine, scope, &mut told);
        let more = told.len().saturating_sub(PARTS_MAX);
        told.truncate(PARTS_MAX);
        let mut text = told.join("; ");
        if more > 0 {
            let _ = write!(text, "; and {more} more");
        }
        match (&*self.0, text.is_empty()) {
            (_, true) => source.trim().to_owned(),
            (Part::Alone(_), false) => text,
            (_, false) => format!("{text}, in: {}", source.trim()),
        }
    }
}

impl Part {
    /// `None` where the text is no expression by itself.
    fn of(text: &'static str, joints: &mut usize) -> Option<Self> {
        let text = bare(text);
        let Cuts { ifs, ors, ands } = Cuts::of(text);
        let several = |cuts: Vec<(usize, usize)>, joints: &mut usize| {
            *joints += cuts.len();
            let mut from = 0;
            let mut parts = Vec::new();
            for (start, end) in cuts.into_iter().chain([(text.len(), text.len())]) {
                parts.push(Self::of(&text[from..start], joints)?);
                from = end;
            }
            Some(parts)
        };
        if ifs {
            return Alone::new(text).map(Self::Alone);
        }
        if !ors.is_empty() {
            return several(ors, joints).map(Self::Any);
        }
        if !ands.is_empty() {
            return several(ands, joints).map(Self::All);
        }
        let negated = text.strip_prefix("not").filter(|rest| {
            let next = rest.chars().next();
            next.is_some_and(|c| !c.is_alphanumeric() && c != '_')
        });
        match negated {
            Some(rest) => Some(match Self::of(rest, joints)? {
                Self::Alone(_) => Self::Alone(Alone::new(text)?),
                joined => Self::Not(Box::new(joined)),
            }),
            None => Alone::new(text).map(Self::Alone),
        }
    }

    /// Whether it holds; why it is not what is wanted is added to what is told.
    fn judge(
        &self,
        wanted: bool,
        engine: &Engine,
        scope: &Scope,
        told: &mut Vec<String>,
    ) -> Result<bool, Error> {
        let before = told.len();
        // The first part that is this decides.
        let (parts, decisive) = match self {
            Self::All(parts) => (parts, false),
            Self::Any(parts) => (parts, true),
            Self::Not(part) => return part.judge(!wanted, engine, scope, told).map(|held| !held),
            Self::Alone(alone) => return alone.judge(wanted, engine, scope, told),
        };
        for part in parts {
            let from = told.len();
            let held = part.judge(wanted, engine, scope, told);
            if !matches!(held, Ok(held) if held != decisive) {
                // What was told of the parts before does not matter.
                told.drain(before..from);
                return held;
            }
        }
        Ok(!decisive)
    }
}

impl Alone {
    fn new(source: &'static str) -> Option<Self> {
        let tree = parse_expr(source).ok()?;
        let mut reads = Vec::new();
        find_reads(&tree, source, &mut reads);
        Some(Self {
            source,
            code: compile_expression(&tree, source),
            reads,
        })
    }

    fn judge(
        &self,
        wanted: bool,
        engine: &Engine,
        scope: &Scope,
        told: &mut Vec<String>,
    ) -> Result<bool, Error> {
        let value = engine.value(&self.code, scope);
        let held = value.map(|value| value.is_true());
        match &held {
            Ok(held) if *held == wanted => {}
            Ok(_) => told.push(self.with_values(engine, scope, "")),
            Err(error) => {
                let why = error.detail().unwrap_or("it cannot be evaluated");
                let end = why.floor_char_boundary(ERROR_MAX);
                told.push(self.with_values(engine, scope, &why[..end]));
            }
        }
        held
    }

    fn with_values(&self, engine: &Engine, scope: &Scope, why: &str) -> String {
        let mut text = self.source.to_owned();
        let mut brackets = [" (", ""];
        let mut add = |words: std::fmt::Arguments<'_>| {
            let _ = write!(text, "{}{words}", brackets[0]);
            brackets = [", ", ")"];
        };
        for (path, code) in &self.reads {
            if let Ok(value) = engine.value(code, scope) {
                add(format_args!("{path} is {}", shown(&value)));
            }
        }
        if !why.is_empty() {
            add(format_args!("{why}"));
        }
        text.push_str(brackets[1]);
        text
    }
}

/// How many `and` and `or` join the parts of an expression.
fn joints_of(expr: &Expr<'_>) -> usize {
    match expr {
        Expr::BinOp(b) if matches!(b.op, BinOpKind::ScAnd | BinOpKind::ScOr) => {
            1 + joints_of(&b.left) + joints_of(&b.right)
        }
        Expr::UnaryOp(u) if matches!(u.op, UnaryOpKind::Not) => joints_of(&u.expr),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::event::{Event, Item};
    use crate::lists::{List, Lists};
    use crate::template::{Condition, Given, Names};

    fn scope() -> Scope {
        let json = serde_json::json!({
            "kind": "plate",
            "camera": { "id": "gate-1", "tags": ["in"] },
            "headers": { "x-key": "hunter2" },
            "plates": [{ "text": "AB123", "score": 0.71, "region": "it" }],
            "raw": { "and": 1, "or": { "x": "a or b" }, "token": "hunter2", "long": "x".repeat(1000) },
        });
        let event = Event::from_json(json, jiff::Timestamp::UNIX_EPOCH).unwrap();
        let list = List::from_csv("plate\nAB123\n", "plate").unwrap();
        Scope::new(&Given {
            event: &Arc::new(event),
            item: Some(Item::Plate(0)),
            pictures: &[],
            lists: &Lists::new([("residents".to_owned(), list)]),
            with: None,
            delivery: None,
            now: jiff::Timestamp::UNIX_EPOCH,
        })
    }

    fn condition(source: &str) -> Condition {
        let engine = Engine::new(&["residents".to_owned()]);
        engine
            .condition(source, Names::Choosing)
            .unwrap_or_else(|mistake| panic!("{source}: {mistake}"))
    }

    #[test]
    fn names_the_part_that_said_no_and_the_values_it_read() {
        let scope = scope();
        for (source, expected) in [
            (
                "plate.score >= 0.8",
                "plate.score >= 0.8 (plate.score is 0.71)",
            ),
            (
                "plate.region == 'it' and plate.score >= 0.8 and false",
                "plate.score >= 0.8 (plate.score is 0.71), in: ",
            ),
            (
                "plate.score > 0.5 and not plate.text in lists.residents",
                "not plate.text in lists.residents (plate.text is \"AB123\"), in: ",
            ),
            (
                "plate.score > 0.9 or plate.region in ['de', 'fr']",
                "plate.score > 0.9 (plate.score is 0.71); plate.region in ['de', 'fr'] (plate.region is \"it\"), in: ",
            ),
            (
                "not (plate.score > 0.5 and plate.region == 'it')",
                "plate.score > 0.5 (plate.score is 0.71); plate.region == 'it' (plate.region is \"it\"), in: ",
            ),
            (
                "not (plate.score > 0.9 or plate.region == 'it') and true",
                "plate.region == 'it' (plate.region is \"it\"), in: ",
            ),
            (
                "(plate.score + 0.1) * 2 > 9",
                "(plate.score + 0.1) * 2 > 9 (plate.score is 0.71)",
            ),
            (
                "event.raw.and == 2 and event.raw['or'].x == 'b and c'",
                "event.raw.and == 2 (event.raw.and is 1), in: ",
            ),
            (
                "event.raw.or.x == 'b and (c or d'",
                "event.raw.or.x == 'b and (c or d' (event.raw.or.x is \"a or b\")",
            ),
            (
                "(1 > 2 or 3 > 4) if plate.score > 0.5 else true",
                "(1 > 2 or 3 > 4) if plate.score > 0.5 else true (plate.score is 0.71)",
            ),
            ("plate.speed > 5", "plate.speed > 5 (plate.speed is null)"),
            (
                "plate.text + 1 > 5 or true",
                "plate.text + 1 > 5 (plate.text is \"AB123\", cannot use `+` on a string and a number), in: ",
            ),
            (
                "'out' in event.camera.tags",
                "'out' in event.camera.tags (event.camera.tags is a list of 1)",
            ),
            ("false", "false"),
            (
                "plate.text is not startingwith('AB')",
                "plate.text is not startingwith('AB') (plate.text is \"AB123\")",
            ),
            (
                "lists.residents[plate.text].owner == 'x'",
                "lists.residents[plate.text].owner == 'x' (plate.text is \"AB123\")",
            ),
        ] {
            let condition = condition(source);
            assert!(!condition.holds(&scope), "{source}");
            let why = condition.why(&scope);
            let expected = match expected.strip_suffix("in: ") {
                Some(_) => format!("{expected}{source}"),
                None => expected.to_owned(),
            };
            assert_eq!(why, expected);
        }
    }

    #[test]
    fn shows_nothing_secret_and_nothing_long() {
        let scope = scope();
        for source in [
            "event.headers['x-key'] == 'a'",
            "event.raw.token == 'a'",
            "event.raw == 'a'",
        ] {
            let why = condition(source).why(&scope);
            assert!(!why.contains("hunter2"), "{why}");
        }
        let why = condition("event.raw.long == 'a'").why(&scope);
        assert!(why.ends_with("xxx\"…)") && why.len() < 120, "{why}");
        let many = vec!["plate.score > 1"; 50].join(" or ");
        assert!(condition(&many).why(&scope).contains("; and 46 more, in: "));
    }

    proptest! {
        #[test]
        fn the_parts_together_say_what_the_whole_says(source in conditions()) {
            let (scope, condition) = (scope(), condition(&source));
            let why = condition.why.clone().unwrap();
            prop_assert!(matches!(*why.0, Part::Alone(_)) == !(source.contains(" and ") || source.contains(" or ")), "{source}");
            let mut told = Vec::new();
            let verdict = why.0.judge(true, &condition.engine, &scope, &mut told).unwrap();
            prop_assert_eq!(verdict, condition.holds(&scope), "{}", source);
            prop_assert_eq!(verdict, told.is_empty(), "{}: {:?}", source, told);
            for part in told {
                let part = part.split(" (plate").next().unwrap();
                prop_assert!(source.contains(part), "{source}: {part}");
            }
        }
    }

    fn conditions() -> impl Strategy<Value = String> {
        let leaf = prop::sample::select(vec![
            "true",
            "false",
            "plate.score>0.5",
            "plate.text=='a'",
            "(1>2)",
            "'and or'=='\\' or('",
            "plate.orand==1",
            "[plate.score]|length==1",
            "plate.text not in['a']",
            "(plate.score + 0.1)*2>1",
            "plate.score is defined",
        ]);
        let leaf = leaf.prop_map(|leaf| leaf.replace("orand", "speed"));
        leaf.prop_recursive(4, 16, 2, |inner| {
            prop_oneof![
                (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a} and {b}")),
                (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a} or {b}")),
                inner.clone().prop_map(|a| format!("not ({a})")),
                inner.clone().prop_map(|a| format!("not {a}")),
                inner.prop_map(|a| format!("( {a} )")),
            ]
        })
    }

    #[test]
    fn text_is_taken_apart_only_where_its_tree_is() {
        for source in [
            "a.if and b",
            "a.and.or or c",
            "x is defined and (y or not z)",
            "not not a",
            "(a) and (b)",
            "[a and b] or {'k': a or b}",
            "'\\' and ' ~ a and b",
            "a|default(b and c) and d",
            "nota and notb",
        ] {
            let source: &'static str = Box::leak(source.replace('\n', " ").into_boxed_str());
            let tree = parse_expr(source).unwrap();
            let mut joints = 0;
            assert!(Part::of(source, &mut joints).is_some(), "{source}");
            assert_eq!(joints, joints_of(&tree), "{source}");
        }
    }
}
