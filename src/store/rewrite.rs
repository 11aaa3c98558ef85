//! Writing a segment anew with less in it, every record in its old place.
//!
//! Records are never changed where they lie: a head that a power failure wrote half would read as damage. Instead the whole
//! segment is written beside the old one and takes its name once it is safe, so at any moment there is one good file. A
//! record that lost something keeps its place, its number and its length: what it lost is a hole in the file, zeros that
//! take no room on the disk, and its checksum is over those zeros. So positions in the index stay true, whoever holds the
//! old file still reads it to the end, and a rebuild of the index needs to know nothing of it.
//!
//! What lies behind the last record (garbage of an earlier life of a recycled file) is left out as well.

use std::io::IoSlice;

use bytes::Bytes;

use super::catalog::{Catalog, Position, Segment};
use super::disk::DiskFile;
use super::segment::{
    FORMAT, HEAD_BYTES, HEADER_BYTES, Head, Record, RecordKind, look_behind, read_record, record,
};

/// What is to stand in a record's place.
pub(super) struct Lesser {
    pub(super) kind: RecordKind,
    pub(super) meta: Vec<u8>,
    pub(super) payload: Vec<Bytes>,
}

/// A record as a rewrite first sees it: without its payload.
pub(super) struct Glimpse {
    pub(super) lsn: u64,
    pub(super) kind: RecordKind,
    pub(super) meta: Vec<u8>,
    pub(super) payload_bytes: u64,
}

/// What a look over a segment found.
pub(super) struct Survey {
    /// Records that are to be replaced, by their place.
    wanted: Vec<(u64, Head)>,
    /// What cannot be read, from and to.
    damaged: Vec<(u64, u64)>,
    /// Where the records end.
    end: u64,
    /// Bytes of payload of those that are to be replaced.
    pub(super) payload: u64,
}

/// Copied and looked at in pieces of this size; a piece of nothing but zeros stays a hole.
const PIECE: usize = 64 << 10;
/// Of the file system, or a part of one.
const BLOCK: usize = 4 << 10;
static ZEROS: [u8; PIECE] = [0; PIECE];

impl Catalog {
    /// The record at `position` without its payload, unchecked; `None` when there is none to be seen.
    pub(super) fn glimpse(&self, position: Position, lsn: u64) -> Result<Option<Glimpse>, String> {
        let told = |why: &dyn std::fmt::Display| {
            let path = self.path(position.segment);
            format!("{} at byte {}: {why}", path.display(), position.offset)
        };
        let (file, header) = self.file(position.segment).map_err(|error| told(&error))?;
        let mut bytes = [0; HEAD_BYTES];
        let read = file.read_at(&mut bytes, position.offset);
        read.map_err(|error| told(&error))?;
        let head = Head::from_bytes(&bytes, header.salt).filter(|head| head.lsn == lsn);
        let kind = head.and_then(|head| RecordKind::from_byte(head.kind));
        let (Some(head), Some(kind)) = (head, kind) else {
            return Ok(None);
        };
        let mut meta = vec![0; head.meta_bytes as usize];
        let read = file.read_at(&mut meta, position.offset + HEAD_BYTES as u64);
        read.map_err(|error| told(&error))?;
        Ok(Some(Glimpse {
            lsn,
            kind,
            meta,
            payload_bytes: head.payload_bytes,
        }))
    }

    /// Reads what a look over a segment found, but what is damaged.
    pub(super) fn read_wanted(
        &self,
        segment: Segment,
        survey: &Survey,
        each: &mut dyn FnMut(&Record),
    ) -> Result<(), String> {
        let number = segment.header.number;
        let told = |error: std::io::Error| format!("{}: {error}", self.path(number).display());
        let (file, header) = self.file(number).map_err(told)?;
        for (offset, _) in &survey.wanted {
            if let Ok((head, data)) = read_record(&*file, header.salt, *offset).map_err(told)? {
                each(&record(head, data)?);
            }
        }
        Ok(())
    }

    /// Looks over a segment that is not written any more. `wanted` is shown every record without its payload. What is damaged
    /// is passed over; only a `thorough` look, which reads the payloads as well, finds all of that.
    pub(super) fn survey(
        &self,
        segment: Segment,
        thorough: bool,
        wanted: &mut dyn FnMut(&Glimpse) -> Result<bool, String>,
    ) -> Result<Survey, String> {
        let number = segment.header.number;
        let path = self.path(number);
        let told = |error: std::io::Error| format!("{}: {error}", path.display());
        let (file, header) = self.file(number).map_err(told)?;
        let next = self
            .segments()
            .into_iter()
            .find(|s| s.header.number > number);
        let limit = next.map_or(u64::MAX, |next| next.header.first_lsn);
        let mut survey = Survey {
            wanted: Vec::new(),
            damaged: Vec::new(),
            end: HEADER_BYTES,
            payload: 0,
        };
        let mut expected = header.first_lsn;
        while expected < limit {
            let mut bytes = [0; HEAD_BYTES];
            let read = file.read_at(&mut bytes, survey.end).map_err(told)?;
            let head = Head::from_bytes(&bytes, header.salt)
                .filter(|head| read == HEAD_BYTES && head.lsn == expected);
            let is_whole = !thorough
                || head.is_some()
                    && read_record(&*file, header.salt, survey.end)
                        .map_err(told)?
                        .is_ok();
            let Some(head) = head.filter(|_| is_whole) else {
                let behind = look_behind(&*file, header.salt, survey.end, expected, limit);
                let behind = behind.map_err(told)?;
                let Some((good, lsn)) = behind.next_good.filter(|_| behind.proves_damage) else {
                    break;
                };
                survey.damaged.push((survey.end, good));
                (survey.end, expected) = (good, lsn);
                continue;
            };
            let kind = RecordKind::from_byte(head.kind).filter(|_| head.format == FORMAT);
            let mut meta = vec![0; head.meta_bytes as usize];
            let at = survey.end + HEAD_BYTES as u64;
            if file.read_at(&mut meta, at).map_err(told)? < meta.len() {
                return Err(format!("{} ends within a record", path.display()));
            }
            if let Some(kind) = kind {
                let glimpse = Glimpse {
                    lsn: head.lsn,
                    kind,
                    meta,
                    payload_bytes: head.payload_bytes,
                };
                if wanted(&glimpse)? {
                    survey.wanted.push((survey.end, head));
                    survey.payload += head.payload_bytes;
                }
            }
            survey.end += head.record_bytes();
            expected += 1;
        }
        if next
            .is_some_and(|next| next.header.number == number + 1 && expected < next.header.synced)
        {
            survey.damaged.push((survey.end, segment.bytes));
            survey.end = survey.end.max(segment.bytes);
        }
        Ok(survey)
    }

    /// Writes the segment anew. `lessen` tells what stands in the place of each record that the survey wanted; `None` leaves
    /// it as it is. With `wipe` what cannot be read is left out as well, since nobody can tell what it says; and the old file's
    /// bytes of all that, and behind all records, are overwritten before it goes. False when nothing is different.
    pub(super) fn rewrite(
        &self,
        segment: Segment,
        survey: &Survey,
        wipe: bool,
        lessen: &mut dyn FnMut(Record) -> Result<Option<Lesser>, String>,
    ) -> Result<bool, String> {
        let number = segment.header.number;
        let path = self.path(number);
        let told = |error: std::io::Error| format!("{}: {error}", path.display());
        let (old, header) = self.file(number).map_err(told)?;
        let has_tail = wipe && old.len().map_err(told)? > survey.end;
        let mut changed: Vec<(u64, u64, Vec<u8>)> = Vec::new();
        for (from, to) in survey.damaged.iter().filter(|_| wipe) {
            tracing::warn!(
                file = %path.display(), at = from, bytes = to - from,
                "what cannot be read is removed as well: nobody can tell what it says"
            );
            changed.push((*from, to - from, Vec::new()));
        }
        for (offset, head) in &survey.wanted {
            let Ok((head_now, data)) = read_record(&*old, header.salt, *offset).map_err(told)?
            else {
                continue; // damaged; a thorough look has found it
            };
            if head_now != *head {
                return Err(format!("{} changed meanwhile", path.display()));
            }
            if let Some(lesser) = lessen(record(*head, data)?)? {
                let bytes = in_place(head, header.salt, &lesser)
                    .ok_or_else(|| format!("{} at byte {offset}: no room", path.display()))?;
                changed.push((*offset, head.record_bytes(), bytes));
            }
        }
        if changed.is_empty() && !has_tail {
            return Ok(false);
        }
        changed.sort_unstable_by_key(|(offset, ..)| *offset);
        let new_path = self.folder.join(format!("new-less-{number:010}"));
        let _ = self.disk.remove(&new_path); // of a try that failed
        let new = self.disk.create(&new_path).map_err(told)?;
        let written = (|| {
            new.set_len(survey.end)?;
            let mut at = 0;
            for (offset, whole, bytes) in &changed {
                copy(&*old, &*new, at, *offset)?;
                if !bytes.is_empty() {
                    new.write_at(&mut [IoSlice::new(bytes)], *offset)?;
                }
                at = offset + whole;
            }
            copy(&*old, &*new, at, survey.end)?;
            new.sync()?;
            self.disk.rename(&new_path, &path)?;
            self.disk.sync_folder(&self.folder)
        })();
        if let Err(error) = written {
            let _ = self.disk.remove(&new_path);
            return Err(told(error));
        }
        self.replaced(number, new, survey.end).map_err(told)?;
        if wipe {
            // Its blocks go back to the file system now; what is in them should be nothing.
            let wiped = (|| {
                for (offset, whole, _) in &changed {
                    blank(&*old, *offset, offset + whole)?;
                }
                blank(&*old, survey.end, old.len()?)?;
                old.sync()
            })();
            if let Err(error) = wiped {
                tracing::warn!(%error, "cannot overwrite what was removed; its blocks are free all the same");
            }
        }
        Ok(true)
    }
}

/// The record's bytes up to where its hole begins; `None` when what stands in its place is longer than it was.
fn in_place(head: &Head, salt: u32, lesser: &Lesser) -> Option<Vec<u8>> {
    let payload: usize = lesser.payload.iter().map(Bytes::len).sum();
    let said = HEAD_BYTES + lesser.meta.len() + payload;
    let hole = head.record_bytes().checked_sub(said as u64)?;
    let mut crc = crc32c::crc32c(&lesser.meta);
    for part in &lesser.payload {
        crc = crc32c::crc32c_append(crc, part);
    }
    let mut left = hole;
    while left > 0 {
        let some = left.min(PIECE as u64) as usize;
        crc = crc32c::crc32c_append(crc, &ZEROS[..some]);
        left -= some as u64;
    }
    let head = Head {
        lsn: head.lsn,
        synced: head.synced,
        payload_bytes: payload as u64 + hole,
        meta_bytes: u32::try_from(lesser.meta.len()).ok()?,
        data_crc: crc,
        format: FORMAT,
        kind: lesser.kind as u8,
    };
    let mut bytes = Vec::with_capacity(said);
    bytes.extend_from_slice(&head.to_bytes(salt));
    bytes.extend_from_slice(&lesser.meta);
    lesser
        .payload
        .iter()
        .for_each(|part| bytes.extend_from_slice(part));
    Some(bytes)
}

/// Copies what is not zeros.
fn copy(old: &dyn DiskFile, new: &dyn DiskFile, from: u64, to: u64) -> std::io::Result<()> {
    let mut room = vec![0; PIECE];
    let mut at = from;
    while at < to {
        // Up to the next multiple, so that pieces are whole blocks of the file.
        let piece = (PIECE as u64 - at % PIECE as u64).min(to - at) as usize;
        let read = old.read_at(&mut room[..piece], at)?;
        if read < piece {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let buffer = &room[..piece];
        if buffer == &ZEROS[..piece] {
            // a hole
        } else if memchr::memmem::find(buffer, &ZEROS[..BLOCK]).is_none() {
            new.write_at(&mut [IoSlice::new(buffer)], at)?;
        } else {
            for (n, block) in buffer.chunks(BLOCK).enumerate() {
                if block != &ZEROS[..block.len()] {
                    new.write_at(&mut [IoSlice::new(block)], at + (n * BLOCK) as u64)?;
                }
            }
        }
        at += piece as u64;
    }
    Ok(())
}

/// Overwrites with zeros.
pub(super) fn blank(file: &dyn DiskFile, from: u64, to: u64) -> std::io::Result<()> {
    let mut at = from;
    while at < to {
        let piece = (to - at).min(PIECE as u64) as usize;
        file.write_at(&mut [IoSlice::new(&ZEROS[..piece])], at)?;
        at += piece as u64;
    }
    Ok(())
}
