//! A moment as a camera tells it: an instant, and the offset of the camera's zone where it is known.

use std::borrow::Cow;
use std::fmt;

use jiff::civil::DateTime;
use jiff::fmt::temporal::{Pieces, PiecesOffset};
use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, Zoned};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An instant with the offset it was told in. Orders and compares by the instant alone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    instant: Timestamp,
    offset: Offset,
}

/// A time as it was told, and how much of its zone was told with it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Told {
    pub(crate) moment: Moment,
    pub(crate) zone: Zone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Zone {
    /// Such as `+01:00`: the sender knew where it is.
    Offset,
    /// Such as ` 01:00`: a form decoder took the plus for a blank.
    OffsetWithoutPlus,
    /// `Z`.
    Utc,
    /// None told, the default was used.
    Assumed,
}

impl Told {
    /// Reads a time in any form that cameras and Python programs write: `T` or blank between date and time, seconds
    /// and fraction (of any length, cut at nanoseconds) or not, `Z`, `±HH:MM`, `±HHMM`, `±HH`, a plus that was lost, or
    /// no zone at all, which is then `default`. `None` for everything else.
    pub(crate) fn read(text: &str, default: &TimeZone) -> Option<Self> {
        let (civil, rest) = read_civil(text.trim())?;
        let zone = rest.trim_start();
        if zone.is_empty() {
            let zoned = default.to_ambiguous_zoned(civil).compatible().ok()?;
            return Some(Self {
                moment: Moment::new(zoned.timestamp(), zoned.offset()),
                zone: Zone::Assumed,
            });
        }
        let (offset, zone) = match zone.as_bytes()[0] {
            b'Z' | b'z' if zone.len() == 1 => (Offset::UTC, Zone::Utc),
            b'+' => (read_offset(&zone[1..])?, Zone::Offset),
            b'-' => (-read_offset(&zone[1..])?, Zone::Offset),
            b'0'..=b'9' if rest.len() > zone.len() => (read_offset(zone)?, Zone::OffsetWithoutPlus),
            _ if zone.eq_ignore_ascii_case("UTC") || zone.eq_ignore_ascii_case("GMT") => {
                (Offset::UTC, Zone::Utc)
            }
            _ => return None,
        };
        Some(Self {
            moment: Moment::new(offset.to_timestamp(civil).ok()?, offset),
            zone,
        })
    }
}

/// Date and time of day at the start of `text`, and what follows them.
fn read_civil(text: &str) -> Option<(DateTime, &str)> {
    let mut rest = text;
    let year = i16::try_from(digits(&mut rest, 4)?).ok()?;
    skip(&mut rest, &['-', '/'])?;
    let month = i8::try_from(digits(&mut rest, 2)?).ok()?;
    skip(&mut rest, &['-', '/'])?;
    let day = i8::try_from(digits(&mut rest, 2)?).ok()?;
    skip(&mut rest, &['T', 't', ' '])?;
    rest = rest.trim_start();
    let hour = i8::try_from(digits(&mut rest, 2)?).ok()?;
    skip(&mut rest, &[':'])?;
    let minute = i8::try_from(digits(&mut rest, 2)?).ok()?;
    let mut second = 0;
    let mut nanosecond = 0;
    if skip(&mut rest, &[':']).is_some() {
        second = i8::try_from(digits(&mut rest, 2)?).ok()?.min(59); // a leap second: jiff has none
        if skip(&mut rest, &['.', ',']).is_some() {
            nanosecond = read_fraction(&mut rest)?;
        }
    }
    let civil = DateTime::new(year, month, day, hour, minute, second, nanosecond).ok()?;
    Some((civil, rest))
}

fn read_fraction(rest: &mut &str) -> Option<i32> {
    let length = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (fraction, after) = rest.split_at(length);
    *rest = after;
    let kept = &fraction[..length.min(9)];
    let value: i32 = kept.parse().ok()?;
    Some(value * 10_i32.pow(u32::try_from(9 - kept.len()).ok()?))
}

/// `HH:MM`, `HHMM` or `HH`, nothing after it.
fn read_offset(text: &str) -> Option<Offset> {
    let mut rest = text;
    let hours = digits(&mut rest, 2)?;
    let minutes = if rest.is_empty() {
        0
    } else {
        skip(&mut rest, &[':']);
        digits(&mut rest, 2)?
    };
    if !rest.is_empty() || minutes > 59 {
        return None;
    }
    Offset::from_seconds(hours * 3_600 + minutes * 60).ok()
}

/// Exactly `count` digits (at most 4) from the start of `rest`.
fn digits(rest: &mut &str, count: usize) -> Option<i32> {
    let number = rest.get(..count)?;
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    *rest = &rest[count..];
    number.parse().ok()
}

fn skip(rest: &mut &str, one_of: &[char]) -> Option<()> {
    *rest = rest.strip_prefix(one_of)?;
    Some(())
}

impl Moment {
    /// As [`Told::read`], for those who do not mind how the zone was told.
    pub(crate) fn parse_lenient(text: &str, default: &TimeZone) -> Option<Self> {
        Told::read(text, default).map(|told| told.moment)
    }

    pub(crate) fn new(instant: Timestamp, offset: Offset) -> Self {
        Self { instant, offset }
    }

    pub(crate) fn utc(instant: Timestamp) -> Self {
        Self {
            instant,
            offset: Offset::UTC,
        }
    }

    pub(crate) fn instant(self) -> Timestamp {
        self.instant
    }

    /// The wall clock where the camera is.
    pub(crate) fn local(self) -> Zoned {
        self.instant.to_zoned(self.offset.to_time_zone())
    }
}

impl PartialEq for Moment {
    fn eq(&self, other: &Self) -> bool {
        self.instant == other.instant
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.offset == Offset::UTC {
            write!(f, "{}", self.instant)
        } else {
            write!(f, "{}", self.instant.display_with_offset(self.offset))
        }
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for Moment {
    fn schema_name() -> Cow<'static, str> {
        "Moment".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date-time" })
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let instant: Timestamp = text.parse().map_err(serde::de::Error::custom)?;
        let pieces = Pieces::parse(&text).map_err(serde::de::Error::custom)?;
        let offset = match pieces.offset() {
            Some(PiecesOffset::Numeric(numeric)) => numeric.offset(),
            _ => Offset::UTC,
        };
        Ok(Self { instant, offset })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> (String, Zone) {
        let told = Told::read(text, &TimeZone::UTC).unwrap_or_else(|| panic!("{text}"));
        (told.moment.to_string(), told.zone)
    }

    #[test]
    fn reads_every_form_that_senders_write() {
        for (text, expected, zone) in [
            (
                "2021-10-27T06:20:55.161444Z",
                "2021-10-27T06:20:55.161444Z",
                Zone::Utc,
            ),
            (
                "2025-02-19T09:35:04.691903+01:00",
                "2025-02-19T09:35:04.691903+01:00",
                Zone::Offset,
            ),
            (
                "2021-10-27 06:20:55.161444+00:00",
                "2021-10-27T06:20:55.161444Z",
                Zone::Offset,
            ),
            (
                "2021-10-27 06:20:55.161444 00:00",
                "2021-10-27T06:20:55.161444Z",
                Zone::OffsetWithoutPlus,
            ),
            (
                "2025-02-19 09:35:04.691903+0100",
                "2025-02-19T09:35:04.691903+01:00",
                Zone::Offset,
            ),
            (
                "2025-02-19 09:35:04-0330",
                "2025-02-19T09:35:04-03:30",
                Zone::Offset,
            ),
            (
                "2025-02-19 09:35:04 0530",
                "2025-02-19T09:35:04+05:30",
                Zone::OffsetWithoutPlus,
            ),
            (
                "2025-02-19 09:35:04 -05",
                "2025-02-19T09:35:04-05:00",
                Zone::Offset,
            ),
            (
                "2019-08-31T14:22:06.983Z",
                "2019-08-31T14:22:06.983Z",
                Zone::Utc,
            ),
            (
                "2025-09-09 23:22:38.030345",
                "2025-09-09T23:22:38.030345Z",
                Zone::Assumed,
            ),
            ("2020-01-16 17:00:00", "2020-01-16T17:00:00Z", Zone::Assumed),
            (" 2020/01/16t17:00 UTC\n", "2020-01-16T17:00:00Z", Zone::Utc),
            (
                "2016-12-31T23:59:60.1234567891234Z",
                "2016-12-31T23:59:59.123456789Z",
                Zone::Utc,
            ),
        ] {
            assert_eq!(read(text), (expected.to_owned(), zone), "{text}");
        }
    }

    #[test]
    fn a_time_without_a_zone_is_read_in_the_default_one() {
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        let moment = Moment::parse_lenient("2020-01-16 17:00:00", &zone).unwrap();
        assert_eq!(moment.to_string(), "2020-01-16T17:00:00+02:00");
        let moment = Moment::parse_lenient("2020-01-16 17:00:00Z", &zone).unwrap();
        assert_eq!(moment.to_string(), "2020-01-16T17:00:00Z");
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "now",
            "2020",
            "2020-01-16",
            "2020-13-01 00:00:00",
            "2020-02-30 00:00:00",
            "2020-01-16 24:00:00",
            "2020-01-16 17:00:00.",
            "2020-01-16 17:00:00+99:00",
            "2020-01-16 17:00:00+01:75",
            "2020-01-16 17:00:00Zulu",
            "2020-01-16 17:00:0001:00",
            "-001-01-01 00:00:00",
            "2020-01-16 17:00:00+",
            "1700000000",
            "２020-01-16 17:00:00",
        ] {
            assert_eq!(Told::read(text, &TimeZone::UTC), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC*", near in "[0-9]{4}-[01][0-9]-[0-3][0-9][T ][0-2][0-9]:[0-5][0-9][-+:. 0-9Zé]*") {
            Told::read(&text, &TimeZone::UTC);
            Told::read(&near, &TimeZone::UTC);
        }

        #[test]
        fn reads_back_what_it_writes(seconds in -2_000_000_000_i64..4_000_000_000, minutes in -840_i32..840) {
            let moment = Moment::new(Timestamp::from_second(seconds).unwrap(), Offset::from_seconds(minutes * 60).unwrap());
            let read = Moment::parse_lenient(&moment.to_string(), &TimeZone::UTC).unwrap();
            prop_assert_eq!((read.instant, read.offset), (moment.instant, moment.offset));
            let kept: Moment = serde_json::from_value(serde_json::to_value(moment).unwrap()).unwrap();
            prop_assert_eq!((kept.instant, kept.offset), (moment.instant, moment.offset));
        }
    }
}
