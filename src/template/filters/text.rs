//! Filters that encode texts and pictures.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use data_encoding::HEXLOWER;
use md5::{Digest, Md5};
use minijinja::value::{Kwargs, Value, ValueKind};
use minijinja::{Error, ErrorKind};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha1::Sha1;
use sha2::Sha256;

use crate::event::PictureData;
use crate::lists;
use crate::template::operators::is_null;
use crate::template::output;
use crate::template::scope::PictureView;

/// All but the unreserved characters of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

pub(super) fn base64(value: &Value) -> Result<Value, Error> {
    encode(value, |bytes| STANDARD.encode(bytes))
}

pub(super) fn hex(value: &Value) -> Result<Value, Error> {
    encode(value, |bytes| HEXLOWER.encode(bytes))
}

pub(super) fn md5(value: &Value, as_text: Option<&str>) -> Result<Value, Error> {
    let write = digest_form(as_text)?;
    encode(value, |bytes| write(&Md5::digest(bytes)))
}

pub(super) fn sha1(value: &Value, as_text: Option<&str>) -> Result<Value, Error> {
    let write = digest_form(as_text)?;
    encode(value, |bytes| write(&Sha1::digest(bytes)))
}

pub(super) fn sha256(value: &Value, as_text: Option<&str>) -> Result<Value, Error> {
    let write = digest_form(as_text)?;
    encode(value, |bytes| write(&Sha256::digest(bytes)))
}

/// A digest is written in hex, or in what the argument names.
pub(super) fn digest_form(as_text: Option<&str>) -> Result<fn(&[u8]) -> String, Error> {
    match as_text {
        None | Some("hex") => Ok(|bytes| HEXLOWER.encode(bytes)),
        Some("base64") => Ok(|bytes| STANDARD.encode(bytes)),
        Some(other) => Err(Error::new(
            ErrorKind::InvalidOperation,
            format!("a digest is written as `hex` or `base64`, not `{other}`"),
        )),
    }
}

/// Of a picture or body its bytes, of all else its text; null stays null.
fn encode(value: &Value, with: impl Fn(&[u8]) -> String) -> Result<Value, Error> {
    if is_null(value) {
        return Ok(Value::from(()));
    }
    let encoded = match value.downcast_object_ref::<PictureView>() {
        Some(view) => match &view.0.data {
            PictureData::Bytes(bytes) => with(bytes),
            PictureData::Url(_) => {
                return Err(Error::new(
                    ErrorKind::InvalidOperation,
                    format!(
                        "the {} picture is known only by its address: a `fetch` step gets it",
                        view.0.role
                    ),
                ));
            }
        },
        None => match (value.kind(), value.as_bytes()) {
            (ValueKind::Bytes, Some(bytes)) => with(bytes),
            _ => with(output::text(value)?.as_bytes()),
        },
    };
    Ok(Value::from(encoded))
}

/// For text and attributes of XML 1.0; characters that it cannot hold at all are dropped.
pub(super) fn xml(value: &Value) -> Result<String, Error> {
    let text = output::text(value)?;
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&apos;"),
            '\t' | '\n' | '\r' => safe.push(c),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {}
            _ => safe.push(c),
        }
    }
    Ok(safe)
}

/// For one part of a path or one value of a query. Marked as safe, so that an address does not encode it once more.
pub(super) fn url(value: &Value) -> Result<Value, Error> {
    let text = output::text(value)?;
    let encoded = utf8_percent_encode(&text, RESERVED).to_string();
    Ok(Value::from_safe_string(encoded))
}

/// A whole number made from a text, the same each time: 53 bits, which every reader of JSON keeps.
pub(super) fn hash_number(value: &Value) -> Result<Value, Error> {
    if is_null(value) {
        return Ok(Value::from(()));
    }
    let digest = Sha256::digest(output::text(value)?.as_bytes());
    let number = digest[..7]
        .iter()
        .fold(0u64, |all, byte| all << 8 | u64::from(*byte));
    Ok(Value::from(number >> 3))
}

/// In the form that plates are compared in.
pub(super) fn plate(value: &Value) -> Result<Value, Error> {
    if is_null(value) {
        return Ok(Value::from(()));
    }
    Ok(Value::from(lists::normalise(&output::text(value)?)))
}

/// JSON text; indented by two blanks with `indent=true`.
pub(super) fn tojson(
    value: &Value,
    indent: Option<&Value>,
    kwargs: Kwargs,
) -> Result<String, Error> {
    let json = output::json(value)?;
    let kwarg: Option<Value> = kwargs.get("indent")?;
    match kwarg.is_some_and(|on| on.is_true()) || indent.is_some_and(Value::is_true) {
        true => Ok(format!("{json:#}")),
        false => Ok(json.to_string()),
    }
}

/// The value's text as a JSON string, quotes included: JSON inside of JSON.
pub(super) fn to_json_string(value: &Value) -> Result<String, Error> {
    let text: Cow<'_, str> = output::text(value)?;
    Ok(serde_json::Value::from(text).to_string())
}
