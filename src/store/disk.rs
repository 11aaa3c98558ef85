//! The few file operations the log needs, behind a seam through which tests make disks fill up and fail.

use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Advice, FallocateFlags};

/// A folder's files.
pub(super) trait Disk: Send + Sync {
    /// The paths of the files in a folder.
    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>>;
    /// A new file; it is an error when there is one.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes creations, renames and removals in a folder last.
    fn sync_folder(&self, path: &Path) -> io::Result<()>;
}

/// One open file.
pub(super) trait DiskFile: Send + Sync {
    /// Reserves room up to `len`, so that later writes do not run out of it.
    fn allocate(&self, len: u64) -> io::Result<()>;
    fn set_len(&self, len: u64) -> io::Result<()>;
    fn len(&self) -> io::Result<u64>;
    /// Bytes that it takes of the disk, holes left out.
    fn held(&self) -> io::Result<u64>;
    /// Writes all of the parts, one after the other.
    fn write_at(&self, parts: &mut [IoSlice<'_>], offset: u64) -> io::Result<()>;
    /// Fewer bytes than asked for only at the end of the file.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    fn sync(&self) -> io::Result<()>;
    /// Lets the system use the memory that holds the file's pages for something else.
    fn let_go(&self);
}

/// What is kept is for nobody's eyes but those of the account that camhook runs under.
pub(super) const PRIVATE: u32 = 0o600;

/// The system's own files.
pub(super) struct SystemDisk;

/// The system's own files, of which nothing is changed.
pub(super) struct LookingDisk;

/// The kernel takes at most this many parts at once (`IOV_MAX`).
const PARTS_MAX: usize = 1024;

impl Disk for SystemDisk {
    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        std::fs::read_dir(folder)?
            .map(|entry| Ok(entry?.path()))
            .collect()
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(PRIVATE)
            .open(path)?;
        Ok(Arc::new(file))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(
            OpenOptions::new().read(true).write(true).open(path)?,
        ))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }
}

impl Disk for LookingDisk {
    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        SystemDisk.list(folder)
    }

    fn create(&self, _: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(File::open(path)?))
    }

    fn rename(&self, _: &Path, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn remove(&self, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn sync_folder(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }
}

impl DiskFile for File {
    fn allocate(&self, len: u64) -> io::Result<()> {
        match rustix::fs::fallocate(self, FallocateFlags::empty(), 0, len) {
            Ok(()) => Ok(()),
            // Some file systems cannot reserve; there the write itself may meet a full disk, which is handled as well.
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => self.set_len(len),
            Err(error) => Err(error.into()),
        }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        Self::set_len(self, len)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn held(&self) -> io::Result<u64> {
        Ok(self.metadata()?.blocks().saturating_mul(512))
    }

    fn write_at(&self, mut parts: &mut [IoSlice<'_>], mut offset: u64) -> io::Result<()> {
        while !parts.is_empty() {
            let some = parts.len().min(PARTS_MAX);
            let written = match rustix::io::pwritev(self, &parts[..some], offset) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => written,
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
            offset += written as u64;
            IoSlice::advance_slices(&mut parts, written);
        }
        Ok(())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut done = 0;
        while done < buffer.len() {
            match FileExt::read_at(self, &mut buffer[done..], offset + done as u64) {
                Ok(0) => break,
                Ok(some) => done += some,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn let_go(&self) {
        if let Err(error) = rustix::fs::fadvise(self, 0, None, Advice::DontNeed) {
            tracing::debug!(%error, "the system keeps a segment's pages in memory");
        }
    }
}

/// Whether an error says that there is no room, as opposed to a broken disk.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::FileTooLarge | io::ErrorKind::QuotaExceeded
    )
}

#[cfg(test)]
pub(super) mod faults {
    //! A disk that fails when a test says so.

    use std::sync::Mutex;

    use super::*;

    /// What fails from now on; an error is given by its `errno`.
    #[derive(Default)]
    pub(in crate::store) struct Faults {
        pub(in crate::store) allocate: Option<i32>,
        pub(in crate::store) write: Option<i32>,
        pub(in crate::store) sync: Option<i32>,
        /// The folders that were synced.
        pub(in crate::store) folders: Vec<PathBuf>,
    }

    #[derive(Clone, Default)]
    pub(in crate::store) struct FaultyDisk(pub(in crate::store) Arc<Mutex<Faults>>);

    struct FaultyFile {
        file: Arc<dyn DiskFile>,
        faults: Arc<Mutex<Faults>>,
    }

    impl FaultyDisk {
        fn wrap(&self, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
            Arc::new(FaultyFile {
                file,
                faults: self.0.clone(),
            })
        }
    }

    impl FaultyFile {
        fn check(&self, which: impl Fn(&Faults) -> Option<i32>) -> io::Result<()> {
            match which(&self.faults.lock().unwrap()) {
                Some(errno) => Err(io::Error::from_raw_os_error(errno)),
                None => Ok(()),
            }
        }
    }

    impl Disk for FaultyDisk {
        fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
            SystemDisk.list(folder)
        }
        fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
            Ok(self.wrap(SystemDisk.create(path)?))
        }
        fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
            Ok(self.wrap(SystemDisk.open(path)?))
        }
        fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
            SystemDisk.rename(from, to)
        }
        fn remove(&self, path: &Path) -> io::Result<()> {
            SystemDisk.remove(path)
        }
        fn sync_folder(&self, path: &Path) -> io::Result<()> {
            SystemDisk.sync_folder(path)?;
            self.0.lock().unwrap().folders.push(path.to_owned());
            Ok(())
        }
    }

    impl DiskFile for FaultyFile {
        fn allocate(&self, len: u64) -> io::Result<()> {
            self.check(|faults| faults.allocate)?;
            self.file.allocate(len)
        }
        fn set_len(&self, len: u64) -> io::Result<()> {
            self.file.set_len(len)
        }
        fn len(&self) -> io::Result<u64> {
            self.file.len()
        }
        fn held(&self) -> io::Result<u64> {
            self.file.held()
        }
        fn write_at(&self, parts: &mut [IoSlice<'_>], offset: u64) -> io::Result<()> {
            self.check(|faults| faults.write)?;
            self.file.write_at(parts, offset)
        }
        fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
            self.file.read_at(buffer, offset)
        }
        fn sync(&self) -> io::Result<()> {
            self.check(|faults| faults.sync)?;
            self.file.sync()
        }
        fn let_go(&self) {
            self.file.let_go();
        }
    }
}
