//! The appending end of the segment log: groups of records, written and synced. It belongs to the writer thread.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, IoSlice};
use std::sync::Arc;

use bytes::Bytes;

use super::catalog::{Catalog, Position, Segment};
use super::disk::DiskFile;
use super::scan::End;
use super::segment::{self, FORMAT, HEADER_BYTES, Head, Header, RecordKind, record_bytes};

/// A record that has no place yet. Made in the task of whoever wants it kept, so that the writer only writes.
pub(super) struct Draft {
    pub(super) kind: RecordKind,
    pub(super) meta: Vec<u8>,
    pub(super) payload: Vec<Bytes>,
    data_crc: u32,
}

impl Draft {
    pub(super) fn new(kind: RecordKind, meta: Vec<u8>, payload: Vec<Bytes>) -> Self {
        let data_crc = payload.iter().fold(crc32c::crc32c(&meta), |crc, part| {
            crc32c::crc32c_append(crc, part)
        });
        Self {
            kind,
            meta,
            payload,
            data_crc,
        }
    }

    fn payload_bytes(&self) -> u64 {
        self.payload.iter().map(|part| part.len() as u64).sum()
    }

    pub(super) fn bytes(&self) -> u64 {
        record_bytes(self.meta.len(), self.payload_bytes())
    }
}

/// The appending end of the log.
pub(super) struct Log {
    catalog: Arc<Catalog>,
    active: Option<Active>,
    /// The segment before the active one.
    ended: Option<Arc<dyn DiskFile>>,
    next_number: u64,
    next_lsn: u64,
    /// Everything below is on disk.
    synced: u64,
    staged: Vec<u8>,
}

struct Active {
    file: Arc<dyn DiskFile>,
    header: Header,
    bytes: u64,
    offset: u64,
}

/// Room that only the end of a segment needs.
const SEAL_BYTES: u64 = segment::HEAD_BYTES as u64;
/// On a full disk a segment may be this much smaller than an ordinary one: 4 MiB of 64.
const LEAST_PART: u64 = 16;
/// Payload parts up to this size are copied beside their heads: cheaper than one more part in a vectored write.
const COPY_MAX: usize = 16 << 10;

impl Log {
    /// Goes on after `end` of the last segment, or with a new one.
    pub(super) fn resume(
        catalog: Arc<Catalog>,
        last: Option<(Segment, End)>,
        next_lsn: u64,
    ) -> Result<Self, String> {
        let next_number = last.map_or(1, |(segment, _)| segment.header.number + 1);
        let mut active = None;
        if let Some((segment, end)) = last
            && !end.sealed
            && !end.damaged
            && end.next_lsn == next_lsn
        {
            let number = segment.header.number;
            let told = |error| format!("{}: {error}", catalog.path(number).display());
            let (file, header) = catalog.file(number).map_err(told)?;
            // What was written but perhaps not synced before a crash is made safe before anything relies on it.
            file.sync().map_err(told)?;
            active = Some(Active {
                file,
                header,
                bytes: segment.bytes,
                offset: end.offset,
            });
        }
        Ok(Self {
            catalog,
            active,
            ended: None,
            next_number,
            next_lsn,
            synced: last.map_or(next_lsn, |(_, end)| end.next_lsn.min(next_lsn)),
            staged: Vec::new(),
        })
    }

    pub(super) fn next_lsn(&self) -> u64 {
        self.next_lsn
    }

    pub(super) fn active_number(&self) -> Option<u64> {
        self.active.as_ref().map(|active| active.header.number)
    }

    /// Whether that many bytes of records fit into the active segment, besides `reserve`.
    pub(super) fn fits(&self, bytes: u64, reserve: u64) -> bool {
        self.active
            .as_ref()
            .is_some_and(|active| active.offset + bytes + reserve + SEAL_BYTES <= active.bytes)
    }

    /// The length a segment needs that is to hold a record of `bytes`.
    pub(super) fn segment_for(&self, bytes: u64, reserve: u64) -> u64 {
        let needed = HEADER_BYTES + bytes + reserve + SEAL_BYTES;
        self.catalog
            .segment_bytes
            .max(needed.next_multiple_of(4 << 10))
    }

    /// The length of a segment that is to hold a record of `bytes`, and after it only what may use the reserve.
    pub(super) fn segment_for_outcomes(&self, bytes: u64, reserve: u64) -> u64 {
        let needed = HEADER_BYTES + bytes + SEAL_BYTES;
        let page = 4 << 10;
        needed.next_multiple_of(page).max(reserve / page * page)
    }

    /// The least length that is worth a segment, when there is no room for a whole one.
    pub(super) fn least_for(&self, bytes: u64, reserve: u64) -> u64 {
        let needed = HEADER_BYTES + bytes + reserve + SEAL_BYTES;
        let least = self.catalog.segment_bytes / LEAST_PART;
        least.max(needed).next_multiple_of(4 << 10)
    }

    /// Goes on in a new segment of that length, and ends the active one. On an error the active one stays, unless it was
    /// the one that failed.
    pub(super) fn roll(&mut self, bytes: u64) -> io::Result<u64> {
        if let Err(error) = self.sync() {
            self.abandon(self.next_lsn);
            return Err(error);
        }
        let header = Header {
            number: self.next_number,
            // The active segment's seal takes one number.
            first_lsn: self.next_lsn + u64::from(self.active.is_some()),
            synced: self.synced,
            salt: (RandomState::new().build_hasher().finish() & u64::from(u32::MAX)) as u32,
        };
        let file = self.catalog.begin(header, bytes)?;
        if let Err(error) = self.seal() {
            // The seal only helps to find damage; all it would tell is in the next segment's header as well.
            tracing::warn!(%error, "cannot seal a segment");
        }
        self.next_number += 1;
        self.next_lsn = header.first_lsn;
        self.active = Some(Active {
            file,
            header,
            bytes,
            offset: HEADER_BYTES,
        });
        Ok(header.number)
    }

    fn seal(&mut self) -> io::Result<()> {
        if self.active.is_some() {
            let seal = Draft::new(RecordKind::Seal, Vec::new(), Vec::new());
            self.write(std::iter::once(&seal))?;
            self.sync()?;
        }
        if let Some(active) = self.active.take() {
            // The next writes fill pages of memory that were in use a moment ago, which is several times quicker than to
            // fill ever new ones; and the machine's memory stays free for others. One ended segment stays, since its
            // events are likely still to be delivered.
            if let Some(old) = self.ended.replace(active.file.clone()) {
                old.let_go();
            }
            // A segment that ended early (by age) gives its unused room back; a nearly full one is recycled whole.
            if active.offset < active.bytes / 4 * 3 {
                self.catalog
                    .cut(active.header.number, &*active.file, active.offset)?;
            }
        }
        Ok(())
    }

    /// Writes records at the end, which must have room for them; they are safe after [`Log::sync`].
    /// Returns their positions. After an error the segment must be abandoned.
    pub(super) fn write<'a>(
        &mut self,
        drafts: impl Iterator<Item = &'a Draft> + Clone,
    ) -> io::Result<Vec<Position>> {
        let Some(active) = &mut self.active else {
            return Err(io::ErrorKind::StorageFull.into());
        };
        let mut positions = Vec::new();
        let mut lsn = self.next_lsn;
        let mut offset = active.offset;
        let mut staged = std::mem::take(&mut self.staged);
        staged.clear();
        // Lengths of copied runs, each followed by at most one part that is written from where it lies.
        let mut runs: Vec<(usize, Option<&Bytes>)> = Vec::new();
        let mut run_start = 0;
        for draft in drafts {
            let head = Head {
                lsn,
                synced: self.synced,
                payload_bytes: draft.payload_bytes(),
                meta_bytes: u32::try_from(draft.meta.len()).map_err(io::Error::other)?,
                data_crc: draft.data_crc,
                format: FORMAT,
                kind: draft.kind as u8,
            };
            positions.push(Position {
                segment: active.header.number,
                offset,
            });
            staged.extend_from_slice(&head.to_bytes(active.header.salt));
            staged.extend_from_slice(&draft.meta);
            for part in &draft.payload {
                if part.len() <= COPY_MAX {
                    staged.extend_from_slice(part);
                } else {
                    runs.push((staged.len() - run_start, Some(part)));
                    run_start = staged.len();
                }
            }
            let unpadded =
                segment::HEAD_BYTES as u64 + draft.meta.len() as u64 + head.payload_bytes;
            let padding = (head.record_bytes() - unpadded) as usize;
            staged.extend_from_slice(&[0; 8][..padding]);
            offset += head.record_bytes();
            lsn += 1;
        }
        runs.push((staged.len() - run_start, None));
        let mut parts = Vec::with_capacity(runs.len() * 2);
        let mut at = 0;
        for (len, part) in runs {
            if len > 0 {
                parts.push(IoSlice::new(&staged[at..at + len]));
            }
            at += len;
            parts.extend(part.map(|part| IoSlice::new(part)));
        }
        active.file.write_at(&mut parts, active.offset)?;
        active.offset = offset;
        self.next_lsn = lsn;
        self.staged = staged;
        Ok(positions)
    }

    /// Makes everything that was written safe. After an error the segment must be abandoned: the kernel may have dropped
    /// what it could not write, and a second try would claim success.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        if let Some(active) = &self.active
            && self.synced < self.next_lsn
        {
            active.file.sync()?;
            self.synced = self.next_lsn;
        }
        Ok(())
    }

    pub(super) fn is_synced(&self) -> bool {
        self.active.is_none() || self.synced == self.next_lsn
    }

    /// Never writes to the active segment again. Records from `from` on were not acknowledged and lose their numbers.
    pub(super) fn abandon(&mut self, from: u64) {
        self.next_lsn = from;
        if let Some(active) = self.active.take()
            && active.header.first_lsn >= from
            && let Err(error) = self.catalog.retire_for_good(active.header.number)
        {
            tracing::warn!(%error, "cannot remove a failed segment");
        }
        // `synced` stays: what had been written without being synced may be gone with the segment.
        self.synced = self.synced.min(from);
    }

    /// Whether the first record of the active segment is its only content so far.
    pub(super) fn is_empty(&self) -> bool {
        self.active
            .as_ref()
            .is_none_or(|active| active.offset == HEADER_BYTES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::disk::faults::FaultyDisk;

    const BYTES: u64 = 64 << 10;

    #[test]
    fn a_segment_whose_sync_fails_when_it_is_to_end_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let disk = FaultyDisk::default();
        let catalog = Catalog::open(folder.path().to_owned(), Arc::new(disk.clone()), BYTES);
        let catalog = Arc::new(catalog.unwrap());
        let mut log = Log::resume(catalog.clone(), None, 1).unwrap();
        assert_eq!(log.roll(BYTES).unwrap(), 1);
        let draft = Draft::new(RecordKind::Outcome, b"{}".to_vec(), Vec::new());
        log.write([&draft].into_iter()).unwrap();
        log.sync().unwrap();
        log.write([&draft].into_iter()).unwrap();
        disk.0.lock().unwrap().sync = Some(5);
        assert!(log.roll(BYTES).is_err());
        disk.0.lock().unwrap().sync = None;

        log.sync().unwrap();
        assert_eq!(log.active_number(), None);
        assert!(!log.fits(draft.bytes(), 0));
        assert_eq!(log.roll(BYTES).unwrap(), 2);
        log.write([&draft].into_iter()).unwrap();
        // The next segment does not claim that what failed is safe.
        let header = catalog.segments()[1].header;
        assert_eq!((header.first_lsn, header.synced), (3, 2));
    }
}
