//! What names and fields an expression reads, and what is known of the value it gives.

use std::ops::Range;

use minijinja::machinery::ast::{self, BinOpKind, CallArg, Expr, Spanned};

use super::calls::FUNCTIONS;
use super::{Check, named, range, told};
use crate::template::engine::words;
use crate::template::known::ROLES;
use crate::template::named::Others;
use crate::template::nullsafe::NULL;
use crate::template::shape::{self, Shape, nearest};
use crate::template::{Names, filters};

impl<'a> Check<'a> {
    pub(in crate::template) fn expression(&mut self, expr: &Expr<'a>) -> Shape {
        match expr {
            Expr::Var(v) => self.variable(v),
            Expr::Const(_) => Shape::Open,
            Expr::Slice(s) => {
                for bound in [&s.start, &s.stop, &s.step].into_iter().flatten() {
                    self.expression(bound);
                }
                self.expression(&s.expr)
            }
            Expr::UnaryOp(u) => {
                self.expression(&u.expr);
                Shape::Open
            }
            Expr::BinOp(b) => {
                let (left, right) = (self.expression(&b.left), self.expression(&b.right));
                match b.op {
                    BinOpKind::ScAnd => right,
                    BinOpKind::ScOr => common(left, right),
                    _ => Shape::Open,
                }
            }
            Expr::Compare(c) => {
                self.expression(&c.expr);
                for op in &c.ops {
                    self.expression(&op.expr);
                }
                Shape::Open
            }
            Expr::IfExpr(i) => {
                self.expression(&i.test_expr);
                let yes = self.expression(&i.true_expr);
                match &i.false_expr {
                    Some(no) => common(yes, self.expression(no)),
                    None => yes,
                }
            }
            Expr::Filter(f) => self.filter(f),
            Expr::Test(t) => {
                self.expression(&t.expr);
                self.arguments(&t.args);
                if !filters::TESTS.contains(&t.name) {
                    let help = nearest(t.name, filters::TESTS.iter().copied())
                        .map(|name| format!("did you mean `is {name}`?"));
                    self.mistake(
                        named(t.span(), t.name),
                        format!("unknown test `{}`", t.name),
                        help,
                    );
                }
                for (at, arg) in t.args.iter().enumerate() {
                    if let CallArg::Pos(Expr::Const(c)) = arg
                        && let Some(text) = c.value.as_str()
                        && let Err(why) = filters::check_test_argument(t.name, at, text)
                    {
                        self.mistake(range(c.span()), why, None);
                    }
                }
                Shape::Open
            }
            Expr::GetAttr(g) => {
                let base = self.expression(&g.expr);
                let end = g.span().end_offset as usize;
                let at = end.saturating_sub(g.name.len())..end;
                self.field(base, g.name, &g.expr, at)
            }
            Expr::GetItem(g) => {
                let base = self.expression(&g.expr);
                let key = self.expression_of_key(&g.subscript_expr);
                match (base, key) {
                    (base @ (Shape::Map(_) | Shape::Lists | Shape::With), Some(key)) => {
                        self.field(base, &key, &g.expr, range(g.subscript_expr.span()))
                    }
                    (Shape::List(item), _) => *item,
                    (base @ Shape::Images, Some(key)) => {
                        self.field(base, &key, &g.expr, range(g.subscript_expr.span()))
                    }
                    (Shape::Images, None) => shape::PICTURE,
                    _ => Shape::Open,
                }
            }
            Expr::Call(c) => self.call(c),
            Expr::List(l) => {
                self.expressions(&l.items);
                Shape::Open
            }
            Expr::Tuple(t) => {
                self.expressions(&t.items);
                Shape::Open
            }
            Expr::Map(m) => {
                self.expressions(&m.keys);
                self.expressions(&m.values);
                Shape::Open
            }
        }
    }

    fn expressions(&mut self, all: &[Expr<'a>]) {
        for expr in all {
            self.expression(expr);
        }
    }

    /// The key, if it is a constant text.
    fn expression_of_key(&mut self, key: &Expr<'a>) -> Option<String> {
        self.expression(key);
        match key {
            Expr::Const(c) => c.value.as_str().map(str::to_owned),
            _ => None,
        }
    }

    pub(super) fn arguments(&mut self, all: &[CallArg<'a>]) {
        for arg in all {
            match arg {
                CallArg::Pos(e)
                | CallArg::Kwarg(_, e)
                | CallArg::PosSplat(e)
                | CallArg::KwargSplat(e) => self.expression(e),
            };
        }
    }

    fn variable(&mut self, v: &Spanned<ast::Var<'a>>) -> Shape {
        let own = self.own.iter().rev().flat_map(|names| names.iter().rev());
        if let Some((_, shape)) = own.into_iter().find(|(name, _)| *name == v.id) {
            return *shape;
        }
        let known = top_level(self.names);
        let (message, help) = match known.iter().find(|(name, _)| *name == v.id) {
            Some((name, shape)) => match not_here(self.names, name) {
                None => {
                    if v.id == "pair" {
                        self.reads(Others::Pair, v.id.to_owned(), range(v.span()));
                    }
                    return *shape;
                }
                Some((message, help)) => (message, Some(help.to_owned())),
            },
            None if v.id == NULL || FUNCTIONS.contains(&v.id) => return Shape::Open,
            None => (
                format!("unknown name `{}`", v.id),
                Some(self.suggest_name(v.id, known)),
            ),
        };
        self.mistake(range(v.span()), message, help);
        Shape::Open
    }

    fn suggest_name(&self, name: &str, known: &[(&'static str, Shape)]) -> String {
        let is_reading = matches!(self.names, Names::Reading { .. });
        if !is_reading
            && let Shape::Map(fields) = shape::EVENT
            && fields.iter().any(|(field, _)| *field == name)
        {
            return format!("did you mean `event.{name}`?");
        }
        let here = known
            .iter()
            .map(|(name, _)| *name)
            .filter(|name| not_here(self.names, name).is_none());
        let own = self.own.iter().flatten().map(|(name, _)| *name);
        if let Some(near) = nearest(name, here.clone().chain(own)) {
            return format!("did you mean `{near}`?");
        }
        let here: Vec<String> = here.map(|name| format!("`{name}`")).collect();
        let here = match here.split_last() {
            Some((last, others)) => format!("{} and {last}", others.join(", ")),
            None => String::new(),
        };
        match is_reading {
            true => format!("a field of the request is `body.{name}`; here are {here}"),
            false => format!("here are {here}; a text stands in quotes"),
        }
    }

    fn field(&mut self, base: Shape, name: &str, of: &Expr<'a>, at: Range<usize>) -> Shape {
        let what = told(of);
        match base {
            Shape::Open => Shape::Open,
            Shape::Images if name == "list" => Shape::List(&shape::PICTURE),
            Shape::Images => {
                self.reads_picture(&what, name, &at);
                if let Some((message, near)) = self.known.wrong_picture(name) {
                    let help = match near {
                        Some(near) => format!("did you mean `{what}.{near}`?"),
                        None => format!(
                            "there are {}, and the names that steps give with `as`; all are in `{what}.list`",
                            words(ROLES)
                        ),
                    };
                    self.mistake(at, message, Some(help));
                }
                shape::PICTURE
            }
            Shape::Lists => {
                let lists = &self.known.lists;
                if !lists.iter().any(|list| list == name) {
                    let help = nearest(name, lists.iter().map(String::as_str))
                        .map(|near| format!("did you mean `{what}.{near}`?"))
                        .or_else(|| {
                            lists
                                .is_empty()
                                .then(|| "there are none under `lists`".to_owned())
                        });
                    self.mistake(at, format!("unknown list `{name}`"), help);
                }
                Shape::Open
            }
            Shape::With => {
                if let Some((message, help)) = self.known.wrong_setting(name) {
                    self.mistake(at, message, Some(help));
                }
                Shape::Open
            }
            Shape::Map(fields) => match fields.iter().find(|(field, _)| *field == name) {
                Some((_, shape)) => {
                    // No other shape has such fields.
                    if matches!(name, "merged" | "merged_count") {
                        self.reads(Others::Merged, format!("{what}.{name}"), at);
                    }
                    *shape
                }
                None => {
                    let help = match base.suggest(name) {
                        Some(near) => format!("did you mean `{what}.{near}`?"),
                        None => {
                            let all: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
                            format!("it has {}", all.join(", "))
                        }
                    };
                    self.mistake(at, format!("`{what}` has no field `{name}`"), Some(help));
                    Shape::Open
                }
            },
            Shape::List(item) => {
                let help = match item {
                    Shape::Map(fields) if fields.iter().any(|(field, _)| *field == name) => {
                        format!("did you mean `{what}[0].{name}`?")
                    }
                    _ => format!("`{what}[0]` is its first item"),
                };
                self.mistake(
                    at,
                    format!("`{what}` is a list and has no field `{name}`"),
                    Some(help),
                );
                Shape::Open
            }
            Shape::Leaf(kind) => {
                self.mistake(
                    at,
                    format!("`{what}` is {kind} and has no field `{name}`"),
                    None,
                );
                Shape::Open
            }
        }
    }
}

fn top_level(names: Names) -> &'static [(&'static str, Shape)] {
    match names {
        Names::Choosing | Names::Reshaping | Names::Rendering | Names::Wrapping => &[
            ("event", shape::EVENT),
            ("plate", shape::PLATE),
            ("face", shape::FACE),
            ("object", shape::OBJECT),
            ("images", Shape::Images),
            ("lists", Shape::Lists),
            ("with", Shape::With),
            ("delivery", shape::DELIVERY),
            ("pair", shape::PAIR),
            ("session", shape::SESSION),
            ("captured", Shape::Open),
            ("now", shape::NOW),
            ("wrapped", shape::WRAPPED),
        ],
        Names::Reading { .. } => &[
            ("body", Shape::Open),
            ("it", Shape::Open),
            ("event", shape::EVENT),
            ("headers", Shape::Open),
            ("query", Shape::Open),
            ("path", Shape::Leaf("a text")),
            ("method", Shape::Leaf("a text")),
            ("parts", Shape::Open),
        ],
    }
}

/// Why a name that there is cannot be used, and what to do instead.
fn not_here(names: Names, name: &str) -> Option<(String, &'static str)> {
    match (names, name) {
        (Names::Choosing, "images" | "with" | "delivery" | "pair" | "session" | "captured") => {
            Some((
                format!("`{name}` is not known yet when routes choose"),
                "here are `event`, `plate`, `face`, `object`, `lists` and `now`",
            ))
        }
        (Names::Reshaping, "with" | "delivery" | "session" | "captured") => Some((
            format!(
                "`{name}` belongs to one target, and a step is taken for all targets of its route"
            ),
            "here are `event`, `plate`, `face`, `object`, `images`, `pair`, `lists` and `now`",
        )),
        (Names::Choosing | Names::Reshaping | Names::Rendering, "wrapped") => Some((
            "`wrapped` is the body that `wrap` stands around, and known there alone".to_owned(),
            "write it below `wrap` of an `http` target",
        )),
        (Names::Reading { it: false, .. }, "it") => Some((
            "`it` is an element of `each`, which is not set here".to_owned(),
            "add such as `each: \"{{ body.detections }}\"`, or read `body`",
        )),
        (Names::Reading { event: false, .. }, "event") => Some((
            "a source of kind `generic` has no event before its `map`".to_owned(),
            "the request's document is `body`",
        )),
        _ => None,
    }
}

/// What is known of a value that is one or the other.
fn common(a: Shape, b: Shape) -> Shape {
    match (a, b) {
        (Shape::Map(x), Shape::Map(y)) if std::ptr::eq(x, y) => a,
        _ => Shape::Open,
    }
}
