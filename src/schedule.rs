//! Hours of the week, such as `mon-fri 18:00-06:00 Europe/Rome`, and whether a moment lies in them.
//!
//! What counts is the wall clock, so that a night stays a night when the clocks change: a night begins on its day and
//! ends, perhaps, on the next.

use std::fmt;

use jiff::civil::{DateTime, Weekday};
use jiff::tz::TimeZone;

use crate::event::Moment;

/// Hours on some days of the week, in one zone.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Hours {
    days: Days,
    /// Minutes of the day. The end is not among them; where it is not after the beginning, it is on the next day.
    from: u16,
    to: u16,
    /// The moment's own offset when `None`.
    zone: Option<TimeZone>,
}

/// Days of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Days(u8);

const DAY: u16 = 24 * 60;
const NAMES: [&str; 7] = [
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
];

impl Days {
    pub(crate) const ALL: Self = Self(0x7f);
    pub(crate) const NONE: Self = Self(0);

    pub(crate) fn and(self, more: Self) -> Self {
        Self(self.0 | more.0)
    }

    /// Reads `mon-fri`, `sat`, `fri-mon`, `mon,wed`, `weekdays`, `weekend` or `daily`.
    ///
    /// # Errors
    /// In words.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut days = 0;
        for part in text.split(',') {
            let part = part.trim().to_ascii_lowercase();
            days |= match part.as_str() {
                "daily" => Self::ALL.0,
                "weekdays" => 0x1f,
                "weekend" => 0x60,
                _ => match part.split_once('-') {
                    None => 1 << day(&part)?,
                    Some((first, last)) => {
                        let (first, last) = (day(first.trim_end())?, day(last.trim_start())?);
                        (0..=(last + 7 - first) % 7)
                            .fold(0, |days, n| days | 1 << ((first + n) % 7))
                    }
                },
            };
        }
        Ok(Self(days))
    }

    fn has(self, day: Weekday) -> bool {
        self.0 & (1 << day.to_monday_zero_offset()) != 0
    }
}

fn day(word: &str) -> Result<i8, String> {
    let named = |name: &&str| word.len() >= 3 && name.starts_with(word);
    match NAMES.iter().position(named) {
        Some(at) => Ok(i8::try_from(at).expect("there are seven days")),
        None => Err(format!(
            "`{word}` is no day: expected `mon`, `tue`, `wed`, `thu`, `fri`, `sat` or `sun`, such as `mon-fri` or `mon,wed`"
        )),
    }
}

/// Reads `18:00` as minutes of the day; `24:00` is its end.
///
/// # Errors
/// In words.
pub(crate) fn time_of_day(text: &str) -> Result<u16, String> {
    let number = |digits: &str| -> Option<u16> {
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        digits
            .parse()
            .ok()
            .filter(|_| is_number && digits.len() <= 2)
    };
    let (hour, minute) = text.trim().split_once(':').unwrap_or((text.trim(), "0"));
    number(hour)
        .zip(number(minute))
        .filter(|(hour, minute)| *minute < 60 && *hour * 60 + *minute <= DAY)
        .map(|(hour, minute)| hour * 60 + minute)
        .ok_or_else(|| {
            format!("`{text}` is no time of day: expected such as `18:00`, up to `24:00`")
        })
}

/// # Errors
/// In words, when there is no such zone.
pub(crate) fn zone(name: &str) -> Result<TimeZone, String> {
    TimeZone::get(name).map_err(|_| {
        format!("`{name}` is no time zone: expected a name such as `Europe/Berlin` or `UTC`")
    })
}

impl Hours {
    /// # Errors
    /// In words, when they begin and end at the same time.
    pub(crate) fn new(
        days: Days,
        from: u16,
        to: u16,
        zone: Option<TimeZone>,
    ) -> Result<Self, String> {
        if from == to {
            return Err(
                "it begins and ends at the same time of day: expected two times, or none for the whole day"
                    .to_owned(),
            );
        }
        Ok(Self {
            days,
            from: from % DAY,
            to,
            zone,
        })
    }

    /// Reads days, hours and a zone, each of which may be left out: `mon-fri 18:00-06:00 Europe/Rome`.
    ///
    /// # Errors
    /// In words.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (mut days, mut hours, mut told_zone) = (None, None, None);
        // Blanks around a dash or behind a comma do not end a word.
        let joined = text.replace(" - ", "-").replace(", ", ",");
        for word in joined.split_whitespace() {
            let starts_with_digit = word.starts_with(|c: char| c.is_ascii_digit());
            let is_zone = word.contains('/') || word.eq_ignore_ascii_case("utc");
            let twice = match () {
                () if starts_with_digit => hours.replace(span(word)?).is_some(),
                () if is_zone => told_zone.replace(zone(word)?).is_some(),
                () => days.replace(Days::parse(word)?).is_some(),
            };
            if twice {
                return Err(format!(
                    "`{word}` is one too many: expected days, hours and a zone, such as `mon-fri 18:00-06:00 Europe/Rome`"
                ));
            }
        }
        if days.is_none() && hours.is_none() {
            return Err(format!(
                "`{text}` tells neither days nor hours: expected such as `mon-fri 18:00-06:00`"
            ));
        }
        let (from, to) = hours.unwrap_or((0, DAY));
        Self::new(days.unwrap_or(Days::ALL), from, to, told_zone)
    }

    /// The same in this zone, unless they tell their own.
    pub(crate) fn in_zone(self, zone: &TimeZone) -> Self {
        Self {
            zone: self.zone.or_else(|| Some(zone.clone())),
            ..self
        }
    }

    pub(crate) fn hold(&self, moment: Moment) -> bool {
        let local = self.local(moment);
        let minute =
            u16::from(local.hour().unsigned_abs()) * 60 + u16::from(local.minute().unsigned_abs());
        let today = self.days.has(local.weekday());
        if self.from < self.to {
            return today && (self.from..self.to).contains(&minute);
        }
        let yesterday = local.weekday().previous();
        (today && minute >= self.from) || (self.days.has(yesterday) && minute < self.to)
    }

    /// The wall clock that counts.
    pub(crate) fn local(&self, moment: Moment) -> DateTime {
        match &self.zone {
            Some(zone) => zone.to_datetime(moment.instant()),
            None => moment.local().datetime(),
        }
    }
}

impl fmt::Display for Days {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = |day: usize| &NAMES[day][..3];
        let (mut day, mut comma) = (0, "");
        while day < NAMES.len() {
            let run = (day..NAMES.len())
                .take_while(|day| self.0 & (1 << day) != 0)
                .count();
            match run {
                0 => {}
                1 => write!(f, "{comma}{}", short(day))?,
                2 => write!(f, "{comma}{},{}", short(day), short(day + 1))?,
                _ => write!(f, "{comma}{}-{}", short(day), short(day + run - 1))?,
            }
            if run > 0 {
                comma = ",";
            }
            day += run + 1;
        }
        Ok(())
    }
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = |minutes: u16| format!("{:02}:{:02}", minutes / 60, minutes % 60);
        write!(f, "{} {}-{}", self.days, time(self.from), time(self.to))?;
        match self.zone.as_ref().and_then(TimeZone::iana_name) {
            Some(zone) => write!(f, " {zone}"),
            None => Ok(()),
        }
    }
}

fn span(word: &str) -> Result<(u16, u16), String> {
    let (from, to) = word.split_once('-').ok_or_else(|| {
        format!("`{word}` has no end: expected two times of day, such as `18:00-06:00`")
    })?;
    Ok((time_of_day(from)?, time_of_day(to)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(text: &str) -> Moment {
        Moment::parse_lenient(text, &TimeZone::UTC).unwrap()
    }

    #[test]
    fn hours_hold_on_their_days_and_a_night_belongs_to_the_day_it_begins_on() {
        // The 20th of November 2026 is a Friday.
        for (hours, at, holds) in [
            ("mon-fri 08:00-18:00", "2026-11-20T08:00:00Z", true),
            ("mon-fri 08:00-18:00", "2026-11-20T17:59:59.9Z", true),
            ("mon-fri 08:00-18:00", "2026-11-20T18:00:00Z", false),
            ("mon-fri 08:00-18:00", "2026-11-21T12:00:00Z", false),
            ("mon-fri 18:00-06:00", "2026-11-20T23:00:00Z", true),
            ("mon-fri 18:00-06:00", "2026-11-21T05:59:00Z", true),
            ("mon-fri 18:00-06:00", "2026-11-21T06:00:00Z", false),
            ("mon-fri 18:00-06:00", "2026-11-16T05:00:00Z", false),
            ("sat-sun", "2026-11-22T23:59:59Z", true),
            ("weekend", "2026-11-20T23:59:59Z", false),
            ("fri-mon", "2026-11-16T00:00:00Z", true),
            ("fri-mon", "2026-11-17T00:00:00Z", false),
            ("wed, fri", "2026-11-20T00:00:00Z", true),
            ("22:00-24:00", "2026-11-20T23:59:00Z", true),
            ("22:00 - 24:00", "2026-11-21T00:00:00Z", false),
            ("24:00-06:00", "2026-11-21T00:00:00Z", true),
            // By the camera's own clock, or by the zone's.
            ("friday 08:00-09:00", "2026-11-20T08:30:00+05:00", true),
            ("fri 08:00-09:00 UTC", "2026-11-20T08:30:00+05:00", false),
            ("fri 8-9 Europe/Rome", "2026-11-20T07:30:00Z", true),
        ] {
            let parsed = Hours::parse(hours).unwrap();
            assert_eq!(parsed.hold(moment(at)), holds, "{hours} {at}");
        }
    }

    #[test]
    fn a_night_stays_a_night_when_the_clocks_change() {
        // Rome: on the 29th of March 2026 02:00 becomes 03:00, on the 25th of October 03:00 becomes 02:00.
        let night = Hours::parse("sat 18:00-03:30 Europe/Rome").unwrap();
        for (at, holds) in [
            ("2026-03-29T00:59:00Z", true),  // 01:59
            ("2026-03-29T01:29:00Z", true),  // 03:29
            ("2026-03-29T01:30:00Z", false), // 03:30
            ("2026-10-25T01:30:00Z", true),  // 02:30, the second time
            ("2026-10-25T02:29:00Z", true),  // 03:29
            ("2026-10-25T02:30:00Z", false),
        ] {
            assert_eq!(night.hold(moment(at)), holds, "{at}");
        }
    }

    #[test]
    fn hours_are_told_as_they_are_written() {
        for (written, told) in [
            (
                "mon-fri 18:00-06:00 Europe/Rome",
                "mon-fri 18:00-06:00 Europe/Rome",
            ),
            ("fri-mon 8-9", "mon,fri-sun 08:00-09:00"),
            ("tue,wed,sun", "tue,wed,sun 00:00-24:00"),
            ("daily 1-2 UTC", "mon-sun 01:00-02:00 UTC"),
        ] {
            assert_eq!(Hours::parse(written).unwrap().to_string(), told);
        }
    }

    #[test]
    fn what_is_no_schedule_is_told() {
        for (text, message) in [
            ("", "tells neither days nor hours"),
            ("Europe/Rome", "tells neither days nor hours"),
            ("mo-fr", "`mo` is no day"),
            ("mon-fri 18-25", "`25` is no time of day"),
            ("mon-fri 18:60-19:00", "`18:60` is no time of day"),
            ("18:00", "has no end"),
            ("18:00-18:00", "begins and ends at the same time"),
            ("mon 8-9 10-11", "one too many"),
            ("mon 8-9 Europe/Rom", "`Europe/Rom` is no time zone"),
        ] {
            let error = Hours::parse(text).unwrap_err();
            assert!(error.contains(message), "{text}: {error}");
        }
    }
}
