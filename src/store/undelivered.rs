//! What is not delivered: in groups, in lists, and counted, as pages and the API tell it.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::books::name_from;
use super::delivery_rows;
use super::event_walk;
use super::idle::{Idle, Idlers};
use super::index::moment;
use super::selection::{self, Place, Selection};
use super::walk::{self, Most, Today, Way};
use super::{Store, StoreError};
use crate::event::EventId;
use crate::fate::{Delivery, Fate};
use crate::name::Name;

type Result<T> = rusqlite::Result<T>;

/// Rows that a list or a count looks at in one go.
const EXAMINED: usize = 10_000;
/// Rows that a count looks at in all.
const COUNTED: usize = 50_000;

/// Deliveries of one target that are not delivered for the same reason.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Group {
    pub(crate) target: Name,
    /// `dead`, `held`, or `pending`: waiting to be tried again, or for its target to be asked.
    pub(crate) fate: Fate,
    pub(crate) reason: String,
    pub(crate) deliveries: u64,
    /// When the first and the last of their events were received.
    pub(crate) oldest: Option<Timestamp>,
    pub(crate) newest: Option<Timestamp>,
}

/// One of them.
#[derive(Debug, Clone)]
pub(crate) struct Undelivered {
    pub(crate) delivery: Delivery,
    pub(crate) reason: String,
    pub(crate) received_at: Timestamp,
    pub(crate) source: String,
    pub(crate) camera: Option<String>,
    /// As they are compared.
    pub(crate) plates: Vec<String>,
}

/// How many were chosen, and the first of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Preview {
    pub(crate) count: u64,
    /// False when there are at least so many.
    pub(crate) is_all: bool,
    pub(crate) samples: Vec<Undelivered>,
    /// For a replay.
    pub(crate) events: Vec<EventId>,
}

impl Store {
    /// The largest first.
    pub(crate) async fn undelivered(&self) -> std::result::Result<Vec<Group>, StoreError> {
        self.read(|db, inner| groups(db, &Idlers::of(db, &inner.desks)?))
            .await
    }

    /// How many wait for somebody: what is dead, and what waits for a target that is held or gone.
    pub(crate) async fn undelivered_count(&self) -> std::result::Result<u64, StoreError> {
        self.read(|db, inner| {
            let idle = Idlers::of(db, &inner.desks)?;
            let mut rows = db.prepare_cached(
                "SELECT target, fate, deliveries FROM tallies WHERE fate IN ('dead', 'pending')",
            )?;
            let mut rows = rows.query([])?;
            let mut sum = 0;
            while let Some(row) = rows.next()? {
                let is_dead = row.get::<_, String>(1)? == Fate::Dead.as_str();
                let idle = idle.get(&name_from(row.get(0)?)?);
                if is_dead || idle.is_some_and(Idle::waits_for_somebody) {
                    sum += u64::try_from(row.get::<_, i64>(2)?).unwrap_or(0);
                }
            }
            Ok(sum)
        })
        .await
    }

    /// Some of what is not delivered, newest first, and where to go on.
    pub(crate) async fn undelivered_of(
        &self,
        which: Selection,
        from: Option<Place>,
        most: usize,
    ) -> std::result::Result<(Vec<Undelivered>, Option<Place>), StoreError> {
        self.read(move |db, inner| {
            let idle = Idlers::of(db, &inner.desks)?;
            let today = Today {
                idle: &idle,
                now: inner.clock.now(),
                through: i64::MAX,
            };
            let (from, way) = (from.as_ref(), Way::NewestFirst);
            let most = Most {
                found: most,
                examined: EXAMINED,
            };
            let walked = walk::undelivered(db, &which, &today, way, from, most)?;
            Ok((rows(db, &walked.found, &today)?, walked.next))
        })
        .await
    }

    /// What a retry or a discard of these would be about.
    pub(crate) async fn preview(
        &self,
        which: Selection,
        samples: usize,
    ) -> std::result::Result<Preview, StoreError> {
        self.read(move |db, inner| {
            let idle = Idlers::of(db, &inner.desks)?;
            let today = Today {
                idle: &idle,
                now: inner.clock.now(),
                through: i64::MAX,
            };
            let (count, is_all) = count(db, &which, &today)?;
            let most = Most {
                found: samples,
                examined: COUNTED,
            };
            let first = walk::undelivered(db, &which, &today, Way::OldestFirst, None, most)?;
            Ok(Preview {
                count,
                is_all,
                samples: rows(db, &first.found, &today)?,
                events: Vec::new(),
            })
        })
        .await
    }

    /// What a replay of these would be about.
    pub(crate) async fn preview_events(
        &self,
        which: Selection,
        samples: usize,
    ) -> std::result::Result<Preview, StoreError> {
        self.read(move |db, _| {
            let (mut preview, mut from, mut examined) = (Preview::default(), None, 0);
            let most = Most {
                found: usize::MAX,
                examined: EXAMINED,
            };
            loop {
                let walked = event_walk::events(db, &which, i64::MAX, from.as_ref(), most)?;
                preview.count += walked.found.len() as u64;
                for number in walked.found {
                    if preview.events.len() < samples {
                        preview.events.extend(event_id(db, number)?);
                    }
                }
                examined += EXAMINED;
                preview.is_all = walked.next.is_none();
                if preview.is_all || examined >= COUNTED {
                    return Ok(preview);
                }
                from = walked.next;
            }
        })
        .await
    }
}

pub(super) fn event_id(db: &Connection, number: i64) -> Result<Option<EventId>> {
    db.prepare_cached("SELECT id FROM events WHERE number = ?1")?
        .query_row([number], |row| Ok(EventId::from_bytes(row.get(0)?)))
        .optional()
}

fn groups(db: &Connection, idle: &Idlers) -> Result<Vec<Group>> {
    let mut groups = Vec::new();
    for row in selection::group_rows(db)? {
        groups.push(Group {
            fate: row.fate_today(idle.held()),
            oldest: edge(db, row.reason, "")?,
            newest: edge(db, row.reason, "DESC")?,
            target: row.target,
            reason: row.told,
            deliveries: row.deliveries,
        });
    }
    for (target, idle) in idle.iter() {
        let waiting = untried(db, target)?;
        if waiting > 0 {
            groups.push(Group {
                target: target.clone(),
                fate: idle.fate(),
                reason: idle.reason().to_owned(),
                deliveries: waiting,
                oldest: idle.since(),
                newest: None,
            });
        }
    }
    groups.sort_by(|one, two| {
        let key = |group: &Group| (group.target.clone(), group.reason.clone());
        two.deliveries
            .cmp(&one.deliveries)
            .then_with(|| key(one).cmp(&key(two)))
    });
    Ok(groups)
}

/// When the first or the last event of a group was received.
fn edge(db: &Connection, reason: i64, order: &str) -> Result<Option<Timestamp>> {
    let sql = format!(
        "SELECT e.received_at FROM deliveries d INDEXED BY deliveries_by_reason CROSS JOIN events e ON e.number = d.event
         WHERE d.reason = ?1 ORDER BY d.event {order} LIMIT 1"
    );
    let found: Option<i64> = db
        .prepare_cached(&sql)?
        .query_row([reason], |row| row.get(0))
        .optional()?;
    Ok(found.map(moment))
}

/// How many deliveries of a target wait without having been tried.
fn untried(db: &Connection, target: &Name) -> Result<u64> {
    let waiting: i64 = db
        .prepare_cached(
            "SELECT coalesce((SELECT deliveries FROM tallies WHERE target = ?1 AND fate = 'pending'), 0)
             - coalesce((SELECT sum(deliveries) FROM reasons WHERE target = ?1 AND fate = 'pending'), 0)",
        )?
        .query_row(params![target.as_str()], |row| row.get(0))?;
    Ok(u64::try_from(waiting).unwrap_or(0))
}

/// How many there are, and whether that is all.
pub(super) fn count(db: &Connection, which: &Selection, today: &Today<'_>) -> Result<(u64, bool)> {
    if which.is_of_groups() {
        let groups = which.groups(selection::group_rows(db)?, today.idle.held());
        let mut sum: u64 = groups.iter().map(|group| group.deliveries).sum();
        let idle = today.idle.iter();
        for (target, _) in idle.filter(|(target, idle)| which.wants_untried(target, *idle)) {
            sum += untried(db, target)?;
        }
        return Ok((sum, true));
    }
    let (mut sum, mut from, mut examined) = (0, None, 0);
    let most = Most {
        found: EXAMINED,
        examined: EXAMINED,
    };
    loop {
        let way = Way::OldestFirst;
        let walked = walk::undelivered(db, which, today, way, from.as_ref(), most)?;
        sum += walked.found.len() as u64;
        examined += EXAMINED;
        if walked.next.is_none() || examined >= COUNTED {
            return Ok((sum, walked.next.is_none()));
        }
        from = walked.next;
    }
}

fn rows(db: &Connection, numbers: &[i64], today: &Today<'_>) -> Result<Vec<Undelivered>> {
    let mut rows = Vec::with_capacity(numbers.len());
    for number in numbers {
        let row = db
            .prepare_cached(
                "SELECT e.received_at, e.source, e.camera, e.plates, r.told
                 FROM deliveries d CROSS JOIN events e ON e.number = d.event LEFT JOIN reasons r ON r.reason = d.reason
                 WHERE d.number = ?1",
            )?
            .query_row([number], |row| {
                let plates: String = row.get(3)?;
                let plates = plates.split(' ').filter(|plate| !plate.is_empty());
                Ok((
                    moment(row.get(0)?),
                    row.get(1)?,
                    row.get(2)?,
                    plates.map(str::to_owned).collect(),
                    row.get::<_, Option<String>>(4)?,
                ))
            })
            .optional()?;
        let delivery = delivery_rows::one(db, *number, today.idle.held(), today.now)?;
        if let (Some(delivery), Some((received_at, source, camera, plates, told))) = (delivery, row)
        {
            let untried = || today.idle.get(&delivery.target).map_or("", Idle::reason);
            let reason = told.unwrap_or_else(|| untried().to_owned());
            rows.push(Undelivered {
                delivery,
                reason,
                received_at,
                source,
                camera,
                plates,
            });
        }
    }
    Ok(rows)
}
