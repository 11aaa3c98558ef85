//! Lines and pictures in files, safe on disk before they are reported as delivered.
//!
//! A line is appended by one write on a handle opened for appending, under the file's lock, so that neither another
//! worker nor another process tears it. The file is opened anew for each line: that costs microseconds beside the
//! milliseconds of the sync, and a file that was moved away by log rotation is simply made again. A picture is written
//! under a temporary name, synced and then given its own, so that nobody sees half of one.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::pin::Pin;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::{Report, Target};
use crate::event::DeliveryId;
use crate::fate::Verdict;
use crate::payload::{self, Payload};

/// As many different pictures may ask for one name; the next stays pending with an error.
const SAME_NAME_MAX: u32 = 1_000;

/// Writes below one folder.
pub(crate) struct FilesTarget {
    folder: PathBuf,
}

impl FilesTarget {
    /// Relative paths count from `folder`, the config's.
    pub(crate) fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
        }
    }
}

impl Target for FilesTarget {
    fn send(
        &self,
        delivery: DeliveryId,
        payload: Payload,
    ) -> Pin<Box<dyn Future<Output = Report> + Send + '_>> {
        let folder = self.folder.clone();
        Box::pin(async move {
            let write = tokio::task::spawn_blocking(move || write(&folder, delivery, payload));
            write
                .await
                .unwrap_or_else(|error| Report::try_again(format!("writing did not end: {error}")))
        })
    }
}

fn write(folder: &Path, delivery: DeliveryId, payload: Payload) -> Report {
    let written = match payload {
        Payload::Line { line, .. } if line.is_empty() => Ok(()),
        Payload::Line { path, header, line } => {
            let path = folder.join(path);
            append(&path, header.as_deref(), &line).map_err(|error| (path, error))
        }
        Payload::Files(files) => files.into_iter().try_for_each(|file| {
            let path = folder.join(&file.path);
            place(&path, delivery, &file).map_err(|error| (path, error))
        }),
        Payload::Http(_)
        | Payload::Mqtt(_)
        | Payload::Publication(_)
        | Payload::Row(_)
        | Payload::Mail(_)
        | Payload::Log { .. } => {
            return Report::misrouted("files");
        }
    };
    match written {
        Ok(()) => Report::delivered(),
        Err((path, error)) => {
            let verdict = match error.kind() {
                ErrorKind::InvalidFilename | ErrorKind::InvalidInput => Verdict::Dead,
                _ => Verdict::TryAgain { pause: None }, // a full disk or a wrong permission is mended by somebody
            };
            Report::failed(
                verdict,
                format!("could not write {}: {error}", path.display()),
            )
        }
    }
}

/// Appends whole lines. A last line without its end, left by a crash or another program, gets one first.
fn append(path: &Path, header: Option<&str>, line: &str) -> io::Result<()> {
    make_folder(path)?;
    if path.metadata().is_ok_and(|there| !there.is_file()) {
        return say(path, line);
    }
    let mut file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .open(path)?;
    lock(&file)?;
    let before = file.metadata()?.len();
    let mut text = String::with_capacity(line.len() + 2);
    match header {
        Some(header) if before == 0 => text.extend([header, "\n"]),
        _ if before > 0 && !ends_with_newline(&mut file)? => text.push('\n'),
        _ => {}
    }
    text.extend([line, "\n"]);
    if let Err(error) = write_once(&mut file, text.as_bytes()) {
        let _ = file.set_len(before); // what was written of the line would be there twice after the next try
        return Err(error);
    }
    let _ = file.unlock(); // others may write while this one syncs
    file.sync_data()?;
    if before == 0 {
        sync_folder(path)?;
    }
    Ok(())
}

/// To a pipe or a terminal. Opened for writing alone and without waiting, a pipe that nobody reads is told; else it would
/// take the line, and lose it with the handle.
fn say(path: &Path, line: &str) -> io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let opened = rustix::fs::open(path, flags, Mode::empty());
    let opened = opened.map_err(|error| match error {
        Errno::NXIO => io::Error::other("nobody reads this pipe"),
        error => error.into(),
    })?;
    rustix::fs::fcntl_setfl(&opened, OFlags::empty())?; // from here on a slow reader is waited for
    File::from(opened).write_all(format!("{line}\n").as_bytes())
}

/// Waits for whoever is writing; some network file systems know no locks, and there one write must do.
fn lock(file: &File) -> io::Result<()> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => file.lock(),
        Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => Ok(()),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn ends_with_newline(file: &mut File) -> io::Result<bool> {
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

fn write_once(file: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    match file.write(bytes)? {
        all if all == bytes.len() => Ok(()),
        some => file.write_all(&bytes[some..]), // a disk that fills up says so now
    }
}

/// Puts a picture in its place. The same bytes under the same name are there already; other bytes are kept, and the
/// new ones are named `…-2`, `…-3`, …
fn place(path: &Path, delivery: DeliveryId, file: &payload::File) -> io::Result<()> {
    make_folder(path)?;
    let mut temporary = None;
    for n in 1..=SAME_NAME_MAX {
        let path = numbered(path, n);
        if holds(&path, &file.bytes)? {
            return discard(temporary);
        }
        if path.symlink_metadata().is_ok() {
            continue;
        }
        let from = match temporary.take() {
            Some(from) => from,
            None => write_temporary(&path, delivery, &file.bytes)?,
        };
        match give_name(&from, &path) {
            Ok(()) => return sync_folder(&path),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                // somebody was quicker: it may be the same picture
                if holds(&path, &file.bytes)? {
                    return discard(Some(from));
                }
                temporary = Some(from);
            }
            Err(error) => {
                let _ = std::fs::remove_file(&from);
                return Err(error);
            }
        }
    }
    discard(temporary)?;
    Err(io::Error::new(
        ErrorKind::AlreadyExists,
        format!(
            "{SAME_NAME_MAX} other pictures have this name: put the time or the event's id into the path"
        ),
    ))
}

/// `a.jpg`, `a-2.jpg`, `a-3.jpg`.
fn numbered(path: &Path, n: u32) -> PathBuf {
    if n == 1 {
        return path.to_owned();
    }
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push(format!("-{n}"));
    if let Some(ending) = path.extension() {
        name.push(".");
        name.push(ending);
    }
    path.with_file_name(name)
}

fn holds(path: &Path, bytes: &[u8]) -> io::Result<bool> {
    match path.metadata() {
        Ok(there) if there.is_file() && there.len() == bytes.len() as u64 => {
            Ok(std::fs::read(path)? == bytes)
        }
        Ok(_) => Ok(false),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// In the same folder, under a name that a later attempt of the same delivery overwrites.
fn write_temporary(path: &Path, delivery: DeliveryId, bytes: &[u8]) -> io::Result<PathBuf> {
    let temporary = path.with_file_name(format!(".camhook-{delivery}.part"));
    let write = || {
        // One that a crash left may be another name of a finished picture, which must not be written over.
        let _ = std::fs::remove_file(&temporary);
        let mut file = File::create_new(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    match write() {
        Ok(()) => Ok(temporary),
        Err(error) => {
            let _ = std::fs::remove_file(&temporary);
            Err(error)
        }
    }
}

/// A link refuses a name that is taken, a rename would replace it; but not every file system has links.
fn give_name(from: &Path, to: &Path) -> io::Result<()> {
    match std::fs::hard_link(from, to) {
        Ok(()) => std::fs::remove_file(from),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(error),
        Err(_) if to.symlink_metadata().is_ok() => Err(ErrorKind::AlreadyExists.into()),
        Err(_) => std::fs::rename(from, to),
    }
}

fn discard(temporary: Option<PathBuf>) -> io::Result<()> {
    match temporary {
        Some(temporary) => std::fs::remove_file(temporary),
        None => Ok(()),
    }
}

/// Every folder above the file, each synced into the one above it when it is new.
fn make_folder(path: &Path) -> io::Result<()> {
    let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    else {
        return Ok(());
    };
    if folder.is_dir() {
        return Ok(());
    }
    make_folder(folder)?;
    match std::fs::create_dir(folder) {
        Ok(()) => sync_folder(folder),
        Err(_) if folder.is_dir() => Ok(()), // somebody was quicker
        Err(error) => Err(error),
    }
}

/// Without this a new file's name may be lost with the power, though its bytes are safe.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if cfg!(unix) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn line(path: &str, header: Option<&str>, line: &str) -> Payload {
        Payload::Line {
            path: path.to_owned(),
            header: header.map(str::to_owned),
            line: line.to_owned(),
        }
    }

    fn picture(path: &str, bytes: &'static [u8]) -> Payload {
        Payload::Files(vec![payload::File {
            path: path.to_owned(),
            bytes: Bytes::from_static(bytes),
        }])
    }

    async fn send(folder: &Path, payload: Payload) -> Report {
        let delivery = DeliveryId::from_bytes([7; 16]);
        FilesTarget::new(folder).send(delivery, payload).await
    }

    fn read(folder: &Path, path: &str) -> String {
        std::fs::read_to_string(folder.join(path)).unwrap()
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[tokio::test]
    async fn makes_the_folders_and_writes_the_header_once() {
        let folder = tempfile::tempdir().unwrap();
        for row in ["1,2", "3,4"] {
            let report = send(folder.path(), line("a/b/x.csv", Some("h1,h2"), row)).await;
            assert_eq!(report.verdict, Verdict::Delivered, "{report:?}");
        }
        assert_eq!(read(folder.path(), "a/b/x.csv"), "h1,h2\n1,2\n3,4\n");
    }

    #[tokio::test]
    async fn an_empty_line_writes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let report = send(folder.path(), line("x.csv", Some("h"), "")).await;
        assert_eq!(report.verdict, Verdict::Delivered);
        assert!(names(folder.path()).is_empty());
    }

    #[tokio::test]
    async fn a_torn_last_line_is_ended_before_the_next_one() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("x.jsonl"), "{\"whole\":1}\n{\"torn").unwrap();
        send(folder.path(), line("x.jsonl", None, "{}")).await;
        send(folder.path(), line("x.jsonl", None, "{}")).await;
        assert_eq!(
            read(folder.path(), "x.jsonl"),
            "{\"whole\":1}\n{\"torn\n{}\n{}\n"
        );
    }

    #[tokio::test]
    async fn many_writers_of_one_file_tear_no_line_and_write_one_header() {
        let folder = tempfile::tempdir().unwrap();
        let long = "x".repeat(20_000);
        let mut writers = tokio::task::JoinSet::new();
        for _ in 0..16 {
            let (folder, long) = (folder.path().to_owned(), long.clone());
            writers.spawn(async move { send(&folder, line("x.csv", Some("header"), &long)).await });
        }
        while let Some(report) = writers.join_next().await {
            assert_eq!(report.unwrap().verdict, Verdict::Delivered);
        }
        let text = read(folder.path(), "x.csv");
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("header"));
        assert_eq!(lines.filter(|line| *line == long).count(), 16);
    }

    #[tokio::test]
    async fn a_file_moved_away_is_made_again() {
        let folder = tempfile::tempdir().unwrap();
        send(folder.path(), line("x.csv", Some("h"), "1")).await;
        std::fs::rename(folder.path().join("x.csv"), folder.path().join("x.csv.1")).unwrap();
        send(folder.path(), line("x.csv", Some("h"), "2")).await;
        assert_eq!(read(folder.path(), "x.csv"), "h\n2\n");
    }

    #[test]
    fn a_write_that_is_cut_short_goes_on() {
        struct Short(Vec<u8>);
        impl Write for Short {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                let some = bytes.len().min(3);
                self.0.extend(&bytes[..some]);
                Ok(some)
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut short = Short(Vec::new());
        write_once(&mut short, b"0123456789").unwrap();
        assert_eq!(short.0, b"0123456789");
    }

    #[tokio::test]
    async fn what_cannot_be_written_now_is_tried_again_and_says_why() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("file"), "").unwrap();
        for payload in [line("file/x.csv", None, "1"), picture("file/x.jpg", b"1")] {
            let report = send(folder.path(), payload).await;
            assert_eq!(report.verdict, Verdict::TryAgain { pause: None });
            assert!(report.error.unwrap().contains("file/x."));
        }
        let report = send(Path::new("/dev"), line("full", None, "1")).await;
        assert_eq!(report.verdict, Verdict::TryAgain { pause: None });
        assert!(report.error.unwrap().contains("space"));
    }

    #[tokio::test]
    async fn a_pipe_takes_lines_only_while_somebody_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("x");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        let report = send(folder.path(), line("x", None, "1")).await;
        assert_eq!(report.verdict, Verdict::TryAgain { pause: None });
        assert!(report.error.unwrap().contains("nobody reads this pipe"));

        let flags = OFlags::RDONLY | OFlags::NONBLOCK;
        let reader = rustix::fs::open(&pipe, flags, Mode::empty()).unwrap();
        let report = send(folder.path(), line("x", None, "2")).await;
        assert_eq!(report.verdict, Verdict::Delivered, "{report:?}");
        let mut text = String::new();
        File::from(reader).read_to_string(&mut text).unwrap();
        assert_eq!(text, "2\n");
    }

    #[tokio::test]
    async fn a_name_that_no_file_can_have_is_dead() {
        let folder = tempfile::tempdir().unwrap();
        let long = "x".repeat(300);
        for path in [long.as_str(), "nul\0.jpg"] {
            let report = send(folder.path(), picture(path, b"1")).await;
            assert_eq!(report.verdict, Verdict::Dead, "{report:?}");
        }
    }

    #[tokio::test]
    async fn a_picture_sent_twice_is_there_once() {
        let folder = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            let report = send(folder.path(), picture("p/a.jpg", b"one")).await;
            assert_eq!(report.verdict, Verdict::Delivered, "{report:?}");
        }
        assert_eq!(names(&folder.path().join("p")), ["a.jpg"]);
        assert_eq!(read(folder.path(), "p/a.jpg"), "one");
    }

    #[tokio::test]
    async fn another_picture_of_the_same_name_gets_a_number() {
        let folder = tempfile::tempdir().unwrap();
        for bytes in [&b"one"[..], b"two", b"three", b"two"] {
            let report = send(folder.path(), picture("a.jpg", bytes)).await;
            assert_eq!(report.verdict, Verdict::Delivered);
        }
        assert_eq!(names(folder.path()), ["a-2.jpg", "a-3.jpg", "a.jpg"]);
        assert_eq!(read(folder.path(), "a-2.jpg"), "two");
        assert_eq!(numbered(Path::new("d/x"), 2), Path::new("d/x-2"));
    }

    #[tokio::test]
    async fn what_a_crash_left_behind_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let left = format!(".camhook-{}.part", DeliveryId::from_bytes([7; 16]));
        std::fs::write(folder.path().join(left), "half a pic").unwrap();
        send(folder.path(), picture("a.jpg", b"one")).await;
        assert_eq!(names(folder.path()), ["a.jpg"]);
        assert_eq!(read(folder.path(), "a.jpg"), "one");
    }
}
