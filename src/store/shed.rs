//! Pictures that go before their events: what is old by `store.pictures`, and what makes room.
//!
//! A picture is a slice of its request, which lies in the log with everything else, so the segment is written anew without
//! it ([`super::rewrite`]): the event stays, with what the vendor told where that is apart from the pictures, and says what
//! was removed, when and why. Nothing is removed of an event that has a delivery to be made.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rusqlite::OptionalExtension;

use super::catalog::Segment;
use super::index::{NUMBERS_PER_RECORD, moment};
use super::indexer::Indexer;
use super::redact::{Rule, Shed, without_pictures};
use super::request::RequestIn;
use super::rewrite::Glimpse;
use super::segment::Pictured;
use crate::event::EventId;

/// Segments that are written anew at one time, so that deliveries are not held up for long.
const AT_ONCE: usize = 8;
/// While events of a segment wait, it is written anew only for so large a part of it: an eighth. Nor is it looked through
/// again before an eighth of them has come to its end: looking means reading all of it, on the thread that deliveries need.
const WORTH: u64 = 8;

/// Whether enough has changed since so many deliveries waited.
fn is_worth_a_look(before: i64, pending: i64) -> bool {
    let worth = i64::try_from(WORTH).unwrap_or(i64::MAX);
    before > 0 && pending <= before - (before / worth).max(1)
}

impl Indexer {
    /// Removes pictures that are older than they are to be kept, or too many.
    pub(super) fn shed_some(&mut self) {
        let Some(pictures) = self.pictures else {
            return;
        };
        let since = |keep: Duration| {
            let keep = SignedDuration::try_from(keep).unwrap_or(SignedDuration::MAX);
            let now = self.clock.now();
            now.saturating_sub(keep).unwrap_or(Timestamp::MIN)
        };
        let before = since(pictures.keep);
        for _ in 0..AT_ONCE {
            let too_much = self.with_pictures() > pictures.max_size;
            let shed = self.shed_oldest(Rule::Age, before)
                || too_much && self.shed_oldest(Rule::Size, Timestamp::MAX);
            if !shed {
                break;
            }
        }
    }

    /// Removes the oldest pictures that may go, where `store.pictures` is set. False when there are none.
    pub(super) fn shed_one(&mut self, rule: Rule) -> bool {
        self.pictures.is_some() && self.shed_oldest(rule, Timestamp::MAX)
    }

    /// Bytes of ended segments whose pictures were not removed.
    fn with_pictures(&self) -> u64 {
        let ended = self.room.catalog.segments().into_iter();
        ended
            .filter(|segment| self.looked_at.get(&segment.header.number) != Some(&0))
            .map(|segment| segment.held)
            .sum()
    }

    /// Looks through segments of records older than that, from the oldest on, until one has lost something.
    fn shed_oldest(&mut self, rule: Rule, before: Timestamp) -> bool {
        let shed = Shed {
            at: self.clock.now(),
            by: rule,
        };
        let segments = self.room.catalog.segments();
        for book in self.index.books.segments() {
            if book.segment >= self.active || moment(book.newest) >= before {
                continue;
            }
            let pending = self.index.books.pending_in(book.segment);
            let looked_at = self.looked_at.get(&book.segment);
            if looked_at.is_some_and(|before| !is_worth_a_look(*before, pending)) {
                continue;
            }
            let found = segments.iter().find(|s| s.header.number == book.segment);
            let Some(segment) = found else { continue };
            match self.shed(*segment, pending, &shed) {
                Ok(changed) => {
                    self.looked_at.insert(book.segment, pending);
                    if changed {
                        self.cache.clear();
                        self.room.measure();
                        return true;
                    }
                }
                Err(error) => {
                    // The others' turn; this one is tried again later.
                    tracing::error!(%error, "cannot remove old pictures");
                }
            }
        }
        false
    }

    fn shed(&self, segment: Segment, pending: i64, shed: &Shed) -> Result<bool, String> {
        let catalog = &self.room.catalog;
        let survey = catalog.survey(segment, false, &mut |seen| self.may_lose_pictures(seen))?;
        if pending > 0 && survey.payload < segment.held / WORTH {
            return Ok(false);
        }
        let before = segment.held;
        let changed = catalog.rewrite(segment, &survey, false, &mut |record| {
            without_pictures(&record, shed)
        })?;
        if changed {
            let number = segment.header.number;
            tracing::info!(
                number,
                before,
                rule = shed.by.word(),
                "pictures of old events were removed"
            );
        }
        Ok(changed)
    }

    /// Whether it has any, and nobody is to be sent them.
    fn may_lose_pictures(&self, seen: &Glimpse) -> Result<bool, String> {
        let failed = |error: rusqlite::Error| error.to_string();
        if seen.payload_bytes == 0 {
            return Ok(false);
        }
        match seen.kind.pictured() {
            Some(Pictured::Request) => {
                let Ok(request) = serde_json::from_slice::<RequestIn>(&seen.meta) else {
                    return Ok(false); // damaged
                };
                let has_any = request.events.iter().any(|stored| {
                    let clip = stored.event.video.as_ref().and_then(|video| video.range);
                    clip.is_some() || stored.images.iter().any(|image| image.bytes.is_some())
                });
                if request.shed.is_some() || !has_any {
                    return Ok(false);
                }
                let first = seen.lsn as i64 * NUMBERS_PER_RECORD;
                let slots = (request.events.len() + request.gaps.len()) as i64;
                for number in first..first + slots {
                    let waits = self.index.is_pending(number).map_err(failed)?
                        || self.index.awaits_pictures(number).map_err(failed)?;
                    if waits {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Some(Pictured::Fetched) => {
                #[derive(serde::Deserialize)]
                struct Of {
                    event: EventId,
                }
                let Ok(of) = serde_json::from_slice::<Of>(&seen.meta) else {
                    return Ok(false); // damaged
                };
                let number = self
                    .index
                    .db
                    .prepare_cached("SELECT number FROM events WHERE id = ?1")
                    .and_then(|mut row| {
                        row.query_row([of.event.as_bytes()], |row| row.get(0))
                            .optional()
                    })
                    .map_err(failed)?;
                match number {
                    Some(number) => Ok(!self.index.is_pending(number).map_err(failed)?),
                    None => Ok(true),
                }
            }
            None => Ok(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_worth_a_look;

    #[test]
    fn a_segment_is_looked_through_a_few_times_while_its_deliveries_end_and_once_when_all_have() {
        let (mut looked_at, mut looks) = (10_000, 0);
        for pending in (0..10_000).rev() {
            if is_worth_a_look(looked_at, pending) {
                (looked_at, looks) = (pending, looks + 1);
            }
        }
        assert_eq!(looked_at, 0);
        assert!(looks < 80, "{looks}");
        assert!(!is_worth_a_look(100, 100), "nothing has ended");
        assert!(!is_worth_a_look(100, 120), "more wait than before");
        assert!(!is_worth_a_look(0, 0), "there is nothing left to remove");
    }
}
