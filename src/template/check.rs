//! Finds what is wrong with a template before it meets an event: unknown names, fields, filters, tests and functions.

use std::ops::Range;

use minijinja::machinery::Span;
use minijinja::machinery::ast::{self, BinOpKind, CallArg, CallType, Expr, Spanned, Stmt};

use super::shape::{self, Shape, nearest};
use super::{Mistake, Names, filters};

const FUNCTIONS: &[&str] = &["range", "dict", "namespace"];
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

/// Walks one syntax tree.
pub(super) struct Check<'a> {
    names: Names,
    lists: &'a [String],
    /// Names that the template gave itself, innermost last.
    own: Vec<Vec<(&'a str, Shape)>>,
    mistakes: Vec<Mistake>,
}

impl<'a> Check<'a> {
    pub(super) fn new(names: Names, lists: &'a [String]) -> Self {
        Self {
            names,
            lists,
            own: vec![Vec::new()],
            mistakes: Vec::new(),
        }
    }

    /// The first mistake in the order of the text.
    pub(super) fn finish(self) -> Result<(), Mistake> {
        match self
            .mistakes
            .into_iter()
            .min_by_key(|mistake| mistake.range.start)
        {
            Some(mistake) => Err(mistake),
            None => Ok(()),
        }
    }

    fn mistake(&mut self, range: Range<usize>, message: String, help: Option<String>) {
        self.mistakes.push(Mistake {
            message,
            help,
            range,
            path: Vec::new(),
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

    pub(super) fn expression(&mut self, expr: &Expr<'a>) -> Shape {
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
                    (base @ (Shape::Map(_) | Shape::Lists), Some(key)) => {
                        self.field(base, &key, &g.expr, range(g.subscript_expr.span()))
                    }
                    (Shape::List(item), _) => *item,
                    (Shape::Images, Some(key)) if key == "list" => Shape::List(&shape::PICTURE),
                    (Shape::Images, _) => shape::PICTURE,
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

    fn arguments(&mut self, all: &[CallArg<'a>]) {
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
        let known = top_level();
        let allowed = |name: &str| {
            self.names == Names::Rendering || !matches!(name, "images" | "with" | "delivery")
        };
        let (message, help) = match known.iter().find(|(name, _)| *name == v.id) {
            Some((name, shape)) if allowed(name) => return *shape,
            Some((name, _)) => (
                format!("`{name}` is not known yet when routes choose"),
                Some("here are `event`, `plate`, `face`, `object`, `lists` and `now`".to_owned()),
            ),
            None if FUNCTIONS.contains(&v.id) => return Shape::Open,
            None => (
                format!("unknown name `{}`", v.id),
                Some(self.suggest_name(v.id, &known)),
            ),
        };
        self.mistake(range(v.span()), message, help);
        Shape::Open
    }

    fn suggest_name(&self, name: &str, known: &[(&'static str, Shape)]) -> String {
        if let Shape::Map(fields) = shape::EVENT
            && fields.iter().any(|(field, _)| *field == name)
        {
            return format!("did you mean `event.{name}`?");
        }
        let own = self.own.iter().flatten().map(|(name, _)| *name);
        let all = known.iter().map(|(name, _)| *name).chain(own);
        match nearest(name, all) {
            Some(near) => format!("did you mean `{near}`?"),
            None if self.names == Names::Choosing => {
                "here are `event`, `plate`, `face`, `object`, `lists` and `now`; a text stands in quotes"
                    .to_owned()
            }
            None => "here are `event`, `plate`, `face`, `object`, `images`, `lists`, `with`, `delivery` and `now`; \
                     a text stands in quotes"
                .to_owned(),
        }
    }

    fn field(&mut self, base: Shape, name: &str, of: &Expr<'a>, at: Range<usize>) -> Shape {
        let what = told(of);
        match base {
            Shape::Open => Shape::Open,
            Shape::Images if name == "list" => Shape::List(&shape::PICTURE),
            Shape::Images => shape::PICTURE,
            Shape::Lists => {
                if !self.lists.iter().any(|list| list == name) {
                    let help = nearest(name, self.lists.iter().map(String::as_str))
                        .map(|near| format!("did you mean `{what}.{near}`?"))
                        .or_else(|| {
                            self.lists
                                .is_empty()
                                .then(|| "there are none under `lists`".to_owned())
                        });
                    self.mistake(at, format!("unknown list `{name}`"), help);
                }
                Shape::Open
            }
            Shape::Map(fields) => match fields.iter().find(|(field, _)| *field == name) {
                Some((_, shape)) => *shape,
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

    fn filter(&mut self, f: &Spanned<ast::Filter<'a>>) -> Shape {
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
        let mut of_item = Shape::Open;
        if let Some((path, span)) = field {
            of_item = self.path(item_of(input), path, span);
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
            "default" | "d" => match f.args.first() {
                Some(_) => Shape::Open,
                None => input,
            },
            "map" if !matches!(of_item, Shape::Open) => Shape::Open,
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

    fn call(&mut self, c: &Spanned<ast::Call<'a>>) -> Shape {
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

fn top_level() -> [(&'static str, Shape); 9] {
    [
        ("event", shape::EVENT),
        ("plate", shape::PLATE),
        ("face", shape::FACE),
        ("object", shape::OBJECT),
        ("images", Shape::Images),
        ("lists", Shape::Lists),
        ("with", Shape::Open),
        ("delivery", shape::DELIVERY),
        ("now", shape::NOW),
    ]
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

fn item_of(shape: Shape) -> Shape {
    match shape {
        Shape::List(item) => *item,
        _ => Shape::Open,
    }
}

/// What is known of a value that is one or the other.
fn common(a: Shape, b: Shape) -> Shape {
    match (a, b) {
        (Shape::Map(x), Shape::Map(y)) if std::ptr::eq(x, y) => a,
        _ => Shape::Open,
    }
}

/// The expression in words, for messages.
fn told(expr: &Expr<'_>) -> String {
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

fn range(span: Span) -> Range<usize> {
    span.start_offset as usize..span.end_offset as usize
}

/// Spans of filters and tests begin with the name.
fn named(span: Span, name: &str) -> Range<usize> {
    let start = span.start_offset as usize;
    start..start + name.len()
}
