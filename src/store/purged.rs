//! What of a plate the index has let go of, and the log still has: a purge removes rows at once, but records only go with their
//! whole segment.

use rusqlite::params;

use super::forget::{is_like, tells};
use super::forgetting::Job;
use super::index::{Index, NUMBERS_PER_RECORD};
use super::indexer::Indexer;
use super::record::normal_plate;
use super::request::{EventIn, QuarantineIn, RequestIn};
use super::rewrite::Glimpse;
use super::segment::RecordKind;
use crate::event::EventId;

impl Indexer {
    /// Adds to what is being forgotten what one segment has of it besides.
    pub(super) fn look_for_purged(&self, job: &mut Job, number: u64) -> Result<(), String> {
        let catalog = &self.room.catalog;
        let segments = catalog.segments();
        let Some(segment) = segments.into_iter().find(|s| s.header.number == number) else {
            return Ok(()); // it was removed meanwhile
        };
        let survey = catalog.survey(segment, false, &mut |seen| {
            if seen.lsn > job.lsn {
                return Ok(false); // what came later is nothing of it
            }
            match seen.kind {
                RecordKind::Request => {
                    self.look_at(job, seen)?;
                    Ok(false)
                }
                RecordKind::Quarantine => {
                    let number = seen.lsn as i64 * NUMBERS_PER_RECORD;
                    Ok(!self.index.has_quarantined(number).map_err(told)?)
                }
                _ => Ok(false),
            }
        })?;
        catalog.read_wanted(segment, &survey, &mut |record| {
            let Ok(known) = serde_json::from_slice::<QuarantineIn>(&record.meta) else {
                return; // damaged
            };
            if tells(&record.payload, &job.plate) || tells(&record.meta, &job.plate) {
                let number = record.head.lsn as i64 * NUMBERS_PER_RECORD;
                job.add_quarantined(number, known.id);
            }
        })
    }

    fn look_at(&self, job: &mut Job, seen: &Glimpse) -> Result<(), String> {
        let Ok(request) = serde_json::from_slice::<RequestIn>(&seen.meta) else {
            return Ok(()); // damaged
        };
        let first = seen.lsn as i64 * NUMBERS_PER_RECORD;
        let (mut slot, mut delivery) = (0, first);
        for stored in &request.events {
            while let Some(gap) = request.gaps.iter().find(|gap| gap.at == slot) {
                slot += 1;
                delivery += gap.deliveries;
            }
            let number = first + slot;
            slot += 1;
            let deliveries = delivery..delivery + stored.plan.deliveries.len() as i64;
            delivery = deliveries.end;
            if is_of(job, stored) && !self.index.has_event(number).map_err(told)? {
                job.add_event(number, stored.event.id, deliveries);
            }
        }
        Ok(())
    }
}

fn told(error: rusqlite::Error) -> String {
    error.to_string()
}

fn is_of(job: &Job, stored: &EventIn) -> bool {
    let mut plates = stored.event.plates.iter();
    plates.any(|plate| {
        let like = |text: &str| is_like(text, &job.plate, job.like);
        let read = plate.text.as_deref();
        read.is_some_and(|text| normal_plate(text) == normal_plate(&job.plate) || like(text))
            || job.like && plate.candidates.iter().any(|other| like(&other.text))
    })
}

impl Job {
    fn add_event(&mut self, number: i64, id: EventId, deliveries: std::ops::Range<i64>) {
        if !self.events.contains(&(number, id)) {
            self.events.push((number, id));
            self.deliveries.extend(deliveries);
            self.told.events += 1;
        }
    }

    fn add_quarantined(&mut self, number: i64, id: EventId) {
        if !self.quarantined.contains(&(number, id)) {
            self.quarantined.push((number, id));
            self.told.requests += 1;
        }
    }
}

impl Index {
    fn has_event(&self, number: i64) -> rusqlite::Result<bool> {
        self.db
            .prepare_cached("SELECT 1 FROM events WHERE number = ?1")?
            .exists(params![number])
    }

    fn has_quarantined(&self, number: i64) -> rusqlite::Result<bool> {
        self.db
            .prepare_cached("SELECT 1 FROM quarantine WHERE number = ?1")?
            .exists(params![number])
    }
}
