//! Parts of jobs: which deliveries or events are next, and what it means to the index that they are done.

use std::collections::HashSet;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::Value;
use tokio::sync::OwnedMutexGuard;

use super::books::{fate_from, name_from};
use super::idle::{Idle, Idlers};
use super::index::{Index, NUMBERS_PER_RECORD, micros};
use super::jobs::{Action, Again, EVENTS_MAX, Job, PART_MAX, Part, Worked, parse};
use super::redact::{Erasure, drop_from, lesser, parsed};
use super::rewrite::Lesser;
use super::segment::RecordKind;
use super::walk::{self, Most, Today, Way};
use super::{TargetState, event_walk, undelivered};
use crate::fate::{Attempt, Fate};
use crate::name::Name;

type Result<T> = rusqlite::Result<T>;

/// Jobs that have ended are told of, so many of the last.
const ENDED_KEPT: i64 = 200;
/// Rows that are looked at for one part.
const EXAMINED: usize = 20_000;
/// In place of a text in which a forgotten plate stood.
pub(super) const UNSAID: &str = "(removed)";

pub(super) fn part(
    db: &Connection,
    job: Job,
    idle: &Idlers,
    now: Timestamp,
    most: usize,
    turn: OwnedMutexGuard<()>,
) -> Result<Part> {
    let mut part = Part {
        deliveries: Vec::new(),
        freed: Vec::new(),
        events: Vec::new(),
        next: None,
        job,
        _turn: turn,
    };
    let job = &part.job;
    let from = job.place.as_ref();
    if job.action == Action::Replay {
        let most = Most {
            found: most.min(EVENTS_MAX),
            examined: EXAMINED,
        };
        let walked = event_walk::events(db, &job.which, job.through, from, most)?;
        part.next = walked.next;
        for number in walked.found {
            let Some(id) = undelivered::event_id(db, number)? else {
                continue;
            };
            let there = match &job.which.route {
                Some(_) => there_already(db, number)?,
                None => HashSet::new(),
            };
            part.events.push((id, there));
        }
        return Ok(part);
    }
    let today = Today {
        idle,
        now,
        through: job.through,
    };
    let most = Most {
        found: most.min(PART_MAX),
        examined: EXAMINED,
    };
    let walked = walk::undelivered(db, &job.which, &today, Way::OldestFirst, from, most)?;
    if job.action == Action::Retry {
        // One that is held anew since is left alone: it still refuses.
        let mut since_before: HashSet<&Name> = idle
            .iter()
            .filter(|(_, idle)| matches!(idle, Idle::Held { since } if *since <= job.created_at))
            .map(|(name, _)| name)
            .collect();
        for number in &walked.found {
            let target: Option<String> = db
                .prepare_cached(
                    "SELECT target FROM deliveries WHERE number = ?1 AND fate = 'pending'",
                )?
                .query_row([number], |row| row.get(0))
                .optional()?;
            if let Some(target) = target {
                part.freed
                    .extend(since_before.take(&name_from(target)?).cloned());
            }
        }
    }
    part.deliveries = walked.found;
    part.next = walked.next;
    Ok(part)
}

/// What an event has deliveries for: route, target and item.
fn there_already(db: &Connection, event: i64) -> Result<HashSet<(Name, Name, String)>> {
    let (first, last) = super::pictures::siblings(event);
    db.prepare_cached(
        "SELECT route, target, coalesce(item, '') FROM deliveries WHERE number BETWEEN ?2 AND ?3 AND event = ?1
         UNION
         SELECT route, target, coalesce(item, '') FROM deliveries WHERE replanned > 0 AND event = ?1",
    )?
    .query_map([event, first, last], |row| {
        Ok((name_from(row.get(0)?)?, name_from(row.get(1)?)?, row.get(2)?))
    })?
    .collect()
}

impl Index {
    /// Applies a part of a job. Returns how many deliveries it changed, or events it planned.
    pub(super) fn worked(&mut self, lsn: u64, worked: &Worked) -> Result<u64> {
        let mut job = worked.job.clone();
        let (mut done, mut planned) = (0, 0);
        for number in &worked.retried {
            if self.is_open(*number)? {
                self.make_due(lsn, *number, micros(worked.at))?;
                done += 1;
            }
        }
        for number in &worked.discarded {
            done += self.discard(lsn, worked.at, *number, job.by.as_deref())?;
        }
        for again in &worked.plans {
            if self.plan_one_again(lsn, worked.at, again)? {
                done += 1;
                planned += again.plan.deliveries.len() as u64;
            }
        }
        for target in &worked.freed {
            self.steer(lsn, target, &TargetState::Running)?;
        }
        let all = worked.retried.len() + worked.discarded.len() + worked.plans.len();
        job.done += done;
        job.planned += planned;
        job.skipped += all as u64 - done;
        self.write_job(lsn, &job)?;
        Ok(done)
    }

    fn is_open(&self, number: i64) -> Result<bool> {
        self.db
            .prepare_cached(
                "SELECT 1 FROM deliveries WHERE number = ?1 AND fate IN ('dead', 'pending')",
            )?
            .exists([number])
    }

    fn discard(&mut self, lsn: u64, at: Timestamp, number: i64, by: Option<&str>) -> Result<u64> {
        let open = self
            .db
            .prepare_cached(
                "SELECT target, fate, event, tried FROM deliveries WHERE number = ?1 AND fate IN ('dead', 'pending')",
            )?
            .query_row([number], |row| {
                Ok((
                    row.get::<_, String>(0)?,
                    row.get::<_, String>(1)?,
                    row.get::<_, i64>(2)?,
                    row.get::<_, u32>(3)?,
                ))
            })
            .optional()?;
        let Some((target, before, event, tried)) = open else {
            return Ok(0);
        };
        let target = name_from(target)?;
        self.db
            .prepare_cached(
                "UPDATE deliveries SET fate = 'expired', due = NULL, tried = ?2, touched = ?3 WHERE number = ?1",
            )?
            .execute(params![number, tried + 1, lsn as i64])?;
        let by = by.map(|by| format!(" by {by}")).unwrap_or_default();
        let told = Attempt {
            at,
            status: None,
            ms: 0,
            error: Some(format!("discarded: given up by hand{by}")),
            excerpt: None,
        };
        self.note_attempt(number, tried + 1, &told, (lsn, lsn), false)?;
        let segment = self.books.segment_of(event);
        self.books.count(&target, fate_from(&before), segment, -1);
        self.books.count(&target, Fate::Expired, segment, 1);
        self.group(number)?;
        self.news.fates.push((target.clone(), Fate::Expired));
        self.news.discarded.push(target.clone());
        // Where order is kept, the camera's next one may go now.
        self.news.wake.insert(target);
        Ok(1)
    }

    fn plan_one_again(&mut self, lsn: u64, at: Timestamp, again: &Again) -> Result<bool> {
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
            return Ok(false);
        };
        self.add_plan(event, lsn, lsn, &again.plan)?;
        let camera = camera.unwrap_or_default();
        for (n, planned) in (again.first..).zip(&again.plan.deliveries) {
            let number = lsn as i64 * NUMBERS_PER_RECORD + n;
            self.deliver(lsn, number, event, &camera, planned, at, segment, lsn)?;
        }
        if self.awaits_pictures(event)? {
            self.hold_back(event)?;
        }
        Ok(true)
    }

    fn write_job(&self, touched: u64, job: &Job) -> Result<()> {
        let told = serde_json::to_string(job).unwrap_or_default();
        self.db
            .prepare_cached("INSERT OR REPLACE INTO jobs VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![
                job.id.as_bytes(),
                told,
                !job.is_running(),
                touched as i64
            ])?;
        if !job.is_running() {
            self.db
                .prepare_cached(
                    "DELETE FROM jobs WHERE ended AND id NOT IN (SELECT id FROM jobs WHERE ended ORDER BY id DESC LIMIT ?1)",
                )?
                .execute([ENDED_KEPT])?;
        }
        Ok(())
    }

    pub(super) fn jobs_between(&self, from: i64, to: i64) -> Result<Vec<Job>> {
        let told: Vec<String> = self
            .db
            .prepare_cached("SELECT told FROM jobs WHERE touched BETWEEN ?1 AND ?2")?
            .query_map([from, to], |row| row.get(0))?
            .collect::<Result<_>>()?;
        Ok(told.iter().filter_map(|told| parse(told)).collect())
    }

    /// A job as a removed segment left it, unless later records said more.
    pub(super) fn carry_job(&mut self, lsn: u64, as_of: u64, job: &Job) -> Result<()> {
        let newer = self
            .db
            .prepare_cached("SELECT 1 FROM jobs WHERE id = ?1 AND touched > ?2")?
            .exists(params![job.id.as_bytes(), as_of as i64])?;
        match newer {
            true => Ok(()),
            false => self.write_job(lsn, job),
        }
    }

    pub(super) fn unsay_jobs(&mut self, erasure: &Erasure) -> Result<()> {
        let jobs: Vec<(Vec<u8>, String)> = self
            .db
            .prepare_cached("SELECT id, told FROM jobs")?
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_>>()?;
        for (id, told) in jobs {
            let mut told = serde_json::from_str(&told).unwrap_or_default();
            if erasure.unsay_job(&mut told) {
                self.db
                    .prepare_cached("UPDATE jobs SET told = ?2 WHERE id = ?1")?
                    .execute(params![id, told.to_string()])?;
            }
        }
        Ok(())
    }
}

impl Erasure {
    /// What is left of a part of a job.
    pub(super) fn rest_of_worked(
        &self,
        meta: &[u8],
    ) -> std::result::Result<Option<Lesser>, String> {
        let mut meta = parsed(meta)?;
        let mut changed = self.unsay_job(&mut meta["job"]);
        changed |= drop_from(meta.get_mut("plans"), |one| self.is_event(&one["event"]));
        if let Some(Value::Array(plans)) = meta.get_mut("plans") {
            for one in plans {
                changed |= self.unjoin(one.pointer_mut("/plan/joined"));
            }
        }
        Ok(changed.then(|| lesser(RecordKind::Worked, &meta, vec![])))
    }

    pub(super) fn unsay_each(&self, jobs: Option<&mut Value>) -> bool {
        let jobs = jobs.and_then(Value::as_array_mut).into_iter().flatten();
        let mut changed = false;
        for job in jobs {
            changed |= self.unsay_job(job);
        }
        changed
    }

    /// A reason in words may repeat what a target said of a plate.
    pub(super) fn unsay_job(&self, job: &mut Value) -> bool {
        let mut changed = false;
        for text in ["/which/reason", "/told"] {
            if let Some(told) = job.pointer_mut(text)
                && told.as_str().is_some_and(|told| self.is_in(told))
            {
                *told = UNSAID.into();
                changed = true;
            }
        }
        changed
    }
}
