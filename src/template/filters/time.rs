//! Filters that tell a moment in the forms that receivers want.
//!
//! A moment is RFC 3339 text with its offset, and its fractions are kept as far as the camera told them.

use jiff::fmt::strtime;
use jiff::fmt::temporal::{Pieces, PiecesOffset};
use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, Zoned};
use minijinja::value::Value;
use minijinja::{Error, ErrorKind};

use crate::event::Moment;
use crate::schedule::{Hours, zone};
use crate::template::operators::is_null;

/// Whole seconds since 1970.
pub(super) fn epoch(value: &Value) -> Result<Value, Error> {
    count(value, 1_000_000_000)
}

pub(super) fn epoch_ms(value: &Value) -> Result<Value, Error> {
    count(value, 1_000_000)
}

pub(super) fn epoch_us(value: &Value) -> Result<Value, Error> {
    count(value, 1_000)
}

fn count(value: &Value, nanoseconds: i128) -> Result<Value, Error> {
    let Some(moment) = moment(value)? else {
        return Ok(Value::from(()));
    };
    let count = moment.instant().as_nanosecond().div_euclid(nanoseconds);
    Ok(i64::try_from(count).map_or_else(|_| Value::from(count), Value::from))
}

/// In the moment's own offset, or in the zone named.
pub(super) fn strftime(
    value: &Value,
    format: &str,
    zone_name: Option<&str>,
) -> Result<Value, Error> {
    let Some(moment) = moment(value)? else {
        return Ok(Value::from(()));
    };
    let local = match zone_name {
        Some(name) => moment.instant().to_zoned(zone(name).map_err(invalid)?),
        None => moment.local(),
    };
    formatted(format, &local).map(Value::from).map_err(invalid)
}

/// The same moment, told with the offset that the zone has then.
pub(super) fn in_zone(value: &Value, name: &str) -> Result<Value, Error> {
    let Some(moment) = moment(value)? else {
        return Ok(Value::from(()));
    };
    let offset = zone(name).map_err(invalid)?.to_offset(moment.instant());
    Ok(Value::from(
        Moment::new(moment.instant(), offset).to_string(),
    ))
}

/// Whether it happened in these hours of the week, by the moment's own offset unless they or `zone_name` tell a zone. Null
/// happened never.
pub(super) fn within(value: &Value, hours: &str, zone_name: Option<&str>) -> Result<bool, Error> {
    let hours = Hours::parse(hours).map_err(invalid)?;
    let hours = match zone_name {
        Some(name) => hours.in_zone(&zone(name).map_err(invalid)?),
        None => hours,
    };
    Ok(moment(value)?.is_some_and(|moment| hours.hold(moment)))
}

pub(super) fn check_format(format: &str) -> Result<(), String> {
    formatted(format, &Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC)).map(drop)
}

fn formatted(format: &str, local: &Zoned) -> Result<String, String> {
    strtime::format(format, local).map_err(|error| format!("`{format}`: {error}"))
}

/// `None` for null.
fn moment(value: &Value) -> Result<Option<Moment>, Error> {
    if is_null(value) {
        return Ok(None);
    }
    let parsed = value.as_str().and_then(|text| {
        let instant: Timestamp = text.parse().ok()?;
        let offset = match Pieces::parse(text).ok()?.offset()? {
            PiecesOffset::Numeric(numeric) => numeric.offset(),
            _ => Offset::UTC,
        };
        Some(Moment::new(instant, offset))
    });
    parsed.map(Some).ok_or_else(|| {
        invalid(format!(
            "`{value}` is no moment: expected such as 2024-06-07T08:31:00Z"
        ))
    })
}

fn invalid(why: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, why)
}
