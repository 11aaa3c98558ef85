//! Something that is being forgotten, as it stands on disk until that is done; and the rows of it in the index.

use std::io::IoSlice;
use std::path::{Path, PathBuf};

use rusqlite::params;
use serde::{Deserialize, Serialize};

use super::books::name_from;
use super::disk::Disk;
use super::index::{Index, NUMBERS_PER_RECORD};
use super::pictures::siblings;
use super::record::Forgotten;
use super::redact::Erasure;
use crate::event::EventId;
use crate::fate::Fate;

type Result<T> = rusqlite::Result<T>;

/// What is being forgotten, as it stands on disk until that is done.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Job {
    pub(super) told: Forgotten,
    /// Nothing behind this record is of it.
    pub(super) lsn: u64,
    pub(super) texts: Vec<String>,
    pub(super) events: Vec<(i64, EventId)>,
    pub(super) quarantined: Vec<(i64, EventId)>,
    pub(super) deliveries: Vec<i64>,
}

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
        let (path, new) = (Self::path(folder), folder.join("forgetting.new"));
        if new.exists() {
            disk.remove(&new)?;
        }
        let file = disk.create(&new)?;
        let bytes = serde_json::to_vec(self).map_err(std::io::Error::other)?;
        file.write_at(&mut [IoSlice::new(&bytes)], 0)?;
        file.sync()?;
        disk.rename(&new, &path)?;
        disk.sync_folder(folder)
    }

    /// What an earlier run left to do.
    pub(super) fn read(
        disk: &dyn Disk,
        folder: &Path,
    ) -> std::result::Result<Option<Self>, String> {
        let begun = folder.join("forgetting.new");
        if begun.exists() {
            let _ = disk.remove(&begun);
        }
        let path = Self::path(folder);
        match std::fs::read(&path) {
            Ok(bytes) if bytes.contains(&0) => {
                let _ = disk.remove(&path); // it was done: its bytes are gone, the file was to follow
                Ok(None)
            }
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|error| format!("{}: {error}", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(format!("{}: {error}", path.display())),
        }
    }

    /// It is done: the file goes, and its bytes with it.
    pub(super) fn remove(disk: &dyn Disk, folder: &Path) -> std::io::Result<()> {
        let path = Self::path(folder);
        let file = disk.open(&path)?;
        let zeros = vec![0; usize::try_from(file.len()?).unwrap_or(0)];
        file.write_at(&mut [IoSlice::new(&zeros)], 0)?;
        file.sync()?;
        disk.remove(&path)?;
        disk.sync_folder(folder)
    }
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
