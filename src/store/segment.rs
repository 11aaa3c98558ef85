//! One segment file: a header, then records, as bytes.
//!
//! A file may be recycled, so what lies behind its last record is garbage from an earlier life, or zeros, or a torn
//! write. Three things tell them apart. Each life has a random `salt` that seeds the checksum of every record's head, so
//! that neither an earlier life nor bytes that a sender made up can look like a record. Records carry consecutive log
//! sequence numbers (LSN). And each record tells up to which LSN everything was `synced` when it was written: a good record
//! behind a bad one proves damage only if it says that the bad one had been safe; otherwise both belong to the group
//! that was being written when the power failed, which was never acknowledged, and both are cut off.

use std::fmt;

use bytes::Bytes;

use super::disk::DiskFile;

pub(super) const HEADER_BYTES: u64 = 64;
pub(super) const HEAD_BYTES: usize = 48;
pub(super) const FORMAT: u8 = 1;
const MAGIC: [u8; 8] = *b"CAMHOOK\n";
const RECORD_MAGIC: [u8; 4] = *b"CHr\x01";
/// Records begin at multiples of this.
const ALIGN: u64 = 8;
/// A metadata part larger than this is damage, not data.
const META_MAX: u32 = 1 << 30;

/// What a segment's first bytes tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) number: u64,
    pub(super) first_lsn: u64,
    /// Everything below this LSN was on disk when the segment was begun.
    pub(super) synced: u64,
    pub(super) salt: u32,
}

/// The kinds of records, as written on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum RecordKind {
    Request = 1,
    Quarantine = 2,
    Outcome = 3,
    PlanAgain = 4,
    Retry = 5,
    Target = 6,
    Purge = 7,
    /// What a removed segment still told about events that are kept.
    Carry = 8,
    /// The last record of a segment.
    Seal = 9,
    /// An event's pictures, fetched from their addresses.
    Fetched = 10,
    /// What stood here was forgotten on request.
    Erased = 11,
    /// That something was forgotten on request, without what.
    Forgot = 12,
    /// A part of what a user asked to be done with many deliveries or events.
    Worked = 13,
}

/// A record's head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Head {
    pub(super) lsn: u64,
    /// Everything below this LSN was on disk when the record was written.
    pub(super) synced: u64,
    pub(super) payload_bytes: u64,
    pub(super) meta_bytes: u32,
    /// CRC32C over metadata and payload.
    pub(super) data_crc: u32,
    pub(super) format: u8,
    pub(super) kind: u8,
}

/// Why bytes are no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoRecord {
    /// No head of this life of the file.
    Nothing,
    /// A head, but what it announces is not there.
    Torn,
}

/// Why a segment's first bytes are no header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoHeader {
    #[error("its header is damaged, and so is its first record, which could tell what it was")]
    Damaged,
    #[error("it has format {0}, this camhook reads format {FORMAT}")]
    OtherFormat(u32),
}

impl fmt::Display for NoRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "no record begins here",
            Self::Torn => "the record's checksum does not match",
        })
    }
}

impl RecordKind {
    pub(super) fn from_byte(byte: u8) -> Option<Self> {
        [
            Self::Request,
            Self::Quarantine,
            Self::Outcome,
            Self::PlanAgain,
            Self::Retry,
            Self::Target,
            Self::Purge,
            Self::Carry,
            Self::Seal,
            Self::Fetched,
            Self::Erased,
            Self::Forgot,
            Self::Worked,
        ]
        .into_iter()
        .find(|kind| *kind as u8 == byte)
    }
}

impl Header {
    pub(super) fn to_bytes(self) -> [u8; HEADER_BYTES as usize] {
        let mut bytes = [0; HEADER_BYTES as usize];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[12..16].copy_from_slice(&u32::from(FORMAT).to_le_bytes());
        bytes[16..24].copy_from_slice(&self.number.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.first_lsn.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.synced.to_le_bytes());
        bytes[40..44].copy_from_slice(&self.salt.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[12..]);
        bytes[8..12].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    pub(super) fn from_bytes(bytes: &[u8; HEADER_BYTES as usize]) -> Result<Self, NoHeader> {
        if bytes[..8] != MAGIC || crc32c::crc32c(&bytes[12..]) != u32_at(bytes, 8) {
            return Err(NoHeader::Damaged);
        }
        let format = u32_at(bytes, 12);
        if format != u32::from(FORMAT) {
            return Err(NoHeader::OtherFormat(format));
        }
        Ok(Self {
            number: u64_at(bytes, 16),
            first_lsn: u64_at(bytes, 24),
            synced: u64_at(bytes, 32),
            salt: u32_at(bytes, 40),
        })
    }
}

impl Head {
    pub(super) fn to_bytes(self, salt: u32) -> [u8; HEAD_BYTES] {
        let mut bytes = [0; HEAD_BYTES];
        bytes[..4].copy_from_slice(&RECORD_MAGIC);
        bytes[8..16].copy_from_slice(&self.lsn.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.synced.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.payload_bytes.to_le_bytes());
        bytes[32..36].copy_from_slice(&self.meta_bytes.to_le_bytes());
        bytes[36..40].copy_from_slice(&self.data_crc.to_le_bytes());
        bytes[40] = self.format;
        bytes[41] = self.kind;
        let crc = crc32c::crc32c_append(salt, &bytes[8..]);
        bytes[4..8].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    pub(super) fn from_bytes(bytes: &[u8; HEAD_BYTES], salt: u32) -> Option<Self> {
        let whole = bytes[..4] == RECORD_MAGIC
            && crc32c::crc32c_append(salt, &bytes[8..]) == u32_at(bytes, 4);
        let head = Self {
            lsn: u64_at(bytes, 8),
            synced: u64_at(bytes, 16),
            payload_bytes: u64_at(bytes, 24),
            meta_bytes: u32_at(bytes, 32),
            data_crc: u32_at(bytes, 36),
            format: bytes[40],
            kind: bytes[41],
        };
        (whole && head.meta_bytes <= META_MAX && head.payload_bytes <= 1 << 40).then_some(head)
    }

    /// The whole record with head and padding.
    pub(super) fn record_bytes(&self) -> u64 {
        record_bytes(self.meta_bytes as usize, self.payload_bytes)
    }
}

pub(super) fn record_bytes(meta: usize, payload: u64) -> u64 {
    (HEAD_BYTES as u64 + meta as u64 + payload).next_multiple_of(ALIGN)
}

/// The record at `offset`, checked in full; the buffer holds metadata and payload.
pub(super) fn read_record(
    file: &dyn DiskFile,
    salt: u32,
    offset: u64,
) -> std::io::Result<Result<(Head, Vec<u8>), NoRecord>> {
    let mut bytes = [0; HEAD_BYTES];
    if file.read_at(&mut bytes, offset)? < HEAD_BYTES {
        return Ok(Err(NoRecord::Nothing));
    }
    let Some(head) = Head::from_bytes(&bytes, salt) else {
        return Ok(Err(NoRecord::Nothing));
    };
    let wanted = u64::from(head.meta_bytes) + head.payload_bytes;
    if offset + HEAD_BYTES as u64 + wanted > file.len()? {
        return Ok(Err(NoRecord::Torn));
    }
    let mut data = vec![0; usize::try_from(wanted).unwrap_or(0)];
    let read = file.read_at(&mut data, offset + HEAD_BYTES as u64)?;
    if read < data.len() || crc32c::crc32c(&data) != head.data_crc {
        return Ok(Err(NoRecord::Torn));
    }
    Ok(Ok((head, data)))
}

/// A record read back.
pub(super) struct Record {
    pub(super) head: Head,
    pub(super) kind: RecordKind,
    pub(super) meta: Bytes,
    pub(super) payload: Bytes,
}

/// The parts of a record whose checksums were right.
pub(super) fn record(head: Head, data: Vec<u8>) -> Result<Record, String> {
    if head.format != FORMAT {
        return Err(format!(
            "a record of format {}, this camhook reads format {FORMAT}",
            head.format
        ));
    }
    let kind = RecordKind::from_byte(head.kind)
        .ok_or_else(|| format!("a record of unknown kind {}", head.kind))?;
    let data = Bytes::from(data);
    let meta = data.slice(..head.meta_bytes as usize);
    let payload = data.slice(head.meta_bytes as usize..);
    Ok(Record {
        head,
        kind,
        meta,
        payload,
    })
}

/// What lies behind the place where the records seem to end.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Behind {
    /// Whether there is a good record that could only be written after `expected` was safe.
    pub(super) proves_damage: bool,
    /// The first good record of a later LSN: where it lies, and its LSN.
    pub(super) next_good: Option<(u64, u64)>,
    /// Whether heads of this life were found at all: they must be wiped before the place is written again.
    pub(super) leftovers: bool,
}

/// Looks for records of this life from `offset` on, where LSN `expected` should have been; those from `limit` on are told by
/// another segment.
pub(super) fn look_behind(
    file: &dyn DiskFile,
    salt: u32,
    offset: u64,
    expected: u64,
    limit: u64,
) -> std::io::Result<Behind> {
    const CHUNK: usize = 1 << 20;
    let finder = memchr::memmem::Finder::new(&RECORD_MAGIC);
    let mut behind = Behind::default();
    let mut buffer = vec![0; CHUNK + HEAD_BYTES];
    let mut start = offset;
    loop {
        let read = file.read_at(&mut buffer, start)?;
        for found in finder.find_iter(&buffer[..read]) {
            let at = start + found as u64;
            if found >= CHUNK || !at.is_multiple_of(ALIGN) {
                continue;
            }
            let Some(bytes) = buffer.get(found..found + HEAD_BYTES) else {
                continue;
            };
            let bytes = bytes.try_into().expect("the slice has that length");
            let Some(head) = Head::from_bytes(bytes, salt) else {
                continue;
            };
            behind.leftovers = true;
            let proves = head.synced > expected;
            let is_first = behind.next_good.is_none();
            if head.lsn > expected
                && head.lsn < limit
                && (proves || is_first)
                && read_record(file, salt, at)?.is_ok()
            {
                behind.proves_damage |= proves;
                behind.next_good.get_or_insert((at, head.lsn));
                if behind.proves_damage {
                    return Ok(behind);
                }
            }
        }
        if read < buffer.len() {
            return Ok(behind);
        }
        start += CHUNK as u64;
    }
}

/// The header of a segment whose own is damaged, as its first record tells it: that record's checksum was seeded with the
/// salt, which follows from it, and the checksum over its data proves that it is one.
pub(super) fn salvage_header(file: &dyn DiskFile, number: u64) -> std::io::Result<Option<Header>> {
    let mut bytes = [0; HEAD_BYTES];
    if file.read_at(&mut bytes, HEADER_BYTES)? < HEAD_BYTES || bytes[..4] != RECORD_MAGIC {
        return Ok(None);
    }
    let salt = seed_of(u32_at(&bytes, 4), &bytes[8..]);
    let Ok((head, _)) = read_record(file, salt, HEADER_BYTES)? else {
        return Ok(None);
    };
    let is_one = head.format == FORMAT && RecordKind::from_byte(head.kind).is_some();
    Ok(is_one.then_some(Header {
        number,
        first_lsn: head.lsn,
        synced: head.synced.min(head.lsn),
        salt,
    }))
}

/// What CRC32C over `bytes` was begun with, given how it ended.
fn seed_of(crc: u32, bytes: &[u8]) -> u32 {
    const POLYNOMIAL: u32 = 0x82f6_3b78;
    let mut state = !crc;
    for byte in bytes.iter().rev() {
        for _ in 0..8 {
            state = match state >> 31 {
                0 => state << 1,
                _ => (state ^ POLYNOMIAL) << 1 | 1,
            };
        }
        state ^= u32::from(*byte);
    }
    !state
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_back_and_only_with_its_salt() {
        let head = Head {
            lsn: 7,
            synced: 5,
            payload_bytes: 1 << 33,
            meta_bytes: 12,
            data_crc: 99,
            format: FORMAT,
            kind: RecordKind::Outcome as u8,
        };
        let bytes = head.to_bytes(42);
        assert_eq!(Head::from_bytes(&bytes, 42), Some(head));
        assert_eq!(Head::from_bytes(&bytes, 43), None);
        for at in 0..42 {
            let mut damaged = bytes;
            damaged[at] ^= 1;
            assert_eq!(Head::from_bytes(&damaged, 42), None, "byte {at}");
        }
    }

    #[test]
    fn what_a_checksum_was_begun_with_follows_from_it() {
        for seed in [0, 1, 0x8000_0000, 0xdead_beef, u32::MAX] {
            let crc = crc32c::crc32c_append(seed, b"some forty bytes of a record's own head.");
            assert_eq!(
                seed_of(crc, b"some forty bytes of a record's own head."),
                seed
            );
        }
    }

    #[test]
    fn a_header_of_another_format_is_refused_in_words() {
        let header = Header {
            number: 3,
            first_lsn: 9,
            synced: 8,
            salt: 1,
        };
        let bytes = header.to_bytes();
        assert_eq!(Header::from_bytes(&bytes), Ok(header));
        let mut newer = bytes;
        newer[12] = 2;
        let crc = crc32c::crc32c(&newer[12..]);
        newer[8..12].copy_from_slice(&crc.to_le_bytes());
        let refused = Header::from_bytes(&newer).unwrap_err();
        assert!(refused.to_string().contains("format 2"));
    }
}
