//! Applies what users did by hand: replay, retry, pause, purge; and what was carried over from removed segments.

use std::collections::HashSet;

use rusqlite::{OptionalExtension, params};

use super::books::{fate_from, name_from};
use super::feed::Changed;
use super::index::{Index, NUMBERS_PER_RECORD, micros};
use super::record::{Carry, PlanAgain, Purge, Retry, Steered};
use super::{RetryQuery, TargetState};
use crate::event::DeliveryId;
use crate::fate::Fate;
use crate::name::Name;

type Result<T> = rusqlite::Result<T>;

/// Rows changed in one transaction, so that the write-ahead log stays small whatever a user asks for.
const CHANGED_AT_ONCE: usize = 1_000;

/// Those made due by this very record already come last and are not found again.
const HELD: &str = "SELECT number FROM deliveries
     WHERE fate = 'pending' AND target = ?1 AND due <= ?2 AND touched < ?3 ORDER BY due LIMIT ?4";

impl Index {
    pub(super) fn plan_again(&mut self, lsn: u64, again: &PlanAgain) -> Result<u64> {
        let event = self
            .db
            .prepare_cached("SELECT number, camera, segment FROM events WHERE id = ?1")?
            .query_row([again.event.as_bytes()], |row| {
                Ok((
                    row.get::<_, i64>(0)?,
                    row.get::<_, Option<String>>(1)?,
                    row.get::<_, i64>(2)? as u64,
                ))
            })
            .optional()?;
        let Some((event, camera, segment)) = event else {
            return Ok(0);
        };
        self.add_plan(event, lsn, lsn, &again.plan)?;
        let camera = camera.unwrap_or_default();
        for (n, planned) in again.plan.deliveries.iter().enumerate() {
            let number = lsn as i64 * NUMBERS_PER_RECORD + n as i64;
            self.deliver(lsn, number, event, &camera, planned, again.at, segment, lsn)?;
        }
        if self.awaits_pictures(event)? {
            self.hold_back(event)?;
        }
        Ok(1)
    }

    pub(super) fn add_plan(
        &mut self,
        event: i64,
        lsn: u64,
        touched: u64,
        plan: &crate::fate::Plan,
    ) -> Result<()> {
        let text = serde_json::to_string(plan).unwrap_or_default();
        self.db
            .prepare_cached("INSERT OR REPLACE INTO plans_again VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![event, lsn as i64, text, touched as i64])?;
        Ok(())
    }

    /// What is made due is not found again, so that each part takes up where the last one ended.
    pub(super) fn retry(&mut self, lsn: u64, retry: &Retry) -> Result<(u64, bool)> {
        let mut numbers: Vec<i64> = Vec::new();
        let mut held: Vec<Name> = Vec::new();
        for (target, state) in self.states()? {
            if matches!(state, TargetState::Held { .. }) {
                held.push(target);
            }
        }
        let now = micros(retry.at);
        let most = CHANGED_AT_ONCE as i64;
        match &retry.which {
            RetryQuery::Ids(ids) => self.find_by_id(&mut numbers, &mut held, ids)?,
            RetryQuery::Target(target) => {
                held.retain(|name| name == target);
                self.find(
                    &mut numbers,
                    "SELECT number FROM deliveries WHERE fate = 'dead' AND target = ?1 LIMIT ?2",
                    params![target.as_str(), most],
                )?;
            }
            RetryQuery::All => self.find(
                &mut numbers,
                "SELECT number FROM deliveries WHERE fate = 'dead' LIMIT ?1",
                [most],
            )?,
        }
        if !matches!(retry.which, RetryQuery::Ids(_)) {
            for name in &held {
                let room = CHANGED_AT_ONCE.saturating_sub(numbers.len());
                let found = params![name.as_str(), now, lsn as i64, room as i64];
                self.find(&mut numbers, HELD, found)?;
            }
            if numbers.len() >= CHANGED_AT_ONCE {
                for number in &numbers {
                    self.make_due(lsn, *number, now)?;
                }
                return Ok((numbers.len() as u64, false));
            }
        }
        for number in &numbers {
            self.make_due(lsn, *number, now)?;
        }
        for target in held {
            self.steer(lsn, &target, &TargetState::Running)?;
        }
        Ok((numbers.len() as u64, true))
    }

    /// Those of `ids` that are dead or held; `held` keeps the targets they belong to.
    fn find_by_id(
        &self,
        numbers: &mut Vec<i64>,
        held: &mut Vec<Name>,
        ids: &[DeliveryId],
    ) -> Result<()> {
        let mut freed = HashSet::new();
        for id in ids {
            let found = self
                .db
                .prepare_cached("SELECT number, target, fate, due FROM deliveries WHERE id = ?1")?
                .query_row([id.as_bytes()], |row| {
                    Ok((
                        row.get(0)?,
                        row.get::<_, String>(1)?,
                        row.get::<_, String>(2)?,
                        row.get::<_, Option<i64>>(3)?,
                    ))
                })
                .optional()?;
            if let Some((number, target, fate, due)) = found {
                let target = name_from(target)?;
                let is_held = fate == "pending" && due.is_some() && held.contains(&target);
                if is_held || fate == "dead" {
                    numbers.push(number);
                }
                freed.insert(target);
            }
        }
        held.retain(|target| freed.contains(target));
        Ok(())
    }

    fn find(&self, numbers: &mut Vec<i64>, sql: &str, params: impl rusqlite::Params) -> Result<()> {
        let mut statement = self.db.prepare_cached(sql)?;
        let rows = statement.query_map(params, |row| row.get(0))?;
        for row in rows {
            numbers.push(row?);
        }
        Ok(())
    }

    pub(super) fn make_due(&mut self, lsn: u64, number: i64, now: i64) -> Result<()> {
        let (target, fate, event): (String, String, i64) = self
            .db
            .prepare_cached("SELECT target, fate, event FROM deliveries WHERE number = ?1")?
            .query_row([number], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        let target = name_from(target)?;
        self.db
            .prepare_cached(
                "UPDATE deliveries SET fate = 'pending', due = ?2, planned_at = ?2, counted = 0, touched = ?3,
                 camera = CASE WHEN ?4 THEN coalesce((SELECT camera FROM events WHERE number = deliveries.event), '') END
                 WHERE number = ?1",
            )?
            .execute(params![number, now, lsn as i64, self.ordered.contains(&target)])?;
        self.news.changed.push((lsn, Changed::Delivery(number)));
        let before = fate_from(&fate);
        if before != Fate::Pending {
            let segment = self.books.segment_of(event);
            self.books.count(&target, before, segment, -1);
            self.books.count(&target, Fate::Pending, segment, 1);
        }
        self.group(number)?;
        self.news.wake.insert(target);
        Ok(())
    }

    pub(super) fn steered(&mut self, lsn: u64, steered: &Steered) -> Result<u64> {
        let Steered { target, state, .. } = steered;
        if steered.found {
            let mut states = self.states()?.into_iter();
            let is_paused = |state| matches!(state, TargetState::Paused { .. });
            if states.any(|(name, state)| name == *target && is_paused(state)) {
                return Ok(0);
            }
        }
        self.steer(lsn, target, state)
    }

    pub(super) fn steer(&mut self, lsn: u64, target: &Name, state: &TargetState) -> Result<u64> {
        let text = serde_json::to_string(state).unwrap_or_default();
        self.db
            .prepare_cached(
                "INSERT INTO targets VALUES (?1, ?2, ?3, ?4) ON CONFLICT (target) DO UPDATE SET state = ?2, touched = ?4",
            )?
            .execute(params![target.as_str(), text, self.ordered.contains(target), lsn as i64])?;
        self.news.states.push((target.clone(), state.clone()));
        self.news
            .changed
            .push((lsn, Changed::Target(target.clone())));
        self.news.wake.insert(target.clone());
        Ok(1)
    }

    /// From now on the target's deliveries are known by camera as well. In transactions of its own; interrupted, it
    /// begins anew.
    pub(super) fn keep_order(&mut self, target: &Name) -> Result<()> {
        let mut after = i64::MIN;
        loop {
            self.begin()?;
            let mut numbers = Vec::new();
            // The plus signs keep to the order of numbers.
            self.find(
                &mut numbers,
                "SELECT number FROM deliveries WHERE number > ?1 AND +target = ?2 AND +fate = 'pending' ORDER BY number LIMIT ?3",
                params![after, target.as_str(), CHANGED_AT_ONCE as i64],
            )?;
            for number in &numbers {
                self.db
                    .prepare_cached(
                        "UPDATE deliveries SET camera = coalesce((SELECT camera FROM events WHERE number = deliveries.event), '')
                         WHERE number = ?1",
                    )?
                    .execute([number])?;
            }
            match numbers.last() {
                Some(last) if numbers.len() == CHANGED_AT_ONCE => after = *last,
                _ => break,
            }
            self.commit()?;
        }
        let running = serde_json::to_string(&TargetState::Running).unwrap_or_default();
        self.db.execute(
            "INSERT INTO targets VALUES (?1, ?2, 1, 0) ON CONFLICT (target) DO UPDATE SET ordered = 1",
            params![target.as_str(), running],
        )?;
        self.commit()?;
        self.ordered.insert(target.clone());
        Ok(())
    }

    /// A purge as earlier versions wrote it, without what it removed. `cursor` is the number from which on to look for events.
    pub(super) fn purge(
        &mut self,
        lsn: u64,
        purge: &Purge,
        cursor: &mut i64,
    ) -> Result<(u64, bool)> {
        let before = micros(purge.before);
        let most = CHANGED_AT_ONCE as i64;
        let mut numbers = Vec::new();
        for book in self.books.segments() {
            let (first, last) = book.numbers();
            if book.oldest < before && last >= *cursor {
                self.find(
                    &mut numbers,
                    "SELECT number FROM events WHERE number BETWEEN ?1 AND ?2 AND received_at < ?3 LIMIT ?4",
                    params![first.max(*cursor), last, before, most],
                )?;
            }
            if !numbers.is_empty() {
                break;
            }
        }
        if let Some(last) = numbers.last() {
            *cursor = last + 1;
            let mut removed = 0;
            for number in numbers {
                if !self.is_pending(number)? {
                    self.remove_event(number)?;
                    self.remember_gone(number, lsn)?;
                    removed += 1;
                }
            }
            return Ok((removed, false));
        }
        self.find(
            &mut numbers,
            "SELECT number FROM quarantine WHERE received_at < ?1 LIMIT ?2",
            params![before, most],
        )?;
        let done = numbers.len() < CHANGED_AT_ONCE;
        for number in numbers {
            self.remove_quarantined(number)?;
            self.remember_gone(number, lsn)?;
        }
        Ok((0, done))
    }

    pub(super) fn carry(&mut self, lsn: u64, carry: &Carry) -> Result<u64> {
        for number in &carry.gone {
            self.remove_event(*number)?;
            self.remove_quarantined(*number)?;
            self.remember_gone(*number, lsn)?;
        }
        for (target, state) in &carry.targets {
            let newer = self
                .db
                .prepare_cached("SELECT 1 FROM targets WHERE target = ?1 AND touched > ?2")?
                .exists(params![target.as_str(), carry.as_of as i64])?;
            if !newer {
                self.steer(lsn, target, state)?;
            }
        }
        for (event, at, plan) in &carry.plans {
            self.add_plan(*event, *at, lsn, plan)?;
        }
        for forgotten in &carry.forgot {
            self.forgot(lsn, forgotten)?;
        }
        for job in &carry.jobs {
            self.carry_job(lsn, carry.as_of, job)?;
        }
        self.remember(lsn, &carry.remembered)?;
        for joined in &carry.joined {
            self.remember_joined(lsn, joined)?;
        }
        for carried in &carry.deliveries {
            self.carried(lsn, carry.as_of, carried)?;
        }
        Ok(carry.deliveries.len() as u64)
    }
}
