//! What is written down of an attempt.

use std::time::Duration;

use jiff::Timestamp;

use crate::fate::{Attempt, EXCERPT_MAX};
use crate::targets::Report;

/// Stands among the attempts where none was made, so that the reason is seen.
pub(super) fn note(now: Timestamp, reason: String) -> Attempt {
    Attempt {
        at: now,
        status: None,
        ms: 0,
        error: Some(reason),
        excerpt: None,
    }
}

/// What the target said.
pub(super) fn answer(report: &Report, at: Timestamp, took: Duration) -> Attempt {
    Attempt {
        at,
        status: report.status,
        ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        error: report.error.clone(),
        excerpt: report.excerpt.as_deref().map(|excerpt| {
            let mut end = excerpt.len().min(EXCERPT_MAX);
            while !excerpt.is_char_boundary(end) {
                end -= 1;
            }
            excerpt[..end].to_owned()
        }),
    }
}

/// Adds to why it failed.
pub(super) fn add(attempt: &mut Attempt, reason: &str) {
    attempt.error = Some(match attempt.error.take() {
        Some(error) => format!("{error}; {reason}"),
        None => reason.to_owned(),
    });
}

#[cfg(test)]
mod tests {
    use super::super::outcome::Outcome;
    use super::*;
    use crate::fate::Verdict;
    use crate::secret::Blot;

    #[test]
    fn no_secret_and_no_more_than_an_excerpt_is_written_down() {
        let said = Outcome::Sent {
            report: Report {
                verdict: Verdict::Dead,
                status: Some(400),
                error: Some("no such user hunter22".to_owned()),
                excerpt: Some(format!("hunter22 {}", "ü".repeat(600))),
            },
            at: Timestamp::UNIX_EPOCH,
            took: Duration::from_millis(12),
        };
        let Outcome::Sent { report, at, took } = said.blotted(&Blot::new(["hunter22".to_owned()]))
        else {
            panic!("it was sent");
        };
        let attempt = answer(&report, at, took);
        assert_eq!(
            (attempt.at, attempt.status, attempt.ms),
            (at, Some(400), 12)
        );
        assert_eq!(attempt.error.unwrap(), "no such user ***");
        let excerpt = attempt.excerpt.unwrap();
        assert!(excerpt.starts_with("*** ü"));
        assert!(excerpt.len() <= EXCERPT_MAX && excerpt.len() > EXCERPT_MAX - 2);
    }

    #[test]
    fn a_reason_is_added_to_the_one_that_is_there() {
        let mut attempt = note(Timestamp::UNIX_EPOCH, "down".to_owned());
        add(&mut attempt, "given up");
        assert_eq!(attempt.error.unwrap(), "down; given up");
    }
}
