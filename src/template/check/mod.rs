//! Finds what is wrong with a template before it meets an event: unknown names, fields, filters, tests and functions.

mod calls;
mod expressions;

use std::ops::Range;

use minijinja::machinery::Span;
use minijinja::machinery::ast::{self, Expr, Spanned, Stmt};

use super::named::{Named, Others};
use super::shape::{self, Shape};
use super::{Known, Mistake, Names};
use crate::fate;

/// Walks one syntax tree.
pub(super) struct Check<'a> {
    names: Names,
    known: &'a Known,
    /// Names that the template gave itself, innermost last.
    own: Vec<Vec<(&'a str, Shape)>>,
    mistakes: Vec<Mistake>,
    others: Vec<Named>,
}

impl<'a> Check<'a> {
    pub(super) fn new(names: Names, known: &'a Known) -> Self {
        Self {
            names,
            known,
            own: vec![Vec::new()],
            mistakes: Vec::new(),
            others: Vec::new(),
        }
    }

    /// The first mistake in the order of the text, and with it the others.
    pub(super) fn finish(mut self) -> Result<(), Mistake> {
        self.mistakes.sort_by_key(|mistake| mistake.range.start);
        let mut mistakes = self.mistakes.into_iter();
        match mistakes.next() {
            Some(first) => Err(Mistake {
                others: mistakes.collect(),
                ..first
            }),
            None => Ok(()),
        }
    }

    /// The names of other events that were met, in the order of the text.
    pub(super) fn others_named(mut self) -> Vec<Named> {
        self.others.sort_by_key(|named| named.range.start);
        self.others
    }

    fn reads(&mut self, what: Others, told: String, range: Range<usize>) {
        self.others.push(Named { what, told, range });
    }

    /// A picture is read that only one half of a pair has.
    fn reads_picture(&mut self, of: &str, role: &str, range: &Range<usize>) {
        if fate::pair_roles().iter().any(|known| known == role) {
            self.reads(Others::Pair, format!("{of}.{role}"), range.clone());
        }
    }

    fn mistake(&mut self, range: Range<usize>, message: String, help: Option<String>) {
        self.mistakes.push(Mistake {
            message,
            help,
            range,
            path: Vec::new(),
            others: Vec::new(),
        });
    }

    pub(super) fn statements(&mut self, all: &[Stmt<'a>]) {
        for stmt in all {
            self.statement(stmt);
        }
    }

    fn block(&mut self, names: Vec<(&'a str, Shape)>, body: impl FnOnce(&mut Self)) {
        self.own.push(names);
        body(self);
        self.own.pop();
    }

    pub(super) fn statement(&mut self, stmt: &Stmt<'a>) {
        match stmt {
            Stmt::Template(t) => self.statements(&t.children),
            Stmt::EmitExpr(e) => {
                self.expression(&e.expr);
            }
            Stmt::EmitRaw(_) => {}
            Stmt::ForLoop(l) => {
                let item = item_of(self.expression(&l.iter));
                let mut names = vec![("loop", shape::LOOP)];
                targets(&l.target, item, &mut names);
                self.block(names, |check| {
                    if let Some(filter) = &l.filter_expr {
                        check.expression(filter);
                    }
                    check.statements(&l.body);
                });
                self.statements(&l.else_body);
            }
            Stmt::IfCond(c) => {
                self.expression(&c.expr);
                self.statements(&c.true_body);
                self.statements(&c.false_body);
            }
            Stmt::WithBlock(w) => self.block(Vec::new(), |check| {
                for (target, value) in &w.assignments {
                    let shape = check.expression(value);
                    check.assign(target, shape);
                }
                check.statements(&w.body);
            }),
            Stmt::Set(s) => {
                let shape = self.expression(&s.expr);
                self.assign(&s.target, shape);
            }
            Stmt::SetBlock(s) => {
                if let Some(filter) = &s.filter {
                    self.expression(filter);
                }
                self.block(Vec::new(), |check| check.statements(&s.body));
                self.assign(&s.target, Shape::Leaf("a text"));
            }
            Stmt::AutoEscape(a) => {
                self.expression(&a.enabled);
                self.statements(&a.body);
            }
            Stmt::FilterBlock(f) => {
                self.expression(&f.filter);
                self.statements(&f.body);
            }
            Stmt::Macro(m) => {
                self.name(m.name, Shape::Open);
                self.r#macro(m);
            }
            Stmt::CallBlock(c) => {
                self.call(&c.call);
                self.r#macro(&c.macro_decl);
            }
            Stmt::Do(d) => {
                self.call(&d.call);
            }
            Stmt::Block(b) => self.alone("block", b.span()),
            Stmt::Import(i) => self.alone("import", i.span()),
            Stmt::FromImport(i) => self.alone("from", i.span()),
            Stmt::Extends(e) => self.alone("extends", e.span()),
            Stmt::Include(i) => self.alone("include", i.span()),
        }
    }

    fn alone(&mut self, tag: &str, span: Span) {
        self.mistake(
            range(span),
            format!("`{tag}` is not available: a template stands for itself"),
            None,
        );
    }

    fn r#macro(&mut self, m: &Spanned<ast::Macro<'a>>) {
        for default in &m.defaults {
            self.expression(default);
        }
        let mut names = vec![
            ("caller", Shape::Open),
            ("varargs", Shape::Open),
            ("kwargs", Shape::Open),
        ];
        for arg in &m.args {
            targets(arg, Shape::Open, &mut names);
        }
        self.block(names, |check| check.statements(&m.body));
    }

    fn name(&mut self, name: &'a str, shape: Shape) {
        if let Some(innermost) = self.own.last_mut() {
            innermost.push((name, shape));
        }
    }

    fn assign(&mut self, target: &Expr<'a>, shape: Shape) {
        if let Some(innermost) = self.own.last_mut() {
            targets(target, shape, innermost);
        }
    }
}

fn targets<'a>(target: &Expr<'a>, shape: Shape, names: &mut Vec<(&'a str, Shape)>) {
    match target {
        Expr::Var(v) => names.push((v.id, shape)),
        Expr::List(l) => l
            .items
            .iter()
            .for_each(|item| targets(item, Shape::Open, names)),
        Expr::Tuple(t) => t
            .items
            .iter()
            .for_each(|item| targets(item, Shape::Open, names)),
        _ => {}
    }
}

pub(super) fn item_of(shape: Shape) -> Shape {
    match shape {
        Shape::List(item) => *item,
        _ => Shape::Open,
    }
}

/// The expression in words, for messages.
pub(super) fn told(expr: &Expr<'_>) -> String {
    match expr {
        Expr::Var(v) => v.id.to_owned(),
        Expr::GetAttr(g) => format!("{}.{}", told(&g.expr), g.name),
        Expr::GetItem(g) => match &g.subscript_expr {
            Expr::Const(c) => format!("{}[{:?}]", told(&g.expr), c.value),
            _ => format!("{}[…]", told(&g.expr)),
        },
        Expr::Filter(f) => match &f.expr {
            Some(expr) => format!("({} | {})", told(expr), f.name),
            None => f.name.to_owned(),
        },
        _ => "this".to_owned(),
    }
}

pub(super) fn range(span: Span) -> Range<usize> {
    span.start_offset as usize..span.end_offset as usize
}

/// Spans of filters and tests begin with the name.
pub(super) fn named(span: Span, name: &str) -> Range<usize> {
    let start = span.start_offset as usize;
    start..start + name.len()
}
