//! What the operators of the language do: the filters that [`super::nullsafe`] puts in their place, and the tests of the
//! same meaning.

use std::cmp::Ordering;

use jiff::Timestamp;
use minijinja::value::{Rest, ValueKind, ValueOrKwargs};
use minijinja::{Environment, Error, ErrorKind, State, Value};

use super::output;
use super::scope::ListView;

pub(super) const LOOP: &str = "=for";
pub(super) const SLICED: &str = "=[:]";
pub(super) const NEGATIVE: &str = "=-";
pub(super) const CHAIN: &str = "=<<";
pub(super) const NOT_IN: &str = "=notin";
pub(super) const UNLESS_NULL: &str = "=?";

pub(super) fn register(env: &mut Environment<'static>) {
    for (name, also) in [
        ("==", ["eq", "equalto"]),
        ("!=", ["ne", "ne"]),
        ("<", ["lt", "lessthan"]),
        ("<=", ["le", "le"]),
        (">", ["gt", "greaterthan"]),
        (">=", ["ge", "ge"]),
        ("in", ["in", "in"]),
    ] {
        for name in [name].into_iter().chain(also) {
            env.add_test(name, comparison(name));
        }
        env.add_filter(name, comparison(name));
    }
    env.add_filter(NOT_IN, comparison(NOT_IN));
    env.add_filter(CHAIN, chain);
    env.add_filter("+", |a: &Value, b: &Value| arithmetic("+", a, b));
    env.add_filter("-", |a: &Value, b: &Value| arithmetic("-", a, b));
    env.add_filter("*", |a: &Value, b: &Value| arithmetic("*", a, b));
    env.add_filter("/", |a: &Value, b: &Value| arithmetic("/", a, b));
    env.add_filter("//", |a: &Value, b: &Value| arithmetic("//", a, b));
    env.add_filter("%", |a: &Value, b: &Value| arithmetic("%", a, b));
    env.add_filter("**", |a: &Value, b: &Value| arithmetic("**", a, b));
    env.add_filter(NEGATIVE, |a: &Value| arithmetic("-", &Value::from(0), a));
    env.add_filter("~", |a: &Value, b: &Value| -> Result<String, Error> {
        Ok(format!("{}{}", output::text(a)?, output::text(b)?))
    });
    env.add_filter(LOOP, |a: Value| match a.as_str() {
        Some("") => Value::from(Vec::<Value>::new()),
        _ if is_null(&a) => Value::from(Vec::<Value>::new()),
        _ => a,
    });
    env.add_filter(
        SLICED,
        |a: Value| if is_null(&a) { Value::from("") } else { a },
    );
    env.add_filter(UNLESS_NULL, unless_null);
    env.add_test("none", is_null);
    env.add_test("undefined", is_null);
    env.add_test("defined", |a: &Value| !is_null(a));
    env.add_test("startingwith", |a: &Value, b: &str| {
        a.as_str().is_some_and(|a| a.starts_with(b))
    });
    env.add_test("endingwith", |a: &Value, b: &str| {
        a.as_str().is_some_and(|a| a.ends_with(b))
    });
}

/// A missing thing and a null one are the same.
pub(super) fn is_null(value: &Value) -> bool {
    value.is_undefined() || value.is_none()
}

fn comparison(name: &'static str) -> fn(&Value, &Value) -> Result<bool, Error> {
    match name {
        "==" | "eq" | "equalto" => |a, b| Ok(equal(a, b)),
        "!=" | "ne" => |a, b| Ok(!equal(a, b)),
        "<" | "lt" | "lessthan" => |a, b| Ok(order(a, b).is_some_and(Ordering::is_lt)),
        "<=" | "le" => |a, b| Ok(order(a, b).is_some_and(Ordering::is_le)),
        ">" | "gt" | "greaterthan" => |a, b| Ok(order(a, b).is_some_and(Ordering::is_gt)),
        ">=" | "ge" => |a, b| Ok(order(a, b).is_some_and(Ordering::is_ge)),
        NOT_IN => |a, b| contains(b, a).map(|found| !found),
        _ => |a, b| contains(b, a),
    }
}

/// `a < b <= c`: the operands after the first are each preceded by their operator.
fn chain(first: &Value, rest: Rest<Value>) -> Result<bool, Error> {
    let mut left = first;
    for pair in rest.chunks_exact(2) {
        let compare = match pair[0].as_str() {
            Some("==") => comparison("=="),
            Some("!=") => comparison("!="),
            Some("<") => comparison("<"),
            Some("<=") => comparison("<="),
            Some(">") => comparison(">"),
            Some(">=") => comparison(">="),
            Some(NOT_IN) => comparison(NOT_IN),
            _ => comparison("in"),
        };
        if !compare(left, &pair[1])? {
            return Ok(false);
        }
        left = &pair[1];
    }
    Ok(true)
}

fn equal(a: &Value, b: &Value) -> bool {
    match (is_null(a), is_null(b)) {
        (true, true) => true,
        (false, false) => a == b,
        _ => false,
    }
}

/// `None` where there is no order: next to null, and between things of different kinds. Two moments are ordered by
/// their instants, whatever their offsets.
fn order(a: &Value, b: &Value) -> Option<Ordering> {
    if is_null(a) || is_null(b) || a.kind() != b.kind() {
        return None;
    }
    match (moment(a), moment(b)) {
        (Some(a), Some(b)) => Some(a.cmp(&b)),
        _ => a.partial_cmp(b),
    }
}

fn moment(value: &Value) -> Option<Timestamp> {
    let text = value.as_str()?;
    // Plates are compared far more often than moments, so look before parsing.
    let looks = text.len() >= 20 && text.as_bytes()[4] == b'-' && text.as_bytes()[10] == b'T';
    looks.then(|| text.parse().ok())?
}

fn contains(container: &Value, value: &Value) -> Result<bool, Error> {
    if let Some(list) = container.downcast_object_ref::<ListView>() {
        return Ok(value.as_str().is_some_and(|key| list.contains(key)));
    }
    match container.kind() {
        ValueKind::Undefined | ValueKind::None => Ok(false),
        ValueKind::String => match (container.as_str(), value.as_str()) {
            (Some(text), Some(part)) => Ok(text.contains(part)),
            _ => Ok(false),
        },
        ValueKind::Seq | ValueKind::Iterable => {
            Ok(container.try_iter()?.any(|item| equal(&item, value)))
        }
        ValueKind::Map => Ok(!is_null(value) && !container.get_item(value)?.is_undefined()),
        kind => Err(Error::new(
            ErrorKind::InvalidOperation,
            format!("nothing can be `in` a {kind}"),
        )),
    }
}

#[derive(Clone, Copy)]
enum Number {
    Whole(i128),
    Float(f64),
}

impl Number {
    fn of(value: &Value) -> Option<Self> {
        if !value.is_number() {
            None
        } else if value.is_integer() {
            i128::try_from(value.clone()).ok().map(Self::Whole)
        } else {
            f64::try_from(value.clone()).ok().map(Self::Float)
        }
    }

    fn float(self) -> f64 {
        match self {
            Self::Whole(n) => n as f64,
            Self::Float(n) => n,
        }
    }
}

/// Text is never repeated by `*`, so that a number in an event cannot ask for gigabytes.
fn arithmetic(op: &'static str, a: &Value, b: &Value) -> Result<Value, Error> {
    if is_null(a) || is_null(b) {
        return Ok(Value::from(()));
    }
    let failed = |why: &str| Err(Error::new(ErrorKind::InvalidOperation, why.to_owned()));
    let (Some(x), Some(y)) = (Number::of(a), Number::of(b)) else {
        return match (op, a.as_str(), b.as_str()) {
            ("+", Some(a), Some(b)) => Ok(Value::from(format!("{a}{b}"))),
            ("+", None, None) if a.kind() == ValueKind::Seq && b.kind() == ValueKind::Seq => {
                Ok(a.try_iter()?.chain(b.try_iter()?).collect())
            }
            _ => failed(&format!(
                "cannot use `{op}` on a {} and a {}",
                a.kind(),
                b.kind()
            )),
        };
    };
    if matches!(op, "/" | "//" | "%") && y.float() == 0.0 {
        return failed("cannot divide by zero");
    }
    let whole = match (x, y) {
        (Number::Whole(x), Number::Whole(y)) => match op {
            "+" => x.checked_add(y),
            "-" => x.checked_sub(y),
            "*" => x.checked_mul(y),
            "//" => x.checked_div_euclid(y),
            "%" => x.checked_rem_euclid(y),
            "**" => u32::try_from(y).ok().and_then(|y| x.checked_pow(y)),
            _ => None,
        },
        _ => None,
    };
    if let Some(whole) = whole {
        return Ok(i64::try_from(whole).map_or_else(|_| Value::from(whole), Value::from));
    }
    let (x, y) = (x.float(), y.float());
    Ok(Value::from(match op {
        "+" => x + y,
        "-" => x - y,
        "*" => x * y,
        "/" => x / y,
        "//" => x.div_euclid(y),
        "%" => x.rem_euclid(y),
        _ => x.powf(y),
    }))
}

/// Calls the filter named by the first argument, but hands null on.
fn unless_null(
    state: &mut State<'_, '_>,
    value: Value,
    name: &str,
    args: Rest<ValueOrKwargs>,
) -> Result<Value, Error> {
    if is_null(&value) {
        return Ok(Value::from(()));
    }
    let args = args.0.into_iter().map(Value::from).map(|arg| match name {
        "format" if is_null(&arg) => Value::from(""),
        _ => arg,
    });
    let all: Vec<Value> = std::iter::once(value).chain(args).collect();
    state.apply_filter(name, &all)
}
