//! When a row is in its list: from one moment to another, either of which may be left open.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::event::Moment;

/// Both ends belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Period {
    pub(crate) from: Option<Timestamp>,
    pub(crate) until: Option<Timestamp>,
}

/// Which end of a period a cell tells: a bare date begins with its first moment and ends with its last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    From,
    Until,
}

/// What people and programs write into tables for an example of it.
pub(super) const EXPECTED: &str = "such as `2026-01-31` or `2026-01-31 18:00`";

impl Period {
    pub(super) fn holds(&self, when: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= when) && self.until.is_none_or(|until| when <= until)
    }
}

/// The moment that a cell tells; an empty cell tells none. The error is for who knows where the cell stands.
pub(super) fn read(text: &str, end: End, zone: &TimeZone) -> Result<Option<Timestamp>, ()> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    if let Some(date) = date(text) {
        return day(date, end, zone).map(Some).ok_or(());
    }
    let moment = since_1970(text).or_else(|| {
        let text = dotted(text).unwrap_or_else(|| text.to_owned());
        Moment::parse_lenient(&text, zone).map(Moment::instant)
    });
    moment.map(Some).ok_or(())
}

fn day(date: Date, end: End, zone: &TimeZone) -> Option<Timestamp> {
    let first = |date: Date| Some(date.to_zoned(zone.clone()).ok()?.timestamp());
    match end {
        End::From => first(date),
        End::Until => first(date.tomorrow().ok()?)?
            .checked_sub(SignedDuration::from_nanos(1))
            .ok(),
    }
}

/// `2026-01-31`, `2026/01/31` or `31.01.2026`; what could be read in two ways (`03/04/2026`) is not read at all.
fn date(text: &str) -> Option<Date> {
    let text = dotted(text).unwrap_or_else(|| text.replace('/', "-"));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, day] = parts.as_slice() else {
        return None;
    };
    if (year.len(), month.len(), day.len()) != (4, 2, 2)
        || !(digits(year) && digits(month) && digits(day))
    {
        return None;
    }
    Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()
}

/// `31.01.2026 18:00` with the date as ISO 8601 has it.
fn dotted(text: &str) -> Option<String> {
    if text.get(2..3) != Some(".") || text.get(5..6) != Some(".") {
        return None;
    }
    let (day, month, year) = (text.get(0..2)?, text.get(3..5)?, text.get(6..10)?);
    Some(format!("{year}-{month}-{day}{}", text.get(10..)?))
}

/// Seconds or milliseconds, told apart by their digits: ten reach from 2001 to 2286, thirteen as far.
fn since_1970(text: &str) -> Option<Timestamp> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    match text.len() {
        10 => Timestamp::from_second(text.parse().ok()?).ok(),
        13 => Timestamp::from_millisecond(text.parse().ok()?).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rome() -> TimeZone {
        TimeZone::get("Europe/Rome").unwrap()
    }

    fn told(text: &str, end: End) -> String {
        let read = read(text, end, &rome()).unwrap_or_else(|()| panic!("{text}"));
        read.map_or_else(String::new, |moment| moment.to_string())
    }

    #[test]
    fn a_bare_date_begins_and_ends_with_its_day_where_the_list_is() {
        for text in ["2026-01-31", "2026/01/31", "31.01.2026", " 2026-01-31 "] {
            assert_eq!(told(text, End::From), "2026-01-30T23:00:00Z");
            assert_eq!(told(text, End::Until), "2026-01-31T22:59:59.999999999Z");
        }
        // The day on which the clocks go forward has 23 hours.
        assert_eq!(told("2026-03-29", End::From), "2026-03-28T23:00:00Z");
        let end = told("2026-03-29", End::Until);
        assert_eq!(end, "2026-03-29T21:59:59.999999999Z");
    }

    #[test]
    fn a_time_of_day_is_read_where_the_list_is_unless_it_tells_its_own_zone() {
        for text in [
            "2026-01-31 18:00",
            "2026-01-31T18:00:00",
            "2026-01-31T17:00:00Z",
            "2026-01-31T19:00:00+02:00",
            "31.01.2026 18:00",
            "1769878800",
            "1769878800000",
        ] {
            for end in [End::From, End::Until] {
                assert_eq!(told(text, end), "2026-01-31T17:00:00Z", "{text}");
            }
        }
        assert_eq!(told("  ", End::Until), "");
    }

    #[test]
    fn what_is_no_date_or_could_be_two_is_refused() {
        for text in [
            "03/04/2026",
            "tomorrow",
            "2026-02-30",
            "2026-13-01",
            "2026",
            "26-01-31",
            "31.13.2026",
            "18:00",
            "9999-12-31x",
            "99999999999999",
            "é.é.2026",
        ] {
            assert_eq!(read(text, End::Until, &rome()), Err(()), "{text}");
        }
    }

    #[test]
    fn both_ends_belong_to_a_period() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let both = Period {
            from: Some(at(10)),
            until: Some(at(20)),
        };
        for (second, holds) in [(9, false), (10, true), (20, true), (21, false)] {
            assert_eq!(both.holds(at(second)), holds, "{second}");
        }
        assert!(Period::default().holds(at(0)));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC*", near in "[0-9]{1,4}[-./][0-9]{1,2}[-./][0-9]{1,4}[T 0-9:+Z]*") {
            let _ = read(&text, End::Until, &rome());
            let _ = read(&near, End::From, &rome());
        }
    }
}
