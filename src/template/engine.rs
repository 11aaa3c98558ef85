//! Compiles templates, and runs what was compiled.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use minijinja::machinery::ast::{Expr, Stmt};
use minijinja::machinery::{CodeGenerator, eval, make_string_output, parse, parse_expr};
use minijinja::{AutoEscape, Environment, Error, UndefinedBehavior, Value};
use serde_json::Value as Json;

use super::check::Check;
use super::compiled::{Code, Condition, Form, Node, Structure, Template};
use super::known::{Known, ROLES};
use super::output;
use super::scope::Scope;
use super::syntax::{syntax, syntax_mistake};
use super::why::Why;
use super::{Mistake, Names, filters, nullsafe, operators, origin, source, url};
use crate::payload::{safe_segment, safe_token};

/// Instructions that one evaluation may take: some tens of milliseconds. A loop over 50 000 items fits.
pub(super) const FUEL: u64 = 1_000_000;
/// How deep macros and recursive loops may call one another.
pub(super) const RECURSION_MAX: usize = 100;

/// Compiles templates. Cheap to clone; every template keeps it alive.
#[derive(Clone)]
pub(crate) struct Engine(Arc<Inner>);

struct Inner {
    env: Environment<'static>,
    /// The same, but what is written of each value is one safe segment of a path.
    paths: Environment<'static>,
    /// The same, but each value is one token of a subject.
    subjects: Environment<'static>,
    /// The same, but each value is marked for [`url::address`].
    urls: Environment<'static>,
    known: Known,
}

impl Engine {
    /// `lists` are the names of the config's lists, so that a template that names another is refused.
    #[cfg(test)]
    pub(crate) fn new(lists: &[String]) -> Self {
        Self::knowing(Known {
            lists: lists.to_vec(),
            ..Known::default()
        })
    }

    pub(crate) fn knowing(known: Known) -> Self {
        let mut paths = environment();
        paths.set_formatter(|out, _, value| {
            Ok(out.write_str(&safe_segment(&output::text(value)?))?)
        });
        let mut subjects = environment();
        subjects
            .set_formatter(|out, _, value| Ok(out.write_str(&safe_token(&output::text(value)?))?));
        let mut urls = environment();
        urls.set_formatter(|out, _, value| Ok(out.write_str(&url::marked(value)?)?));
        Self(Arc::new(Inner {
            env: environment(),
            paths,
            subjects,
            urls,
            known,
        }))
    }

    /// The same for the templates of a target whose preset has these settings; `told` are those that hold templates.
    pub(crate) fn with_settings(&self, with: Vec<String>, told: BTreeSet<String>) -> Self {
        Self::knowing(Known {
            with: Some(with),
            told,
            ..self.0.known.clone()
        })
    }

    /// The same for the templates of a target that lists the hosts which it may send to.
    pub(crate) fn with_hosts(&self) -> Self {
        Self::knowing(Known {
            hosts: true,
            ..self.0.known.clone()
        })
    }

    pub(crate) fn template(&self, source: &str, names: Names) -> Result<Template, Mistake> {
        if let Some(range) = source::endless_tag(source) {
            return Err(source::endless(range));
        }
        if let Some(range) = source::deep_block(source) {
            return Err(source::too_deep(range));
        }
        let form = match ["{{", "{%", "{#"].iter().any(|mark| source.contains(mark)) {
            true => self.form(source::keep(source), names)?,
            false => Form::Literal,
        };
        Ok(Template {
            engine: self.clone(),
            source: source.into(),
            form,
        })
    }

    /// The path of a file: what each `{{ … }}` comes to is made one safe segment, the text around it stays as it is
    /// written. In the path that comes of it a value's `%` is doubled, for strftime is yet to go over it.
    pub(crate) fn path(&self, source: &str, names: Names) -> Result<Template, Mistake> {
        self.filled(source, names, |_, code| Ok(Form::Path(code)))
    }

    /// A subject of NATS: what each `{{ … }}` comes to is made one token.
    pub(crate) fn subject(&self, source: &str, names: Names) -> Result<Template, Mistake> {
        self.filled(source, names, |_, code| Ok(Form::Subject(code)))
    }

    /// An address: what each `{{ … }}` comes to is percent-encoded as one part of the path or query that it stands in,
    /// unless `| url` did so already; in the host it may hold nothing that ends the host. What stands at the very
    /// beginning is taken as it is. Up to the end of the host, all must be the config's, unless the target lists its hosts.
    pub(crate) fn url(&self, source: &str, names: Names) -> Result<Template, Mistake> {
        self.filled(source, names, |tree, code| {
            url::check(source)?;
            match origin::check(tree, &self.0.known, 0..source.len()) {
                Err(mistake) if !self.0.known.hosts => Err(mistake),
                checked => Ok(Form::Url(code, checked.is_ok())),
            }
        })
    }

    fn filled(
        &self,
        source: &str,
        names: Names,
        form: impl FnOnce(&Stmt<'_>, Arc<Code>) -> Result<Form, Mistake>,
    ) -> Result<Template, Mistake> {
        let mut template = self.template(source, names)?;
        if !matches!(template.form, Form::Literal) {
            let source = source::keep(source);
            let tree = parse(source, "template", syntax())
                .map_err(|error| syntax_mistake(&error, source))?;
            template.form = form(&tree, Arc::new(compile(&tree, source)))?;
        }
        Ok(template)
    }

    /// What is wrong with the name of a picture that stands by itself, not in a template.
    pub(crate) fn picture(&self, name: &str) -> Result<(), Mistake> {
        let Some((message, near)) = self.0.known.wrong_picture(name) else {
            return Ok(());
        };
        let help = near.map_or_else(
            || {
                format!(
                    "there are {}, `video`, and the names that steps give with `as`",
                    words(ROLES)
                )
            },
            |near| format!("did you mean `{near}`?"),
        );
        Err(Mistake {
            message,
            help: Some(help),
            range: 0..name.len(),
            path: Vec::new(),
            others: Vec::new(),
        })
    }

    /// What is wrong with the name of a list that stands by itself, not in a template.
    pub(crate) fn list(&self, name: &str) -> Result<(), Mistake> {
        self.0.known.list(name)
    }

    fn form(&self, source: &'static str, names: Names) -> Result<Form, Mistake> {
        let tree =
            parse(source, "template", syntax()).map_err(|error| syntax_mistake(&error, source))?;
        let mut check = Check::new(names, &self.0.known);
        check.statement(&tree);
        check.finish()?;
        Ok(match single(&tree) {
            Some(expr) => Form::Single(Arc::new(compile_expression(expr, source))),
            None => Form::Mixed(Arc::new(compile(&tree, source))),
        })
    }

    pub(crate) fn condition(&self, source: &str, names: Names) -> Result<Condition, Mistake> {
        let source = source::keep(source);
        let trimmed = source.trim();
        if trimmed.starts_with("{{") && trimmed.ends_with("}}") {
            return Err(Mistake {
                message: "a condition is an expression by itself".to_owned(),
                help: Some("leave out `{{` and `}}`".to_owned()),
                range: 0..source.len(),
                path: Vec::new(),
                others: Vec::new(),
            });
        }
        if source::is_endless(source) {
            return Err(source::endless(0..source.len()));
        }
        let tree = parse_expr(source).map_err(|error| syntax_mistake(&error, source))?;
        let mut check = Check::new(names, &self.0.known);
        check.expression(&tree);
        check.finish()?;
        Ok(Condition {
            engine: self.clone(),
            source,
            code: Arc::new(compile_expression(&tree, source)),
            why: Why::new(source, &tree),
        })
    }

    /// A key whose value comes to null is left out, also one that is null as written.
    pub(crate) fn structure(&self, source: &Json, names: Names) -> Result<Structure, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        let node = self.node(source, names, &mut Vec::new(), &mut mistakes);
        match mistakes.is_empty() {
            true => Ok(Structure(node)),
            false => Err(mistakes),
        }
    }

    fn node(
        &self,
        source: &Json,
        names: Names,
        path: &mut Vec<String>,
        mistakes: &mut Vec<Mistake>,
    ) -> Node {
        let mut below = |key: String, value: &Json, mistakes: &mut Vec<Mistake>| {
            path.push(key);
            let node = self.node(value, names, path, mistakes);
            path.pop();
            node
        };
        match source {
            Json::String(text) => match self.template(text, names) {
                Ok(template) => Node::Text(template),
                Err(mistake) => {
                    mistakes.push(Mistake {
                        path: path.clone(),
                        ..mistake
                    });
                    Node::Plain(Json::Null)
                }
            },
            Json::Array(items) => Node::List(
                items
                    .iter()
                    .enumerate()
                    .map(|(at, item)| below(at.to_string(), item, mistakes))
                    .collect(),
            ),
            Json::Object(map) => Node::Map(
                map.iter()
                    .map(|(key, value)| (key.clone(), below(key.clone(), value, mistakes)))
                    .collect(),
            ),
            plain => Node::Plain(plain.clone()),
        }
    }

    pub(super) fn run(
        &self,
        code: &Code,
        scope: &Scope,
        text: &mut String,
    ) -> Result<Option<Value>, Error> {
        run(&self.0.env, code, scope, text)
    }

    /// Each value is one safe segment of a path.
    pub(super) fn run_path(
        &self,
        code: &Code,
        scope: &Scope,
        text: &mut String,
    ) -> Result<(), Error> {
        run(&self.0.paths, code, scope, text).map(drop)
    }

    /// Each value is one token of a subject.
    pub(super) fn run_subject(
        &self,
        code: &Code,
        scope: &Scope,
        text: &mut String,
    ) -> Result<(), Error> {
        run(&self.0.subjects, code, scope, text).map(drop)
    }

    /// Each value is marked as such, for [`url::address`].
    pub(super) fn run_url(
        &self,
        code: &Code,
        scope: &Scope,
        text: &mut String,
    ) -> Result<(), Error> {
        run(&self.0.urls, code, scope, text).map(drop)
    }

    pub(super) fn value(&self, code: &Code, scope: &Scope) -> Result<Value, Error> {
        // An expression leaves its value; nothing is written.
        self.run(code, scope, &mut String::new())
            .map(Option::unwrap_or_default)
    }
}

/// Such as "`a`, `b`".
pub(super) fn words(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    words.join(", ")
}

fn environment() -> Environment<'static> {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::Chainable);
    env.set_recursion_limit(RECURSION_MAX);
    env.set_fuel(Some(FUEL));
    env.set_debug(false);
    env.set_formatter(|out, _, value| Ok(out.write_str(&output::text(value)?)?));
    env.remove_global("debug");
    filters::register(&mut env);
    operators::register(&mut env);
    env
}

fn run(
    env: &Environment<'static>,
    code: &Code,
    scope: &Scope,
    text: &mut String,
) -> Result<Option<Value>, Error> {
    let mut out = make_string_output(text);
    let blocks = BTreeMap::new();
    eval(
        env,
        code,
        scope.value(),
        &blocks,
        &mut out,
        AutoEscape::None,
    )
    .map(|(value, _)| value)
}

/// The expression of a template that is nothing else.
fn single<'t, 's>(tree: &'t Stmt<'s>) -> Option<&'t Expr<'s>> {
    let Stmt::Template(template) = tree else {
        return None;
    };
    let mut rest = template
        .children
        .iter()
        .filter(|stmt| !matches!(stmt, Stmt::EmitRaw(raw) if raw.raw.trim().is_empty()));
    match (rest.next(), rest.next()) {
        (Some(Stmt::EmitExpr(emit)), None) => Some(&emit.expr),
        _ => None,
    }
}

fn compile(tree: &Stmt<'static>, source: &'static str) -> Code {
    let mut generator = CodeGenerator::new("template", source);
    generator.compile_stmt(&nullsafe::statement(tree));
    generator.finish().0
}

pub(super) fn compile_expression(expr: &Expr<'static>, source: &'static str) -> Code {
    let mut generator = CodeGenerator::new("expression", source);
    generator.compile_expr(&nullsafe::expression(expr));
    generator.finish().0
}
