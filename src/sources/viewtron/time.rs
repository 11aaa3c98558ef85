//! When it happened, by a device's clock as far as it can be believed.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::tree::Node;
use crate::event::Moment;

/// Years outside of which a clock is not set, or the firmware has a bug.
const YEARS: std::ops::RangeInclusive<i16> = 2005..=2100;

/// From here on a count is of microseconds, below of milliseconds, below the next of seconds.
const MICROSECONDS: u128 = 1_000_000_000_000_000;
const MILLISECONDS: u128 = 1_000_000_000_000;

/// What a document says of its time.
pub(super) enum Clock {
    /// Nothing: it is of the moment in which it comes.
    Silent,
    Told(Moment),
    /// Why what it says is of no use.
    Wrong(String),
}

/// `currentTime` is an instant; `dataTime` the wall clock of the device, of use only where its zone is known.
pub(super) fn of(root: Node<'_>, zone: Option<&TimeZone>) -> Clock {
    let mut wrong = None;
    if let Some(text) = root.value("currentTime") {
        match instant(text) {
            Some(instant) => {
                let moment = match zone {
                    Some(zone) => Moment::new(instant, zone.to_offset(instant)),
                    None => Moment::utc(instant),
                };
                return Clock::Told(moment);
            }
            None => wrong = Some(unusable("currentTime", text, "is no time of these years")),
        }
    }
    if let Some(text) = root.value("dataTime") {
        match (zone, zone.and_then(|zone| wall_clock(text, zone))) {
            (_, Some(moment)) => return Clock::Told(moment),
            (Some(_), None) => {
                wrong.get_or_insert_with(|| unusable("dataTime", text, "is no time"));
            }
            (None, None) => {
                let reason = "is told without a zone (set the source's `timezone`)";
                wrong.get_or_insert_with(|| unusable("dataTime", text, reason));
            }
        }
    }
    wrong.map_or(Clock::Silent, Clock::Wrong)
}

/// Whether it tells events apart: a clock with a bug may tell the same for all of them.
pub(super) fn is_believable(text: &str) -> bool {
    instant(text).is_some()
}

fn unusable(name: &str, text: &str, reason: &str) -> String {
    let text: String = text.chars().take(40).collect();
    let text = text.escape_debug();
    format!("`{name}` {text} {reason}: the moment of arrival is used")
}

/// Wide enough for the recorders that send twenty digits.
fn instant(text: &str) -> Option<Timestamp> {
    let count: u128 = text.parse().ok()?;
    let microseconds = match count {
        MICROSECONDS.. => count,
        MILLISECONDS.. => count * 1_000,
        _ => count * 1_000_000,
    };
    let instant = Timestamp::from_microsecond(i64::try_from(microseconds).ok()?).ok()?;
    let year = instant.to_zoned(TimeZone::UTC).year();
    YEARS.contains(&year).then_some(instant)
}

/// `2026-03-29 09:58:21`, or `11-19-2025 12:15:11 PM` with the month first.
fn wall_clock(text: &str, zone: &TimeZone) -> Option<Moment> {
    let moment = match american(text) {
        Some(text) => Moment::parse_lenient(&text, zone),
        None => Moment::parse_lenient(text, zone),
    }?;
    YEARS.contains(&moment.local().year()).then_some(moment)
}

/// The same time with the year first and 24 hours.
fn american(text: &str) -> Option<String> {
    let mut words = text.split_ascii_whitespace();
    let (date, time, half) = (words.next()?, words.next()?, words.next());
    let mut parts = date.split(['-', '/']);
    let (month, day, year) = (parts.next()?, parts.next()?, parts.next()?);
    if year.len() != 4 {
        return None;
    }
    let (hour, rest) = time.split_once(':')?;
    let hour: u8 = hour.parse().ok()?;
    let hour = match half.map(str::to_ascii_uppercase).as_deref() {
        Some("AM") => hour % 12,
        Some("PM") => hour % 12 + 12,
        _ => hour,
    };
    Some(format!("{year}-{month:0>2}-{day:0>2} {hour:02}:{rest}"))
}

#[cfg(test)]
mod tests {
    use super::super::tree::Tree;
    use super::*;

    fn clock(inner: &str, zone: Option<&str>) -> String {
        let zone = zone.map(|name| TimeZone::get(name).unwrap());
        let text = format!("<config>{inner}</config>");
        match of(Tree::read(&text).unwrap().root(), zone.as_ref()) {
            Clock::Silent => String::new(),
            Clock::Told(moment) => moment.to_string(),
            Clock::Wrong(reason) => reason,
        }
    }

    #[test]
    fn counts_are_told_apart_by_their_size() {
        for (count, expected) in [
            ("1767225600", "2026-01-01T00:00:00Z"),
            ("1767225600123", "2026-01-01T00:00:00.123Z"),
            ("1767225600123456", "2026-01-01T00:00:00.123456Z"),
        ] {
            assert_eq!(
                clock(
                    &format!("<currentTime type='tint64'>{count}</currentTime>"),
                    None
                ),
                expected
            );
        }
        let local = clock(
            "<currentTime>1767225600</currentTime>",
            Some("America/New_York"),
        );
        assert_eq!(local, "2025-12-31T19:00:00-05:00");
    }

    #[test]
    fn a_clock_that_cannot_be_right_is_named_and_not_believed() {
        for count in [
            "18445822972087551616",
            "0",
            "-1",
            "999999999999999999999999999999999999999",
            "now",
            "1000000000",
            "4200000000",
        ] {
            let told = clock(&format!("<currentTime>{count}</currentTime>"), None);
            assert!(
                told.starts_with(&format!("`currentTime` {count}")) && told.contains("arrival"),
                "{told}"
            );
        }
    }

    #[test]
    fn wall_clocks_are_read_in_the_sources_zone() {
        for (text, expected) in [
            ("2026-03-29 09:58:21", "2026-03-29T09:58:21-04:00"),
            ("11-19-2025 12:15:11 PM", "2025-11-19T12:15:11-05:00"),
            ("10-07-2026 05:24:48 PM", "2026-10-07T17:24:48-04:00"),
            ("01-02-2026 12:00:01 am", "2026-01-02T00:00:01-05:00"),
        ] {
            let told = clock(
                &format!("<dataTime><![CDATA[{text}]]></dataTime>"),
                Some("America/New_York"),
            );
            assert_eq!(told, expected);
        }
        assert!(clock("<dataTime>2026-03-29 09:58:21</dataTime>", None).contains("`timezone`"));
        assert!(
            clock("<dataTime>13-13-2026 09:58:21 PM</dataTime>", Some("UTC"))
                .contains("is no time")
        );
        assert_eq!(clock("<currentTime/><dataTime/>", Some("UTC")), "");
    }
}
