//! Whether there is room: on the disk, and under `max_size`.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::FallocateFlags;

use super::catalog::Catalog;
use super::disk::{PRIVATE, is_full};
use crate::telemetry::Metrics;

/// Room set aside so that outcomes can be written when nothing else can.
const BALLAST_BYTES: u64 = 8 << 20;

/// What is used and what is left. Shared by all threads.
pub(super) struct Room {
    pub(super) max_size: u64,
    pub(super) catalog: Arc<Catalog>,
    folder: PathBuf,
    metrics: Metrics,
    index_bytes: AtomicU64,
    /// Of these, what SQLite has free within its file, and fills before that grows: the file itself never becomes shorter.
    pub(super) index_unused: AtomicU64,
    /// Why nothing is accepted, if so.
    full: Mutex<Option<String>>,
    /// Somebody asked for room, and was not answered yet.
    wanted: AtomicBool,
    /// The index must not grow.
    #[cfg(test)]
    pub(super) index_full: AtomicBool,
}

impl Room {
    pub(super) fn new(
        folder: PathBuf,
        max_size: u64,
        catalog: Arc<Catalog>,
        metrics: Metrics,
    ) -> Self {
        Self {
            max_size,
            catalog,
            folder,
            metrics,
            index_bytes: AtomicU64::new(0),
            index_unused: AtomicU64::new(0),
            full: Mutex::default(),
            wanted: AtomicBool::new(false),
            #[cfg(test)]
            index_full: Default::default(),
        }
    }

    /// Looks at the index's files again.
    pub(super) fn measure(&self) {
        let bytes = [
            "index.sqlite",
            "index.sqlite-wal",
            "index.sqlite-shm",
            "ballast",
        ]
        .iter()
        .filter_map(|name| std::fs::metadata(self.folder.join(name)).ok())
        .map(|file| file.len())
        .sum();
        self.index_bytes.store(bytes, Ordering::Relaxed);
        let used = i64::try_from(self.used()).unwrap_or(i64::MAX);
        self.metrics.store_bytes.set(used);
    }

    /// Bytes on disk.
    pub(super) fn used(&self) -> u64 {
        self.catalog.bytes() + self.index_bytes.load(Ordering::Relaxed)
    }

    /// Whether a file of that length would stay under `max_size`.
    pub(super) fn allows(&self, bytes: u64) -> bool {
        let unused = self.index_unused.load(Ordering::Relaxed);
        let used = self.used().saturating_sub(unused);
        used.saturating_add(bytes) <= self.max_size
    }

    /// Whether the disk has room for a file of that length, found by trying.
    pub(super) fn disk_allows(&self, bytes: u64) -> bool {
        let path = self.catalog.folder.join("new-try");
        let file = self.catalog.disk.create(&path);
        let tried = file.and_then(|file| file.allocate(bytes));
        let _ = self.catalog.disk.remove(&path);
        !tried.is_err_and(|error| is_full(&error))
    }

    pub(super) fn full(&self) -> Option<String> {
        self.full
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Returns whether that is news.
    pub(super) fn set_full(&self, why: Option<String>) -> bool {
        let mut full = self.full.lock().unwrap_or_else(PoisonError::into_inner);
        let news = full.is_some() != why.is_some();
        match &why {
            Some(why) if news => {
                tracing::error!(%why, "no room; nothing is accepted, deliveries go on")
            }
            None if news => tracing::info!("there is room again"),
            _ => {}
        }
        *full = why;
        news
    }

    /// Asks for room; false when that was asked already. However many are refused, room is looked for once at a time.
    pub(super) fn want(&self) -> bool {
        !self.wanted.swap(true, Ordering::AcqRel)
    }

    /// Room is looked for now: who is refused from here on may ask again.
    pub(super) fn looks_for_room(&self) {
        self.wanted.store(false, Ordering::Release);
    }

    fn ballast(&self) -> PathBuf {
        self.folder.join("ballast")
    }

    /// Gives the room that was set aside back to the disk; false when that was done already.
    pub(super) fn drop_ballast(&self) -> bool {
        std::fs::remove_file(self.ballast()).is_ok()
    }

    /// Sets room aside, if there is some.
    pub(super) fn restore_ballast(&self) {
        let wanted = BALLAST_BYTES.min(self.max_size / 16);
        if self.full().is_some() || self.ballast().exists() {
            return;
        }
        if let Err(error) = reserve(&self.ballast(), wanted) {
            tracing::debug!(%error, "no room to set aside");
            self.drop_ballast();
        }
    }
}

fn reserve(path: &Path, bytes: u64) -> std::io::Result<()> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(PRIVATE)
        .open(path)?;
    rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, bytes)?;
    Ok(())
}
