//! What the disk itself can do.

use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Instant;

/// Median milliseconds of one 2 kB write and fdatasync into a written file.
pub(crate) fn sync_ms(folder: &Path) -> f64 {
    let path = folder.join("sync-probe");
    let file = std::fs::File::create(&path).unwrap();
    file.write_all_at(&vec![0; 1 << 20], 0).unwrap();
    file.sync_all().unwrap();
    let mut times: Vec<f64> = (0..200)
        .map(|n| {
            let start = Instant::now();
            file.write_all_at(&[1; 2048], n * 2048).unwrap();
            file.sync_data().unwrap();
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    let _ = std::fs::remove_file(path);
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Bytes that a folder takes on disk.
pub(crate) fn usage(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let Ok(entries) = std::fs::read_dir(folder) else {
        return 0;
    };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(meta) if meta.is_dir() => usage(&entry.path()),
            Ok(meta) => meta.blocks() * 512,
            Err(_) => 0,
        })
        .sum()
}
