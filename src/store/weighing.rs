//! Which segments are worth removing.
//!
//! What a segment tells of events in others is said again before it goes. To take away one of a row of segments may
//! therefore free nothing: each tells how the deliveries of the one before it ended. To take away the whole row, the oldest
//! first, may free nearly all of it: only what was told of events that stay, because something waits for them, is said again.
//! So the oldest goes though it frees little, on credit: what it frees less than it should is a debt, which those that
//! free more pay off. Without a bound on that the same would be said again and again, and no room come of it.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use super::books::SegmentBook;
use super::index::{Index, moment};
use super::indexer::Indexer;
use super::record::Carry;
use super::shed::A_WHILE;

/// What is freed should be so many times what is said again, or it is no gain.
const WORTH: u64 = 2;
/// The debt is at most such a part of all that may go.
const CREDIT: u64 = 2;
/// A debt that nobody pays is forgiven: it may be another row by then.
const FORGIVEN_AFTER: SignedDuration = SignedDuration::from_hours(1);
/// To weigh a segment is to read all deliveries of older ones, on the thread that applies outcomes: after one that was found
/// wanting, none is weighed once more for so many times as long.
const REST: u32 = 20;

/// What weighing found.
#[derive(Default)]
pub(super) struct Scales {
    wanting: HashMap<u64, (Timestamp, Wanting)>,
    rests_until: Option<Instant>,
    /// Bytes, and since when.
    debt: (u64, Timestamp),
}

/// What is worth removing.
pub(super) struct Worth {
    pub(super) book: SegmentBook,
    /// What the debt is then.
    pub(super) debt: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanting {
    /// Something needs it.
    Needed,
    /// It has too much to say.
    Poor,
    /// It holds no event, and has much to say.
    Telling,
}

impl Scales {
    /// Whether a segment is to be weighed: those that never were at once, others now and then.
    fn weighs(&self, segment: u64, wanting: &[Wanting], now: Timestamp) -> bool {
        let Some((since, known)) = self.wanting.get(&segment) else {
            return true;
        };
        let is_known = wanting.contains(known) && now.duration_since(*since).abs() < A_WHILE;
        let rests = self.rests_until.is_some_and(|until| Instant::now() < until);
        !is_known && !rests
    }

    fn found(&mut self, segment: u64, wanting: Wanting, now: Timestamp, took: Duration) {
        self.wanting.insert(segment, (now, wanting));
        let until = Instant::now() + took * REST;
        self.rests_until = self.rests_until.max(Some(until));
    }

    /// The debt after a segment that holds so much has gone, of which so much is said again; none if that is too much.
    fn lend(&self, held: u64, said_again: u64, all: u64, now: Timestamp) -> Option<u64> {
        let cost = held / WORTH;
        let after = self
            .debt(now)
            .saturating_add(said_again)
            .saturating_sub(cost);
        (said_again <= cost || after <= all / CREDIT).then_some(after)
    }

    pub(super) fn debt(&self, now: Timestamp) -> u64 {
        let (debt, since) = self.debt;
        let is_forgiven = now.duration_since(since).abs() > FORGIVEN_AFTER;
        if is_forgiven { 0 } else { debt }
    }

    /// A segment is gone. Others have less to say now.
    pub(super) fn went(&mut self, debt: u64, now: Timestamp) {
        let grows = debt > self.debt(now);
        self.debt = (debt, if grows { now } else { self.debt.1 });
        for (since, _) in self.wanting.values_mut() {
            *since = Timestamp::MIN;
        }
    }

    /// A segment that cannot be removed now.
    pub(super) fn is_stuck(&mut self, segment: u64, now: Timestamp) {
        self.found(segment, Wanting::Poor, now, Duration::ZERO);
    }

    /// Those that were never weighed first, the oldest of them first; then those whose turn is longest ago.
    pub(super) fn in_turn(&self, mut books: Vec<SegmentBook>) -> Vec<SegmentBook> {
        books.sort_by_key(|book| self.wanting.get(&book.segment).map(|(since, _)| *since));
        books
    }
}

impl Indexer {
    /// The segment whose removal makes room, if there is one.
    pub(super) fn worth_removing(&mut self) -> Option<Worth> {
        let now = self.clock.now();
        let segments = self.room.catalog.segments().into_iter();
        let held: HashMap<u64, u64> = segments.map(|it| (it.header.number, it.held)).collect();
        self.scales.wanting.retain(|it, _| held.contains_key(it));
        let held_by = |book: &SegmentBook| held.get(&book.segment).copied().unwrap_or_default();
        let mut settled = self.index.books.segments();
        settled.retain(|book| self.nothing_waits_in(book));
        let all: u64 = settled.iter().map(held_by).sum();
        for book in self.scales.in_turn(settled) {
            let wanting = [Wanting::Needed, Wanting::Poor];
            if !self.scales.weighs(book.segment, &wanting, now) {
                continue;
            }
            let began = Instant::now();
            let wanting = match self.index.is_needed_elsewhere(&book) {
                Ok(false) => {
                    if let Ok(Some(debt)) = self.debt_after(&book, held_by(&book), all, now) {
                        return Some(Worth { book, debt });
                    }
                    Wanting::Poor
                }
                _ => Wanting::Needed,
            };
            self.scales
                .found(book.segment, wanting, now, began.elapsed());
        }
        None
    }

    /// The debt after a segment that holds so much has gone; none if it has too much to say of others. It is heard no longer
    /// than it takes to know that.
    fn debt_after(
        &self,
        book: &SegmentBook,
        held: u64,
        all: u64,
        now: Timestamp,
    ) -> rusqlite::Result<Option<u64>> {
        let mut said_again = 0;
        let _ = self.index.carried_from(book, now, |carry| {
            said_again += serde_json::to_vec(&carry).map_or(0, |text| text.len() as u64);
            match self.scales.lend(held, said_again, all, now) {
                Some(_) => ControlFlow::Continue(()),
                None => ControlFlow::Break(()),
            }
        })?;
        Ok(self.scales.lend(held, said_again, all, now))
    }

    /// Whether a segment may go: it is old or holds nothing, and nothing needs it.
    pub(super) fn is_worn_out(
        &mut self,
        book: &SegmentBook,
        since: Timestamp,
    ) -> rusqlite::Result<bool> {
        Ok(self.nothing_waits_in(book)
            && (moment(book.newest) < since || self.holds_nothing(book)?)
            && !self.index.is_needed_elsewhere(book)?)
    }

    /// Whether a segment has ended, and no delivery of its events is to be made.
    fn nothing_waits_in(&self, book: &SegmentBook) -> bool {
        book.segment < self.active && self.index.books.pending_in(book.segment) == 0
    }

    /// Whether a segment has neither events any more nor much to say of others: else it would be said again and again.
    fn holds_nothing(&mut self, book: &SegmentBook) -> rusqlite::Result<bool> {
        let (now, began) = (self.clock.now(), Instant::now());
        let weighs = self.scales.weighs(book.segment, &[Wanting::Telling], now);
        if !weighs || self.index.holds_any(book)? {
            return Ok(false);
        }
        let heavy = |carry: Carry| {
            let says = [
                carry.deliveries.is_empty(),
                carry.plans.is_empty(),
                carry.joined.is_empty(),
            ];
            match says.contains(&false) {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        };
        let is_light = self.index.carried_from(book, now, heavy)?.is_continue();
        if !is_light {
            self.scales
                .found(book.segment, Wanting::Telling, now, began.elapsed());
        }
        Ok(is_light)
    }
}

impl Index {
    /// Whether a segment has an event or a quarantined request that is kept.
    fn holds_any(&self, book: &SegmentBook) -> rusqlite::Result<bool> {
        let (first, last) = book.numbers();
        self.db
            .prepare_cached(
                "SELECT 1 FROM events WHERE number BETWEEN ?1 AND ?2
                 UNION ALL
                 SELECT 1 FROM quarantine WHERE number BETWEEN ?1 AND ?2",
            )?
            .exists([first, last])
    }

    /// Whether events of other segments need something of this one.
    fn is_needed_elsewhere(&self, book: &SegmentBook) -> rusqlite::Result<bool> {
        Ok(self.holds_pictures(book)? || self.holds_halves(book)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    /// Whether it went.
    fn removes(scales: &mut Scales, held: u64, said_again: u64, now: Timestamp) -> bool {
        let debt = scales.lend(held, said_again, 640, now);
        if let Some(debt) = debt {
            scales.went(debt, now);
        }
        debt.is_some()
    }

    #[test]
    fn one_that_frees_nothing_goes_on_credit_and_those_behind_it_pay() {
        let mut scales = Scales::default();
        assert!(removes(&mut scales, 64, 80, NOW));
        assert_eq!(scales.debt(NOW), 48);
        for debt in [16, 0, 0] {
            assert!(removes(&mut scales, 64, 0, NOW));
            assert_eq!(scales.debt(NOW), debt);
        }
    }

    #[test]
    fn credit_has_an_end_and_comes_back_after_a_while() {
        let mut scales = Scales::default();
        let later = NOW + FORGIVEN_AFTER + SignedDuration::from_secs(1);
        for now in [NOW, later] {
            let mut taken = 0;
            while removes(&mut scales, 64, 64, now) {
                taken += 1;
                assert!(taken < 100);
            }
            assert_eq!(taken, 10, "half of all, 32 each");
            assert!(removes(&mut scales, 64, 32, now), "what is a gain goes");
            assert!(!removes(&mut scales, 64, 64, now));
        }
    }

    #[test]
    fn what_was_found_wanting_is_weighed_again_after_a_while_or_when_another_went() {
        let mut scales = Scales::default();
        let poor = [Wanting::Poor];
        assert!(scales.weighs(1, &poor, NOW));
        scales.found(1, Wanting::Poor, NOW, Duration::ZERO);
        assert!(!scales.weighs(1, &poor, NOW));
        assert!(scales.weighs(2, &poor, NOW));
        assert!(scales.weighs(1, &[Wanting::Needed], NOW));
        assert!(scales.weighs(1, &poor, NOW + A_WHILE));
        scales.went(0, NOW);
        assert!(scales.weighs(1, &poor, NOW));
        scales.found(1, Wanting::Poor, NOW, Duration::from_secs(60));
        scales.found(2, Wanting::Poor, NOW, Duration::ZERO);
        for (segment, weighs) in [(1, false), (2, false), (3, true)] {
            let is = scales.weighs(segment, &poor, NOW + A_WHILE);
            assert_eq!(is, weighs, "{segment}: it was long work");
        }
    }

    #[test]
    fn each_has_its_turn() {
        let mut scales = Scales::default();
        let book = |segment| SegmentBook {
            segment,
            first_lsn: 0,
            last_lsn: 0,
            oldest: 0,
            newest: 0,
        };
        scales.found(1, Wanting::Poor, NOW + A_WHILE, Duration::ZERO);
        scales.found(3, Wanting::Telling, NOW, Duration::ZERO);
        let books = scales.in_turn([1, 2, 3, 4].map(book).into());
        let order: Vec<u64> = books.iter().map(|book| book.segment).collect();
        assert_eq!(order, [2, 4, 3, 1]);
    }
}
