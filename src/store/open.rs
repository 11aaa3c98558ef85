//! Opening a store: take the lock, look at the files, bring the index up to date, start the threads.

use std::cell::Cell;
use std::collections::HashMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use tokio::sync::Semaphore;

use super::cache::Cache;
use super::catalog::{Catalog, Position, Record, Segment};
use super::desk::Desks;
use super::disk::{Disk, PRIVATE, SystemDisk};
use super::feed::Feed;
use super::forgetting::{Job, Left};
use super::index::{Index, News};
use super::indexer::Indexer;
use super::log::Log;
use super::record::What;
use super::room::Room;
use super::scan::{End, Found};
use super::scrub::Scrub;
use super::segment::HEADER_BYTES;
use super::weighing::Scales;
use super::writer::{Change, Writer};
use super::{Inner, Settings, Store, StoreError};
use super::{schema, seal};
use crate::clock::Clock;
use crate::decide::Memory;
use crate::telemetry::Metrics;

const SEGMENT_BYTES: u64 = 64 << 20;
/// A small `max_size` gets smaller segments: whole segments are removed, so there must be several.
const SEGMENTS_MIN: u64 = 8;
const SEGMENT_BYTES_MIN: u64 = 256 << 10;
/// Requests on their way to the disk and into the index; past that, senders wait.
const UNAPPLIED_MAX: usize = 8_192;
/// Each has three files open.
const READERS_MAX: usize = 32;
const CACHE_BYTES: usize = 32 << 20;
/// Records applied in one transaction while catching up.
const REPLAYED_AT_ONCE: usize = 2_000;

impl Store {
    pub(crate) fn open(
        settings: Settings,
        clock: Clock,
        metrics: Metrics,
    ) -> Result<Self, StoreError> {
        Self::open_on(Arc::new(SystemDisk), settings, clock, metrics)
    }

    pub(super) fn open_on(
        disk: Arc<dyn Disk>,
        settings: Settings,
        clock: Clock,
        metrics: Metrics,
    ) -> Result<Self, StoreError> {
        let folder = settings.path.clone();
        let failed =
            |error: std::io::Error| StoreError::Failed(format!("{}: {error}", folder.display()));
        make_folder(&*disk, &folder).map_err(failed)?;
        make_private_folder(&*disk, &folder.join("log")).map_err(failed)?;
        let lock = lock(&folder)?;
        let segment_bytes =
            (settings.max_size / SEGMENTS_MIN).clamp(SEGMENT_BYTES_MIN, SEGMENT_BYTES) / 4096
                * 4096;
        let catalog =
            Catalog::open(folder.join("log"), disk, segment_bytes).map_err(StoreError::Failed)?;
        let catalog = Arc::new(catalog);
        let index_path = folder.join("index.sqlite");
        // A small store must not be filled by the index's own log.
        let wal_pages = i64::try_from(settings.max_size / 16 / 4096)
            .unwrap_or(4_000)
            .clamp(64, 4_000);
        let told = |error: rusqlite::Error| StoreError::Failed(format!("the index: {error}"));
        let damaged = Cell::new(false);
        let trust = seal::take(&index_path).map_err(failed)?;
        if let seal::Trust::Broken(why) = trust {
            schema::set_aside(&index_path, why).map_err(StoreError::Failed)?;
        } else if trust == seal::Trust::Unknown
            && let Err(why) = schema::quick_check(&index_path)
        {
            schema::set_aside(&index_path, &why).map_err(StoreError::Failed)?;
        }
        let caught_up = catch_up(&catalog, &index_path, wal_pages, &damaged).or_else(|why| {
            if !damaged.get() {
                return Err(why);
            }
            schema::set_aside(&index_path, &why)?;
            catch_up(&catalog, &index_path, wal_pages, &damaged)
        });
        let (mut index, last, next_lsn) = caught_up.map_err(StoreError::Failed)?;
        let anew = index.wait_anew(clock.now()).map_err(told)?;
        if anew > 0 {
            tracing::warn!(
                deliveries = anew,
                "the clock was set back; what waits was judged anew"
            );
        }
        let left = Job::read(&*catalog.disk, &folder).map_err(StoreError::Failed)?;
        let left = left.map(|left| match left {
            Left::All(job) => Left::All(job.within(next_lsn.saturating_sub(1))),
            Left::ToSay(told) => Left::ToSay(told),
        });
        if let Some(Left::All(job)) = &left {
            index.forget(job).map_err(told)?;
            index.news = News::default();
        }
        let log = Log::resume(catalog.clone(), last, next_lsn).map_err(StoreError::Failed)?;

        let room = Room::new(
            folder.clone(),
            settings.max_size,
            catalog.clone(),
            metrics.clone(),
        );
        let room = Arc::new(room);
        room.measure();
        let desks = Arc::new(Desks::new(clock.clone()));
        for (target, state) in index.states().map_err(told)? {
            desks.of(&target).set_state(state);
        }
        let cache = Arc::new(Cache::new(CACHE_BYTES));
        let feed = Arc::new(Feed::new(index.progress.lsn));
        let notes = index.notes().map_err(told)?;
        let memory = Memory::load(notes, clock.now(), metrics.clone());
        let (writer_sender, writer_receiver) = mpsc::channel();
        let (index_sender, index_receiver) = mpsc::channel();
        let failing = Arc::new(AtomicBool::new(false));
        let closing = Arc::new(AtomicBool::new(false));
        let active = log.active_number().unwrap_or(u64::MAX);
        index.is_live = true;
        let mut indexer = Indexer {
            index,
            room: room.clone(),
            desks: desks.clone(),
            cache: cache.clone(),
            feed: feed.clone(),
            clock: clock.clone(),
            metrics: metrics.clone(),
            folder: folder.clone(),
            keep: settings.keep,
            path: index_path.clone(),
            pictures: settings.pictures,
            looked_at: HashMap::new(),
            scales: Scales::default(),
            scrub: left.map(Scrub::left),
            told: index_receiver,
            writer: writer_sender.clone(),
            active,
            failing: failing.clone(),
            closing: closing.clone(),
            wal_pages,
            busy: false,
            retaining: Vec::new(),
        };
        indexer.forget_lost_segments().map_err(told)?;
        let writer = Writer {
            log,
            room: room.clone(),
            cache: cache.clone(),
            commands: writer_receiver,
            index: index_sender.clone(),
            sync_time: Duration::ZERO,
            last_group: 0,
            reserve: (segment_bytes / 8).min(1 << 20),
        };
        if indexer.scrub.is_some() {
            tracing::info!("going on to remove what was to be forgotten");
            indexer.go_on_forgetting();
        }
        let spawn = |name: &str, work: Box<dyn FnOnce() + Send>| {
            std::thread::Builder::new()
                .name(name.to_owned())
                .spawn(work)
                .map_err(|error| StoreError::Failed(error.to_string()))
        };
        let sealed = index_path.clone();
        let writer = spawn("store-writer", Box::new(|| writer.run()))?;
        let indexer = spawn(
            "store-index",
            Box::new(move || {
                indexer.run();
                seal::put(&sealed);
                drop(lock); // nothing is written any more
            }),
        )?;
        Ok(Self(Arc::new(Inner {
            clock,
            metrics,
            catalog,
            room,
            desks,
            cache,
            feed,
            memory,
            gone: Mutex::default(),
            index_path,
            writer: writer_sender,
            index: index_sender,
            permits: Arc::new(Semaphore::new(UNAPPLIED_MAX)),
            failing,
            closing,
            jobs: Arc::default(),
            readers: Mutex::default(),
            reading: Arc::new(Semaphore::new(READERS_MAX)),
            threads: Mutex::new(vec![writer, indexer]),
            #[cfg(test)]
            in_step: AtomicBool::new(false),
        })))
    }
}

/// Makes a folder that lasts, with those it lies in.
pub(super) fn make_folder(disk: &dyn Disk, folder: &Path) -> std::io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let parent = match folder.parent() {
        None => return std::fs::create_dir(folder),
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
    };
    make_folder(disk, parent)?;
    match std::fs::create_dir(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(error),
        _ => disk.sync_folder(folder)?,
    }
    disk.sync_folder(parent)
}

/// The same for one that only this account may look into. One that is there stays as it is.
fn make_private_folder(disk: &dyn Disk, folder: &Path) -> std::io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    DirBuilder::new().mode(0o700).create(folder)?;
    disk.sync_folder(folder)?;
    folder
        .parent()
        .map_or(Ok(()), |parent| disk.sync_folder(parent))
}

pub(super) fn lock(folder: &Path) -> Result<File, StoreError> {
    let path = folder.join("lock");
    let failed =
        |error: &dyn std::fmt::Display| StoreError::Failed(format!("{}: {error}", path.display()));
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(PRIVATE)
        .open(&path)
        .map_err(|error| failed(&error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(StoreError::Locked {
            path: folder.to_owned(),
        }),
        Err(std::fs::TryLockError::Error(error)) => Err(failed(&error)),
    }
}

/// The index with all that the log has, where the log ends, and the next LSN.
pub(super) type CaughtUp = (Index, Option<(Segment, End)>, u64);

/// Opens the index and applies what the log has and it has not. Tells whether an error is due to a `damaged` file.
pub(super) fn catch_up(
    catalog: &Catalog,
    path: &Path,
    wal_pages: i64,
    damaged: &Cell<bool>,
) -> Result<CaughtUp, String> {
    let told = |error: rusqlite::Error| {
        damaged.set(damaged.get() || schema::is_damaged(&error));
        format!("the index: {error}")
    };
    let db = schema::open_writer(path)?;
    db.pragma_update(None, "journal_size_limit", wal_pages * 4096)
        .map_err(told)?;
    let mut index = Index::load(db).map_err(told)?;
    let (last, next_lsn) = replay(catalog, &mut index, &told)?;
    Ok((index, last, next_lsn))
}

/// Returns where the log ends and the next LSN.
fn replay(
    catalog: &Catalog,
    index: &mut Index,
    told: &dyn Fn(rusqlite::Error) -> String,
) -> Result<(Option<(Segment, End)>, u64), String> {
    let segments = catalog.segments();
    let mut last = None;
    let mut waiting = 0;
    for (n, segment) in segments.iter().enumerate() {
        let next = segments.get(n + 1).map(|next| next.header);
        if next.is_some_and(|next| next.first_lsn <= index.progress.synced + 1) {
            continue; // all of it was applied
        }
        let number = segment.header.number;
        // A file that was moved away leaves its number to another, of which nothing was applied.
        let same = segment.header.first_lsn <= index.progress.synced;
        let (offset, expected) = if index.progress.next.segment == number && same {
            (index.progress.next.offset, index.progress.synced + 1)
        } else {
            (HEADER_BYTES, segment.header.first_lsn)
        };
        let mut each = |found| {
            let change = match found {
                Found::Record(position, record) => change(catalog, position, &record)?,
                Found::Damage(damage) => {
                    catalog.damages.note(&catalog.path(number), damage);
                    return Ok(());
                }
            };
            if waiting == 0 {
                index.begin().map_err(told)?;
            }
            index.apply(&change).map_err(told)?;
            waiting += 1;
            if waiting == REPLAYED_AT_ONCE {
                waiting = 0;
                index.commit().map_err(told)?;
            }
            Ok(())
        };
        let end = catalog.scan(*segment, offset, expected, next, &mut each)?;
        if end.torn {
            catalog.cut_off(*segment, &end)?;
        }
        last = Some((*segment, end));
    }
    if waiting > 0 {
        index.commit().map_err(told)?;
    }
    let next = last.map_or(1, |(_, end): (Segment, End)| end.next_lsn);
    Ok((last, next.max(index.progress.lsn + 1)))
}

/// What a record that is read back does to the index.
pub(super) fn change(
    catalog: &Catalog,
    position: Position,
    record: &Record,
) -> Result<Change, String> {
    let what = What::of(record).map_err(|error| {
        let path = catalog.path(position.segment);
        format!("{} at byte {}: {error}", path.display(), position.offset)
    })?;
    Ok(Change {
        lsn: record.head.lsn,
        position,
        bytes: record.head.record_bytes(),
        // Before anything is written behind it, the whole segment is synced.
        synced: true,
        what,
        applied: None,
        _guard: None,
    })
}

impl Indexer {
    /// Rows of segments that are no longer there: a removal that a crash cut short, or files moved away by hand.
    fn forget_lost_segments(&mut self) -> rusqlite::Result<()> {
        for book in self.index.books.segments() {
            if !self.room.catalog.contains(book.segment) {
                let pending = self.index.books.pending_in(book.segment);
                if pending > 0 {
                    tracing::error!(
                        segment = book.segment,
                        pending,
                        "a segment is gone, and with it what was to be delivered"
                    );
                }
                self.remove_rows(&book)?;
            }
        }
        self.index.news = News::default();
        self.tell_news(); // the metrics begin with what is there
        Ok(())
    }
}
