//! The seal of an index that is not in use: a checksum over its file.
//!
//! SQLite's pages have no checksums, so a bit that flips on the disk could change what is told, or hide a delivery. Whoever
//! closes a store leaves the checksum of the whole file beside it, and whoever opens it compares. An index without a seal
//! (after a crash) is looked over by SQLite. The log has the truth, so an index in doubt is simply built anew.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// What is known of an index before it is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trust {
    /// It is as it was left, or there is none.
    Whole,
    /// It was in use when its camhook ended.
    Unknown,
    Broken(&'static str),
}

fn seal_of(index: &Path) -> PathBuf {
    index.with_extension("seal")
}

/// Stands beside an index that was found damaged while it was in use.
fn mark_of(index: &Path) -> PathBuf {
    index.with_extension("damaged")
}

/// Compares, and breaks the seal, for the index is about to be written.
pub(super) fn take(index: &Path) -> io::Result<Trust> {
    let mark = mark_of(index);
    if mark.exists() {
        std::fs::remove_file(mark)?;
        return Ok(Trust::Broken("it was found damaged while it was in use"));
    }
    let path = seal_of(index);
    let told = match std::fs::read_to_string(&path) {
        Ok(told) => told,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(match index.exists() {
                true => Trust::Unknown,
                false => Trust::Whole,
            });
        }
        Err(error) if error.kind() == io::ErrorKind::InvalidData => "damaged\n".to_owned(),
        Err(error) => return Err(error),
    };
    std::fs::remove_file(&path)?;
    if !index.exists() {
        return Ok(Trust::Whole);
    }
    if let Some(folder) = index.parent() {
        // A seal that comes back after a power failure would only have the index built once more.
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
    }
    // Somebody else has written since; or a power failure came before the seal was on the disk.
    if has_wal(index) || !told.ends_with('\n') {
        return Ok(Trust::Unknown);
    }
    Ok(if told == checksum(index)? {
        Trust::Whole
    } else {
        Trust::Broken("its file is not as it was left")
    })
}

/// Seals an index that nobody has open any more.
pub(super) fn put(index: &Path) {
    if has_wal(index) || mark_of(index).exists() {
        return; // somebody still looks
    }
    let sealed = checksum(index).and_then(|told| {
        let mut file = File::create(seal_of(index))?;
        file.write_all(told.as_bytes())
    });
    if let Err(error) = sealed {
        tracing::debug!(%error, "the index is left without a seal");
        let _ = std::fs::remove_file(seal_of(index));
    }
}

/// Has the index built anew when the store is opened next.
pub(super) fn mark_damaged(index: &Path) {
    match File::create_new(mark_of(index)) {
        Ok(_) => tracing::error!(
            index = %index.display(),
            "the index is damaged. Nothing is lost: restart camhook, and it is built anew from the log"
        ),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => tracing::error!(
            %error, index = %index.display(),
            "the index is damaged, which cannot be noted. Stop camhook, move the index away, and start: nothing is lost"
        ),
    }
}

fn has_wal(index: &Path) -> bool {
    let wal = format!("{}-wal", index.display());
    std::fs::metadata(wal).is_ok_and(|wal| wal.len() > 0)
}

fn checksum(index: &Path) -> io::Result<String> {
    let mut file = File::open(index)?;
    let mut buffer = vec![0; 1 << 20];
    let (mut crc, mut bytes) = (0, 0_u64);
    loop {
        let read = match file.read(&mut buffer) {
            Ok(0) => return Ok(format!("crc32c {crc:08x} of {bytes} bytes\n")),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        crc = crc32c::crc32c_append(crc, &buffer[..read]);
        bytes += read as u64;
    }
}
