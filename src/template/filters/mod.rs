//! The filters of the domain, and which of the engine's own there are.

mod likeness;
mod text;
mod time;

use minijinja::value::{Kwargs, Rest};
use minijinja::{Environment, Error, ErrorKind, Value};

use super::operators::is_null;
use super::output;
use crate::schedule::{self, Hours};

/// Those of ours. Each knows what to make of null.
const OURS: &[&str] = &[
    "epoch",
    "epoch_ms",
    "epoch_us",
    "strftime",
    "in_zone",
    "base64",
    "hex",
    "md5",
    "sha1",
    "sha256",
    "xml",
    "url",
    "tojson",
    "to_json_string",
    "plate",
    "hash_number",
    "edits",
    "required",
    "default",
    "d",
    "length",
    "count",
    "string",
    "join",
];

/// The engine's own, which are not asked about null.
const BUILT_IN: &[&str] = &[
    "abs",
    "attr",
    "batch",
    "bool",
    "capitalize",
    "chain",
    "dictsort",
    "e",
    "escape",
    "first",
    "float",
    "format",
    "groupby",
    "indent",
    "int",
    "items",
    "last",
    "lines",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "safe",
    "select",
    "selectattr",
    "slice",
    "sort",
    "split",
    "sum",
    "title",
    "trim",
    "unique",
    "upper",
    "zip",
];

pub(super) const TESTS: &[&str] = &[
    "boolean",
    "defined",
    "divisibleby",
    "endingwith",
    "eq",
    "equalto",
    "even",
    "false",
    "float",
    "ge",
    "greaterthan",
    "gt",
    "in",
    "inside",
    "int",
    "integer",
    "iterable",
    "le",
    "lessthan",
    "like",
    "lower",
    "lt",
    "mapping",
    "ne",
    "none",
    "number",
    "odd",
    "sameas",
    "sequence",
    "startingwith",
    "string",
    "true",
    "undefined",
    "upper",
    "within",
];

pub(super) fn known(name: &str) -> bool {
    names().any(|known| known == name)
}

pub(super) fn names() -> impl Iterator<Item = &'static str> {
    OURS.iter().chain(BUILT_IN).copied()
}

/// Whether the filter itself knows what to make of null; others are not called with it.
pub(super) fn takes_null(name: &str) -> bool {
    OURS.contains(&name) || name == "bool"
}

/// Refuses a constant argument that can never do, such as a zone that does not exist.
pub(super) fn check_argument(filter: &str, at: usize, text: &str) -> Result<(), String> {
    match (filter, at) {
        ("strftime", 0) => time::check_format(text),
        ("in_zone", 0) | ("strftime", 1) => schedule::zone(text).map(drop),
        ("md5" | "sha1" | "sha256", 0) => text::digest_form(Some(text))
            .map(drop)
            .map_err(|error| error.detail().unwrap_or("not a form of digests").to_owned()),
        ("map", 0) if !known(text) => Err(format!("unknown filter `{text}`")),
        ("select" | "reject", 0) | ("selectattr" | "rejectattr", 1) if !is_test(text) => {
            Err(format!("unknown test `{text}`"))
        }
        _ => Ok(()),
    }
}

/// Refuses a constant argument of a test that can never do.
pub(super) fn check_test_argument(test: &str, at: usize, text: &str) -> Result<(), String> {
    match (test, at) {
        ("like", 0) => likeness::check_pattern(text),
        ("within", 0) => Hours::parse(text).map(drop),
        ("within", 1) => schedule::zone(text).map(drop),
        _ => Ok(()),
    }
}

fn is_test(name: &str) -> bool {
    TESTS.contains(&name) || matches!(name, "==" | "!=" | "<" | "<=" | ">" | ">=")
}

pub(super) fn register(env: &mut Environment<'static>) {
    env.add_filter("epoch", time::epoch);
    env.add_filter("epoch_ms", time::epoch_ms);
    env.add_filter("epoch_us", time::epoch_us);
    env.add_filter("strftime", time::strftime);
    env.add_filter("in_zone", time::in_zone);
    env.add_filter("base64", text::base64);
    env.add_filter("hex", text::hex);
    env.add_filter("md5", text::md5);
    env.add_filter("sha1", text::sha1);
    env.add_filter("sha256", text::sha256);
    env.add_filter("xml", text::xml);
    env.add_filter("url", text::url);
    env.add_filter("plate", text::plate);
    env.add_filter("hash_number", text::hash_number);
    env.add_filter("edits", likeness::edits);
    env.add_test("like", likeness::like);
    env.add_test("inside", likeness::inside);
    env.add_test("within", time::within);
    env.add_filter("required", required);
    env.add_filter("to_json_string", text::to_json_string);
    env.add_filter("tojson", text::tojson);
    env.add_filter("default", default);
    env.add_filter("d", default);
    env.add_filter("length", length);
    env.add_filter("count", length);
    env.add_filter("string", |value: &Value| {
        output::text(value).map(|text| text.into_owned())
    });
    env.add_filter("join", join);
}

/// Without the value the delivery makes no sense, and the reason says why.
fn required(value: Value, why: Option<&str>) -> Result<Value, Error> {
    match is_null(&value) {
        false => Ok(value),
        true => Err(Error::new(
            ErrorKind::InvalidOperation,
            why.unwrap_or("a value that is required is missing")
                .to_owned(),
        )),
    }
}

/// The fallback stands in for null; with `true` behind it, also for what is empty, zero or false.
fn default(
    value: Value,
    fallback: Option<Value>,
    args: Rest<Value>,
    kwargs: Kwargs,
) -> Result<Value, Error> {
    let kwarg: Option<bool> = kwargs.get("boolean")?;
    let empty = kwarg.unwrap_or_else(|| args.first().is_some_and(Value::is_true));
    Ok(match is_null(&value) || (empty && !value.is_true()) {
        true => fallback.unwrap_or_else(|| Value::from("")),
        false => value,
    })
}

fn length(value: &Value) -> Result<usize, Error> {
    match (is_null(value), value.len()) {
        (true, _) => Ok(0),
        (false, Some(len)) => Ok(len),
        (false, None) => value.try_iter().map(Iterator::count),
    }
}

fn join(value: &Value, between: Option<&str>) -> Result<Value, Error> {
    if is_null(value) {
        return Ok(Value::from(()));
    }
    let texts = value
        .try_iter()?
        .map(|item| output::text(&item).map(|text| text.into_owned()))
        .collect::<Result<Vec<String>, Error>>()?;
    Ok(Value::from(texts.join(between.unwrap_or_default())))
}
