//! Tells when the config, or a file that it reads, has changed.
//!
//! What is watched are folders, not files: editors replace a file by renaming another over it, and Kubernetes swaps a
//! symbolic link in the folder (`..data`), neither of which a watch on the file itself would see. Since a folder may
//! hold busy files too (the store can lie in it), a change counts only when the contents differ.
//!
//! What the system does not tell (of a folder that was replaced, a link further up the way, a network's drive, a file that is
//! mounted by itself) is found by looking now and then.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

use crate::tasks::Tasks;

/// Editors and `kubectl` write in several moves; what they leave is read once it stayed the same for so long.
const SETTLE: Duration = Duration::from_millis(200);
/// How often it is looked whether the files are others, without reading them.
const LOOKED_EVERY: Duration = Duration::from_secs(30);

/// What files hold, to see whether it is the same.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Contents(u64);

impl Contents {
    pub(crate) fn of(files: &[PathBuf]) -> Self {
        let mut hasher = DefaultHasher::new();
        for file in files {
            held(file).hash(&mut hasher);
        }
        Self(hasher.finish())
    }
}

/// What tells most changes without reading: which file it is, and when it was written or became readable.
fn traits(files: &[PathBuf]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for file in files {
        let about = std::fs::metadata(file).ok();
        let which = about
            .as_ref()
            .map(|file| (file.dev(), file.ino(), file.len()));
        let written = about.as_ref().map(|file| (file.mtime(), file.mtime_nsec()));
        let changed = about.map(|file| (file.ctime(), file.ctime_nsec()));
        (which, written, changed).hash(&mut hasher);
    }
    hasher.finish()
}

/// Of a folder: what it has.
fn held(file: &Path) -> Option<Vec<u8>> {
    let of_folder = || {
        let entries = std::fs::read_dir(file).ok()?;
        let names = entries.filter_map(|entry| Some(entry.ok()?.file_name()));
        let names: BTreeSet<OsString> = names.collect();
        Some(format!("{names:?}").into_bytes())
    };
    std::fs::read(file).ok().or_else(of_folder)
}

/// Sends a tick whenever the files hold something else than `seen`, or than at the last tick, until `tasks` stop or the
/// receiver is dropped. Several changes at once are one tick.
pub(crate) fn watch(files: Vec<PathBuf>, seen: Contents, tasks: &Tasks) -> mpsc::Receiver<()> {
    watch_every(LOOKED_EVERY, files, seen, tasks)
}

fn watch_every(
    every: Duration,
    files: Vec<PathBuf>,
    seen: Contents,
    tasks: &Tasks,
) -> mpsc::Receiver<()> {
    let (stirred, stirs) = mpsc::channel(1);
    let (changed, changes) = mpsc::channel(1);
    let _ = stirred.try_send(()); // something may have changed since
    let stopping = tasks.clone();
    tasks.spawn(async move {
        let _watcher = watcher(every, &files, stirred.clone()); // watches as long as it is held
        tokio::select! {
            () = stopping.stopping() => {}
            () = follow(every, files, seen, stirs, changed) => {}
        }
    });
    changes
}

/// Lets the system tell of changes, where it can.
fn watcher(
    every: Duration,
    files: &[PathBuf],
    stirred: mpsc::Sender<()>,
) -> Option<RecommendedWatcher> {
    let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let read = matches!(&event, Ok(event) if matches!(event.kind, EventKind::Access(_)));
        if !read {
            // Full means that a look is due anyway.
            let _ = stirred.try_send(());
        }
    });
    let every = every.as_secs();
    let mut watcher = watcher
        .inspect_err(|error| {
            tracing::warn!(%error, "the system does not tell of changes of the config: it is looked at every {every} s");
        })
        .ok()?;
    for folder in folders(files) {
        if let Err(error) = watcher.watch(&folder, RecursiveMode::NonRecursive) {
            let folder = folder.display();
            tracing::warn!(%folder, %error, "the system does not tell of changes there: it is looked at every {every} s");
        }
    }
    Some(watcher)
}

async fn follow(
    every: Duration,
    files: Vec<PathBuf>,
    mut seen: Contents,
    mut stirs: mpsc::Receiver<()>,
    changed: mpsc::Sender<()>,
) {
    let mut before = None;
    loop {
        let told = tokio::select! {
            told = stirs.recv() => told.is_some(),
            () = tokio::time::sleep(every) => false,
        };
        let look = files.clone();
        let now = tokio::task::spawn_blocking(move || traits(&look)).await;
        let now = now.ok();
        if !told && now == before {
            continue;
        }
        before = now;
        let Some(now) = settled(&files, &mut stirs).await else {
            continue;
        };
        if now != seen {
            seen = now;
            if changed.send(()).await.is_err() {
                return;
            }
        }
    }
}

/// The contents once nobody writes any more.
async fn settled(files: &[PathBuf], stirs: &mut mpsc::Receiver<()>) -> Option<Contents> {
    let mut before = None;
    loop {
        tokio::time::sleep(SETTLE).await;
        let _ = stirs.try_recv(); // came meanwhile; what it told is read below
        let look = files.to_owned();
        let now = tokio::task::spawn_blocking(move || Contents::of(&look)).await;
        let now = now.ok()?;
        if before == Some(now) {
            return before;
        }
        before = Some(now);
    }
}

/// The folders of the files, and of what they link to; a folder is among them itself.
fn folders(files: &[PathBuf]) -> BTreeSet<PathBuf> {
    let folder = |path: &Path| match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
        Some(_) | None => PathBuf::from("."),
    };
    files
        .iter()
        .flat_map(|file| {
            let real = std::fs::canonicalize(file).ok();
            let own = file.is_dir().then(|| file.clone());
            [Some(folder(file)), real.as_deref().map(folder), own]
        })
        .flatten()
        .filter(|folder| folder.is_dir())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn tick(changes: &mut mpsc::Receiver<()>) {
        tokio::time::timeout(Duration::from_secs(10), changes.recv())
            .await
            .expect("a tick")
            .expect("the watch goes on");
    }

    #[tokio::test]
    async fn tells_of_a_file_that_is_replaced_by_renaming() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("routes.yaml");
        std::fs::write(&file, "a").unwrap();
        let tasks = Tasks::default();
        let files = vec![file.clone()];
        let mut changes = watch(files.clone(), Contents::of(&files), &tasks);
        let other = folder.path().join("routes.yaml~");
        std::fs::write(&other, "b").unwrap();
        std::fs::rename(&other, &file).unwrap();
        tick(&mut changes).await;
        tasks.stop();
        assert!(tasks.wait(Duration::from_secs(10)).await);
    }

    #[tokio::test]
    async fn tells_of_what_changed_before_it_began_and_of_a_file_that_comes() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("routes.yaml");
        std::fs::write(&file, "a").unwrap();
        let files = vec![file.clone(), folder.path().join("presets")];
        std::fs::create_dir(&files[1]).unwrap();
        let seen = Contents::of(&files);
        std::fs::write(&file, "b").unwrap();
        let tasks = Tasks::default();
        let mut changes = watch(files.clone(), seen, &tasks);
        tick(&mut changes).await;
        std::fs::write(files[1].join("mine.yaml"), "c").unwrap();
        tick(&mut changes).await;
        tasks.stop();
    }

    #[tokio::test]
    async fn tells_of_a_swapped_symbolic_link() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for (version, text) in [("..1", "a"), ("..2", "b")] {
            std::fs::create_dir(at(version)).unwrap();
            std::fs::write(at(version).join("routes.yaml"), text).unwrap();
        }
        std::os::unix::fs::symlink("..1", at("..data")).unwrap();
        std::os::unix::fs::symlink("..data/routes.yaml", at("routes.yaml")).unwrap();
        let tasks = Tasks::default();
        let files = vec![at("routes.yaml")];
        let mut changes = watch(files.clone(), Contents::of(&files), &tasks);
        std::os::unix::fs::symlink("..2", at("..data_tmp")).unwrap();
        std::fs::rename(at("..data_tmp"), at("..data")).unwrap();
        tick(&mut changes).await;
        tasks.stop();
    }

    #[tokio::test]
    async fn sees_what_the_system_does_not_tell() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for (release, text) in [("1", "a"), ("2", "b")] {
            std::fs::create_dir(at(release)).unwrap();
            std::fs::write(at(release).join("routes.yaml"), text).unwrap();
        }
        std::os::unix::fs::symlink("1", at("current")).unwrap();
        let tasks = Tasks::default();
        let files = vec![at("current").join("routes.yaml")];
        let every = Duration::from_millis(50);
        let mut changes = watch_every(every, files.clone(), Contents::of(&files), &tasks);
        tokio::time::sleep(Duration::from_secs(1)).await; // the first look is over
        assert!(changes.try_recv().is_err(), "nothing changed");
        std::os::unix::fs::symlink("2", at("next")).unwrap();
        std::fs::rename(at("next"), at("current")).unwrap();
        tick(&mut changes).await;
        tasks.stop();
    }
}
