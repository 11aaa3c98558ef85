//! What a condition reads of the event, and how it is shown.

use minijinja::Value;
use minijinja::machinery::ast::{CallArg, Expr};
use minijinja::value::ValueKind;

use crate::template::compiled::Code;
use crate::template::engine::compile_expression;

/// Values told of one part.
const READS_MAX: usize = 4;
/// Characters of one value.
const VALUE_MAX: usize = 40;

/// Adds what is read of the event and its items. Headers are not: what they hold is between the sender and us.
pub(super) fn find_reads(
    expr: &Expr<'static>,
    source: &'static str,
    reads: &mut Vec<(String, Code)>,
) {
    if let Some(path) = path(expr) {
        let is_secret = path.starts_with("event.headers")
            || ["password", "secret", "token", "authorization", "api_key"]
                .iter()
                .any(|word| path.to_ascii_lowercase().contains(word));
        let is_known = reads.iter().any(|(known, _)| *known == path);
        if !is_secret && !is_known && reads.len() < READS_MAX {
            reads.push((path, compile_expression(expr, source)));
        }
        return;
    }
    let mut below = |expr: &Expr<'static>| find_reads(expr, source, reads);
    match expr {
        Expr::Var(_) | Expr::Const(_) => {}
        Expr::Slice(s) => {
            below(&s.expr);
            [&s.start, &s.stop, &s.step]
                .into_iter()
                .flatten()
                .for_each(below);
        }
        Expr::UnaryOp(u) => below(&u.expr),
        Expr::BinOp(b) => {
            below(&b.left);
            below(&b.right);
        }
        Expr::Compare(c) => {
            below(&c.expr);
            c.ops.iter().for_each(|op| below(&op.expr));
        }
        Expr::IfExpr(i) => {
            below(&i.test_expr);
            below(&i.true_expr);
            i.false_expr.iter().for_each(below);
        }
        Expr::Filter(f) => {
            f.expr.iter().for_each(&mut below);
            arguments(&f.args, below);
        }
        Expr::Test(t) => {
            below(&t.expr);
            arguments(&t.args, below);
        }
        Expr::GetAttr(g) => below(&g.expr),
        Expr::GetItem(g) => {
            below(&g.expr);
            below(&g.subscript_expr);
        }
        Expr::Call(c) => arguments(&c.args, below),
        Expr::List(l) => l.items.iter().for_each(below),
        Expr::Tuple(t) => t.items.iter().for_each(below),
        Expr::Map(m) => m.keys.iter().chain(&m.values).for_each(below),
    }
}

fn arguments(args: &[CallArg<'static>], below: impl FnMut(&Expr<'static>)) {
    args.iter()
        .map(|arg| match arg {
            CallArg::Pos(e)
            | CallArg::Kwarg(_, e)
            | CallArg::PosSplat(e)
            | CallArg::KwargSplat(e) => e,
        })
        .for_each(below);
}

/// A place in the event or an item, as it is written.
fn path(expr: &Expr<'_>) -> Option<String> {
    match expr {
        Expr::Var(v) if ["event", "plate", "face", "object"].contains(&v.id) => {
            Some(v.id.to_owned())
        }
        Expr::GetAttr(g) => Some(format!("{}.{}", path(&g.expr)?, g.name)),
        Expr::GetItem(g) => match &g.subscript_expr {
            Expr::Const(key) => {
                let key = match key.value.as_str() {
                    Some(text) => serde_json::Value::from(text).to_string(),
                    None => key.value.to_string(),
                };
                Some(format!("{}[{key}]", path(&g.expr)?))
            }
            _ => None,
        },
        _ => None,
    }
}

/// A value in a few characters; of a structure only what it is.
pub(super) fn shown(value: &Value) -> String {
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => "null".to_owned(),
        ValueKind::Bool | ValueKind::Number => value.to_string(),
        ValueKind::String => {
            let text = value.as_str().unwrap_or_default();
            let end = text.char_indices().nth(VALUE_MAX).map(|(end, _)| end);
            let dots = if end.is_some() { "…" } else { "" };
            let quoted = serde_json::Value::from(&text[..end.unwrap_or(text.len())]);
            format!("{quoted}{dots}")
        }
        ValueKind::Seq | ValueKind::Iterable => {
            let count = value.len().unwrap_or_default();
            format!("a list of {count}")
        }
        _ => "a map".to_owned(),
    }
}
