//! Who chooses where an address leads: the config alone, or whoever sends the event.
//!
//! What decides is what stands before the end of the host. It has to be written in the config: text of the template, or
//! a setting under `with` that is no template itself, also the one that the event selects among several. Where it is
//! anything else, the target must say which hosts it may send to. This looks at the template alone and in doubt says
//! no: a name that is given such a value anywhere is not the config's anywhere.

use std::collections::BTreeSet;
use std::ops::Range;

use minijinja::machinery::ast::{self, CallArg, CallType, Const, Expr, Macro, Stmt, UnaryOpKind};

use super::check::range;
use super::{Known, Mistake};

/// Stands for a value of the config in the text that is known.
const VALUE: char = '\u{0}';
/// Ways through the branches of a template that are told apart.
const WAYS_MAX: usize = 64;

/// Something that is not the config's, and where it stands.
struct Foreign {
    range: Range<usize>,
    name: String,
}

struct Walk<'a> {
    known: &'a Known,
    /// Names that the template gives itself.
    own: BTreeSet<&'a str>,
    /// Those of them that hold what is not the config's.
    foreign: BTreeSet<&'a str>,
}

/// What is wrong with an address whose target may send anywhere.
pub(super) fn check(tree: &Stmt<'_>, known: &Known, whole: Range<usize>) -> Result<(), Mistake> {
    let mut walk = Walk {
        known,
        own: BTreeSet::new(),
        foreign: BTreeSet::new(),
    };
    loop {
        let before = (walk.own.len(), walk.foreign.len());
        walk.names(std::slice::from_ref(tree));
        if before == (walk.own.len(), walk.foreign.len()) {
            break;
        }
    }
    let Err(foreign) = walk.ways(std::slice::from_ref(tree), vec![String::new()], &whole) else {
        return Ok(());
    };
    Err(Mistake {
        message: match foreign.name.as_str() {
            "event" | "plate" | "face" | "object" => {
                "whoever sends the event would choose where it is sent to".to_owned()
            }
            name => format!("`{name}` would choose where this is sent to"),
        },
        help: Some(
            "begin the url with `http://HOST/`, or say which hosts it may be, beside it: \
             `hosts: [cam-1.example, \"10.1.0.0/16\"]`"
                .to_owned(),
        ),
        range: foreign.range,
        path: Vec::new(),
        others: Vec::new(),
    })
}

/// Whether the host has ended: a value behind that moves no border.
fn is_closed(text: &str) -> bool {
    let text = text.trim_start();
    let ends = |c: char| matches!(c, '/' | '?' | '#' | '\\');
    match text.split_once("://") {
        Some((_, behind)) => behind.contains(ends),
        None => {
            // The value is the beginning of the whole address. A slash behind a colon may yet be that of `://`.
            let mut before = VALUE;
            text.starts_with(VALUE)
                && text.chars().any(|c| {
                    let ended = ends(c) && before != ':';
                    before = c;
                    ended
                })
        }
    }
}

impl<'a> Walk<'a> {
    /// Everything that is given a name, wherever.
    fn names(&mut self, all: &[Stmt<'a>]) {
        for stmt in all {
            match stmt {
                Stmt::Template(t) => self.names(&t.children),
                Stmt::ForLoop(l) => {
                    let fine = self.is_configs(&l.iter);
                    self.assign(&l.target, fine);
                    self.own.insert("loop");
                    self.names(&l.body);
                    self.names(&l.else_body);
                }
                Stmt::IfCond(c) => {
                    self.names(&c.true_body);
                    self.names(&c.false_body);
                }
                Stmt::WithBlock(w) => {
                    for (target, value) in &w.assignments {
                        let fine = self.is_configs(value);
                        self.assign(target, fine);
                    }
                    self.names(&w.body);
                }
                Stmt::Set(s) => {
                    let fine = self.is_configs(&s.expr);
                    self.assign(&s.target, fine);
                }
                Stmt::SetBlock(s) => {
                    let filter = s.filter.as_ref();
                    let fine = self.writes_configs(&s.body)
                        && filter.is_none_or(|filter| self.is_configs_filter(filter));
                    self.assign(&s.target, fine);
                    self.names(&s.body);
                }
                Stmt::AutoEscape(a) => self.names(&a.body),
                Stmt::FilterBlock(f) => self.names(&f.body),
                Stmt::Macro(m) => self.r#macro(m),
                Stmt::CallBlock(c) => self.r#macro(&c.macro_decl),
                Stmt::EmitExpr(_) | Stmt::EmitRaw(_) => {}
                // There are no other files, and no blocks to fill in.
                _ => {}
            }
        }
    }

    fn r#macro(&mut self, m: &Macro<'a>) {
        for arg in &m.args {
            self.assign(arg, false);
        }
        let fine = self.writes_configs(&m.body);
        self.give(m.name, fine);
        self.names(&m.body);
    }

    fn assign(&mut self, target: &Expr<'a>, fine: bool) {
        match target {
            Expr::Var(v) => self.give(v.id, fine),
            Expr::List(l) => l.items.iter().for_each(|item| self.assign(item, fine)),
            Expr::Tuple(t) => t.items.iter().for_each(|item| self.assign(item, fine)),
            Expr::GetAttr(g) => self.assign(&g.expr, fine),
            Expr::GetItem(g) => self.assign(&g.expr, fine),
            _ => {}
        }
    }

    fn give(&mut self, name: &'a str, fine: bool) {
        self.own.insert(name);
        if !fine {
            self.foreign.insert(name);
        }
    }

    /// Whether all that is written in there is the config's.
    fn writes_configs(&self, all: &[Stmt<'a>]) -> bool {
        all.iter().all(|stmt| match stmt {
            Stmt::EmitRaw(_) | Stmt::Set(_) | Stmt::SetBlock(_) | Stmt::Macro(_) => true,
            Stmt::EmitExpr(e) => self.is_configs(&e.expr),
            Stmt::ForLoop(l) => self.writes_configs(&l.body) && self.writes_configs(&l.else_body),
            Stmt::IfCond(c) => {
                self.writes_configs(&c.true_body) && self.writes_configs(&c.false_body)
            }
            Stmt::WithBlock(w) => self.writes_configs(&w.body),
            Stmt::AutoEscape(a) => self.writes_configs(&a.body),
            _ => false,
        })
    }

    fn is_configs(&self, expr: &Expr<'a>) -> bool {
        match expr {
            Expr::Const(_) => true,
            Expr::Var(v) if self.own.contains(v.id) => !self.foreign.contains(v.id),
            Expr::Var(v) => v.id == "with" && self.known.told.is_empty(),
            Expr::GetAttr(g) => match self.is_with(&g.expr) {
                true => !self.known.told.contains(g.name),
                false => self.is_configs(&g.expr),
            },
            // Whoever selects among what the config says chooses nothing else.
            Expr::GetItem(g) => match (self.is_with(&g.expr), &g.subscript_expr) {
                (true, Expr::Const(name)) => is_none_of(&self.known.told, name),
                _ => self.is_configs(&g.expr),
            },
            Expr::Slice(s) => {
                let bounds = [&s.start, &s.stop, &s.step];
                self.is_configs(&s.expr) && bounds.into_iter().flatten().all(|b| self.is_configs(b))
            }
            Expr::UnaryOp(u) => matches!(u.op, UnaryOpKind::Not) || self.is_configs(&u.expr),
            Expr::BinOp(b) => self.is_configs(&b.left) && self.is_configs(&b.right),
            Expr::IfExpr(i) => {
                let otherwise = i.false_expr.as_ref();
                self.is_configs(&i.true_expr)
                    && otherwise.is_none_or(|otherwise| self.is_configs(otherwise))
            }
            Expr::Filter(_) => self.is_configs_filter(expr),
            Expr::Compare(_) | Expr::Test(_) => true,
            Expr::Call(c) => {
                matches!(c.identify_call(), CallType::Function(name) if self.own.contains(name)
                    && !self.foreign.contains(name))
                    && self.are_configs(&c.args)
            }
            Expr::List(l) => l.items.iter().all(|item| self.is_configs(item)),
            Expr::Tuple(t) => t.items.iter().all(|item| self.is_configs(item)),
            Expr::Map(m) => m.keys.iter().chain(&m.values).all(|e| self.is_configs(e)),
        }
    }

    /// A filter over what the config says; in a block the value is what the block writes.
    fn is_configs_filter(&self, filter: &Expr<'a>) -> bool {
        match filter {
            Expr::Filter(f) => {
                let value = f.expr.as_ref();
                value.is_none_or(|value| self.is_configs(value)) && self.are_configs(&f.args)
            }
            _ => false,
        }
    }

    fn are_configs(&self, args: &[CallArg<'a>]) -> bool {
        args.iter().all(|arg| match arg {
            CallArg::Pos(e)
            | CallArg::Kwarg(_, e)
            | CallArg::PosSplat(e)
            | CallArg::KwargSplat(e) => self.is_configs(e),
        })
    }

    fn is_with(&self, expr: &Expr<'a>) -> bool {
        matches!(expr, Expr::Var(v) if v.id == "with" && !self.own.contains("with"))
    }

    /// What may have been written after these statements, by each way through them on which the host has not ended.
    fn ways(
        &self,
        all: &[Stmt<'a>],
        mut open: Vec<String>,
        whole: &Range<usize>,
    ) -> Result<Vec<String>, Foreign> {
        for stmt in all {
            open = self.way(stmt, open, whole)?;
            open.retain(|text| !is_closed(text));
            open.sort();
            open.dedup();
            if open.is_empty() {
                return Ok(open);
            }
            if open.len() > WAYS_MAX {
                return Err(Foreign {
                    range: whole.clone(),
                    name: "a template of so many branches".to_owned(),
                });
            }
        }
        Ok(open)
    }

    fn way(
        &self,
        stmt: &Stmt<'a>,
        mut open: Vec<String>,
        whole: &Range<usize>,
    ) -> Result<Vec<String>, Foreign> {
        let value = |mut open: Vec<String>| {
            open.iter_mut().for_each(|text| text.push(VALUE));
            open
        };
        match stmt {
            Stmt::Template(t) => self.ways(&t.children, open, whole),
            Stmt::EmitRaw(raw) => {
                open.iter_mut().for_each(|text| text.push_str(raw.raw));
                Ok(open)
            }
            Stmt::EmitExpr(e) if self.is_configs(&e.expr) => match &e.expr {
                Expr::Const(c) if c.value.as_str().is_some() => {
                    let written = c.value.as_str().unwrap_or_default();
                    open.iter_mut().for_each(|text| text.push_str(written));
                    Ok(open)
                }
                _ => Ok(value(open)),
            },
            Stmt::EmitExpr(e) => Err(self.found(&e.expr, whole)),
            Stmt::IfCond(c) => {
                let mut ways = self.ways(&c.true_body, open.clone(), whole)?;
                ways.extend(self.ways(&c.false_body, open, whole)?);
                Ok(ways)
            }
            Stmt::ForLoop(l) => {
                // Not at all, once, or more often: what is open after two rounds is so after more.
                let once = self.ways(&l.body, open.clone(), whole)?;
                let mut ways = self.ways(&l.body, once.clone(), whole)?;
                ways.extend(self.ways(&l.else_body, open.clone(), whole)?);
                ways.extend(once);
                ways.extend(open);
                Ok(ways)
            }
            Stmt::WithBlock(w) => self.ways(&w.body, open, whole),
            Stmt::AutoEscape(a) => self.ways(&a.body, open, whole),
            Stmt::FilterBlock(f) => {
                match self.writes_configs(&f.body) && self.is_configs_filter(&f.filter) {
                    true => Ok(value(open)),
                    false => Err(self.found(&f.filter, whole)),
                }
            }
            Stmt::Set(_) | Stmt::SetBlock(_) | Stmt::Macro(_) => Ok(open),
            Stmt::Do(_) => Ok(open),
            Stmt::CallBlock(_) => Err(self.found_named("a call", whole)),
            // The other statements need other files, which there are not.
            _ => Err(self.found_named("a block", whole)),
        }
    }

    fn found(&self, expr: &Expr<'a>, whole: &Range<usize>) -> Foreign {
        match self.root(expr) {
            Some((name, range)) => Foreign { range, name },
            None => self.found_named("an expression", whole),
        }
    }

    fn found_named(&self, name: &str, whole: &Range<usize>) -> Foreign {
        Foreign {
            range: whole.clone(),
            name: name.to_owned(),
        }
    }

    /// The first name in the expression that is not the config's.
    fn root(&self, expr: &Expr<'a>) -> Option<(String, Range<usize>)> {
        let first = |all: &[&Expr<'a>]| all.iter().find_map(|expr| self.root(expr));
        match expr {
            _ if self.is_configs(expr) => None,
            Expr::Var(v) => Some((v.id.to_owned(), range(v.span()))),
            Expr::GetAttr(g) => match self.is_with(&g.expr) {
                true => Some((format!("with.{}", g.name), range(g.span()))),
                false => self.root(&g.expr),
            },
            Expr::GetItem(g) => self.root(&g.expr),
            Expr::Slice(s) => self.root(&s.expr),
            Expr::UnaryOp(u) => self.root(&u.expr),
            Expr::BinOp(b) => first(&[&b.left, &b.right]),
            Expr::IfExpr(i) => self
                .root(&i.true_expr)
                .or_else(|| self.root(i.false_expr.as_ref()?)),
            Expr::Filter(f) => (f.expr.as_ref())
                .and_then(|value| self.root(value))
                .or_else(|| self.root_of(&f.args)),
            Expr::Call(c) => self.root_of(&c.args),
            _ => None,
        }
    }

    fn root_of(&self, args: &[CallArg<'a>]) -> Option<(String, Range<usize>)> {
        args.iter().find_map(|arg| match arg {
            CallArg::Pos(e)
            | CallArg::Kwarg(_, e)
            | CallArg::PosSplat(e)
            | CallArg::KwargSplat(e) => self.root(e),
        })
    }
}

fn is_none_of(told: &BTreeSet<String>, name: &ast::Spanned<Const>) -> bool {
    match name.value.as_str() {
        Some(name) => !told.contains(name),
        None => told.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::engine::Engine;
    use super::super::{Known, Names};

    fn engine() -> Engine {
        Engine::knowing(Known {
            lists: vec!["cams".to_owned()],
            told: ["where".to_owned()].into(),
            ..Known::default()
        })
    }

    fn message(source: &str) -> Option<String> {
        let built = engine().url(source, Names::Rendering);
        built.err().map(|mistake| mistake.message)
    }

    #[test]
    fn what_the_config_says_may_be_the_host() {
        for source in [
            "http://10.0.0.5/{{ event.camera.id }}",
            "http://10.0.0.5?{{ event.camera.id }}",
            "{{ with.url }}",
            "{{ with.url }}/{{ event.camera.id }}",
            " {{ with.url | trim('/') }}/{{ plate.text }}",
            "{{ with.url }}?x={{ plate.text }}",
            "{{ with['url'] }}/{{ plate.text }}",
            "{{ 'http://h/a?b=c' }}&p={{ plate.text }}",
            "{{ with.cameras[event.camera.id].url }}/{{ event.id }}",
            "{{ with.a if event.camera.id == 'x' else with.b }}/{{ event.id }}",
            "{{ with.url | default('https://x.' ~ with.region ~ '.example', true) }}/{{ event.id }}",
            "{{ with.scheme }}://{{ with.host }}:{{ with.port }}/{{ event.id }}",
            "https://{{ with.host or 'x.example' }}/{{ event.id }}",
            "{% set base = with.url %}{{ base }}/{{ event.id }}",
            "{% if event.camera.id %}http://a/{% else %}http://b/{% endif %}{{ event.id }}",
            "{{ with.url }}{% for part in with.folder | split('/') %}/{{ part }}{% endfor %}/{{ event.id }}",
            "{% macro base() %}{{ with.url }}{% endmacro %}{{ base() }}/{{ event.id }}",
            "http://{{ 'a' if event.camera.id is none else 'b' }}.example/",
        ] {
            assert_eq!(message(source), None, "{source}");
        }
    }

    #[test]
    fn what_anybody_else_says_may_not() {
        for source in [
            "{{ event.raw.callback }}",
            "{{ event.raw.callback }}/x",
            "http://{{ event.camera.ip }}/",
            "http://{{ event.camera.ip }}",
            "{{ event.raw.scheme }}://10.0.0.5/",
            "http://10.0.0.5:{{ event.raw.port }}/",
            "http://10.0.0.5{{ event.raw.more }}/",
            "http://{{ event.raw.user }}@10.0.0.5/",
            "http://{{ event.raw.user }}:x@10.0.0.5/",
            "http{{ 's' ~ event.raw.x }}://10.0.0.5/",
            "{{ 'http://' ~ event.camera.ip ~ '/' }}",
            "{{ with.url ~ event.raw.x }}/",
            "{{ with.url or event.raw.x }}/",
            "{{ event.raw.x or with.url }}/",
            "{{ with.url if plate else event.raw.x }}/",
            "{{ with.url | default(event.raw.x) }}/",
            "{{ with.url | replace('a', event.raw.x) }}/",
            "{{ with.url[:event.raw.n] }}/",
            "{{ with.where }}/",
            "{{ with['where'] }}/",
            "{{ with[event.raw.x] }}/",
            "{{ with | first }}/",
            "{{ [event.raw.x] | first }}/",
            "{{ {'a': event.raw.x}.a }}/",
            "{{ lists.cams[event.camera.id].url }}/",
            "{{ session.token }}/",
            "http://{{ captured.host }}/",
            "http://{{ delivery.id }}.example/",
            "http://{{ now }}/",
            "{% set h = event.raw.x %}{{ h }}/",
            "{% set h = with.url %}{{ h }}{% set h = event.raw.x %}/",
            "{% set h = with.url %}{% for i in event.raw.l %}{{ h }}{% set h = i %}{% endfor %}/",
            "{% set h %}http://{{ event.camera.ip }}{% endset %}{{ h }}/",
            "{% set h = namespace(x=event.raw.x) %}{{ h.x }}/",
            "{% set with = event.raw %}{{ with.url }}/",
            "{% for with in event.raw.list %}{{ with.url }}/{% endfor %}",
            "{% with h = event.raw.x %}{{ h }}{% endwith %}/",
            "{% macro m(with) %}{{ with.url }}{% endmacro %}{{ m(event.raw) }}/",
            "{% macro m() %}{{ event.raw.x }}{% endmacro %}{{ m() }}/",
            "{% macro m() %}{{ with.url }}{% endmacro %}{{ m() }}{{ event.raw.x }}/",
            "{% macro m() %}{{ caller() }}{% endmacro %}{% call m() %}{{ event.raw.x }}{% endcall %}/",
            "{% if true %}{{ event.raw.x }}{% endif %}/",
            "{% if event.id %}http://a/{% endif %}{{ event.raw.x }}",
            "{% if event.id %}http://a/{% else %}http://b{% endif %}{{ event.raw.x }}",
            "{% for x in event.raw.l %}{{ x }}{% endfor %}/",
            "{% for x in event.raw.l %}http://a/{% endfor %}{{ event.raw.x }}",
            "{% filter upper %}{{ event.raw.x }}{% endfilter %}/",
            "{% autoescape true %}{{ event.raw.x }}{% endautoescape %}/",
            "{{ with.url }}:/{{ event.raw.x }}",
            "{{ with.url }}{{ event.raw.x }}",
            "{{ 'http://h' }}{{ event.raw.x }}",
            "/{{ event.raw.x }}",
            "{{ event.raw.x | url }}/",
            "{{ (event.raw.x) }}/",
            "{{ -event.raw.x }}/",
        ] {
            let message = message(source).unwrap_or_else(|| panic!("{source} is taken"));
            assert!(!message.contains("unknown"), "{source}: {message}");
        }
    }

    #[test]
    fn a_target_that_lists_its_hosts_may_be_told_where() {
        let open = engine().with_hosts();
        let built = open.url(
            "http://{{ event.camera.ip }}/{{ event.id }}",
            Names::Rendering,
        );
        assert!(built.is_ok());
    }
}
