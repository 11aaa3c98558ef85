//! Something that is being forgotten, as it stands on disk until that is done; and the rows of it in the index.

use std::io::IoSlice;
use std::path::{Path, PathBuf};

use rusqlite::params;
use serde::{Deserialize, Serialize};

use super::books::name_from;
use super::disk::{Disk, DiskFile};
use super::index::{Index, NUMBERS_PER_RECORD};
use super::pictures::siblings;
use super::record::Forgotten;
use super::redact::Erasure;
use super::rewrite::blank;
use crate::event::EventId;
use crate::fate::Fate;

type Result<T> = rusqlite::Result<T>;

/// What is being forgotten, as it stands on disk until that is done.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Job {
    pub(super) told: Forgotten,
    /// Nothing behind this record is of it.
    pub(super) lsn: u64,
    /// As it was asked for, and whether those like it are meant, too.
    #[serde(default)]
    pub(super) plate: String,
    #[serde(default)]
    pub(super) like: bool,
    pub(super) texts: Vec<String>,
    pub(super) events: Vec<(i64, EventId)>,
    pub(super) quarantined: Vec<(i64, EventId)>,
    pub(super) deliveries: Vec<i64>,
}

/// All that is left of it when nothing of it is on disk any more: that is still to be said in the log.
#[derive(Serialize, Deserialize)]
struct Done {
    done: Forgotten,
}

/// What an earlier run left to do.
#[derive(Clone)]
pub(super) enum Left {
    All(Job),
    /// It is on disk nowhere, and nothing says so yet.
    ToSay(Forgotten),
}

const NEW: &str = "forgetting.new";
const FILE: &str = "forgetting.json";

impl Job {
    pub(super) fn erasure(&self) -> Erasure {
        let all = || self.events.iter().chain(&self.quarantined);
        Erasure {
            events: self.events.iter().map(|(number, _)| *number).collect(),
            ids: all().map(|(_, id)| *id).collect(),
            quarantined: self.quarantined.iter().map(|(number, _)| *number).collect(),
            deliveries: self.deliveries.iter().copied().collect(),
            texts: self.texts.clone(),
        }
    }

    pub(super) fn of_nothing(told: Forgotten) -> Self {
        Self {
            told,
            lsn: 0,
            plate: String::new(),
            like: false,
            texts: Vec::new(),
            events: Vec::new(),
            quarantined: Vec::new(),
            deliveries: Vec::new(),
        }
    }

    /// Whether nothing was found: then only traces are looked for, in blocks and in what steps remember.
    pub(super) fn is_of_nothing(&self) -> bool {
        self.events.is_empty() && self.quarantined.is_empty()
    }

    /// The same for a log that ends with this record, where later numbers will be those of others.
    pub(super) fn within(mut self, last_lsn: u64) -> Self {
        let is_in = |number: i64| (number / NUMBERS_PER_RECORD) as u64 <= last_lsn;
        self.lsn = self.lsn.min(last_lsn);
        self.events.retain(|(number, _)| is_in(*number));
        self.quarantined.retain(|(number, _)| is_in(*number));
        self.deliveries.retain(|number| is_in(*number));
        self
    }

    fn path(folder: &Path) -> PathBuf {
        folder.join(FILE)
    }

    /// Makes sure that it is done, whatever happens.
    pub(super) fn write(&self, disk: &dyn Disk, folder: &Path) -> std::io::Result<()> {
        let bytes = serde_json::to_vec(self).map_err(std::io::Error::other)?;
        replace(disk, folder, &bytes)
    }

    /// It could not be written: no later start may find it.
    pub(super) fn withdraw(disk: &dyn Disk, folder: &Path) -> std::io::Result<()> {
        match disk.remove(&Self::path(folder)) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
            Ok(()) => disk.sync_folder(folder),
        }
    }

    /// It is nowhere else any more, so what is written of it here goes as well: all but what may be said of it.
    pub(super) fn write_done(&self, disk: &dyn Disk, folder: &Path) -> std::io::Result<()> {
        let done = Done {
            done: self.told.clone(),
        };
        let bytes = serde_json::to_vec(&done).map_err(std::io::Error::other)?;
        let old = disk.open(&Self::path(folder))?;
        replace(disk, folder, &bytes)?;
        blank(&*old, 0, old.len()?)?;
        old.sync()
    }

    /// What an earlier run left to do.
    pub(super) fn read(
        disk: &dyn Disk,
        folder: &Path,
    ) -> std::result::Result<Option<Left>, String> {
        // Begun, and never asked for.
        let _ = disk.remove(&folder.join(NEW));
        let path = Self::path(folder);
        let told = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let bytes = match disk.open(&path) {
            Ok(file) => whole(&*file).map_err(|error| told(&error))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(told(&error)),
        };
        if bytes.contains(&0) {
            let _ = disk.remove(&path); // it was done: its bytes are gone, the file was to follow
            return Ok(None);
        }
        if let Ok(Done { done }) = serde_json::from_slice(&bytes) {
            return Ok(Some(Left::ToSay(done)));
        }
        let job = serde_json::from_slice(&bytes).map_err(|error| told(&error))?;
        Ok(Some(Left::All(job)))
    }

    /// It is done, and said.
    pub(super) fn remove(disk: &dyn Disk, folder: &Path) -> std::io::Result<()> {
        disk.remove(&Self::path(folder))?;
        disk.sync_folder(folder)
    }
}

impl Left {
    /// What is to be forgotten still.
    pub(super) fn job(self) -> Option<Job> {
        match self {
            Self::All(job) => Some(job),
            Self::ToSay(_) => None,
        }
    }
}

/// Puts these bytes in the file's place: at any moment one of both is there, whole.
fn replace(disk: &dyn Disk, folder: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let new = folder.join(NEW);
    let _ = disk.remove(&new); // of a try that failed
    let file = disk.create(&new)?;
    file.write_at(&mut [IoSlice::new(bytes)], 0)?;
    file.sync()?;
    disk.rename(&new, &Job::path(folder))?;
    disk.sync_folder(folder)
}

fn whole(file: &dyn DiskFile) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(file.len()?).unwrap_or(0)];
    let read = file.read_at(&mut bytes, 0)?;
    bytes.truncate(read);
    Ok(bytes)
}

impl Index {
    /// Lets go of all rows of it, in a transaction of its own. Waiting deliveries end as `filtered`.
    pub(super) fn forget(&mut self, job: &Job) -> Result<()> {
        let erasure = job.erasure();
        self.begin()?;
        for (number, id) in &job.events {
            let (first, last) = siblings(*number);
            for (_, target, fate) in self.deliveries_of(*number, first, last)? {
                if fate == Fate::Pending.as_str() {
                    self.news.fates.push((name_from(target)?, Fate::Filtered));
                }
            }
            self.remove_event(*number)?;
            self.db
                .prepare_cached("DELETE FROM joined WHERE part = ?1")?
                .execute([id.as_bytes()])?;
        }
        for (number, _) in &job.quarantined {
            self.remove_quarantined(*number)?;
        }
        for note in self.notes()? {
            let texts = [Some(&*note.key), note.state.as_deref()];
            if texts.into_iter().flatten().any(|text| erasure.is_in(text)) {
                self.db
                    .prepare_cached(
                        "DELETE FROM notes WHERE route = ?1 AND step = ?2 AND key = ?3",
                    )?
                    .execute(params![note.route.as_str(), &*note.step, &*note.key])?;
            }
        }
        self.unsay_in_groups_and_jobs(&erasure)?;
        // A camera that is not told of by anything else is forgotten with it: its name may be the plate.
        self.books.write(&self.db)?;
        self.drop_silent(i64::MAX)?;
        self.news.removed = true;
        self.commit()
    }

    /// Notes that something was forgotten.
    pub(super) fn forgot(&mut self, lsn: u64, told: &Forgotten) -> Result<u64> {
        let text = serde_json::to_string(told).unwrap_or_default();
        self.db
            .prepare_cached("INSERT OR REPLACE INTO forgotten VALUES (?1, ?2, ?3)")?
            .execute(params![told.id.as_bytes(), text, lsn as i64])?;
        Ok(1)
    }

    pub(super) fn forgotten_between(&self, from: i64, to: i64) -> Result<Vec<Forgotten>> {
        let told: Vec<String> = self
            .db
            .prepare_cached("SELECT told FROM forgotten WHERE touched BETWEEN ?1 AND ?2")?
            .query_map([from, to], |row| row.get(0))?
            .collect::<Result<_>>()?;
        let told = told
            .iter()
            .filter_map(|told| serde_json::from_str(told).ok());
        Ok(told.collect())
    }

    /// Writes the whole index anew, so that nothing of what it once held is left in its files.
    pub(super) fn wring_out(&self) -> Result<()> {
        // A large index must not fill the memory; what is written aside is what stays.
        self.db.pragma_update(None, "temp_store", "FILE")?;
        self.db.execute_batch("VACUUM")?;
        let busy: i64 = self
            .db
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        self.db.pragma_update(None, "temp_store", "MEMORY")?;
        if busy != 0 {
            return Err(rusqlite::Error::QueryReturnedNoRows); // somebody reads: tried again
        }
        Ok(())
    }
}
