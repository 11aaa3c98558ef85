//! Pictures that go before their events: what is old by `store.pictures`, and what makes room.
//!
//! A picture is a slice of its request, which lies in the log with everything else, so the segment is written anew without
//! it ([`super::rewrite`]): the event stays, with what the vendor told where that is apart from the pictures, and says what
//! was removed, when and why. Nothing is removed of an event that a delivery waits for.

use std::collections::HashSet;
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
/// again at once before an eighth of them has come to its end: looking means reading all of it, on the thread that
/// deliveries need.
const WORTH: u64 = 8;
/// One of which something has ended is looked through again after this: the few may be the large ones.
pub(super) const A_WHILE: SignedDuration = SignedDuration::from_mins(1);
/// And any other after this: a picture that was fetched later may wait for the delivery of an event in another segment.
const LONG: SignedDuration = SignedDuration::from_hours(1);

/// When a segment was looked through, and what was found.
pub(super) struct Looked {
    at: Timestamp,
    /// Deliveries of its events that were to be made.
    pending: i64,
    /// Whether pictures stayed that may go later.
    keeps: bool,
}

impl Looked {
    fn is_worth_another(&self, pending: i64, now: Timestamp) -> bool {
        let worth = i64::try_from(WORTH).unwrap_or(i64::MAX);
        let fell = self.pending - pending;
        let since = now.duration_since(self.at).abs(); // a clock may be set back
        let is_due = match pending == self.pending {
            true => since >= LONG,
            false => since >= A_WHILE || fell >= (self.pending / worth).max(1),
        };
        self.keeps && is_due
    }
}

/// What is known of a record's pictures.
#[derive(PartialEq, Eq)]
enum Found {
    /// It has none, or they are removed already, or it cannot be read.
    None,
    /// Somebody is to be sent them.
    Wait,
    MayGo,
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
        let catalog = self.room.catalog.segments().into_iter();
        let known: HashSet<u64> = catalog.map(|segment| segment.header.number).collect();
        self.looked_at.retain(|number, _| known.contains(number));
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
        let is_bare = |looked: &Looked| !looked.keeps;
        ended
            .filter(|segment| {
                let looked = self.looked_at.get(&segment.header.number);
                !looked.is_some_and(is_bare)
            })
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
            let looked = self.looked_at.get(&book.segment);
            if looked.is_some_and(|looked| !looked.is_worth_another(pending, shed.at)) {
                continue;
            }
            let found = segments.iter().find(|s| s.header.number == book.segment);
            let Some(segment) = found else { continue };
            match self.shed(*segment, pending, &shed) {
                Ok((changed, keeps)) => {
                    let looked = Looked {
                        at: shed.at,
                        pending,
                        keeps,
                    };
                    self.looked_at.insert(book.segment, looked);
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

    /// Whether pictures were removed, and whether some stay that may go later.
    fn shed(&self, segment: Segment, pending: i64, shed: &Shed) -> Result<(bool, bool), String> {
        let catalog = &self.room.catalog;
        let mut waits = false;
        let survey = catalog.survey(segment, false, &mut |seen| {
            let pictures = self.pictures_of(seen)?;
            waits |= pictures == Found::Wait;
            Ok(pictures == Found::MayGo)
        })?;
        if pending > 0 && survey.payload < segment.held / WORTH {
            return Ok((false, waits || survey.payload > 0));
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
        Ok((changed, waits))
    }

    fn pictures_of(&self, seen: &Glimpse) -> Result<Found, String> {
        let failed = |error: rusqlite::Error| error.to_string();
        if seen.payload_bytes == 0 {
            return Ok(Found::None);
        }
        match seen.kind.pictured() {
            Some(Pictured::Request) => {
                let Ok(request) = serde_json::from_slice::<RequestIn>(&seen.meta) else {
                    return Ok(Found::None); // damaged
                };
                let has_any = request.events.iter().any(|stored| {
                    let clip = stored.event.video.as_ref().and_then(|video| video.range);
                    clip.is_some() || stored.images.iter().any(|image| image.bytes.is_some())
                });
                if request.shed.is_some() || !has_any {
                    return Ok(Found::None);
                }
                let first = seen.lsn as i64 * NUMBERS_PER_RECORD;
                let slots = (request.events.len() + request.gaps.len()) as i64;
                for number in first..first + slots {
                    let waits = self.index.is_needed(number).map_err(failed)?
                        || self.index.awaits_pictures(number).map_err(failed)?;
                    if waits {
                        return Ok(Found::Wait);
                    }
                }
                Ok(Found::MayGo)
            }
            Some(Pictured::Fetched) => {
                #[derive(serde::Deserialize)]
                struct Of {
                    event: EventId,
                }
                let Ok(of) = serde_json::from_slice::<Of>(&seen.meta) else {
                    return Ok(Found::None); // damaged
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
                let waits = match number {
                    Some(number) => self.index.is_needed(number).map_err(failed)?,
                    None => false,
                };
                Ok(match waits {
                    true => Found::Wait,
                    false => Found::MayGo,
                })
            }
            None => Ok(Found::None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looked(pending: i64) -> Looked {
        Looked {
            at: Timestamp::UNIX_EPOCH,
            pending,
            keeps: true,
        }
    }

    #[test]
    fn a_segment_is_looked_through_a_few_times_while_its_deliveries_end_and_once_when_all_have() {
        let (mut last, mut looks) = (looked(10_000), 0);
        for pending in (0..10_000).rev() {
            if last.is_worth_another(pending, last.at) {
                (last, looks) = (looked(pending), looks + 1);
            }
        }
        assert_eq!(last.pending, 0);
        assert!(looks < 80, "{looks}");
    }

    #[test]
    fn what_stayed_is_looked_for_again_after_a_while_and_what_has_none_never() {
        let last = looked(100);
        for (pending, at_once, after_a_while, after_long) in [
            (100, false, false, true),
            (99, false, true, true),
            (120, false, true, true),
            (88, true, true, true),
        ] {
            let after =
                |time| last.is_worth_another(pending, last.at.saturating_add(time).unwrap());
            assert_eq!(after(SignedDuration::ZERO), at_once, "{pending}");
            assert_eq!(after(A_WHILE), after_a_while, "{pending}");
            assert_eq!(after(-LONG), after_long, "{pending}, a clock set back");
            let bare = Looked {
                keeps: false,
                ..last
            };
            assert!(!bare.is_worth_another(pending, last.at.saturating_add(LONG).unwrap()));
        }
    }
}
