//! Copies a store, also while camhook writes it.
//!
//! The log alone is copied: it tells everything, and the index is built anew from it. Each record is checked on the way, so
//! a copy ends where the last whole record ended, whatever is being written behind it; all that was acknowledged before is
//! in front of that. Segments that are removed while they are copied are left out: what they told of events that stay was
//! written again before they went, into a segment that is then copied further.

use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::StoreError;
use super::catalog::{Catalog, Record, Segment};
use super::disk::{Disk, DiskFile, LookingDisk, SystemDisk};
use super::forgetting::Job;
use super::open::make_folder;
use super::record::What;
use super::scan::Found;
use super::segment::{HEADER_BYTES, Header};

/// What was copied.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct BackedUp {
    pub(crate) segments: u64,
    pub(crate) records: u64,
    pub(crate) events: u64,
    pub(crate) bytes: u64,
    /// Records that cannot be read; their bytes are copied as they are.
    pub(crate) damaged: u64,
}

/// One segment's copy.
struct Copied {
    header: Header,
    path: PathBuf,
    file: Arc<dyn DiskFile>,
    /// Where the next record goes, and its LSN.
    end: u64,
    next_lsn: u64,
    /// Nothing more comes.
    is_whole: bool,
    /// The file that it is a copy of, as it was.
    of: Option<Identity>,
    told: BackedUp,
}

/// Tells a segment's file from one that was written anew in its place: its inode, length and last change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity(u64, u64, i64, i64);

impl Identity {
    fn of(path: &Path) -> Option<Self> {
        let file = std::fs::metadata(path).ok()?;
        Some(Self(
            file.ino(),
            file.len(),
            file.mtime(),
            file.mtime_nsec(),
        ))
    }
}

/// Segments go about once an hour; who copies for longer than that begins again where one went.
const ROUNDS_MAX: usize = 100;

/// What programs made over the API, beside the log.
const WEBHOOKS: &str = crate::webhooks::FILE;

/// Copies the store in `from` into the folder `to`, which must be empty or not there.
pub(crate) fn backup(from: &Path, to: &Path) -> Result<BackedUp, StoreError> {
    let failed = |error: io::Error| StoreError::Failed(format!("{}: {error}", to.display()));
    if std::fs::read_dir(to).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(StoreError::Failed(format!(
            "{} is not empty; give a folder that is, or that does not exist yet",
            to.display()
        )));
    }
    let (partial, log) = (to.join("log.partial"), to.join("log"));
    make_folder(&SystemDisk, &partial).map_err(failed)?;
    let (copies, job) = copy_all(from, &partial)?;
    let mut told = BackedUp::default();
    for copy in copies.values() {
        copy.file.sync().map_err(failed)?;
        told.segments += 1;
        told.records += copy.told.records;
        told.events += copy.told.events;
        told.damaged += copy.told.damaged;
        told.bytes += copy.end;
    }
    if let Some(job) = job {
        // The copy has what was being forgotten: whoever opens it goes on with that.
        let last = copies.values().map(|copy| copy.next_lsn).max();
        let job = job.within(last.unwrap_or(0).saturating_sub(1));
        job.write(&SystemDisk, to).map_err(failed)?;
    }
    // Replaced as a whole, so that it is whole at any moment.
    match std::fs::copy(from.join(WEBHOOKS), to.join(WEBHOOKS)) {
        Ok(_) => std::fs::File::open(to.join(WEBHOOKS))
            .and_then(|file| file.sync_all())
            .map_err(failed)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    // A copy that was cut short has no `log`, and cannot be taken for a whole one.
    SystemDisk
        .sync_folder(&partial)
        .and_then(|()| SystemDisk.rename(&partial, &log))
        .and_then(|()| SystemDisk.sync_folder(to))
        .map_err(failed)?;
    Ok(told)
}

fn copy_all(folder: &Path, to: &Path) -> Result<(BTreeMap<u64, Copied>, Option<Job>), StoreError> {
    let from = &folder.join("log");
    let mut copies: BTreeMap<u64, Copied> = BTreeMap::new();
    for _ in 0..ROUNDS_MAX {
        let catalog = look(from)?;
        if let Some((path, why)) = catalog.unreadable().first() {
            let path = path.display();
            return Err(StoreError::Failed(format!("{path} cannot be read: {why}")));
        }
        let segments = catalog.segments();
        let gone: Vec<u64> = copies
            .values()
            .filter(|copy| !holds(&segments, copy.header) || copy.is_stale(&catalog))
            .map(|copy| copy.header.number)
            .collect();
        for number in gone {
            if let Some(copy) = copies.remove(&number) {
                let _ = SystemDisk.remove(&copy.path);
            }
        }
        let copied = copy_round(&catalog, &segments, to, &mut copies);
        let now = look(from)?.segments();
        if segments.iter().any(|segment| !holds(&now, segment.header)) {
            continue; // what was read of it may be anything, an error too
        }
        copied?;
        // Before it is looked whether a copy has more than its segment: what is forgotten from now on shows there.
        let job = Job::read(&LookingDisk, folder).map_err(StoreError::Failed)?;
        if copies.values().any(|copy| copy.is_stale(&catalog)) {
            continue;
        }
        return Ok((copies, job));
    }
    Err(StoreError::Failed(
        "segments went away as fast as they were copied; try again, or raise store.keep".to_owned(),
    ))
}

fn look(from: &Path) -> Result<Catalog, StoreError> {
    Catalog::look(from.to_owned(), Arc::new(LookingDisk), 0).map_err(StoreError::Failed)
}

fn holds(segments: &[Segment], header: Header) -> bool {
    segments.iter().any(|segment| segment.header == header)
}

/// Copies what there is and was not copied yet, oldest first.
fn copy_round(
    catalog: &Catalog,
    segments: &[Segment],
    to: &Path,
    copies: &mut BTreeMap<u64, Copied>,
) -> Result<(), StoreError> {
    for (n, segment) in segments.iter().enumerate() {
        let copy = match copies.entry(segment.header.number) {
            std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::btree_map::Entry::Vacant(new) => {
                let copy = Copied::begin(catalog, segment.header, to)
                    .map_err(|error| StoreError::Failed(format!("{}: {error}", to.display())))?;
                new.insert(copy)
            }
        };
        if !copy.is_whole {
            let next = segments.get(n + 1).map(|next| next.header);
            copy.of = Identity::of(&catalog.path(segment.header.number));
            copy.go_on(catalog, *segment, next)
                .map_err(StoreError::Failed)?;
            copy.is_whole = next.is_some();
        }
    }
    Ok(())
}

impl Copied {
    fn begin(catalog: &Catalog, header: Header, to: &Path) -> io::Result<Self> {
        let path = to.join(catalog.path(header.number).file_name().unwrap_or_default());
        let file = SystemDisk.create(&path)?;
        file.write_at(&mut [IoSlice::new(&header.to_bytes())], 0)?;
        Ok(Self {
            header,
            path,
            file,
            end: HEADER_BYTES,
            next_lsn: header.first_lsn,
            is_whole: false,
            of: None,
            told: BackedUp::default(),
        })
    }

    /// Whether its segment was written anew since, with less in it.
    fn is_stale(&self, catalog: &Catalog) -> bool {
        let now = Identity::of(&catalog.path(self.header.number));
        let is_same = match self.is_whole {
            true => self.of == now,
            false => self.of.map(|of| of.0) == now.map(|now| now.0), // it is being written
        };
        !is_same
    }

    fn go_on(
        &mut self,
        catalog: &Catalog,
        segment: Segment,
        next: Option<Header>,
    ) -> Result<(), String> {
        let (offset, expected, path) = (self.end, self.next_lsn, self.path.clone());
        let mut each = |found| {
            match found {
                Found::Record(_, record) => self.write(&record),
                Found::Damage(damage) => {
                    self.told.damaged += damage.records();
                    self.next_lsn = damage.next_lsn;
                    self.write_raw(catalog, damage.offset, damage.bytes)
                }
            }
            .map_err(|error| format!("{}: {error}", path.display()))
        };
        catalog.scan(segment, offset, expected, next, &mut each)?;
        Ok(())
    }

    fn write(&mut self, record: &Record) -> io::Result<()> {
        let bytes = record.head.record_bytes();
        let head = record.head.to_bytes(self.header.salt);
        // What was removed from it are zeros at its end, a hole that stays one.
        let payload = record.payload.iter().rposition(|byte| *byte != 0);
        let payload = &record.payload[..payload.map_or(0, |last| last + 1)];
        let parts = &mut [
            IoSlice::new(&head),
            IoSlice::new(&record.meta),
            IoSlice::new(payload),
        ];
        self.file.write_at(parts, self.end)?;
        self.end += bytes;
        self.file.set_len(self.end)?;
        self.next_lsn = record.head.lsn + 1;
        self.told.records += 1;
        if let Ok(What::Request { events, .. }) = What::of(record) {
            self.told.events += events.len() as u64;
        }
        Ok(())
    }

    /// What is damaged stays as it is, in its place.
    fn write_raw(&mut self, catalog: &Catalog, mut offset: u64, mut bytes: u64) -> io::Result<()> {
        let (file, _) = catalog.file(self.header.number)?;
        let mut buffer = vec![0; 1 << 16];
        while bytes > 0 {
            let some = buffer
                .len()
                .min(usize::try_from(bytes).unwrap_or(usize::MAX));
            let read = file.read_at(&mut buffer[..some], offset)?;
            if read == 0 {
                break;
            }
            self.file
                .write_at(&mut [IoSlice::new(&buffer[..read])], offset)?;
            offset += read as u64;
            bytes -= read as u64;
        }
        self.end = offset;
        Ok(())
    }
}
