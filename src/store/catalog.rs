//! The files of the log: what everybody may know of them, and reading records back by position.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, IoSlice};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::StoreError;
use super::damage::{Damage, Damages};
use super::disk::{Disk, DiskFile};
use super::rewrite::blank;
pub(super) use super::segment::Record;
use super::segment::{HEAD_BYTES, Head, Header, read_record, record};

/// Where a record lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Position {
    pub(super) segment: u64,
    pub(super) offset: u64,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Segment {
    pub(super) header: Header,
    /// Length of the file.
    pub(super) bytes: u64,
    /// What it takes of the disk: less where it has holes.
    pub(super) held: u64,
}

/// The files of the log. Shared by all threads.
pub(super) struct Catalog {
    pub(super) folder: PathBuf,
    pub(super) disk: Arc<dyn Disk>,
    /// Length of an ordinary segment.
    pub(super) segment_bytes: u64,
    pub(super) damages: Damages,
    pub(super) files: Mutex<Files>,
    /// While something is being forgotten: no blocks are kept, for nobody knows what is in them.
    pub(super) keeps_no_spares: AtomicBool,
}

#[derive(Default)]
pub(super) struct Files {
    pub(super) segments: BTreeMap<u64, Segment>,
    /// Written files without content, by their length.
    pub(super) spares: Vec<(PathBuf, u64)>,
    open: HashMap<u64, Arc<dyn DiskFile>>,
    pub(super) next_spare: u64,
    /// Segments under the names of others.
    pub(super) misnamed: Vec<(PathBuf, Header, u64)>,
    pub(super) salvaged: Vec<Header>,
    /// Files of segments that cannot be read, and why.
    pub(super) unreadable: Vec<(PathBuf, String)>,
}

/// At most so many segments are held open for reading.
const OPEN_MAX: usize = 64;
/// Writing over a file that has been written is up to twice as fast as filling fresh room (the file system need not note
/// which blocks are in use), so a few removed segments are kept for their blocks.
const SPARES_MAX: usize = 2;

impl Files {
    /// Those that are written count as well: where nothing old is read, nobody else would close them.
    fn keep_open(&mut self, number: u64, file: Arc<dyn DiskFile>) {
        if self.open.len() >= OPEN_MAX {
            self.open.clear();
        }
        self.open.insert(number, file);
    }
}

impl Catalog {
    /// Files that should be segments, and why they cannot be read as such.
    pub(super) fn unreadable(&self) -> Vec<(PathBuf, String)> {
        self.files().unreadable.clone()
    }

    /// Segments whose header is damaged, and was made again from the first record, in memory only.
    pub(super) fn salvaged(&self) -> Vec<Header> {
        self.files().salvaged.clone()
    }

    pub(super) fn files(&self) -> MutexGuard<'_, Files> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn path(&self, number: u64) -> PathBuf {
        self.folder.join(file_name(number))
    }

    /// All segments, oldest first.
    pub(super) fn segments(&self) -> Vec<Segment> {
        self.files().segments.values().copied().collect()
    }

    pub(super) fn contains(&self, number: u64) -> bool {
        self.files().segments.contains_key(&number)
    }

    /// Bytes of all files, spare ones included.
    pub(super) fn bytes(&self) -> u64 {
        let files = self.files();
        let segments: u64 = files.segments.values().map(|segment| segment.held).sum();
        segments + files.spares.iter().map(|(_, len)| len).sum::<u64>()
    }

    /// What these segments take of the disk.
    pub(super) fn bytes_in(&self, segments: &[u64]) -> u64 {
        let files = self.files();
        let held = segments
            .iter()
            .filter_map(|number| files.segments.get(number));
        held.map(|segment| segment.held).sum()
    }

    pub(super) fn has_spare(&self) -> bool {
        !self.files().spares.is_empty()
    }

    pub(super) fn file(&self, number: u64) -> io::Result<(Arc<dyn DiskFile>, Header)> {
        let mut files = self.files();
        let header = files
            .segments
            .get(&number)
            .ok_or(io::ErrorKind::NotFound)?
            .header;
        if let Some(file) = files.open.get(&number) {
            return Ok((file.clone(), header));
        }
        let file = self.disk.open(&self.path(number))?;
        files.keep_open(number, file.clone());
        Ok((file, header))
    }

    /// Length of the record at `position`.
    pub(super) fn bytes_of(&self, position: Position) -> io::Result<u64> {
        let (file, header) = self.file(position.segment)?;
        let mut bytes = [0; HEAD_BYTES];
        file.read_at(&mut bytes, position.offset)?;
        let head = Head::from_bytes(&bytes, header.salt).ok_or(io::ErrorKind::InvalidData)?;
        Ok(head.record_bytes())
    }

    /// The record at `position`, which must be that of `lsn`.
    pub(super) fn read(&self, position: Position, lsn: u64) -> Result<Record, StoreError> {
        let place = |why: &dyn std::fmt::Display| {
            let path = self.path(position.segment);
            format!("{} at byte {}: {why}", path.display(), position.offset)
        };
        let told = |why: &dyn std::fmt::Display| StoreError::Failed(place(why));
        let (file, header) = self.file(position.segment).map_err(|error| told(&error))?;
        let read =
            read_record(&*file, header.salt, position.offset).map_err(|error| told(&error))?;
        let (head, data) = match read {
            Ok(read) => read,
            Err(why) => {
                let now = self.files().segments.get(&position.segment).copied();
                if now.is_none_or(|now| now.header != header) {
                    return Err(told(&"its segment was removed meanwhile"));
                }
                let damage = Damage {
                    segment: position.segment,
                    offset: position.offset,
                    bytes: self.bytes_of(position).unwrap_or(HEAD_BYTES as u64),
                    first_lsn: lsn,
                    next_lsn: lsn + 1,
                };
                self.damages.note(&self.path(position.segment), damage);
                return Err(StoreError::Damaged(place(&why)));
            }
        };
        if head.lsn != lsn {
            return Err(told(&"another record lies there"));
        }
        record(head, data).map_err(|why| told(&why))
    }

    /// Takes a segment away, and keeps its blocks for the next one where that is of use.
    pub(super) fn retire(&self, number: u64) -> io::Result<()> {
        let mut files = self.files();
        let Some(segment) = files.segments.get(&number).copied() else {
            return Ok(());
        };
        let path = self.path(number);
        let mut spare = None;
        let is_whole = segment.bytes == self.segment_bytes && segment.held == segment.bytes;
        let keeps = !self.keeps_no_spares.load(Ordering::SeqCst);
        if is_whole && keeps && files.spares.len() < SPARES_MAX {
            let name = self.folder.join(format!("spare-{:010}", files.next_spare));
            files.next_spare += 1;
            self.disk.rename(&path, &name)?;
            spare = Some((name, segment.bytes));
        } else {
            self.disk.remove(&path)?;
        }
        files.segments.remove(&number);
        files.open.remove(&number);
        drop(files);
        self.disk.sync_folder(&self.folder)?;
        // Not before the new name lasts: a power failure would bring its next content back under the old one.
        self.files().spares.extend(spare);
        Ok(())
    }

    /// Gives the spare files' room back.
    pub(super) fn drop_spares(&self) {
        let mut files = self.files();
        for (path, _) in std::mem::take(&mut files.spares) {
            if let Err(error) = self.disk.remove(&path) {
                tracing::warn!(file = %path.display(), %error, "cannot remove a spare segment");
            }
        }
    }

    /// Whether blocks of removed segments are kept from now on.
    pub(super) fn keep_spares(&self, keep: bool) {
        self.keeps_no_spares.store(!keep, Ordering::SeqCst);
    }

    /// The same, with nothing left of what is in them, for good. What fails stays a spare.
    pub(super) fn wipe_spares(&self) -> io::Result<()> {
        loop {
            let Some((path, len)) = self.files().spares.pop() else {
                return self.disk.sync_folder(&self.folder);
            };
            let wiped = (|| {
                let file = self.disk.open(&path)?;
                blank(&*file, 0, file.len()?)?;
                file.sync()?;
                self.disk.remove(&path)
            })();
            if let Err(error) = wiped {
                self.files().spares.push((path, len));
                return Err(error);
            }
        }
    }

    /// A segment file ready to be appended to.
    pub(super) fn begin(&self, header: Header, bytes: u64) -> io::Result<Arc<dyn DiskFile>> {
        let spare = {
            let mut files = self.files();
            let fits = files.spares.iter().position(|(_, len)| *len == bytes);
            fits.map(|index| files.spares.swap_remove(index))
        };
        let path = self.path(header.number);
        let (file, from) = match spare {
            Some((spare, _)) => {
                let opened = self.disk.open(&spare).inspect_err(|_| {
                    let _ = self.disk.remove(&spare); // nobody knows of it any more
                });
                (opened?, spare)
            }
            None => {
                let new = self.folder.join(format!("new-{:010}", header.number));
                let file = match self.disk.create(&new) {
                    // Of a try that failed, and could not be removed: it must not be in the way of all later ones.
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                        self.disk.remove(&new)?;
                        self.disk.create(&new)?
                    }
                    created => created?,
                };
                if let Err(error) = file.allocate(bytes) {
                    let _ = self.disk.remove(&new);
                    return Err(error);
                }
                (file, new)
            }
        };
        let ready = file
            .write_at(&mut [IoSlice::new(&header.to_bytes())], 0)
            .and_then(|()| file.sync())
            .and_then(|()| self.disk.rename(&from, &path))
            .and_then(|()| self.disk.sync_folder(&self.folder));
        if let Err(error) = ready {
            let _ = self.disk.remove(&from);
            let _ = self.disk.remove(&path);
            return Err(error);
        }
        let mut files = self.files();
        let segment = Segment {
            header,
            bytes,
            held: bytes,
        };
        files.segments.insert(header.number, segment);
        files.keep_open(header.number, file.clone());
        Ok(file)
    }

    /// Sets the length of a segment that will not be written any more.
    pub(super) fn cut(&self, number: u64, file: &dyn DiskFile, len: u64) -> io::Result<()> {
        file.set_len(len)?;
        if let Some(segment) = self.files().segments.get_mut(&number) {
            segment.bytes = len;
            segment.held = segment.held.min(len);
        }
        Ok(())
    }

    /// Another file has taken the place of a segment's.
    pub(super) fn replaced(
        &self,
        number: u64,
        file: Arc<dyn DiskFile>,
        bytes: u64,
    ) -> io::Result<()> {
        let held = file.held()?.min(bytes);
        let mut files = self.files();
        if let Some(segment) = files.segments.get_mut(&number) {
            (segment.bytes, segment.held) = (bytes, held);
            files.keep_open(number, file);
        }
        Ok(())
    }

    /// Removes a segment whose file failed, without keeping its blocks.
    pub(super) fn retire_for_good(&self, number: u64) -> io::Result<()> {
        let mut files = self.files();
        files.segments.remove(&number);
        files.open.remove(&number);
        drop(files);
        self.disk.remove(&self.path(number))?;
        self.disk.sync_folder(&self.folder)
    }
}

pub(super) fn file_name(number: u64) -> String {
    format!("{number:010}.seg")
}
