//! Forgetting on request: every event with a plate, with all that was kept of it.
//!
//! What is to go is written into a file beside the log first ([`super::forgetting`]), so that a crash at any line only delays it: the next
//! start takes it up again. That file tells the plate, so it goes last. Then the index forgets the events, their deliveries
//! end, the active segment is ended, and every segment that told something of it is written anew without it
//! ([`super::scrub`]). What stays is a record that something was forgotten, when and how much, without what.
//!
//! Nobody who was given the events before can be made to forget them; who that was is told.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};
use tokio::sync::oneshot;

use super::books::name_from;
use super::forgetting::Job;
use super::index::moment;
use super::pictures::siblings;
use super::query::{self, Located};
use super::record::{Forgotten, normal_plate};
use super::request::RequestIn;
use super::writer::Told;
use super::{Inner, PageQuery, Store, StoreError, closed, failed};
use crate::event::EventId;
use crate::fate::Fate;
use crate::likeness::Fold;
use crate::name::Name;

type Result<T> = rusqlite::Result<T>;

/// Something kept that tells of a plate.
#[derive(Debug, Clone)]
pub(crate) struct Sighting {
    pub(crate) id: EventId,
    pub(crate) received_at: Timestamp,
    pub(crate) source: Name,
    pub(crate) camera: Option<String>,
    /// As they are compared, with spaces between.
    pub(crate) plates: String,
    pub(crate) why: Why,
    /// Targets that were to get it still, one for each delivery, and those that have got it.
    pub(crate) waiting: Vec<Name>,
    pub(crate) delivered: Vec<Name>,
    number: i64,
    deliveries: Vec<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    Exact,
    /// Of letters that readers take for one another.
    Like,
    /// It was one of the other readings.
    Candidate,
    /// A request in quarantine that has the text in it.
    Quarantined,
}

impl Why {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Exact => "plate",
            Self::Like => "like",
            Self::Candidate => "candidate",
            Self::Quarantined => "quarantine",
        }
    }
}

/// What is forgotten while deliveries of it or fetches for it are under way: what comes of them is not written down.
#[derive(Default)]
pub(super) struct Gone {
    pub(super) deliveries: HashSet<i64>,
    pub(super) events: HashSet<EventId>,
}

impl Store {
    /// What is kept of a plate, newest first. With `like` also plates of letters that readers take for one another, and events
    /// that have it among their other readings.
    pub(crate) async fn sightings(
        &self,
        plate: &str,
        like: bool,
    ) -> std::result::Result<Vec<Sighting>, StoreError> {
        let plate = plate.to_owned();
        self.caught_up().await;
        self.read_inner(move |inner, db| inner.sightings(db, &plate, like))
            .await
    }

    /// Forgets these, and returns when nothing of them is on disk any more.
    pub(crate) async fn forget(
        &self,
        plate: &str,
        like: bool,
    ) -> std::result::Result<(Forgotten, Vec<Sighting>), StoreError> {
        let found = self.sightings(plate, like).await?;
        let now = self.0.clock.now();
        let told = Forgotten {
            id: EventId::at(now),
            at: now,
            events: found
                .iter()
                .filter(|one| one.why != Why::Quarantined)
                .count() as u64,
            requests: found
                .iter()
                .filter(|one| one.why == Why::Quarantined)
                .count() as u64,
            ended: found.iter().map(|one| one.waiting.len() as u64).sum(),
            delivered: tally(&found),
        };
        if found.is_empty() {
            return Ok((told, found));
        }
        let texts = found
            .iter()
            .filter(|one| matches!(one.why, Why::Exact | Why::Like))
            .flat_map(|one| one.plates.split(' '))
            .filter(|text| is_like(text, plate, like));
        let texts: BTreeSet<String> = texts
            .map(str::to_owned)
            .chain([normal_plate(plate)])
            .collect();
        let of = |quarantined: bool| {
            let ours = found
                .iter()
                .filter(|one| (one.why == Why::Quarantined) == quarantined);
            ours.map(|one| (one.number, one.id)).collect::<Vec<_>>()
        };
        let job = Job {
            told,
            lsn: 0,
            texts: texts.into_iter().collect(),
            events: of(false),
            quarantined: of(true),
            deliveries: found
                .iter()
                .flat_map(|one| one.deliveries.clone())
                .collect(),
        };
        // All that was decided has its place in the log, and nothing is decided until steps have forgotten it as well.
        let turn = self.0.memory.turn().await;
        self.caught_up().await;
        {
            let mut gone = self.0.gone();
            gone.deliveries.extend(&job.deliveries);
            gone.events.extend(job.events.iter().map(|(_, id)| *id));
        }
        let erasure = job.erasure();
        self.0.memory.forget(|text| erasure.is_in(text));
        let (reply, done) = oneshot::channel();
        let _busy = self.0.clock.busy();
        let told = Told::Forget(Box::new(job), reply);
        self.0.index.send(told).map_err(|_| closed())?;
        drop(turn);
        let told = done.await.map_err(|_| closed())??;
        Ok((told, found))
    }

    /// What was forgotten, newest first.
    pub(crate) async fn forgotten(
        &self,
        page: PageQuery,
    ) -> std::result::Result<Vec<Forgotten>, StoreError> {
        self.read(move |db, _| {
            let mut rows = db.prepare_cached(
                "SELECT told FROM forgotten WHERE ?1 IS NULL OR id < ?1 ORDER BY id DESC LIMIT ?2",
            )?;
            let before = page.before.map(|before| before.as_bytes().to_vec());
            let rows = rows.query_map(params![before, query::limit(page.limit)], |row| {
                row.get::<_, String>(0)
            })?;
            let told: Vec<String> = rows.collect::<Result<_>>()?;
            Ok(told
                .iter()
                .filter_map(|told| serde_json::from_str(told).ok())
                .collect())
        })
        .await
    }
}

fn tally(found: &[Sighting]) -> Vec<(Name, u64)> {
    let mut tally: BTreeMap<&str, (Name, u64)> = BTreeMap::new();
    for target in found.iter().flat_map(|one| &one.delivered) {
        let row = tally.entry(target.as_str());
        row.or_insert_with(|| (target.clone(), 0)).1 += 1;
    }
    tally.into_values().collect()
}

fn is_like(text: &str, plate: &str, like: bool) -> bool {
    let fold = if like { Fold::LookAlike } else { Fold::Plate };
    fold.letters(text).eq(fold.letters(plate)) || normal_plate(text) == normal_plate(plate)
}

impl Inner {
    fn sightings(
        &self,
        db: &Connection,
        plate: &str,
        like: bool,
    ) -> std::result::Result<Vec<Sighting>, StoreError> {
        let wanted = normal_plate(plate);
        let mut numbers: BTreeMap<i64, Why> = BTreeMap::new();
        for (text, event) in plates(db, (!like).then_some(&wanted)).map_err(failed)? {
            if text == wanted {
                numbers.insert(event, Why::Exact);
            } else if is_like(&text, plate, like) {
                numbers.entry(event).or_insert(Why::Like);
            }
        }
        if like {
            for (number, id, located) in places(db, "events").map_err(failed)? {
                let is_one = || self.has_candidate(&located, id, plate);
                if !numbers.contains_key(&number) && is_one().map_err(failed)? {
                    numbers.insert(number, Why::Candidate);
                }
            }
        }
        for (number, _, located) in places(db, "quarantine").map_err(failed)? {
            let record = match self.catalog.read(located.position, located.lsn) {
                Err(StoreError::Damaged(_)) => continue, // what cannot be read is removed anyway
                record => record?,
            };
            if tells(&record.payload, plate) || tells(&record.meta, plate) {
                numbers.insert(number, Why::Quarantined);
            }
        }
        let mut found = Vec::with_capacity(numbers.len());
        for (number, why) in numbers.into_iter().rev() {
            found.extend(sighting(db, number, why).map_err(failed)?);
        }
        Ok(found)
    }

    fn has_candidate(
        &self,
        located: &Located,
        id: EventId,
        plate: &str,
    ) -> std::result::Result<bool, String> {
        let seen = self.catalog.glimpse(located.position, located.lsn)?;
        let request = seen.and_then(|seen| serde_json::from_slice::<RequestIn>(&seen.meta).ok());
        let Some(request) = request else {
            return Ok(false); // damaged: what cannot be read is removed anyway
        };
        let event = request.events.iter().find(|stored| stored.event.id == id);
        let plates = event.into_iter().flat_map(|stored| &stored.event.plates);
        let mut candidates = plates.flat_map(|plate| &plate.candidates);
        Ok(candidates.any(|candidate| is_like(&candidate.text, plate, true)))
    }
}

/// Whether a request that nobody understood has the plate in it, as it was asked for or with nothing between its letters.
fn tells(bytes: &[u8], plate: &str) -> bool {
    let bytes = bytes.to_ascii_lowercase();
    [
        plate.trim().to_lowercase(),
        normal_plate(plate).to_lowercase(),
    ]
    .iter()
    .any(|text| !text.is_empty() && memchr::memmem::find(&bytes, text.as_bytes()).is_some())
}

fn plates(db: &Connection, only: Option<&String>) -> Result<Vec<(String, i64)>> {
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
    match only {
        Some(plate) => db
            .prepare_cached("SELECT plate, event FROM plates WHERE plate = ?1")?
            .query_map([plate], read)?
            .collect(),
        None => db
            .prepare_cached("SELECT plate, event FROM plates")?
            .query_map([], read)?
            .collect(),
    }
}

fn places(db: &Connection, table: &str) -> Result<Vec<(i64, EventId, Located)>> {
    db.prepare(&format!("SELECT number, id, segment, offset FROM {table}"))?
        .query_map([], |row| {
            let number = row.get(0)?;
            let located = Located::new(number, row.get(2)?, row.get(3)?);
            Ok((number, EventId::from_bytes(row.get(1)?), located))
        })?
        .collect()
}

fn sighting(db: &Connection, number: i64, why: Why) -> Result<Option<Sighting>> {
    let sql = match why {
        Why::Quarantined => {
            "SELECT id, received_at, source, NULL, '' FROM quarantine WHERE number = ?1"
        }
        Why::Exact | Why::Like | Why::Candidate => {
            "SELECT id, received_at, source, camera, plates FROM events WHERE number = ?1"
        }
    };
    let found = db
        .prepare_cached(sql)?
        .query_row([number], |row| {
            Ok(Sighting {
                id: EventId::from_bytes(row.get(0)?),
                received_at: moment(row.get(1)?),
                source: name_from(row.get(2)?)?,
                camera: row.get(3)?,
                plates: row.get(4)?,
                why,
                waiting: Vec::new(),
                delivered: Vec::new(),
                number,
                deliveries: Vec::new(),
            })
        })
        .optional()?;
    let Some(mut found) = found else {
        return Ok(None);
    };
    let (first, last) = siblings(number);
    let mut rows = db.prepare_cached(
        "SELECT number, target, fate FROM deliveries WHERE number BETWEEN ?2 AND ?3 AND event = ?1
         UNION
         SELECT number, target, fate FROM deliveries WHERE replanned > 0 AND event = ?1",
    )?;
    let mut rows = rows.query(params![number, first, last])?;
    while let Some(row) = rows.next()? {
        found.deliveries.push(row.get(0)?);
        let target = name_from(row.get(1)?)?;
        match super::books::fate_from(&row.get::<_, String>(2)?) {
            Fate::Pending => found.waiting.push(target),
            Fate::Delivered => found.delivered.push(target),
            Fate::Held | Fate::Dead | Fate::Expired | Fate::Filtered => {}
        }
    }
    Ok(Some(found))
}
