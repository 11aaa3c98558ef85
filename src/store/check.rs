//! Looks a store over: every byte of the log by its checksums, and the index by building another one beside it.
//!
//! Nothing is changed. While camhook runs, the index is looked at as it is at one moment, and the log up to there.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::StoreError;
use super::catalog::{Catalog, Segment};
use super::compare::{self, Difference};
use super::damage::Damage;
use super::disk::{LookingDisk, SystemDisk};
use super::forgetting::{Job, Left};
use super::index::{Index, NUMBERS_PER_RECORD};
use super::open::{catch_up, change, lock};
use super::scan::Found;
use super::segment::HEADER_BYTES;
use super::snapshot::{Known, Moment};
use super::writer::Change;
use super::{record::What, schema, seal};
use crate::event::EventId;

/// What a look found.
#[derive(Debug)]
pub(crate) struct Checked {
    /// A camhook holds the store.
    pub(crate) running: bool,
    pub(crate) segments: u64,
    pub(crate) records: u64,
    /// Events that the log tells of, those that were purged since among them.
    pub(crate) events: u64,
    pub(crate) bytes: u64,
    pub(crate) damaged: Vec<Damaged>,
    pub(crate) index: IndexState,
}

/// A place that cannot be read.
#[derive(Debug)]
pub(crate) struct Damaged {
    pub(crate) file: PathBuf,
    pub(crate) offset: u64,
    pub(crate) bytes: u64,
    /// How many records lay there; 0 where that is not known, or none did.
    pub(crate) records: u64,
    /// The events and quarantined requests that lay there, as far as the index knows them.
    pub(crate) events: Vec<EventId>,
    pub(crate) why: String,
}

/// How the index is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum IndexState {
    /// There is none: the next start builds it.
    Absent,
    Same,
    /// It lacks so many records of the log's end: the next start applies them.
    Behind(u64),
    /// It tells something else than the log, in words.
    Differs(Vec<String>),
    Unreadable(String),
    NotCompared(String),
    Rebuilt,
}

impl Checked {
    pub(crate) fn is_well(&self) -> bool {
        self.damaged.is_empty()
            && !matches!(
                self.index,
                IndexState::Differs(_) | IndexState::Unreadable(_)
            )
    }
}

/// Checks the store in `folder`. `repair` builds an index anew that is not as it should be.
pub(crate) fn check(folder: &Path, repair: bool) -> Result<Checked, StoreError> {
    // A folder that no camhook has opened yet, such as a backup, stays as it is.
    let held = match folder.join("lock").exists() {
        true => match lock(folder) {
            Ok(held) => Some(held),
            Err(StoreError::Locked { path }) if repair => return Err(StoreError::Locked { path }),
            Err(StoreError::Locked { .. }) => None,
            Err(error) => return Err(error),
        },
        false if repair => Some(lock(folder)?),
        false => None,
    };
    let running = held.is_none() && folder.join("lock").exists();
    let mut checked = look(folder, running).map_err(StoreError::Failed)?;
    let is_wrong = matches!(
        checked.index,
        IndexState::Differs(_) | IndexState::Unreadable(_) | IndexState::Absent
    );
    if repair && is_wrong {
        rebuild(folder).map_err(StoreError::Failed)?;
        checked.index = IndexState::Rebuilt;
    }
    Ok(checked)
}

fn rebuild(folder: &Path) -> Result<(), String> {
    let index = folder.join("index.sqlite");
    schema::set_aside(&index, "asked for by `camhook store check --repair`")?;
    let catalog = Catalog::open(folder.join("log"), Arc::new(SystemDisk), 0)?;
    let built = catch_up(&catalog, &index, 4_000, &std::cell::Cell::new(false))?;
    let told = "PRAGMA wal_checkpoint(TRUNCATE)";
    let _ = built.0.db.query_row(told, [], |_| Ok(()));
    drop(built);
    let _ = seal::take(&index);
    seal::put(&index);
    Ok(())
}

/// Reads all segments; records up to the index's moment go into another index.
struct Reading<'a> {
    catalog: &'a Catalog,
    scratch: Option<Index>,
    until: u64,
    waiting: usize,
    checked: Checked,
    lost: Vec<Damage>,
    last_lsn: u64,
    /// Something was forgotten behind the index's moment: what the index has may be gone from the log.
    forgot: bool,
}

const APPLIED_AT_ONCE: usize = 5_000;

impl Reading<'_> {
    fn found(&mut self, moment: Option<&Moment>, found: Found) -> Result<(), String> {
        let (position, record) = match found {
            Found::Record(position, record) => (position, record),
            Found::Damage(damage) => {
                self.checked.damaged.push(Damaged {
                    file: self.catalog.path(damage.segment),
                    offset: damage.offset,
                    bytes: damage.bytes,
                    records: damage.records(),
                    events: moment.map_or_else(Vec::new, |moment| moment.events(&damage)),
                    why: "the checksum does not match, though it had been safe".to_owned(),
                });
                self.lost.push(damage);
                return Ok(());
            }
        };
        self.checked.records += 1;
        self.checked.bytes += record.head.record_bytes();
        self.last_lsn = self.last_lsn.max(record.head.lsn);
        let change = change(self.catalog, position, &record)?;
        if let What::Request { events, .. } = &change.what {
            self.checked.events += events.len() as u64;
        }
        self.forgot |= change.lsn > self.until && matches!(change.what, What::Forgot(_));
        if change.lsn <= self.until {
            self.apply(&change)?;
        }
        Ok(())
    }

    fn apply(&mut self, change: &Change) -> Result<(), String> {
        let Some(index) = &mut self.scratch else {
            return Ok(());
        };
        let told = |error: rusqlite::Error| format!("building an index to compare with: {error}");
        if self.waiting == 0 {
            index.begin().map_err(told)?;
        }
        index.apply(change).map_err(told)?;
        self.waiting += 1;
        if self.waiting == APPLIED_AT_ONCE {
            self.waiting = 0;
            index.commit().map_err(told)?;
        }
        Ok(())
    }
}

fn look(folder: &Path, running: bool) -> Result<Checked, String> {
    let begun = Job::read(&LookingDisk, folder)?.and_then(Left::job);
    let moment = Moment::of(&folder.join("index.sqlite"));
    let catalog = look_at(folder)?;
    let segments = catalog.segments();
    let scratch = match &moment {
        Ok(_) => {
            let told = |error: rusqlite::Error| format!("no room to build an index in: {error}");
            Some(Index::load(schema::open_scratch().map_err(told)?).map_err(told)?)
        }
        Err(_) => None,
    };
    let mut reading = Reading {
        catalog: &catalog,
        scratch,
        until: moment.as_ref().map_or(0, |moment| moment.lsn),
        waiting: 0,
        checked: Checked {
            running,
            segments: segments.len() as u64,
            records: 0,
            events: 0,
            bytes: 0,
            damaged: Vec::new(),
            index: IndexState::Absent,
        },
        lost: Vec::new(),
        last_lsn: 0,
        forgot: false,
    };
    let (mut gone, mut end) = (false, None);
    for (n, segment) in segments.iter().enumerate() {
        let next = segments.get(n + 1).map(|next| next.header);
        let (damaged, lost) = (reading.checked.damaged.len(), reading.lost.len());
        let first = segment.header.first_lsn;
        let mut each = |found| reading.found(moment.as_ref().ok(), found);
        let read = catalog.scan(*segment, HEADER_BYTES, first, next, &mut each);
        if running && !is_there(folder, *segment)? {
            // Removed while it was read, and perhaps written over.
            reading.checked.damaged.truncate(damaged);
            reading.lost.truncate(lost);
            gone = true;
        } else {
            let file = catalog.path(segment.header.number);
            match read {
                Ok(read) => end = Some((file, read.offset)),
                Err(why) => reading
                    .checked
                    .damaged
                    .push(whole(file, segment.bytes, why)),
            }
        }
    }
    if reading.waiting > 0
        && let Some(index) = &mut reading.scratch
    {
        index.commit().map_err(|error| error.to_string())?;
    }
    for (file, why) in catalog.unreadable() {
        let bytes = std::fs::metadata(&file).map_or(0, |file| file.len());
        reading.checked.damaged.push(whole(file, bytes, why));
    }
    for header in catalog.salvaged() {
        let why = "the header is damaged; the next start makes it anew from the first record";
        let file = catalog.path(header.number);
        let damaged = whole(file, HEADER_BYTES, why.to_owned());
        reading.checked.damaged.push(damaged);
    }
    if let (Ok(moment), Some((file, offset)), false) = (&moment, end, gone) {
        let beyond = Damage {
            segment: 0,
            offset,
            bytes: 0,
            first_lsn: reading.last_lsn + 1,
            next_lsn: moment.lsn.max(reading.last_lsn) + 1,
        };
        // Outcomes are not waited for, but an event is in the index only when it is safe in the log.
        let events = moment.events(&beyond);
        if !events.is_empty() {
            reading.checked.damaged.push(Damaged {
                records: events.len() as u64,
                offset,
                events,
                ..whole(
                    file,
                    0,
                    "the log ends here, before what had been safe".to_owned(),
                )
            });
        }
    }
    reading.checked.index = match moment {
        Err(state) => state,
        Ok(moment) => {
            let job = begun.or(Job::read(&LookingDisk, folder)?.and_then(Left::job));
            judge(&moment, &mut reading, gone, job)
        }
    };
    Ok(reading.checked)
}

fn look_at(folder: &Path) -> Result<Catalog, String> {
    Catalog::look(folder.join("log"), Arc::new(LookingDisk), 0)
}

fn is_there(folder: &Path, segment: Segment) -> Result<bool, String> {
    let now = look_at(folder)?.segments();
    Ok(now.iter().any(|now| now.header == segment.header))
}

fn whole(file: PathBuf, bytes: u64, why: String) -> Damaged {
    Damaged {
        file,
        offset: 0,
        bytes,
        records: 0,
        events: Vec::new(),
        why,
    }
}

/// `job` is what is being forgotten: the index has let go of it, the log perhaps not yet.
fn judge(moment: &Moment, reading: &mut Reading<'_>, gone: bool, job: Option<Job>) -> IndexState {
    let Some(scratch) = &mut reading.scratch else {
        return IndexState::Absent;
    };
    let missing: Vec<Known> = moment
        .segments
        .iter()
        .copied()
        .filter(|known| !reading.catalog.contains(known.segment))
        .collect();
    if reading.checked.running && (gone || !missing.is_empty()) {
        let why = "old segments were removed meanwhile; run it again";
        return IndexState::NotCompared(why.to_owned());
    }
    if reading.checked.running && reading.forgot {
        let why = "something was forgotten meanwhile; run it again";
        return IndexState::NotCompared(why.to_owned());
    }
    let forgotten = job.map(|job| job.erasure()).unwrap_or_default();
    let unreadable = |error: rusqlite::Error| IndexState::Unreadable(error.to_string());
    let mut told = match compare::integrity(&moment.db) {
        Ok(wrong) => wrong,
        Err(error) => return unreadable(error),
    };
    for known in missing.iter().filter(|known| known.pending > 0) {
        told.push(format!(
            "the file of segment {} is gone, and with it {} deliveries that wait",
            known.segment, known.pending
        ));
    }
    // Beyond the log's end it knows outcomes that a power failure took from there; of what is damaged or gone it knows more
    // as well.
    let fates = reading.lost.is_empty() && missing.is_empty() && moment.lsn <= reading.last_lsn;
    let (lost, last_lsn) = (&reading.lost, reading.last_lsn);
    let is_lost = |number: i64| {
        let lsn = (number / NUMBERS_PER_RECORD) as u64;
        let damaged = |damage: &Damage| (damage.first_lsn..damage.next_lsn).contains(&lsn);
        let gone = |known: &Known| (known.first_lsn..=known.last_lsn).contains(&lsn);
        forgotten.has(number)
            || lost.iter().any(damaged)
            || missing.iter().any(gone)
            || lsn > last_lsn
    };
    let compared = scratch
        .remove_named(&moment.gone)
        .and_then(|()| compare::compare(&moment.db, &scratch.db, fates, &is_lost));
    match compared {
        Ok(differences) => told.extend(differences.iter().map(Difference::to_string)),
        Err(error) => return unreadable(error),
    }
    if !told.is_empty() {
        return IndexState::Differs(told);
    }
    if !missing.is_empty() {
        let why = "the removal of old segments was cut short; the next start ends it";
        return IndexState::NotCompared(why.to_owned());
    }
    match reading.last_lsn.saturating_sub(moment.lsn) {
        0 => IndexState::Same,
        _ if reading.checked.running => IndexState::Same, // it is applying them
        records => IndexState::Behind(records),
    }
}
