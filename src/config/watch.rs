//! Tells when the config, or a file that it reads, has changed.
//!
//! What is watched are folders, not files: editors replace a file by renaming another over it, and Kubernetes swaps a
//! symbolic link in the folder (`..data`), neither of which a watch on the file itself would see. Since a folder may
//! hold busy files too (the store can lie in it), a change counts only when the contents differ.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

use crate::tasks::Tasks;

/// Editors and `kubectl` write in several moves; what they leave is read once it stayed the same for so long.
const SETTLE: Duration = Duration::from_millis(200);

#[derive(Debug, thiserror::Error)]
#[error("cannot watch {}", path.display())]
pub(crate) struct WatchError {
    path: PathBuf,
    source: notify::Error,
}

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
pub(crate) fn watch(
    files: Vec<PathBuf>,
    seen: Contents,
    tasks: &Tasks,
) -> Result<mpsc::Receiver<()>, WatchError> {
    let (stirred, stirs) = mpsc::channel(1);
    let first = stirred.clone();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let read = matches!(&event, Ok(event) if matches!(event.kind, EventKind::Access(_)));
        if !read {
            // Full means that a look is due anyway.
            let _ = stirred.try_send(());
        }
    })
    .map_err(|source| WatchError {
        path: PathBuf::new(),
        source,
    })?;
    for folder in folders(&files) {
        watcher
            .watch(&folder, RecursiveMode::NonRecursive)
            .map_err(|source| WatchError {
                path: folder,
                source,
            })?;
    }
    let (changed, changes) = mpsc::channel(1);
    let _ = first.try_send(()); // something may have changed since
    let stopping = tasks.clone();
    tasks.spawn(async move {
        tokio::select! {
            () = stopping.stopping() => {}
            () = follow(watcher, files, seen, stirs, changed) => {}
        }
    });
    Ok(changes)
}

async fn follow(
    _watcher: RecommendedWatcher, // watches as long as it is held
    files: Vec<PathBuf>,
    mut seen: Contents,
    mut stirs: mpsc::Receiver<()>,
    changed: mpsc::Sender<()>,
) {
    while stirs.recv().await.is_some() {
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
        let mut changes = watch(files.clone(), Contents::of(&files), &tasks).unwrap();
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
        let mut changes = watch(files.clone(), seen, &tasks).unwrap();
        tick(&mut changes).await;
        std::fs::write(files[1].join("mine.yaml"), "c").unwrap();
        tick(&mut changes).await;
        tasks.stop();
    }

    #[cfg(unix)]
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
        let mut changes = watch(files.clone(), Contents::of(&files), &tasks).unwrap();
        std::os::unix::fs::symlink("..2", at("..data_tmp")).unwrap();
        std::fs::rename(at("..data_tmp"), at("..data")).unwrap();
        tick(&mut changes).await;
        tasks.stop();
    }
}
