//! Appends groups of records and syncs each group once: an own log of recycled segments beside `raft-engine`.
//!
//! `cargo run --release --manifest-path bench/log/Cargo.toml -- FOLDER`, FOLDER on the disk to measure.

use std::fs::{self, File};
use std::io::IoSlice;
use std::os::unix::fs::FileExt;
use std::time::Instant;

use protobuf::well_known_types::Any;
use raft_engine::{Config, Engine, LogBatch, MessageExt, ReadableSize};

const SEGMENT: u64 = 64 << 20;
const HEAD: usize = 32;

struct Entry;

impl MessageExt for Entry {
    type Entry = Any;
    fn index(entry: &Any) -> u64 {
        entry
            .type_url
            .parse()
            .expect("it is written as a number below")
    }
}

fn main() {
    let folder = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "target/bench-log".to_owned());
    println!(
        "bytes x group: own/s, raft-engine/s, ratio (median of 3 alternating rounds; min, max)"
    );
    for (size, group, total) in [
        (2048, 1, 20_000),
        (2048, 9, 150_000),
        (2048, 32, 400_000),
        (204_800, 1, 4_000),
        (204_800, 16, 12_000),
    ] {
        let payload = noise(size);
        let mut rounds: Vec<(f64, f64)> = (0..3)
            .map(|_| {
                (
                    own(&folder, &payload, group, total),
                    raft_engine(&folder, &payload, group, total),
                )
            })
            .collect();
        rounds.sort_by(|a, b| (a.1 / a.0).total_cmp(&(b.1 / b.0)));
        let ratio = |n: usize| rounds[n].1 / rounds[n].0;
        let (own, raft) = rounds[1];
        println!(
            "{size} x {group}: {own:.0}, {raft:.0}, {:.2} ({:.2}, {:.2})",
            ratio(1),
            ratio(0),
            ratio(2)
        );
    }
    let _ = fs::remove_dir_all(folder);
}

fn noise(size: usize) -> Vec<u8> {
    let mut x = 1_u64;
    let mut next = || {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        x as u8
    };
    (0..size).map(|_| next()).collect()
}

/// Two written segments used in turn, as after the first pruning.
fn own(folder: &str, payload: &[u8], group: usize, total: usize) -> f64 {
    let folder = format!("{folder}/own");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let segments: Vec<File> = (0..2)
        .map(|n| {
            let file = File::create(format!("{folder}/{n}")).unwrap();
            for megabyte in 0..SEGMENT >> 20 {
                file.write_all_at(&vec![0; 1 << 20], megabyte << 20)
                    .unwrap();
            }
            file.sync_all().unwrap();
            file
        })
        .collect();
    let need = (payload.len() + HEAD) * group;
    let (mut segment, mut offset, mut number) = (0, 0, 0_u64);
    let start = Instant::now();
    for _ in 0..total / group {
        if offset + need as u64 > SEGMENT {
            (segment, offset) = (1 - segment, 0);
        }
        let heads: Vec<[u8; HEAD]> = (0..group)
            .map(|_| {
                number += 1;
                let mut head = [0; HEAD];
                head[..4].copy_from_slice(&(payload.len() as u32).to_le_bytes());
                head[4..8].copy_from_slice(&crc32c::crc32c(payload).to_le_bytes());
                head[8..16].copy_from_slice(&number.to_le_bytes());
                head
            })
            .collect();
        let slices: Vec<IoSlice> = heads
            .iter()
            .flat_map(|head| [IoSlice::new(head), IoSlice::new(payload)])
            .collect();
        assert_eq!(
            rustix::io::pwritev(&segments[segment], &slices, offset).unwrap(),
            need
        );
        segments[segment].sync_data().unwrap();
        offset += need as u64;
    }
    (total / group * group) as f64 / start.elapsed().as_secs_f64()
}

/// With recycling and prefilled files, no compression, purged as it goes.
fn raft_engine(folder: &str, payload: &[u8], group: usize, total: usize) -> f64 {
    let folder = format!("{folder}/raft-engine");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let config = Config {
        dir: folder,
        target_file_size: ReadableSize(SEGMENT),
        purge_threshold: ReadableSize(2 * SEGMENT),
        batch_compression_threshold: ReadableSize(0),
        enable_log_recycle: true,
        prefill_for_recycle: true,
        prefill_limit: Some(ReadableSize(4 * SEGMENT)),
        ..Default::default()
    };
    let engine = Engine::open(config).unwrap();
    let mut batch = LogBatch::with_capacity(group);
    let (mut index, mut since_purge) = (0_u64, 0);
    let start = Instant::now();
    for _ in 0..total / group {
        let entries: Vec<Any> = (0..group)
            .map(|_| {
                index += 1;
                let mut entry = Any::new();
                entry.type_url = index.to_string();
                entry.value = payload.to_vec();
                entry
            })
            .collect();
        batch.add_entries::<Entry>(1, &entries).unwrap();
        engine.write(&mut batch, true).unwrap();
        since_purge += group * payload.len();
        if since_purge > SEGMENT as usize {
            engine.compact_to(1, index.saturating_sub(SEGMENT / 2 / payload.len() as u64));
            engine.purge_expired_files().unwrap();
            since_purge = 0;
        }
    }
    (total / group * group) as f64 / start.elapsed().as_secs_f64()
}
