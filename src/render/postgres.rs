//! Writes rows for PostgreSQL: a statement that is the same for every event, and the values that go beside it.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::{Building, Mistakes};
use crate::event::Picture;
use crate::payload::{Field, Row};
use crate::template::{Engine, Names, Output, RenderError, Scope, Structure, Template};

/// The row a database is given.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// One statement with `$1`, `$2`, … for the values, such as
    /// `INSERT INTO plates (uid, plate) VALUES ($1, $2) ON CONFLICT (uid) DO NOTHING`. No template: values reach the
    /// database apart from it. `{table}` in it stands for `table`.
    pub(crate) sql: String,
    /// The name of the table that `{table}` stands for, perhaps with its schema: `plates`, `gate.plates`.
    #[serde(default)]
    pub(crate) table: Option<String>,
    /// The values of `$1`, `$2`, …, each in the type that the statement wants there: text, number, time, `true`, a list for
    /// an array, a structure for `jsonb`, a picture such as `"{{ images.plate }}"` for `bytea`. What is null is NULL.
    #[serde(default)]
    pub(crate) values: Vec<Value>,
}

/// The compiled [`Settings`].
pub(crate) struct Writer {
    sql: String,
    values: Vec<Cell>,
    address: Option<(String, u16)>,
}

enum Cell {
    Template(Template),
    Structure(Structure),
}

impl Writer {
    pub(super) fn new(
        settings: &Settings,
        engine: &Engine,
        names: Names,
        address: Option<(String, u16)>,
    ) -> Result<Self, Mistakes> {
        let mut building = Building::new(engine, names);
        if settings.sql.contains("{{") {
            building.wrong(
                &["sql"],
                "a statement is no template: what an event tells must not become SQL".to_owned(),
                Some("write `$1` here, and the template as the first of `values`"),
            );
        }
        let sql = match &settings.table {
            Some(table) if is_name(table) => settings.sql.replace("{table}", table),
            Some(_) => {
                let message = "a table's name is of letters, digits and `_`".to_owned();
                building.wrong(
                    &["table"],
                    message,
                    Some("such as `plates`, or `gate.plates`"),
                );
                String::new()
            }
            None if settings.sql.contains("{table}") => {
                let message = "`{table}` stands for `table`, which is not set".to_owned();
                building.wrong(&["sql"], message, Some("add `table: plates`"));
                String::new()
            }
            None => settings.sql.clone(),
        };
        let mut values = Vec::new();
        for (index, value) in settings.values.iter().enumerate() {
            let at = index.to_string();
            let at = ["values", at.as_str()];
            values.extend(match value {
                Value::String(source) => building.template(&at, source).map(Cell::Template),
                other => building.structure(&at, other).map(Cell::Structure),
            });
        }
        building.done(Some(Self {
            sql,
            values,
            address,
        }))
    }

    pub(super) fn address(&self) -> Option<(String, u16)> {
        self.address.clone()
    }

    pub(super) fn write(&self, scope: &Scope) -> Result<Row, RenderError> {
        let values = self.values.iter().map(|cell| match cell {
            Cell::Structure(structure) => structure.json(scope).map(Field::Value),
            Cell::Template(template) => field(template.output(scope)?),
        });
        Ok(Row {
            sql: self.sql.clone(),
            values: values.collect::<Result<_, _>>()?,
        })
    }
}

fn field(output: Output) -> Result<Field, RenderError> {
    let bytes = |picture: &Picture| {
        picture.bytes().cloned().map(Field::Bytes).ok_or_else(|| {
            let reason = "the picture is known only by its address: fetch it in a step before";
            RenderError(reason.to_owned())
        })
    };
    match output {
        Output::Json(value) => Ok(Field::Value(value)),
        Output::Picture(picture) => bytes(&picture),
        Output::Pictures(pictures) => match pictures.as_slice() {
            [] => Ok(Field::Value(Value::Null)),
            [picture] => bytes(picture),
            _ => Err(RenderError(
                "a value is one picture, such as {{ images.frame }}".to_owned(),
            )),
        },
    }
}

/// One to three plain identifiers: what needs no quotes cannot end them.
fn is_name(text: &str) -> bool {
    let plain = |part: &str| {
        let starts = |first: char| first.is_ascii_alphabetic() || first == '_';
        part.len() <= 63
            && part.starts_with(starts)
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    text.split('.').count() <= 3 && text.split('.').all(plain)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn writer(settings: Value) -> Result<Writer, Mistakes> {
        let settings: Settings = serde_json::from_value(settings).unwrap();
        Writer::new(&settings, &Engine::new(&[]), Names::Rendering, None)
    }

    #[test]
    fn a_statement_is_no_template() {
        for settings in [
            json!({ "sql": "INSERT INTO t VALUES ('{{ event.id }}')" }),
            json!({ "sql": "INSERT INTO {table} VALUES ($1)", "values": ["{{ event.id }}"] }),
            json!({ "sql": "INSERT INTO {table} VALUES (1)", "table": "t; DROP TABLE t" }),
            json!({ "sql": "INSERT INTO {table} VALUES (1)", "table": "a..b" }),
            json!({ "sql": "INSERT INTO t VALUES ($1)", "values": ["{{ event.nothing }}"] }),
        ] {
            assert!(writer(settings.clone()).is_err(), "{settings}");
        }
        let named = json!({ "sql": "DELETE FROM {table}", "table": "gate.plates" });
        assert_eq!(writer(named).ok().unwrap().sql, "DELETE FROM gate.plates");
    }
}
