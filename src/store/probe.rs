//! What must hold for any log, for those who try bytes that nobody thought of.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;

use super::catalog::Record;
use super::record::What;
use super::segment::{FORMAT, HEADER_BYTES, Head, Header, RecordKind, record_bytes};
use super::{DeliveryQuery, EventQuery, PageQuery, Settings, Store, request};
use crate::clock::Clock;
use crate::telemetry::Metrics;

/// Bytes of one record's payload.
const PAYLOAD_MAX: usize = 4 << 10;
const RECORDS_MAX: usize = 64;
const SALT: u32 = 7;

/// Reads the lines as records: a letter for the kind (`b` is the first) and the metadata. What stands behind an empty line
/// is the payload of each.
fn records(input: &[u8]) -> Vec<Record> {
    let (lines, payload) = match memchr::memmem::find(input, b"\n\n") {
        Some(at) => (&input[..at], &input[at + 2..]),
        None => (input, &b""[..]),
    };
    let payload = Bytes::copy_from_slice(&payload[..payload.len().min(PAYLOAD_MAX)]);
    let lines = lines.split(|byte| *byte == b'\n').take(RECORDS_MAX);
    lines
        .filter_map(|line| {
            let (letter, meta) = line.split_first()?;
            Some(Record {
                head: Head::default(),
                kind: RecordKind::from_byte(letter.wrapping_sub(b'a'))?,
                meta: Bytes::copy_from_slice(meta),
                payload: payload.clone(),
            })
        })
        .collect()
}

/// Reads records as they are read from the log, whose checksums are right. Returns whether there was one that means something.
pub(crate) fn try_records(input: &[u8]) -> bool {
    let mut meaningful = false;
    for record in records(input) {
        meaningful |= What::of(&record).is_ok();
        if let Ok(events) = request::events(&record) {
            for (event, _) in events {
                event.to_json();
                event.clip();
            }
        }
        drop(request::unread(&record));
    }
    meaningful
}

/// Opens a store with that log, rebuilds its index, and looks at all there is. Bytes that are no records are taken for those of
/// a segment. Returns whether it could be opened.
pub(crate) fn try_log(input: &[u8]) -> bool {
    let folder = Folder::new();
    let log = folder.0.join("log");
    let segment = segment(input);
    if fs::create_dir_all(&log).is_err() || fs::write(log.join("0000000001.seg"), segment).is_err()
    {
        return false;
    }
    let settings = Settings {
        path: folder.0.clone(),
        keep: std::time::Duration::from_secs(3_600),
        max_size: 64 << 20,
        pictures: None,
    };
    let Ok(store) = Store::open(settings, Clock::system(), Metrics::new()) else {
        return false;
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.expect("a runtime without drivers");
    runtime.block_on(async {
        store.caught_up().await;
        for event in store
            .events(EventQuery::default())
            .await
            .unwrap_or_default()
        {
            drop(store.event(event).await.map(|kept| kept.event.to_json()));
        }
        drop(store.deliveries(DeliveryQuery::default()).await);
        for row in store
            .quarantined(PageQuery {
                before: None,
                limit: 10,
            })
            .await
            .unwrap_or_default()
        {
            drop(store.quarantined_request(row.id).await);
        }
    });
    true
}

fn segment(input: &[u8]) -> Vec<u8> {
    let records = records(input);
    let mut bytes = Header {
        number: 1,
        first_lsn: 1,
        synced: 1,
        salt: SALT,
    }
    .to_bytes()
    .to_vec();
    if records.is_empty() {
        bytes.extend_from_slice(input);
        return bytes;
    }
    for (lsn, record) in (1..).zip(records) {
        let data = [&record.meta[..], &record.payload[..]].concat();
        let head = Head {
            lsn,
            synced: lsn,
            payload_bytes: record.payload.len() as u64,
            meta_bytes: u32::try_from(record.meta.len()).unwrap_or(0),
            data_crc: crc32c::crc32c(&data),
            format: FORMAT,
            kind: record.kind as u8,
        };
        let end = bytes.len() as u64 + record_bytes(record.meta.len(), head.payload_bytes);
        bytes.extend_from_slice(&head.to_bytes(SALT));
        bytes.extend_from_slice(&data);
        bytes.resize(usize::try_from(end).unwrap_or(bytes.len()), 0);
    }
    debug_assert!(bytes.len() as u64 >= HEADER_BYTES);
    bytes
}

/// Removed in the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("camhook-probe-{}-{number}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// As lines, the records of an event's way: what a fuzzer begins with.
#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::event::{Event, Kind, Original};
    use crate::name::Name;

    #[test]
    fn records_written_as_lines_are_read_and_opened() {
        let original = Arc::new(Original {
            body: Bytes::from_static(b"the body"),
            ..Original::default()
        });
        let name = Name::new("gate").unwrap();
        let event = Event::new(name, "generic", Kind::Plate, original.clone());
        let intake = super::super::Intake {
            original,
            events: vec![(Arc::new(event), crate::fate::Plan::default())],
            written: crate::decide::Written::default(),
        };
        let drafted = request::request(intake, &[], jiff::Timestamp::UNIX_EPOCH, None);
        let draft = drafted.unwrap().0;
        let letter = b'a' + draft.kind as u8;
        let lines = [&[letter], &draft.meta[..], b"\n\n", &draft.payload.concat()].concat();
        assert!(try_records(&lines), "{}", String::from_utf8_lossy(&lines));
        assert!(try_log(&lines));
        assert!(!try_records(b"nothing"));
        try_log(b"\xff no record\n\n");
    }
}
