//! Reading a segment from a place on: its records in their order, what of it is damaged, and where it ends.

use std::io;

use super::catalog::{Catalog, Position, Record, Segment};
use super::damage::Damage;
use super::segment::{Header, RecordKind, look_behind, read_record, record};

/// What a scan comes upon.
pub(super) enum Found {
    Record(Position, Record),
    /// Records that had been safe and cannot be read. They are passed over.
    Damage(Damage),
}

/// Where a segment's records end.
#[derive(Debug, Clone, Copy)]
pub(super) struct End {
    pub(super) offset: u64,
    pub(super) next_lsn: u64,
    pub(super) sealed: bool,
    /// Behind the end lies a write that was cut off before it was acknowledged.
    pub(super) torn: bool,
    /// Nothing more is to be written into a segment whose medium has failed once.
    pub(super) damaged: bool,
}

impl Catalog {
    /// Hands what a segment holds from `offset` on to `each`, in order. `next` is the header of the segment behind it.
    /// A file that cannot be read at all is an error: what lies there may be whole, and readable another day.
    pub(super) fn scan(
        &self,
        segment: Segment,
        offset: u64,
        mut expected: u64,
        next: Option<Header>,
        each: &mut dyn FnMut(Found) -> Result<(), String>,
    ) -> Result<End, String> {
        let number = segment.header.number;
        let path = self.path(number);
        let told = |error: io::Error| {
            format!(
                "{} cannot be read: {error}; nothing was changed. Check the disk and the rights. If a part of it can never be \
                 read again, copy the file with a tool that goes on after errors (`ddrescue`, `dd conv=noerror,sync`) and put \
                 the copy in its place: what could be read is then kept",
                path.display()
            )
        };
        let (file, header) = self.file(number).map_err(told)?;
        // From there on the next segment tells; what lies here under the same numbers failed and was never acknowledged.
        let limit = next.map_or(u64::MAX, |next| next.first_lsn);
        let (mut at, mut sealed, mut torn, mut damaged) = (offset, false, false, false);
        while expected < limit && !sealed {
            match read_record(&*file, header.salt, at).map_err(told)? {
                Ok((head, data)) if head.lsn == expected => {
                    let bytes = head.record_bytes();
                    let record = record(head, data)
                        .map_err(|why| format!("{} at byte {at}: {why}", path.display()))?;
                    sealed = record.kind == RecordKind::Seal;
                    let position = Position {
                        segment: number,
                        offset: at,
                    };
                    each(Found::Record(position, record))?;
                    at += bytes;
                    expected += 1;
                }
                _ => {
                    let behind =
                        look_behind(&*file, header.salt, at, expected, limit).map_err(told)?;
                    let Some((good, lsn)) = behind.next_good.filter(|_| behind.proves_damage)
                    else {
                        torn = behind.leftovers;
                        break;
                    };
                    // While somebody writes, the proof may be younger than the look at what it is about.
                    let again = read_record(&*file, header.salt, at).map_err(told)?;
                    if again.is_ok_and(|(head, _)| head.lsn == expected) {
                        continue;
                    }
                    each(Found::Damage(Damage {
                        segment: number,
                        offset: at,
                        bytes: good - at,
                        first_lsn: expected,
                        next_lsn: lsn,
                    }))?;
                    (at, expected, damaged) = (good, lsn, true);
                }
            }
        }
        if let Some(next) = next
            && next.number == number + 1
            && expected < next.synced
        {
            each(Found::Damage(Damage {
                segment: number,
                offset: at,
                bytes: segment.bytes.saturating_sub(at),
                first_lsn: expected,
                next_lsn: next.synced,
            }))?;
            (torn, damaged) = (false, true);
        }
        Ok(End {
            offset: at,
            next_lsn: expected,
            sealed,
            torn,
            damaged,
        })
    }

    /// Wipes what a write that was cut off has left behind a segment's end.
    pub(super) fn cut_off(&self, segment: Segment, end: &End) -> Result<(), String> {
        let number = segment.header.number;
        let path = self.path(number);
        let told = |error: io::Error| format!("{}: {error}", path.display());
        tracing::warn!(
            file = %path.display(), at = end.offset,
            "a write was cut off before it was acknowledged; cutting it off the log"
        );
        let (file, _) = self.file(number).map_err(told)?;
        file.set_len(end.offset)
            .and_then(|()| file.sync())
            .map_err(told)?;
        file.allocate(segment.bytes)
            .or_else(|_| file.set_len(segment.bytes))
            .map_err(told)
    }
}
