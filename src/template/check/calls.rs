//! Which filters, functions and methods a template calls.

use minijinja::machinery::Span;
use minijinja::machinery::ast::{self, CallArg, CallType, Expr, Spanned};

use super::{Check, item_of, named, range, told};
use crate::template::filters;
use crate::template::shape::{Shape, nearest};

pub(super) const FUNCTIONS: &[&str] = &["range", "dict", "namespace"];
/// Filters that give one of the items they are given.
const PICKING: &[&str] = &["first", "last", "min", "max"];
/// Filters that give a list of some of the items they are given.
const SIFTING: &[&str] = &[
    "sort",
    "reverse",
    "list",
    "unique",
    "select",
    "reject",
    "selectattr",
    "rejectattr",
];
/// Filters whose argument names a field of the items.
const BY_FIELD: &[&str] = &["selectattr", "rejectattr", "groupby"];

impl<'a> Check<'a> {
    pub(super) fn filter(&mut self, f: &Spanned<ast::Filter<'a>>) -> Shape {
        let input = f
            .expr
            .as_ref()
            .map_or(Shape::Open, |expr| self.expression(expr));
        self.arguments(&f.args);
        if !filters::known(f.name) {
            let help =
                nearest(f.name, filters::names()).map(|name| format!("did you mean `| {name}`?"));
            self.mistake(
                named(f.span(), f.name),
                format!("unknown filter `{}`", f.name),
                help,
            );
            return Shape::Open;
        }
        let first = f.args.iter().find_map(|arg| match arg {
            CallArg::Pos(Expr::Const(c)) => Some((c.value.as_str()?, c.span())),
            _ => None,
        });
        let field = f.args.iter().find_map(|arg| match arg {
            CallArg::Kwarg("attribute", Expr::Const(c)) => Some((c.value.as_str()?, c.span())),
            _ => None,
        });
        let field = field.or(first.filter(|_| BY_FIELD.contains(&f.name)));
        if let Some((path, span)) = field {
            self.path(item_of(input), path, span);
        }
        for (at, arg) in f.args.iter().enumerate() {
            if let CallArg::Pos(Expr::Const(c)) = arg
                && let Some(text) = c.value.as_str()
                && let Err(why) = filters::check_argument(f.name, at, text)
            {
                self.mistake(range(c.span()), why, None);
            }
        }
        match f.name {
            name if PICKING.contains(&name) => item_of(input),
            name if SIFTING.contains(&name) => input,
            "default" | "d" if f.args.is_empty() => input,
            _ => Shape::Open,
        }
    }

    /// A path such as `vehicle.make`, given to a filter as a text.
    fn path(&mut self, mut shape: Shape, path: &str, span: Span) -> Shape {
        for name in path.split('.') {
            shape = match shape {
                Shape::Map(fields) => match fields.iter().find(|(field, _)| *field == name) {
                    Some((_, shape)) => *shape,
                    None => {
                        let help = shape
                            .suggest(name)
                            .map(|near| format!("did you mean `{near}`?"));
                        self.mistake(
                            range(span),
                            format!("the items have no field `{name}`"),
                            help,
                        );
                        return Shape::Open;
                    }
                },
                _ => return Shape::Open,
            };
        }
        shape
    }

    pub(super) fn call(&mut self, c: &Spanned<ast::Call<'a>>) -> Shape {
        self.arguments(&c.args);
        match c.identify_call() {
            CallType::Function(name) => {
                let own = self.own.iter().flatten().any(|(known, _)| *known == name);
                if !own && !FUNCTIONS.contains(&name) {
                    let help = match filters::known(name) {
                        true => Some(format!("`{name}` is a filter: write `value | {name}`")),
                        false => nearest(name, FUNCTIONS.iter().copied())
                            .map(|near| format!("did you mean `{near}`?")),
                    };
                    self.mistake(
                        range(c.expr.span()),
                        format!("unknown function `{name}`"),
                        help,
                    );
                }
            }
            CallType::Method(base, name) => {
                let shape = self.expression(base);
                if !matches!(shape, Shape::Open) {
                    let help = filters::known(name)
                        .then(|| format!("`{name}` is a filter: write `{} | {name}`", told(base)));
                    let end = c.expr.span().end_offset as usize;
                    self.mistake(
                        end.saturating_sub(name.len())..end,
                        format!("`{}` has no method `{name}`", told(base)),
                        help,
                    );
                }
            }
            CallType::Block(_) => self.alone("block", c.span()),
            CallType::Object(base) => {
                self.expression(base);
            }
        }
        Shape::Open
    }
}
