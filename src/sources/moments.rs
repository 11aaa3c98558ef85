//! Times as programs of all sorts write them, told apart by their shape.
//!
//! What could be read in two ways (`03/04/2025`) is not read at all.

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use jiff::tz::TimeZone;
use serde_json::Value;

use crate::event::Moment;

/// A moment from text, or from a number of seconds, milliseconds, microseconds or nanoseconds since 1970, told apart by
/// their size. `zone` is for what tells none.
pub(super) fn read(value: &Value, zone: &TimeZone) -> Option<Moment> {
    match value {
        Value::Number(number) => since_1970(number.as_f64()?, number.as_i64(), zone),
        Value::String(text) => read_text(text.trim(), zone),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn read_text(text: &str, zone: &TimeZone) -> Option<Moment> {
    if let Some(moment) = Moment::parse_lenient(text, zone) {
        return Some(moment);
    }
    if let Some(text) = spelled_out(text) {
        return Moment::parse_lenient(&text, zone);
    }
    if let Ok(number) = text.parse::<f64>() {
        return since_1970(number, text.parse().ok(), zone);
    }
    let zoned = rfc2822::parse(text).ok()?;
    Some(Moment::new(zoned.timestamp(), zoned.offset()))
}

/// `20250304101112`, `20250304T101112.5Z` and `04.03.2025 10:11:12` with the separators that ISO 8601 has.
fn spelled_out(text: &str) -> Option<String> {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let part = |text: &'_ str, at: usize, len: usize| {
        text.get(at..at + len)
            .filter(|part| digits(part))
            .map(str::to_owned)
    };
    if text.get(2..3) == Some(".") && text.get(5..6) == Some(".") {
        let (day, month, year) = (part(text, 0, 2)?, part(text, 3, 2)?, part(text, 6, 4)?);
        return Some(format!("{year}-{month}-{day}{}", text.get(10..)?));
    }
    let (year, month, day) = (part(text, 0, 4)?, part(text, 4, 2)?, part(text, 6, 2)?);
    let rest = text.get(8..)?;
    let time = rest.trim_start_matches(['T', 't', ' ', '-', '_']);
    // Fourteen digits are a date; numbers since 1970 have ten, thirteen, sixteen or nineteen.
    let is_bare = time.len() == rest.len();
    if is_bare && (text.len() != 14 || !digits(text)) {
        return None;
    }
    let (hour, minute, second) = (part(time, 0, 2)?, part(time, 2, 2)?, part(time, 4, 2)?);
    let after = time.get(6..)?;
    Some(format!(
        "{year}-{month}-{day}T{hour}:{minute}:{second}{after}"
    ))
}

fn since_1970(number: f64, whole: Option<i64>, zone: &TimeZone) -> Option<Moment> {
    // Seconds reach the year 5138, milliseconds begin in 1973.
    let nanoseconds = match number.abs() {
        size if size < 1e11 => 1_000_000_000_i64,
        size if size < 1e14 => 1_000_000,
        size if size < 1e17 => 1_000,
        _ => 1,
    };
    let nanosecond = match whole {
        Some(whole) => i128::from(whole) * i128::from(nanoseconds),
        // To the microsecond, which is all that a fraction in 64 bits holds; the cast saturates.
        None => ((number * (nanoseconds as f64 / 1_000.0)).round() as i128).saturating_mul(1_000),
    };
    let instant = Timestamp::from_nanosecond(nanosecond).ok()?;
    (number > 0.0).then(|| Moment::new(instant, zone.to_offset(instant)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: Value) -> Option<String> {
        let zone = TimeZone::get("Europe/Rome").unwrap();
        super::read(&value, &zone).map(|moment| moment.to_string())
    }

    #[test]
    fn reads_every_form_that_cannot_be_mistaken() {
        for told in [
            json!("2025-03-04T10:11:12+01:00"),
            json!("2025/03/04 10:11:12"),
            json!("2025-03-04T09:11:12Z"),
            json!("20250304101112"),
            json!("20250304T101112"),
            json!("20250304 101112"),
            json!("04.03.2025 10:11:12"),
            json!("Tue, 04 Mar 2025 10:11:12 +0100"),
            json!("1741079472"),
            json!(1_741_079_472),
            json!(1_741_079_472_000_i64),
            json!(1_741_079_472_000_000_i64),
            json!(1_741_079_472_000_000_000_i64),
            json!(1_741_079_472.0),
        ] {
            let moment = read(told.clone()).unwrap_or_else(|| panic!("{told}"));
            let moment: Timestamp = moment.parse().unwrap();
            assert_eq!(moment.to_string(), "2025-03-04T09:11:12Z", "{told}");
        }
        assert_eq!(
            read(json!(1_741_079_472.25)).as_deref(),
            Some("2025-03-04T10:11:12.25+01:00")
        );
    }

    #[test]
    fn what_could_be_two_things_or_none_is_not_read() {
        for told in [
            json!("03/04/2025 10:11"),
            json!("10:11:12"),
            json!("yesterday"),
            json!("2025-03-04"),
            json!("20251304101112"),
            json!(0),
            json!(-5),
            json!("NaN"),
            json!("1e300"),
            json!(1e300),
            json!(null),
            json!([1]),
            json!("é.é."),
        ] {
            assert_eq!(read(told.clone()), None, "{told}");
        }
    }
}
