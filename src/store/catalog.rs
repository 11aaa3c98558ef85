//! The files of the log: what everybody may know of them, and reading records back by position.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::disk::{Disk, DiskFile};
pub(super) use super::segment::Record;
use super::segment::{
    self, HEADER_BYTES, Head, Header, RecordKind, look_behind, read_record, record,
};

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
    files: Mutex<Files>,
}

#[derive(Default)]
struct Files {
    segments: BTreeMap<u64, Segment>,
    /// Written files without content, by their length.
    spares: Vec<(PathBuf, u64)>,
    open: HashMap<u64, Arc<dyn DiskFile>>,
    next_spare: u64,
}

/// At most so many segments are held open for reading.
const OPEN_MAX: usize = 64;
/// Writing over a file that has been written is up to twice as fast as filling fresh room (the file system need not note
/// which blocks are in use), so a few removed segments are kept for their blocks.
const SPARES_MAX: usize = 2;

impl Catalog {
    /// Looks at the files in `folder`.
    pub(super) fn open(
        folder: PathBuf,
        disk: Arc<dyn Disk>,
        segment_bytes: u64,
    ) -> Result<Self, String> {
        let told = |path: &Path| {
            let path = path.display().to_string();
            move |error: io::Error| format!("{path}: {error}")
        };
        let (mut files, mut misnamed) = (Files::default(), Vec::new());
        for entry in std::fs::read_dir(&folder).map_err(told(&folder))? {
            let path = entry.map_err(told(&folder))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with("new-") {
                disk.remove(&path).map_err(told(&path))?; // begun, never used
            } else if let Some(number) = name.strip_prefix("spare-") {
                let len = disk
                    .open(&path)
                    .and_then(|file| file.len())
                    .map_err(told(&path))?;
                let number = number.parse().unwrap_or(0);
                files.next_spare = files.next_spare.max(number + 1);
                files.spares.push((path.clone(), len));
            } else if name.ends_with(".seg") {
                let (header, bytes, held) = read_header(&*disk, &path).map_err(|why| {
                    format!(
                        "the segment {} cannot be read: {why}; nothing was changed. If it is lost, move it away and \
                         start again: what it held is gone, everything else stays",
                        path.display()
                    )
                })?;
                if *name == file_name(header.number) {
                    let segment = Segment {
                        header,
                        bytes,
                        held,
                    };
                    files.segments.insert(header.number, segment);
                } else {
                    misnamed.push((path.clone(), header, bytes));
                }
            }
        }
        for (path, header, bytes) in misnamed {
            // A spare that got its next header, when a power failure took its names back.
            let file = disk.open(&path).map_err(told(&path))?;
            let first = read_record(&*file, header.salt, HEADER_BYTES).map_err(told(&path))?;
            if first.is_ok() || files.segments.contains_key(&header.number) {
                let (path, name) = (path.display(), file_name(header.number));
                return Err(format!(
                    "{path} holds segment {name}: give it its name back, or move it away"
                ));
            }
            let spare = folder.join(format!("spare-{:010}", files.next_spare));
            files.next_spare += 1;
            disk.rename(&path, &spare)
                .and_then(|()| disk.sync_folder(&folder))
                .map_err(told(&path))?;
            files.spares.push((spare, bytes));
        }
        Ok(Self {
            folder,
            disk,
            segment_bytes,
            files: Mutex::new(files),
        })
    }

    fn files(&self) -> MutexGuard<'_, Files> {
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
        if files.open.len() >= OPEN_MAX {
            files.open.clear();
        }
        files.open.insert(number, file.clone());
        Ok((file, header))
    }

    /// Length of the record at `position`.
    pub(super) fn bytes_of(&self, position: Position) -> io::Result<u64> {
        let (file, header) = self.file(position.segment)?;
        let mut bytes = [0; segment::HEAD_BYTES];
        file.read_at(&mut bytes, position.offset)?;
        let head = Head::from_bytes(&bytes, header.salt).ok_or(io::ErrorKind::InvalidData)?;
        Ok(head.record_bytes())
    }

    /// The record at `position`, which must be that of `lsn`.
    pub(super) fn read(&self, position: Position, lsn: u64) -> Result<Record, String> {
        let told = |why: &dyn std::fmt::Display| {
            let path = self.path(position.segment);
            format!("{} at byte {}: {why}", path.display(), position.offset)
        };
        let (file, header) = self.file(position.segment).map_err(|error| told(&error))?;
        let (head, data) = read_record(&*file, header.salt, position.offset)
            .map_err(|error| told(&error))?
            .map_err(|why| told(&why))?;
        if head.lsn != lsn {
            return Err(told(&"another record lies there"));
        }
        record(head, data).map_err(|why| told(&why))
    }

    /// Hands every record of a segment from `offset` on to `each`, in order, and returns where they end.
    /// Damage (as opposed to an end that was never acknowledged) is an error that says what to do.
    pub(super) fn scan(
        &self,
        segment: Segment,
        offset: u64,
        mut expected: u64,
        limit: u64,
        each: &mut dyn FnMut(Position, Record) -> Result<(), String>,
    ) -> Result<End, String> {
        let number = segment.header.number;
        let path = self.path(number);
        let told = |error: io::Error| format!("{}: {error}", path.display());
        let (file, header) = self.file(number).map_err(told)?;
        let mut at = offset;
        let mut sealed = false;
        // From `limit` on the next segment tells; what lies here under the same numbers failed and was never acknowledged.
        while expected < limit {
            match read_record(&*file, header.salt, at).map_err(told)? {
                Ok((head, data)) if head.lsn == expected && !sealed => {
                    let bytes = head.record_bytes();
                    let record = record(head, data)
                        .map_err(|why| format!("{} at byte {at}: {why}", path.display()))?;
                    sealed = record.kind == RecordKind::Seal;
                    each(
                        Position {
                            segment: number,
                            offset: at,
                        },
                        record,
                    )?;
                    at += bytes;
                    expected += 1;
                }
                _ if sealed => break,
                other => {
                    let behind = look_behind(&*file, header.salt, at, expected).map_err(told)?;
                    if let Some(proof) = behind.proof_of_damage {
                        return Err(format!(
                            "{} is damaged at byte {at}: a record that had been safe cannot be read, and good ones \
                             follow at byte {proof}. Nothing was changed. Check the disk, then put the file back from \
                             a backup, or move it away to go on without what it held",
                            path.display()
                        ));
                    }
                    if behind.leftovers {
                        tracing::warn!(
                            file = %path.display(), at, torn = other.is_err(),
                            "a write was cut off before it was acknowledged; cutting it off the log"
                        );
                        file.set_len(at).and_then(|()| file.sync()).map_err(told)?;
                        file.allocate(segment.bytes)
                            .or_else(|_| file.set_len(segment.bytes))
                            .map_err(told)?;
                    }
                    break;
                }
            }
        }
        Ok(End {
            offset: at,
            next_lsn: expected,
            sealed,
        })
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
        if is_whole && files.spares.len() < SPARES_MAX {
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

    /// A segment file ready to be appended to.
    pub(super) fn begin(&self, header: Header, bytes: u64) -> io::Result<Arc<dyn DiskFile>> {
        let spare = {
            let mut files = self.files();
            let fits = files.spares.iter().position(|(_, len)| *len == bytes);
            fits.map(|index| files.spares.swap_remove(index))
        };
        let path = self.path(header.number);
        let (file, from) = match spare {
            Some((spare, _)) => (self.disk.open(&spare)?, spare),
            None => {
                let new = self.folder.join(format!("new-{:010}", header.number));
                let file = self.disk.create(&new)?;
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
        files.open.insert(header.number, file.clone());
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
            files.open.insert(number, file);
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

fn file_name(number: u64) -> String {
    format!("{number:010}.seg")
}

fn read_header(disk: &dyn Disk, path: &Path) -> Result<(Header, u64, u64), String> {
    let file = disk.open(path).map_err(|error| error.to_string())?;
    let mut bytes = [0; HEADER_BYTES as usize];
    let read = file
        .read_at(&mut bytes, 0)
        .map_err(|error| error.to_string())?;
    if read < bytes.len() {
        return Err("it is too short".to_owned());
    }
    let header = Header::from_bytes(&bytes)?;
    let len = file.len().map_err(|error| error.to_string())?;
    let held = file.held().map_err(|error| error.to_string())?;
    Ok((header, len, held.min(len)))
}

/// Where a segment's records end.
#[derive(Debug, Clone, Copy)]
pub(super) struct End {
    pub(super) offset: u64,
    pub(super) next_lsn: u64,
    pub(super) sealed: bool,
}
