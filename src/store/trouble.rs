//! Why deliveries are not delivered, in groups: each that is dead, or waits though it was tried, belongs to a group of its
//! target, its fate and its last failure in words. The groups are counted as deliveries come and go, so that telling them
//! costs nothing however many there are.

use std::net::{IpAddr, SocketAddr};

use rusqlite::{OptionalExtension, params};

use super::index::Index;
use super::redact::Erasure;
use super::worked::UNSAID;
use crate::fate::Fate;

type Result<T> = rusqlite::Result<T>;

/// Bytes of a reason.
const REASON_MAX: usize = 160;
/// Reasons of one target; what comes beyond is told as [`OTHER`].
const REASONS_MAX: i64 = 64;
const OTHER: &str = "other reasons";
/// What an attempt says when nothing was sent any more: the failure before it tells more.
const GIVEN_UP: &str = "given up";

/// A failure in words, without what differs from one delivery to the next: numbers, ids, addresses of events.
pub(super) fn reason(status: Option<u16>, error: Option<&str>) -> String {
    let error = error.unwrap_or_default();
    let error = match error.find("; given up") {
        Some(end) => &error[..end],
        None => error,
    };
    let status = status.map(|status| status.to_string());
    let mut reason = String::new();
    // One that is cut off must not be a reason of its own for each place where it was.
    for word in error.split_whitespace().take(REASON_MAX) {
        let core = word.trim_matches(|c: char| !c.is_alphanumeric());
        let differs = core.chars().any(|c| c.is_ascii_digit())
            && status.as_deref() != Some(core)
            && !is_address(word);
        let word = match differs {
            true => "…".to_owned(),
            false => word.chars().filter(|c| !c.is_control()).collect(),
        };
        if reason.len() + word.len() >= REASON_MAX {
            if reason.is_empty() {
                reason.push_str(&word[..word.floor_char_boundary(REASON_MAX - 3)]);
            }
            reason.push('…');
            break;
        }
        if !reason.is_empty() {
            reason.push(' ');
        }
        reason.push_str(&word);
    }
    match (reason.is_empty(), status) {
        (true, Some(status)) => format!("it answered {status}"),
        (true, None) => "it failed".to_owned(),
        (false, _) => reason,
    }
}

/// Of a target there is one, or few.
fn is_address(word: &str) -> bool {
    let word = word.trim_end_matches([':', ',', ';', '.']);
    word.parse::<SocketAddr>().is_ok() || word.parse::<IpAddr>().is_ok()
}

impl Index {
    /// Puts a delivery into the group that it belongs to now, or into none.
    pub(super) fn group(&mut self, number: i64) -> Result<()> {
        let known = self
            .db
            .prepare_cached("SELECT target, fate, tried, reason FROM deliveries WHERE number = ?1")?
            .query_row([number], |row| {
                Ok((
                    row.get::<_, String>(0)?,
                    row.get::<_, String>(1)?,
                    row.get::<_, u32>(2)?,
                    row.get::<_, Option<i64>>(3)?,
                ))
            })
            .optional()?;
        let Some((target, fate, tried, before)) = known else {
            return Ok(());
        };
        let failed = fate == Fate::Dead.as_str() || fate == Fate::Pending.as_str() && tried > 0;
        let now = match failed {
            true => {
                let told = self.last_failure(number)?;
                Some(self.group_named(&target, &fate, &told, before)?)
            }
            false => None,
        };
        if now == before {
            return Ok(());
        }
        self.db
            .prepare_cached("UPDATE deliveries SET reason = ?2 WHERE number = ?1")?
            .execute(params![number, now])?;
        if let Some(now) = now {
            self.db
                .prepare_cached("UPDATE reasons SET deliveries = deliveries + 1 WHERE reason = ?1")?
                .execute([now])?;
        }
        match before {
            Some(before) => self.leave_group(before),
            None => Ok(()),
        }
    }

    /// One delivery less is in that group.
    pub(super) fn leave_group(&mut self, reason: i64) -> Result<()> {
        let left: Option<i64> = self
            .db
            .prepare_cached(
                "UPDATE reasons SET deliveries = deliveries - 1 WHERE reason = ?1 RETURNING deliveries",
            )?
            .query_row([reason], |row| row.get(0))
            .optional()?;
        if left.is_some_and(|left| left <= 0) {
            self.db
                .prepare_cached("DELETE FROM reasons WHERE reason = ?1")?
                .execute([reason])?;
        }
        Ok(())
    }

    fn last_failure(&self, number: i64) -> Result<String> {
        let mut rows = self.db.prepare_cached(
            "SELECT status, error FROM attempts WHERE delivery = ?1 ORDER BY attempt DESC LIMIT 2",
        )?;
        let told: Vec<(Option<u16>, Option<String>)> = rows
            .query_map([number], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_>>()?;
        let gave_up = |error: &Option<String>| {
            let error = error.as_deref().unwrap_or_default();
            error.starts_with(GIVEN_UP)
        };
        let telling = told.iter().find(|(_, error)| !gave_up(error));
        let (status, error) = telling.or(told.first()).cloned().unwrap_or_default();
        Ok(reason(status, error.as_deref()))
    }

    /// The group's number; it is made if there is none. Whoever leaves a group makes no room in it here: `before` is the one
    /// that the delivery is in so far.
    fn group_named(
        &self,
        target: &str,
        fate: &str,
        told: &str,
        before: Option<i64>,
    ) -> Result<i64> {
        let named = |told: &str| {
            self.db
                .prepare_cached(
                    "SELECT reason FROM reasons WHERE target = ?1 AND fate = ?2 AND told = ?3",
                )?
                .query_row([target, fate, told], |row| row.get::<_, i64>(0))
                .optional()
        };
        if let Some(known) = named(told)? {
            return Ok(known);
        }
        let others: i64 = self
            .db
            .prepare_cached("SELECT count(*) FROM reasons WHERE target = ?1")?
            .query_row([target], |row| row.get(0))?;
        let told = match others >= REASONS_MAX {
            true => OTHER,
            false => told,
        };
        if let Some(known) = named(told)? {
            return Ok(known);
        }
        debug_assert!(before.is_none_or(|before| before > 0));
        self.db
            .prepare_cached(
                "INSERT INTO reasons (target, fate, told, deliveries) VALUES (?1, ?2, ?3, 0) RETURNING reason",
            )?
            .query_row([target, fate, told], |row| row.get(0))
    }

    /// Groups and jobs whose words tell of what is forgotten tell it no more.
    pub(super) fn unsay_in_groups_and_jobs(&mut self, erasure: &Erasure) -> Result<()> {
        let groups: Vec<(i64, String)> = self
            .db
            .prepare_cached("SELECT reason, told FROM reasons")?
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_>>()?;
        for (group, _) in groups.iter().filter(|(_, told)| erasure.is_in(told)) {
            self.db
                .prepare_cached(
                    "UPDATE OR REPLACE reasons SET told = ?2 || ' ' || ?1 WHERE reason = ?1",
                )?
                .execute(params![group, UNSAID])?;
        }
        self.unsay_jobs(erasure)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_that_differ_in_their_numbers_alone_have_one_reason() {
        for (status, error, told) in [
            (Some(503), Some("it answered 503"), "it answered 503"),
            (Some(503), None, "it answered 503"),
            (None, None, "it failed"),
            (
                Some(500),
                Some("it answered 500; given up after 20 attempts"),
                "it answered 500",
            ),
            (
                None,
                Some("could not reach 10.0.0.5:7001: connection refused (os error 111)"),
                "could not reach 10.0.0.5:7001: connection refused (os error …",
            ),
            (
                Some(400),
                Some("it answered 400: no camera\t4711, plate AB123CD"),
                "it answered 400: no camera … plate …",
            ),
        ] {
            assert_eq!(reason(status, error), told);
        }
        let one = reason(None, Some(&"word ".repeat(1_000)));
        assert!(one.len() <= REASON_MAX + 3 && one.ends_with('…'), "{one}");
        let long = reason(None, Some(&"wörd".repeat(1_000)));
        assert!(
            long.len() <= REASON_MAX + 3 && long.ends_with('…'),
            "{long}"
        );
    }
}
