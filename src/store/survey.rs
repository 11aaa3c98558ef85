//! Looking at the files of the log: which segments there are, and what a crash left of others.

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use super::catalog::{Catalog, Files, Segment, file_name};
use super::damage::Damages;
use super::disk::Disk;
use super::segment::{HEADER_BYTES, Header, NoHeader, read_record, salvage_header};

impl Catalog {
    /// Looks at the files in `folder`, and puts right what a crash left.
    pub(super) fn open(
        folder: PathBuf,
        disk: Arc<dyn Disk>,
        segment_bytes: u64,
    ) -> Result<Self, String> {
        let told = |path: &Path| {
            let path = path.display().to_string();
            move |error: io::Error| format!("{path}: {error}")
        };
        let catalog = Self::look(folder, disk, segment_bytes)?;
        if let Some((path, why)) = catalog.unreadable().first() {
            return Err(format!(
                "the segment {} cannot be read: {why}; nothing was changed. If it is lost, move it away and start again: what \
                 it held is gone, everything else stays",
                path.display()
            ));
        }
        let Self { folder, disk, .. } = &catalog;
        for path in disk.list(folder).map_err(told(folder))? {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with("new-") {
                disk.remove(&path).map_err(told(&path))?; // begun, never used
            } else if let Some(number) = name.strip_prefix("spare-") {
                let len = disk
                    .open(&path)
                    .and_then(|file| file.len())
                    .map_err(told(&path))?;
                let mut files = catalog.files();
                let number = number.parse().unwrap_or(0);
                files.next_spare = files.next_spare.max(number + 1);
                files.spares.push((path.clone(), len));
            }
        }
        let (misnamed, salvaged) = {
            let mut files = catalog.files();
            (
                std::mem::take(&mut files.misnamed),
                std::mem::take(&mut files.salvaged),
            )
        };
        for (path, header, bytes) in misnamed {
            // A spare that got its next header, when a power failure took its names back.
            let file = disk.open(&path).map_err(told(&path))?;
            let first = read_record(&*file, header.salt, HEADER_BYTES).map_err(told(&path))?;
            if first.is_ok() || catalog.contains(header.number) {
                let (path, name) = (path.display(), file_name(header.number));
                return Err(format!(
                    "{path} holds segment {name}: give it its name back, or move it away"
                ));
            }
            let mut files = catalog.files();
            let spare = folder.join(format!("spare-{:010}", files.next_spare));
            files.next_spare += 1;
            disk.rename(&path, &spare)
                .and_then(|()| disk.sync_folder(folder))
                .map_err(told(&path))?;
            files.spares.push((spare, bytes));
        }
        for header in salvaged {
            let path = catalog.path(header.number);
            let (file, _) = catalog.file(header.number).map_err(told(&path))?;
            tracing::error!(
                file = %path.display(),
                "a segment's header is damaged; it follows from the first record, and is written anew. Check the disk"
            );
            file.write_at(&mut [IoSlice::new(&header.to_bytes())], 0)
                .and_then(|()| file.sync())
                .map_err(told(&path))?;
        }
        Ok(catalog)
    }

    /// Looks at the segments in `folder`, and changes nothing.
    pub(super) fn look(
        folder: PathBuf,
        disk: Arc<dyn Disk>,
        segment_bytes: u64,
    ) -> Result<Self, String> {
        let mut files = Files::default();
        let listed = disk.list(&folder);
        for path in listed.map_err(|error| format!("{}: {error}", folder.display()))? {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let Some(number) = name.strip_suffix(".seg") else {
                continue;
            };
            let read = read_header(&*disk, &path, number.parse().unwrap_or(0));
            let (header, bytes, held, salvaged) = match read {
                Ok(read) => read,
                Err(Unread::Gone) => continue, // removed while the list was read
                Err(Unread::Because(why)) => {
                    files.unreadable.push((path.clone(), why));
                    continue;
                }
            };
            if salvaged {
                files.salvaged.push(header);
            }
            if *name == file_name(header.number) {
                let segment = Segment {
                    header,
                    bytes,
                    held,
                };
                files.segments.insert(header.number, segment);
            } else {
                files.misnamed.push((path.clone(), header, bytes));
            }
        }
        files.drop_earlier_lives();
        Ok(Self {
            folder,
            disk,
            segment_bytes,
            damages: Damages::default(),
            files: Mutex::new(files),
            keeps_no_spares: AtomicBool::new(false),
        })
    }
}

impl Files {
    /// A recycled file begins with a record of an earlier life until it gets one of its own: that does not tell its header.
    fn drop_earlier_lives(&mut self) {
        for header in std::mem::take(&mut self.salvaged) {
            let number = header.number;
            let mut before = self.segments.range(..number);
            let mut after = self.segments.range(number + 1..);
            let fits = before
                .next_back()
                .is_none_or(|(_, one)| one.header.first_lsn < header.first_lsn)
                && after
                    .next()
                    .is_none_or(|(_, one)| header.first_lsn <= one.header.first_lsn);
            if fits {
                self.salvaged.push(header);
            } else {
                self.segments.remove(&number);
                let why = NoHeader::Damaged.to_string();
                self.unreadable
                    .push((PathBuf::from(file_name(number)), why));
            }
        }
    }
}

/// Why there is no header.
enum Unread {
    Gone,
    Because(String),
}

/// A segment's header, its length, what it takes of the disk, and whether the header had to be made again from the first record.
fn read_header(
    disk: &dyn Disk,
    path: &Path,
    number: u64,
) -> Result<(Header, u64, u64, bool), Unread> {
    let told = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => Unread::Gone,
        _ => Unread::Because(error.to_string()),
    };
    let file = disk.open(path).map_err(told)?;
    let mut bytes = [0; HEADER_BYTES as usize];
    let read = file.read_at(&mut bytes, 0).map_err(told)?;
    let len = file.len().map_err(told)?;
    let held = file.held().map_err(told)?.min(len);
    if read < bytes.len() {
        return Err(Unread::Because("it is too short".to_owned()));
    }
    match Header::from_bytes(&bytes) {
        Ok(header) => Ok((header, len, held, false)),
        Err(why @ NoHeader::OtherFormat(_)) => Err(Unread::Because(why.to_string())),
        Err(why @ NoHeader::Damaged) => match salvage_header(&*file, number).map_err(told)? {
            Some(header) => Ok((header, len, held, true)),
            None => Err(Unread::Because(why.to_string())),
        },
    }
}
