//! Work on many deliveries or events that a user asked for: trying again, giving up, planning anew.
//!
//! A job is a row of the index that follows from records of the log ([`Worked`]). Each record does a part of the work and tells
//! how far the job is with it, in one: whatever happens, that part is either done and told, or neither. So a job takes up
//! after a `kill -9` where it was, and does nothing twice; an index that is rebuilt knows of it what the old one knew. Each
//! record tells the whole job, so that it does not matter which of them are still there.
//!
//! What a part is made of is looked up by whoever works on the job, [`Store::next_part`], and written down by number: which
//! deliveries a record means does not depend on when it is applied.
//!
//! A delivery that is given up by hand comes to stand at `expired`, with an attempt that says who did it. A delivery that is
//! under way at that moment may still arrive, and is then told as delivered.

use std::collections::HashSet;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};
use serde::{Deserialize, Serialize};
use tokio::sync::OwnedMutexGuard;

use super::idle::Idlers;
use super::index::NUMBERS_PER_RECORD;
use super::record::What;
use super::selection::{Place, Selection};
use super::worked::part;
use super::{Store, StoreError};
use crate::event::{EventId, JobId};
use crate::fate::Plan;
use crate::name::Name;
use crate::units::Rate;

type Result<T> = rusqlite::Result<T>;

/// Deliveries of one part.
pub(crate) const PART_MAX: usize = 500;
/// Events of one part: each is read from the log.
pub(crate) const EVENTS_MAX: usize = 50;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Action {
    /// Makes deliveries due now.
    Retry,
    /// Gives deliveries up for good.
    Discard,
    /// Plans events anew.
    Replay,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum JobState {
    Running,
    Done,
    Cancelled,
}

/// What was asked for, and how far it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) id: JobId,
    pub(crate) action: Action,
    pub(crate) which: Selection,
    /// A replay's only target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) to: Option<Name>,
    /// Deliveries, or events, that are worked on in a time. As it was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rate: Option<String>,
    pub(crate) created_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) by: Option<String>,
    pub(crate) state: JobState,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ended_at: Option<Timestamp>,
    /// How many there were when it began; none when they are too many to be counted.
    pub(crate) total: Option<u64>,
    pub(crate) done: u64,
    /// What was chosen, but stood differently when its turn came: delivered meanwhile, say, or there already.
    pub(crate) skipped: u64,
    pub(crate) failed: u64,
    /// Deliveries that a replay has planned.
    #[serde(default)]
    pub(crate) planned: u64,
    /// Why the last one failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) told: Option<String>,
    /// What came after this is not part of it.
    pub(super) through: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) place: Option<Place>,
}

/// What is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(crate) action: Action,
    pub(crate) which: Selection,
    pub(crate) to: Option<Name>,
    pub(crate) rate: Option<String>,
    pub(crate) by: Option<String>,
}

/// What an event has deliveries for: route, target, and item.
pub(crate) type Known = HashSet<(Name, Name, String)>;

/// The deliveries, or events, that a job is to work on next.
pub(crate) struct Part {
    pub(crate) job: Job,
    pub(super) deliveries: Vec<i64>,
    pub(super) freed: Vec<Name>,
    /// For a replay: each with what it has deliveries for already, if that matters.
    pub(crate) events: Vec<(EventId, Known)>,
    pub(super) next: Option<Place>,
    pub(super) _turn: OwnedMutexGuard<()>,
}

/// An event, planned anew.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Again {
    pub(crate) event: EventId,
    pub(crate) plan: Plan,
    /// The numbers of its deliveries begin with this one of the record's.
    #[serde(default)]
    pub(super) first: i64,
}

impl Again {
    pub(crate) fn new(event: EventId, plan: Plan) -> Self {
        let first = 0;
        Self { event, plan, first }
    }
}

/// What came of the events of a part.
#[derive(Default)]
pub(crate) struct Step {
    pub(crate) plans: Vec<Again>,
    /// Nothing was to be planned for them.
    pub(crate) skipped: u64,
    pub(crate) failed: u64,
    pub(crate) told: Option<String>,
}

/// A part of a job, done.
#[derive(Serialize, Deserialize)]
pub(super) struct Worked {
    pub(super) at: Timestamp,
    /// As it stands with this, but for what is counted when it is applied.
    pub(super) job: Job,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) retried: Vec<i64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) discarded: Vec<i64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) freed: Vec<Name>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) plans: Vec<Again>,
}

impl Part {
    /// Deliveries, or events.
    pub(crate) fn len(&self) -> usize {
        self.deliveries.len().max(self.events.len())
    }
}

impl Job {
    pub(crate) fn is_running(&self) -> bool {
        self.state == JobState::Running
    }

    /// How many are left, as far as that is known.
    pub(crate) fn left(&self) -> Option<u64> {
        let seen = self.done + self.skipped + self.failed;
        match self.is_running() {
            true => self.total.map(|total| total.saturating_sub(seen)),
            false => Some(0),
        }
    }

    pub(crate) fn rate(&self) -> Option<Rate> {
        self.rate.as_deref().and_then(|rate| Rate::parse(rate).ok())
    }
}

impl Store {
    /// Writes down what is to be done. Somebody has to work on it then.
    pub(crate) async fn begin_job(&self, order: Order) -> std::result::Result<Job, StoreError> {
        let _turn = self.0.jobs.lock().await;
        self.caught_up().await;
        let now = self.0.clock.now();
        let which = order.which.clone();
        let of_events = order.action == Action::Replay;
        let preview = match of_events {
            true => self.preview_events(which, 0).await?,
            false => self.preview(which, 0).await?,
        };
        let last: i64 = self
            .read(|db, _| db.query_row("SELECT lsn FROM progress", [], |row| row.get(0)))
            .await?;
        let job = Job {
            id: JobId::at(now),
            action: order.action,
            which: order.which,
            to: order.to,
            rate: order.rate,
            created_at: now,
            by: order.by,
            state: JobState::Running,
            ended_at: None,
            total: preview.is_all.then_some(preview.count),
            done: 0,
            skipped: 0,
            failed: 0,
            planned: 0,
            told: None,
            through: (last + 1) * NUMBERS_PER_RECORD,
            place: None,
        };
        self.say_job(job.clone()).await?;
        Ok(job)
    }

    /// What a running job is to work on next, at most so many; `None` when it does not run any more. Nobody else works on a
    /// job, or changes one, until the part is done or dropped.
    pub(crate) async fn next_part(
        &self,
        id: JobId,
        most: usize,
    ) -> std::result::Result<Option<Part>, StoreError> {
        let turn = self.0.jobs.clone().lock_owned().await;
        let found = self
            .read(move |db, inner| {
                let Some(job) = read_job(db, id)?.filter(Job::is_running) else {
                    return Ok(None);
                };
                let idle = Idlers::of(db, &inner.desks)?;
                let part = part(db, job, &idle, inner.clock.now(), most, turn)?;
                Ok(Some(part))
            })
            .await?;
        Ok(found)
    }

    /// Does a part, and tells how the job stands then.
    pub(crate) async fn work(
        &self,
        part: Part,
        step: Step,
    ) -> std::result::Result<Job, StoreError> {
        let now = self.0.clock.now();
        let Part {
            mut job,
            deliveries,
            freed,
            events: _,
            next,
            _turn,
        } = part;
        let mut plans = step.plans;
        let mut first = 0;
        for again in &mut plans {
            again.first = first;
            first += again.plan.deliveries.len() as i64;
        }
        job.skipped += step.skipped;
        job.failed += step.failed;
        job.told = step.told.or(job.told);
        if next.is_none() {
            job.state = JobState::Done;
            job.ended_at = Some(now);
        }
        job.place = next;
        let id = job.id;
        let (retried, discarded) = match job.action {
            Action::Retry => (deliveries, Vec::new()),
            Action::Discard => (Vec::new(), deliveries),
            Action::Replay => (Vec::new(), Vec::new()),
        };
        for again in &plans {
            self.0.cache.remove(again.event);
        }
        let planned: Vec<EventId> = plans.iter().map(|again| again.event).collect();
        let worked = Worked {
            at: now,
            job,
            retried,
            discarded,
            freed,
            plans,
        };
        self.say(What::Worked(Box::new(worked))).await?;
        planned.into_iter().for_each(|id| self.0.cache.remove(id));
        self.job(id).await
    }

    /// What is done already stays.
    pub(crate) async fn cancel_job(&self, id: JobId) -> std::result::Result<Job, StoreError> {
        let _turn = self.0.jobs.lock().await;
        let mut job = self.job(id).await?;
        if job.is_running() {
            job.state = JobState::Cancelled;
            job.ended_at = Some(self.0.clock.now());
            self.say_job(job).await?;
        }
        self.job(id).await
    }

    async fn say_job(&self, job: Job) -> std::result::Result<(), StoreError> {
        let worked = Worked {
            at: self.0.clock.now(),
            job,
            retried: Vec::new(),
            discarded: Vec::new(),
            freed: Vec::new(),
            plans: Vec::new(),
        };
        self.say(What::Worked(Box::new(worked))).await.map(drop)
    }

    pub(crate) async fn job(&self, id: JobId) -> std::result::Result<Job, StoreError> {
        let job = self.read(move |db, _| read_job(db, id)).await?;
        job.ok_or_else(|| StoreError::Unknown {
            what: "job",
            id: id.to_string(),
        })
    }

    /// Newest first: all that run, and some that have ended.
    pub(crate) async fn jobs(&self) -> std::result::Result<Vec<Job>, StoreError> {
        self.jobs_by("SELECT told FROM jobs ORDER BY id DESC").await
    }

    /// Oldest first.
    pub(crate) async fn running_jobs(&self) -> std::result::Result<Vec<Job>, StoreError> {
        self.jobs_by("SELECT told FROM jobs WHERE NOT ended ORDER BY id")
            .await
    }

    async fn jobs_by(&self, sql: &'static str) -> std::result::Result<Vec<Job>, StoreError> {
        self.read(move |db, _| {
            let mut rows = db.prepare_cached(sql)?;
            let told: Vec<String> = rows
                .query_map([], |row| row.get(0))?
                .collect::<Result<_>>()?;
            Ok(told.iter().filter_map(|told| parse(told)).collect())
        })
        .await
    }
}

pub(super) fn parse(told: &str) -> Option<Job> {
    serde_json::from_str(told).ok()
}

fn read_job(db: &Connection, id: JobId) -> Result<Option<Job>> {
    let told: Option<String> = db
        .prepare_cached("SELECT told FROM jobs WHERE id = ?1")?
        .query_row([id.as_bytes()], |row| row.get(0))
        .optional()?;
    Ok(told.and_then(|told| parse(&told)))
}
