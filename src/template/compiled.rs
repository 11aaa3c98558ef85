//! What templates are once they are compiled, and what they come to for one delivery.

use std::sync::Arc;

use minijinja::machinery::Instructions;
use serde_json::Value as Json;

use super::engine::Engine;
use super::output::{self, Output};
use super::scope::Scope;
use super::why::Why;
use super::{RenderError, url};

/// A text that may hold `{{ … }}`. Knows its source.
#[derive(Clone)]
pub(crate) struct Template {
    pub(super) engine: Engine,
    pub(super) source: Arc<str>,
    pub(super) form: Form,
}

#[derive(Clone)]
pub(super) enum Form {
    Literal,
    /// Exactly one `{{ expression }}`.
    Single(Arc<Code>),
    Mixed(Arc<Code>),
    Path(Arc<Code>),
    Subject(Arc<Code>),
    /// Whether its host is the config's.
    Url(Arc<Code>, bool),
}

pub(super) type Code = Instructions<'static>;

/// A MiniJinja expression that is true or false (`when`). A condition that cannot be evaluated is false.
#[derive(Clone)]
pub(crate) struct Condition {
    pub(super) engine: Engine,
    pub(super) source: &'static str,
    pub(super) code: Arc<Code>,
    /// `None` should its text be no expression by itself.
    pub(super) why: Option<Why>,
}

/// A YAML structure (map, list, text, number, …) whose texts are templates, keys in order.
#[derive(Clone)]
pub(crate) struct Structure(pub(super) Node);

#[derive(Clone)]
pub(super) enum Node {
    Plain(Json),
    Text(Template),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

impl Template {
    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    /// As text; null is the empty text, a number or list is its JSON, a picture is an error.
    pub(crate) fn text(&self, scope: &Scope) -> Result<String, RenderError> {
        match &self.form {
            Form::Literal => Ok(self.source.as_ref().to_owned()),
            Form::Single(code) => {
                let value = self.engine.value(code, scope)?;
                Ok(output::text(&value)?.into_owned())
            }
            Form::Mixed(code) => {
                let mut text = String::with_capacity(self.source.len() * 2);
                self.engine.run(code, scope, &mut text)?;
                Ok(text)
            }
            Form::Path(code) => {
                let mut text = String::with_capacity(self.source.len() * 2);
                self.engine.run_path(code, scope, &mut text)?;
                Ok(text)
            }
            Form::Subject(code) => {
                let mut text = String::with_capacity(self.source.len() * 2);
                self.engine.run_subject(code, scope, &mut text)?;
                Ok(text)
            }
            Form::Url(code, trusted) => {
                let mut text = String::with_capacity(self.source.len() * 2);
                self.engine.run_url(code, scope, &mut text)?;
                url::address(&text, *trusted)
            }
        }
    }

    /// A text that is exactly one `{{ expression }}` keeps the value's type; blanks around it do not count.
    pub(crate) fn output(&self, scope: &Scope) -> Result<Output, RenderError> {
        match &self.form {
            Form::Single(code) => Output::of(&self.engine.value(code, scope)?),
            Form::Literal | Form::Mixed(_) | Form::Path(_) | Form::Subject(_) | Form::Url(..) => {
                self.text(scope).map(|text| Output::Json(text.into()))
            }
        }
    }
}

impl Condition {
    pub(crate) fn holds(&self, scope: &Scope) -> bool {
        self.engine
            .value(&self.code, scope)
            .is_ok_and(|value| value.is_true())
    }

    /// Which part of it says no, with the values that it read. Asked only when it does not hold: it takes several times
    /// as long.
    pub(crate) fn why(&self, scope: &Scope) -> String {
        match &self.why {
            Some(why) => why.tell(self.source, &self.engine, scope),
            None => self.source.to_owned(),
        }
    }

    /// The same where *no* is not the safe answer: `None` when it cannot be evaluated.
    pub(crate) fn evaluated(&self, scope: &Scope) -> Option<bool> {
        let value = self.engine.value(&self.code, scope);
        Some(value.ok()?.is_true())
    }
}

impl Structure {
    /// A picture inside is an error that says to use `| base64`.
    pub(crate) fn json(&self, scope: &Scope) -> Result<Json, RenderError> {
        self.0.json(scope)
    }
}

impl Node {
    fn json(&self, scope: &Scope) -> Result<Json, RenderError> {
        Ok(match self {
            Self::Plain(json) => json.clone(),
            Self::Text(template) => match template.output(scope)? {
                Output::Json(json) => json,
                Output::Picture(_) | Output::Pictures(_) => {
                    return Err(RenderError(format!(
                        "`{}` is a picture, which JSON cannot hold: use `| base64`",
                        template.source().trim()
                    )));
                }
            },
            Self::List(items) => items
                .iter()
                .map(|item| item.json(scope))
                .collect::<Result<_, _>>()?,
            Self::Map(entries) => {
                let mut map = serde_json::Map::new();
                for (key, value) in entries {
                    let value = value.json(scope)?;
                    if !value.is_null() {
                        map.insert(key.clone(), value);
                    }
                }
                Json::Object(map)
            }
        })
    }
}
