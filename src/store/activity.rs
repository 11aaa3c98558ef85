//! Who sent how much lately, and what each target was given: kept beside the rows, so that looking costs little however many
//! rows there are.
//!
//! Both follow from the records alone. They are gathered in memory while a transaction lasts and added to what is there at
//! its end, one row for each camera and for each target's minute that had something.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, params};

use super::index::{Index, micros};
use crate::name::Name;
use jiff::{SignedDuration, Timestamp};

type Result<T> = rusqlite::Result<T>;

const HOUR: i64 = 3_600_000_000;
const MINUTE: i64 = 60_000_000;
/// So many hours of a camera are counted one by one, and so many minutes of a target.
pub(crate) const HOURS: usize = 24;
pub(crate) const MINUTES: i64 = 360;
/// Cameras that are told apart; those that come when there are as many are counted together with events that name none.
pub(super) const CAMERAS_MAX: i64 = 10_000;
/// A camera without events is remembered for so long, so that it is missed.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(30 * 24);

pub(super) fn hour_of(micros: i64) -> i64 {
    micros.div_euclid(HOUR)
}

/// Events of the hours up to the last one that had any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hours {
    /// Hours since 1970.
    pub(super) last: i64,
    /// Oldest first.
    pub(super) counts: [u32; HOURS],
}

impl Hours {
    pub(super) fn of(last: i64) -> Self {
        Self {
            last,
            counts: [0; HOURS],
        }
    }

    pub(super) fn add(&mut self, hour: i64, count: u32) {
        if hour > self.last {
            let by =
                usize::try_from(hour.saturating_sub(self.last)).map_or(HOURS, |by| by.min(HOURS));
            self.counts.rotate_left(by % HOURS);
            self.counts[HOURS - by..].fill(0);
            self.last = hour;
        }
        let back = usize::try_from(self.last.saturating_sub(hour)).unwrap_or(HOURS);
        if let Some(n) = (HOURS - 1).checked_sub(back) {
            self.counts[n] = self.counts[n].saturating_add(count);
        }
    }

    pub(super) fn to_bytes(self) -> Vec<u8> {
        let mut bytes = self.last.to_le_bytes().to_vec();
        bytes.extend(self.counts.iter().flat_map(|count| count.to_le_bytes()));
        bytes
    }

    /// What is of another form counts as nothing.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (last, counts) = bytes.split_first_chunk::<8>()?;
        let mut hours = Self::of(i64::from_le_bytes(*last));
        let (chunks, []) = counts.as_chunks::<4>() else {
            return None;
        };
        if chunks.len() != HOURS {
            return None;
        }
        for (count, chunk) in hours.counts.iter_mut().zip(chunks) {
            *count = u32::from_le_bytes(*chunk);
        }
        Some(hours)
    }
}

/// What a transaction tells of a camera.
#[derive(Default)]
struct Seen {
    /// Those that came less those that were removed.
    events: i64,
    first: Option<i64>,
    last: Option<i64>,
    hours: Vec<(i64, u32)>,
}

/// What a transaction tells of a target's minute.
#[derive(Default)]
struct Minute {
    planned: i64,
    delivered: i64,
    failed: i64,
    last_failed: Option<i64>,
}

#[derive(Default)]
pub(super) struct Activity {
    cameras: HashMap<(Name, String), Seen>,
    minutes: HashMap<(Name, i64), Minute>,
    /// The newest minute of each target, when it was written.
    newest: HashMap<Name, i64>,
    known: i64,
}

impl Activity {
    pub(super) fn load(db: &Connection) -> Result<Self> {
        Ok(Self {
            known: db.query_row("SELECT count(*) FROM cameras", [], |row| row.get(0))?,
            ..Self::default()
        })
    }

    /// An event came.
    pub(super) fn came(&mut self, source: &Name, camera: Option<&str>, received_at: i64) {
        let key = (source.clone(), camera.unwrap_or_default().to_owned());
        let seen = self.cameras.entry(key).or_default();
        seen.events += 1;
        seen.first = Some(seen.first.map_or(received_at, |at| at.min(received_at)));
        seen.last = seen.last.max(Some(received_at));
        let hour = hour_of(received_at);
        match seen.hours.iter_mut().find(|(known, _)| *known == hour) {
            Some((_, count)) => *count += 1,
            None => seen.hours.push((hour, 1)),
        }
    }

    /// An event was removed.
    pub(super) fn went(&mut self, source: &Name, camera: Option<&str>) {
        let key = (source.clone(), camera.unwrap_or_default().to_owned());
        self.cameras.entry(key).or_default().events -= 1;
    }

    fn minute(&mut self, target: &Name, at: Timestamp) -> &mut Minute {
        let minute = micros(at).div_euclid(MINUTE);
        self.minutes.entry((target.clone(), minute)).or_default()
    }

    pub(super) fn planned(&mut self, target: &Name, at: Timestamp) {
        self.minute(target, at).planned += 1;
    }

    pub(super) fn delivered(&mut self, target: &Name, at: Timestamp) {
        self.minute(target, at).delivered += 1;
    }

    pub(super) fn failed(&mut self, target: &Name, at: Timestamp, delivery: i64) {
        let minute = self.minute(target, at);
        minute.failed += 1;
        minute.last_failed = Some(delivery);
    }

    pub(super) fn write(&mut self, db: &Connection) -> Result<()> {
        for ((source, camera), seen) in self.cameras.drain() {
            write_camera(db, &mut self.known, source.as_str(), &camera, &seen)?;
        }
        for ((target, minute), of) in self.minutes.drain() {
            db.prepare_cached(
                "INSERT INTO minutes VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO UPDATE SET planned = planned + excluded.planned,
                 delivered = delivered + excluded.delivered, failed = failed + excluded.failed,
                 last_failed = coalesce(excluded.last_failed, last_failed)",
            )?
            .execute(params![
                target.as_str(),
                minute,
                of.planned,
                of.delivered,
                of.failed,
                of.last_failed
            ])?;
            let newest = self.newest.entry(target.clone()).or_insert(i64::MIN);
            if minute > *newest {
                *newest = minute;
                db.prepare_cached("DELETE FROM minutes WHERE target = ?1 AND minute <= ?2")?
                    .execute(params![target.as_str(), minute - MINUTES])?;
            }
        }
        Ok(())
    }
}

fn write_camera(
    db: &Connection,
    known: &mut i64,
    source: &str,
    camera: &str,
    seen: &Seen,
) -> Result<()> {
    let old = db
        .prepare_cached(
            "SELECT events, first_received, last_received, hours FROM cameras WHERE source = ?1 AND camera = ?2",
        )?
        .query_row(params![source, camera], |row| {
            let hours = Hours::from_bytes(row.get_ref(3)?.as_blob()?);
            Ok((row.get::<_, i64>(0)?, row.get(1)?, row.get(2)?, hours))
        })
        .optional()?;
    let is_new = old.is_none();
    let Some(latest) = seen.last.or(old.map(|(_, _, last, _)| last)) else {
        // One that was not told apart is removed: it was counted with those that have no name.
        if !camera.is_empty() {
            return write_camera(db, known, source, "", seen);
        }
        return Ok(());
    };
    if is_new && !camera.is_empty() && *known >= CAMERAS_MAX {
        return write_camera(db, known, source, "", seen);
    }
    let (mut events, mut first, mut last, hours) = old.unwrap_or((0, latest, latest, None));
    events = (events + seen.events).max(0);
    first = first.min(seen.first.unwrap_or(first));
    last = last.max(latest);
    let mut hours = hours.unwrap_or_else(|| Hours::of(hour_of(last)));
    for (hour, count) in &seen.hours {
        hours.add(*hour, *count);
    }
    db.prepare_cached("INSERT OR REPLACE INTO cameras VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
        .execute(params![
            source,
            camera,
            events,
            first,
            last,
            hours.to_bytes()
        ])?;
    *known += i64::from(is_new);
    Ok(())
}

impl Index {
    /// Removes cameras that have long been silent and have no events, in a transaction of its own.
    pub(super) fn drop_cameras(&mut self, now: Timestamp) -> Result<()> {
        let before = now.saturating_sub(REMEMBERED).unwrap_or(Timestamp::MIN);
        self.drop_silent(micros(before))
    }

    /// Removes cameras without events that were last heard before that moment.
    pub(super) fn drop_silent(&mut self, before: i64) -> Result<()> {
        let dropped = self
            .db
            .prepare_cached("DELETE FROM cameras WHERE events = 0 AND last_received < ?1")?
            .execute([before])?;
        self.books.activity.known -= i64::try_from(dropped).unwrap_or(0);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_move_on_and_forget_what_is_older_than_a_day() {
        let mut hours = Hours::of(100);
        hours.add(100, 5);
        hours.add(99, 2);
        hours.add(76, 9); // a day before: not counted
        hours.add(77, 1);
        assert_eq!(hours.counts[23], 5);
        assert_eq!(hours.counts[22], 2);
        assert_eq!(hours.counts[0], 1);
        hours.add(103, 7);
        assert_eq!(hours.last, 103);
        assert_eq!(hours.counts[19..], [2, 5, 0, 0, 7]);
        assert_eq!(hours.counts.iter().sum::<u32>(), 14);
        assert_eq!(Hours::from_bytes(&hours.to_bytes()), Some(hours));
        hours.add(100_000, 1);
        assert_eq!(hours.counts.iter().sum::<u32>(), 1);
        hours.add(i64::MIN + 1, 1);
        assert_eq!(Hours::from_bytes(b"something else"), None);
    }
}
