//! Moments on the command line: a time, a day, or how long ago.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::Failure;
use crate::clock::Clock;
use crate::units::Span;

/// Reads `2026-01-31T12:00:00Z`, `2026-01-31 12:00` and `2026-01-31` (this machine's zone), or `2h` (ago).
pub(super) fn parse(text: &str) -> Result<Timestamp, Failure> {
    if let Ok(moment) = text.parse() {
        return Ok(moment);
    }
    if let Ok(Span(ago)) = Span::parse(text) {
        let ago = SignedDuration::try_from(ago)?;
        return Ok(Clock::system().now().checked_sub(ago)?);
    }
    match text.parse::<DateTime>() {
        Ok(local) => Ok(local.to_zoned(TimeZone::system())?.timestamp()),
        Err(_) => Err(Failure::Said(format!(
            "`{text}` is no moment: write 2026-01-31T12:00:00Z, 2026-01-31, or how long ago, such as 2h"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_times_days_and_how_long_ago() {
        assert_eq!(
            parse("2026-01-31T12:00:00+01:00").unwrap().as_second(),
            1_769_857_200
        );
        assert!(parse("2026-01-31").is_ok() && parse("2026-01-31 12:00").is_ok());
        let before = Clock::system().now();
        let ago = parse("2h").unwrap();
        assert!(
            before.duration_since(ago).as_secs() <= 7_200
                && Clock::system().now().duration_since(ago).as_secs() >= 7_200
        );
        assert!(parse("yesterday").is_err());
    }
}
