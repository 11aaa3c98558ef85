//! Who sends and what comes of it, lately: cameras with their hours, targets with their minutes.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};

use super::activity::{HOURS, Hours, MINUTES, hour_of};
use super::books::name_from;
use super::index::{micros, moment};
use super::{Store, StoreError};
use crate::event::{DeliveryId, EventId};
use crate::name::Name;

type Result<T> = rusqlite::Result<T>;

/// A camera is called silent when it has sent nothing for so many times its usual pause, but not before the first of
/// these, and at the latest after the second.
const USUAL_PAUSES: i64 = 12;
const SILENT_AFTER: [i64; 2] = [3_600, 24 * 3_600];
/// Minutes of one step of a target's history, and of those that its pace is told of.
const STEP: i64 = 5;
/// The targets' last failures that are looked up.
const FAILURES_MAX: usize = 5;

#[derive(Debug, Clone, Default)]
pub(crate) struct CameraQuery {
    pub(crate) source: Option<String>,
    /// Only those behind this source and camera.
    pub(crate) after: Option<(String, String)>,
    /// 0 is all.
    pub(crate) limit: usize,
}

/// One camera as it was heard lately.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CameraSummary {
    pub(crate) source: Name,
    /// None for all events of the source that name no camera.
    pub(crate) camera: Option<String>,
    /// That are kept.
    pub(crate) events: u64,
    pub(crate) first_received: Timestamp,
    pub(crate) last_received: Timestamp,
    /// Events of each of the last 24 hours by the clock, oldest first; the last one is still running.
    pub(crate) hours: [u32; HOURS],
    /// It has sent nothing for much longer than usual.
    pub(crate) silent: bool,
}

impl CameraSummary {
    pub(crate) fn last_day(&self) -> u64 {
        self.hours.iter().map(|count| u64::from(*count)).sum()
    }
}

/// What came of one target's deliveries, in steps of some minutes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct History {
    /// When the first step began.
    pub(crate) start: Timestamp,
    pub(crate) step: SignedDuration,
    pub(crate) planned: Vec<u32>,
    pub(crate) delivered: Vec<u32>,
    /// Attempts that failed.
    pub(crate) failed: Vec<u32>,
}

/// An attempt that failed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Failing {
    pub(crate) delivery: DeliveryId,
    pub(crate) event: EventId,
    pub(crate) at: Timestamp,
    pub(crate) status: Option<u16>,
    pub(crate) error: Option<String>,
    pub(crate) excerpt: Option<String>,
}

/// One target in the last hours.
#[derive(Debug, Clone)]
pub(crate) struct TargetActivity {
    pub(crate) history: History,
    /// Delivered in each of the last minutes, on the average.
    pub(crate) per_minute: f64,
    /// Newest first, one for a minute.
    pub(crate) failures: Vec<Failing>,
}

impl Store {
    /// By source and name.
    pub(crate) async fn cameras(
        &self,
        query: CameraQuery,
    ) -> std::result::Result<Vec<CameraSummary>, StoreError> {
        self.read(move |db, inner| cameras(db, &query, inner.clock.now()))
            .await
    }

    /// Of all targets that had anything to do in the last hours, or of one.
    pub(crate) async fn activity(
        &self,
        target: Option<Name>,
    ) -> std::result::Result<BTreeMap<Name, TargetActivity>, StoreError> {
        self.read(move |db, inner| activity(db, target.as_ref(), inner.clock.now()))
            .await
    }
}

fn cameras(db: &Connection, query: &CameraQuery, now: Timestamp) -> Result<Vec<CameraSummary>> {
    let (source, camera) = match &query.after {
        Some((source, camera)) => (source.as_str(), Some(camera.as_str())),
        None => ("", None),
    };
    let limit = match query.limit {
        0 => -1,
        limit => i64::try_from(limit).unwrap_or(-1),
    };
    db.prepare_cached(
        "SELECT source, camera, events, first_received, last_received, hours FROM cameras
         WHERE (source, camera) > (?1, ?2) AND (?3 IS NULL OR source = ?3) AND (events > 0 OR camera != '')
         ORDER BY source, camera LIMIT ?4",
    )?
    .query_map(params![source, camera.unwrap_or_default(), query.source, limit], |row| {
        let camera: String = row.get(1)?;
        let hours = Hours::from_bytes(row.get_ref(5)?.as_blob()?);
        let (first, last): (i64, i64) = (row.get(3)?, row.get(4)?);
        let hours = hours.unwrap_or_else(|| Hours::of(hour_of(last)));
        Ok(CameraSummary {
            source: name_from(row.get(0)?)?,
            camera: Some(camera).filter(|camera| !camera.is_empty()),
            events: u64::try_from(row.get::<_, i64>(2)?).unwrap_or(0),
            first_received: moment(first),
            last_received: moment(last),
            silent: is_silent(&hours, moment(first), moment(last), now),
            hours: until(hours, now),
        })
    })?
    .collect()
}

/// The counts of the hours until now.
fn until(mut hours: Hours, now: Timestamp) -> [u32; HOURS] {
    hours.add(hour_of(micros(now)), 0);
    hours.counts
}

/// Its usual pause is told by the day before it was heard last.
fn is_silent(hours: &Hours, first: Timestamp, last: Timestamp, now: Timestamp) -> bool {
    let [least, most] = SILENT_AFTER;
    let count: i64 = hours.counts.iter().map(|count| i64::from(*count)).sum();
    let heard_for = last.duration_since(first).as_secs().clamp(0, 24 * 3_600);
    let usual = if count > 1 {
        heard_for / (count - 1)
    } else {
        most
    };
    let patience = usual.saturating_mul(USUAL_PAUSES).clamp(least, most);
    now.duration_since(last).as_secs() > patience
}

/// One row of `minutes`.
struct Minute {
    minute: i64,
    planned: u32,
    delivered: u32,
    failed: u32,
    last_failed: Option<i64>,
}

fn activity(
    db: &Connection,
    target: Option<&Name>,
    now: Timestamp,
) -> Result<BTreeMap<Name, TargetActivity>> {
    let this = micros(now).div_euclid(60_000_000);
    // Whole steps: the last one holds this minute.
    let end = this.div_euclid(STEP) * STEP + STEP;
    let start = end - MINUTES / 2;
    let mut rows = db.prepare_cached(
        "SELECT target, minute, planned, delivered, failed, last_failed FROM minutes
         WHERE (?1 IS NULL OR target = ?1) AND minute >= ?2 ORDER BY target, minute",
    )?;
    let mut rows = rows.query(params![target.map(Name::as_str), end - MINUTES])?;
    let mut of_targets: BTreeMap<Name, Vec<Minute>> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let minute = Minute {
            minute: row.get(1)?,
            planned: row.get(2)?,
            delivered: row.get(3)?,
            failed: row.get(4)?,
            last_failed: row.get(5)?,
        };
        of_targets
            .entry(name_from(row.get(0)?)?)
            .or_default()
            .push(minute);
    }
    let told = |(target, minutes): (Name, Vec<Minute>)| {
        let steps = usize::try_from((end - start) / STEP).unwrap_or(0);
        let mut history = History {
            start: moment(start.saturating_mul(60_000_000)),
            step: SignedDuration::from_mins(STEP),
            planned: vec![0; steps],
            delivered: vec![0; steps],
            failed: vec![0; steps],
        };
        let mut recent = 0;
        for minute in &minutes {
            if (this - STEP..this).contains(&minute.minute) {
                recent += minute.delivered;
            }
            let step = usize::try_from((minute.minute - start).div_euclid(STEP));
            if let Some(step) = step.ok().filter(|step| *step < steps) {
                history.planned[step] += minute.planned;
                history.delivered[step] += minute.delivered;
                history.failed[step] += minute.failed;
            }
        }
        let failed = minutes.iter().rev().filter_map(|minute| minute.last_failed);
        let mut failures: Vec<Failing> = Vec::new();
        for delivery in failed.take(FAILURES_MAX) {
            if let Some(failing) = failing(db, delivery)?
                && !failures
                    .iter()
                    .any(|known| known.delivery == failing.delivery)
            {
                failures.push(failing);
            }
        }
        let activity = TargetActivity {
            history,
            per_minute: f64::from(recent) / STEP as f64,
            failures,
        };
        Ok((target, activity))
    };
    of_targets.into_iter().map(told).collect()
}

/// The last attempt of a delivery that failed, if it is still kept.
fn failing(db: &Connection, delivery: i64) -> Result<Option<Failing>> {
    db.prepare_cached(
        "SELECT d.id, e.id, a.at, a.status, a.error, a.excerpt
         FROM attempts a CROSS JOIN deliveries d ON d.number = a.delivery CROSS JOIN events e ON e.number = d.event
         WHERE a.delivery = ?1 AND a.error IS NOT NULL ORDER BY a.attempt DESC LIMIT 1",
    )?
    .query_row([delivery], |row| {
        Ok(Failing {
            delivery: DeliveryId::from_bytes(row.get(0)?),
            event: EventId::from_bytes(row.get(1)?),
            at: moment(row.get(2)?),
            status: row.get(3)?,
            error: row.get(4)?,
            excerpt: row.get(5)?,
        })
    })
    .optional()
}
