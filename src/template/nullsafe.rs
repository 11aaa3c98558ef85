//! Rewrites a syntax tree so that null is harmless in it.
//!
//! The engine compiles `a < b` to an instruction of its own, so the tree is built anew with `a | <(b)` in its place, where
//! `<` is a filter of [`operators`] whose name no user can write. A chain such as `0 < a < 9` becomes one call with all
//! its operands, and each is evaluated once.

use minijinja::Value;
use minijinja::machinery::Span;
use minijinja::machinery::ast::{self, BinOpKind, CallArg, CompareOpKind, Expr, Spanned, Stmt};

use super::{filters, operators};

/// What JSON and YAML call `none`, for those who write templates beside them.
pub(super) const NULL: &str = "null";

pub(super) fn statement<'s>(stmt: &Stmt<'s>) -> Stmt<'s> {
    match stmt {
        Stmt::Template(t) => Stmt::Template(Spanned::new(
            ast::Template {
                children: statements(&t.children),
            },
            t.span(),
        )),
        Stmt::EmitExpr(e) => Stmt::EmitExpr(Spanned::new(
            ast::EmitExpr {
                expr: expression(&e.expr),
            },
            e.span(),
        )),
        Stmt::EmitRaw(e) => Stmt::EmitRaw(Spanned::new(ast::EmitRaw { raw: e.raw }, e.span())),
        Stmt::ForLoop(l) => Stmt::ForLoop(Spanned::new(
            ast::ForLoop {
                target: target(&l.target),
                iter: call(operators::LOOP, &l.iter, [], l.span()),
                filter_expr: l.filter_expr.as_ref().map(expression),
                recursive: l.recursive,
                body: statements(&l.body),
                else_body: statements(&l.else_body),
            },
            l.span(),
        )),
        Stmt::IfCond(c) => Stmt::IfCond(Spanned::new(
            ast::IfCond {
                expr: expression(&c.expr),
                true_body: statements(&c.true_body),
                false_body: statements(&c.false_body),
            },
            c.span(),
        )),
        Stmt::WithBlock(w) => Stmt::WithBlock(Spanned::new(
            ast::WithBlock {
                assignments: w
                    .assignments
                    .iter()
                    .map(|(target, value)| (self::target(target), expression(value)))
                    .collect(),
                body: statements(&w.body),
            },
            w.span(),
        )),
        Stmt::Set(s) => Stmt::Set(Spanned::new(
            ast::Set {
                target: target(&s.target),
                expr: expression(&s.expr),
            },
            s.span(),
        )),
        Stmt::SetBlock(s) => Stmt::SetBlock(Spanned::new(
            ast::SetBlock {
                target: target(&s.target),
                filter: s.filter.as_ref().map(expression),
                body: statements(&s.body),
            },
            s.span(),
        )),
        Stmt::AutoEscape(a) => Stmt::AutoEscape(Spanned::new(
            ast::AutoEscape {
                enabled: expression(&a.enabled),
                body: statements(&a.body),
            },
            a.span(),
        )),
        Stmt::FilterBlock(f) => Stmt::FilterBlock(Spanned::new(
            ast::FilterBlock {
                filter: expression(&f.filter),
                body: statements(&f.body),
            },
            f.span(),
        )),
        Stmt::Macro(m) => Stmt::Macro(r#macro(m)),
        Stmt::CallBlock(c) => Stmt::CallBlock(Spanned::new(
            ast::CallBlock {
                call: invocation(&c.call),
                macro_decl: r#macro(&c.macro_decl),
            },
            c.span(),
        )),
        Stmt::Do(d) => Stmt::Do(Spanned::new(
            ast::Do {
                call: invocation(&d.call),
            },
            d.span(),
        )),
        // The check refuses templates that lean on other templates; what is left of one does nothing.
        Stmt::Block(_)
        | Stmt::Import(_)
        | Stmt::FromImport(_)
        | Stmt::Extends(_)
        | Stmt::Include(_) => {
            Stmt::EmitRaw(Spanned::new(ast::EmitRaw { raw: "" }, Span::default()))
        }
    }
}

fn statements<'s>(all: &[Stmt<'s>]) -> Vec<Stmt<'s>> {
    all.iter().map(statement).collect()
}

fn r#macro<'s>(m: &Spanned<ast::Macro<'s>>) -> Spanned<ast::Macro<'s>> {
    Spanned::new(
        ast::Macro {
            name: m.name,
            args: m.args.iter().map(target).collect(),
            defaults: expressions(&m.defaults),
            body: statements(&m.body),
        },
        m.span(),
    )
}

/// A name that is given stays a name.
fn target<'s>(expr: &Expr<'s>) -> Expr<'s> {
    match expr {
        Expr::Var(v) => Expr::Var(Spanned::new(ast::Var { id: v.id }, v.span())),
        Expr::List(l) => Expr::List(Spanned::new(
            ast::List {
                items: l.items.iter().map(target).collect(),
            },
            l.span(),
        )),
        Expr::Tuple(t) => Expr::Tuple(Spanned::new(
            ast::Tuple {
                items: t.items.iter().map(target).collect(),
            },
            t.span(),
        )),
        other => expression(other),
    }
}

fn expressions<'s>(all: &[Expr<'s>]) -> Vec<Expr<'s>> {
    all.iter().map(expression).collect()
}

pub(super) fn expression<'s>(expr: &Expr<'s>) -> Expr<'s> {
    match expr {
        Expr::Var(v) if v.id == NULL => constant(Value::from(()), v.span()),
        Expr::Var(v) => Expr::Var(Spanned::new(ast::Var { id: v.id }, v.span())),
        Expr::Const(c) => constant(c.value.clone(), c.span()),
        Expr::Slice(s) => Expr::Slice(Spanned::new(
            ast::Slice {
                expr: call(operators::SLICED, &s.expr, [], s.span()),
                start: s.start.as_ref().map(expression),
                stop: s.stop.as_ref().map(expression),
                step: s.step.as_ref().map(expression),
            },
            s.span(),
        )),
        Expr::UnaryOp(u) => match u.op {
            ast::UnaryOpKind::Not => not(expression(&u.expr), u.span()),
            ast::UnaryOpKind::Neg => call(operators::NEGATIVE, &u.expr, [], u.span()),
        },
        Expr::BinOp(b) => binary(b),
        Expr::Compare(c) => chain(c),
        Expr::IfExpr(i) => Expr::IfExpr(Spanned::new(
            ast::IfExpr {
                test_expr: expression(&i.test_expr),
                true_expr: expression(&i.true_expr),
                false_expr: i.false_expr.as_ref().map(expression),
            },
            i.span(),
        )),
        Expr::Filter(f) => filter(f),
        Expr::Test(t) => Expr::Test(Spanned::new(
            ast::Test {
                name: t.name,
                expr: expression(&t.expr),
                args: arguments(&t.args),
            },
            t.span(),
        )),
        Expr::GetAttr(g) => Expr::GetAttr(Spanned::new(
            ast::GetAttr {
                expr: expression(&g.expr),
                name: g.name,
            },
            g.span(),
        )),
        Expr::GetItem(g) => Expr::GetItem(Spanned::new(
            ast::GetItem {
                expr: expression(&g.expr),
                subscript_expr: expression(&g.subscript_expr),
            },
            g.span(),
        )),
        Expr::Call(c) => Expr::Call(invocation(c)),
        Expr::List(l) => Expr::List(Spanned::new(
            ast::List {
                items: expressions(&l.items),
            },
            l.span(),
        )),
        Expr::Tuple(t) => Expr::Tuple(Spanned::new(
            ast::Tuple {
                items: expressions(&t.items),
            },
            t.span(),
        )),
        Expr::Map(m) => Expr::Map(Spanned::new(
            ast::Map {
                keys: expressions(&m.keys),
                values: expressions(&m.values),
            },
            m.span(),
        )),
    }
}

fn binary<'s>(b: &Spanned<ast::BinOp<'s>>) -> Expr<'s> {
    let name = match b.op {
        BinOpKind::ScAnd | BinOpKind::ScOr => {
            return Expr::BinOp(Spanned::new(
                ast::BinOp {
                    op: b.op,
                    left: expression(&b.left),
                    right: expression(&b.right),
                },
                b.span(),
            ));
        }
        BinOpKind::Eq => "==",
        BinOpKind::Ne => "!=",
        BinOpKind::Lt => "<",
        BinOpKind::Lte => "<=",
        BinOpKind::Gt => ">",
        BinOpKind::Gte => ">=",
        BinOpKind::In => "in",
        BinOpKind::Add => "+",
        BinOpKind::Sub => "-",
        BinOpKind::Mul => "*",
        BinOpKind::Div => "/",
        BinOpKind::FloorDiv => "//",
        BinOpKind::Rem => "%",
        BinOpKind::Pow => "**",
        BinOpKind::Concat => "~",
    };
    call(name, &b.left, [expression(&b.right)], b.span())
}

fn chain<'s>(c: &Spanned<ast::Compare<'s>>) -> Expr<'s> {
    let operands = c.ops.iter().flat_map(|op| {
        let name = match op.op {
            CompareOpKind::Eq => "==",
            CompareOpKind::Ne => "!=",
            CompareOpKind::Lt => "<",
            CompareOpKind::Lte => "<=",
            CompareOpKind::Gt => ">",
            CompareOpKind::Gte => ">=",
            CompareOpKind::In => "in",
            CompareOpKind::NotIn => operators::NOT_IN,
        };
        [constant(Value::from(name), c.span()), expression(&op.expr)]
    });
    call(operators::CHAIN, &c.expr, operands, c.span())
}

/// The engine's own filters know no null, so they are called through one that hands it on; also by `map('upper')`.
fn filter<'s>(f: &Spanned<ast::Filter<'s>>) -> Expr<'s> {
    let mut args = arguments(&f.args);
    if let ("map", Some(CallArg::Pos(Expr::Const(mapped)))) = (f.name, f.args.first())
        && mapped
            .value
            .as_str()
            .is_some_and(|name| !filters::takes_null(name))
    {
        let name = constant(Value::from(operators::UNLESS_NULL), f.span());
        args.insert(0, CallArg::Pos(name));
    }
    let mut name = f.name;
    if f.expr.is_some() && !filters::takes_null(name) {
        args.insert(0, CallArg::Pos(constant(Value::from(name), f.span())));
        name = operators::UNLESS_NULL;
    }
    Expr::Filter(Spanned::new(
        ast::Filter {
            name,
            expr: f.expr.as_ref().map(expression),
            args,
        },
        f.span(),
    ))
}

fn invocation<'s>(c: &Spanned<ast::Call<'s>>) -> Spanned<ast::Call<'s>> {
    Spanned::new(
        ast::Call {
            expr: expression(&c.expr),
            args: arguments(&c.args),
        },
        c.span(),
    )
}

fn arguments<'s>(all: &[CallArg<'s>]) -> Vec<CallArg<'s>> {
    all.iter()
        .map(|arg| match arg {
            CallArg::Pos(e) => CallArg::Pos(expression(e)),
            CallArg::Kwarg(name, e) => CallArg::Kwarg(name, expression(e)),
            CallArg::PosSplat(e) => CallArg::PosSplat(expression(e)),
            CallArg::KwargSplat(e) => CallArg::KwargSplat(expression(e)),
        })
        .collect()
}

fn call<'s>(
    name: &'static str,
    value: &Expr<'s>,
    operands: impl IntoIterator<Item = Expr<'s>>,
    span: Span,
) -> Expr<'s> {
    Expr::Filter(Spanned::new(
        ast::Filter {
            name,
            expr: Some(expression(value)),
            args: operands.into_iter().map(CallArg::Pos).collect(),
        },
        span,
    ))
}

fn constant<'s>(value: Value, span: Span) -> Expr<'s> {
    Expr::Const(Spanned::new(ast::Const { value }, span))
}

fn not<'s>(expr: Expr<'s>, span: Span) -> Expr<'s> {
    Expr::UnaryOp(Spanned::new(
        ast::UnaryOp {
            op: ast::UnaryOpKind::Not,
            expr,
        },
        span,
    ))
}
