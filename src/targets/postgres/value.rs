//! A value in the type that the statement wants. Values go as text, which the server itself reads in that type; bytes go as
//! they are.

use std::error::Error;
use std::fmt::Write as _;

use bytes::BytesMut;
use serde_json::{Number, Value};
use tokio_postgres::types::{Format, IsNull, Kind, ToSql, Type, to_sql_checked};

use crate::payload::Field;

#[derive(Debug)]
pub(super) struct Bound(pub(super) Field);

impl ToSql for Bound {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match &self.0 {
            Field::Value(Value::Null) => return Ok(IsNull::Yes),
            Field::Bytes(bytes) if *ty == Type::BYTEA => out.extend_from_slice(bytes),
            Field::Bytes(_) => {
                let reason = format!(
                    "a picture is no {ty}: give it to a column of the type bytea, or use `| base64`"
                );
                return Err(reason.into());
            }
            Field::Value(value) if is_json(ty) => {
                out.extend_from_slice(storable(value).to_string().as_bytes());
            }
            Field::Value(value) => out.extend_from_slice(text(value, ty).as_bytes()),
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, ty: &Type) -> Format {
        if *ty == Type::BYTEA {
            Format::Binary
        } else {
            Format::Text
        }
    }

    to_sql_checked!();
}

fn is_json(ty: &Type) -> bool {
    *ty == Type::JSON || *ty == Type::JSONB
}

fn text(value: &Value, ty: &Type) -> String {
    match (value, ty.kind()) {
        (Value::String(text), _) => text.replace('\0', "\u{fffd}"),
        (Value::Number(number), _) if [Type::INT2, Type::INT4, Type::INT8].contains(ty) => {
            whole(number)
        }
        (Value::Array(items), Kind::Array(of)) => array(items, of),
        (other, _) => storable(other).to_string(),
    }
}

/// `210.0` is no integer to the server, but it is one.
fn whole(number: &Number) -> String {
    match number.as_f64() {
        Some(float) if number.is_f64() && float.fract() == 0.0 => format!("{float:.0}"),
        _ => number.to_string(),
    }
}

/// As `{"a","b",NULL}`.
fn array(items: &[Value], of: &Type) -> String {
    let mut literal = String::from("{");
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            literal.push(',');
        }
        match item {
            Value::Null => literal.push_str("NULL"),
            item => {
                let text = if is_json(of) {
                    storable(item).to_string()
                } else {
                    text(item, of)
                };
                let quoted = text.replace('\\', "\\\\").replace('"', "\\\"");
                let _ = write!(literal, "\"{quoted}\"");
            }
        }
    }
    literal.push('}');
    literal
}

/// PostgreSQL stores no NUL, neither in texts nor in jsonb; vendors' documents may hold one.
fn storable(value: &Value) -> Value {
    match value {
        Value::String(text) => text.replace('\0', "\u{fffd}").into(),
        Value::Array(items) => items.iter().map(storable).collect(),
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| (key.replace('\0', "\u{fffd}"), storable(value)))
            .collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_written_as_the_server_reads_them() {
        assert_eq!(text(&json!(210.0), &Type::INT4), "210");
        assert_eq!(text(&json!(0.5), &Type::NUMERIC), "0.5");
        assert_eq!(text(&json!("a\0b"), &Type::TEXT), "a\u{fffd}b");
        assert_eq!(text(&json!(true), &Type::BOOL), "true");
        let list = json!(["a\"b\\", null, "c,d"]);
        assert_eq!(text(&list, &Type::TEXT_ARRAY), r#"{"a\"b\\",NULL,"c,d"}"#);
        assert_eq!(
            storable(&json!({ "a": ["\0"] })),
            json!({ "a": ["\u{fffd}"] })
        );
    }
}
