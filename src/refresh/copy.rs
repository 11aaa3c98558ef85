//! Last good copies on disk: what a server gave, byte for byte, so that a restart beside a dead server empties no list.
//!
//! One file for each list, replaced as a whole: a line of JSON that tells what it is, then the pages. It is read with
//! today's settings; when those would have asked for something else, it is not of this list and is left alone.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::asker::Validators;
use super::origin::Origin;
use crate::lists::Table;
use crate::name::Name;
use crate::payload::safe_segment;

const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Head {
    camhook_list: u32,
    list: String,
    identity: String,
    fetched_at: Timestamp,
    validators: Validators,
    /// Bytes of each page.
    pages: Vec<usize>,
    /// Of all pages, one behind the other.
    sha256: String,
}

/// A copy read back.
pub(super) struct Copy {
    pub(super) table: Table,
    pub(super) fetched_at: Timestamp,
    pub(super) validators: Validators,
}

/// Where the copies of all lists are.
#[derive(Clone)]
pub(super) struct Shelf(PathBuf);

impl Shelf {
    /// In the folder of the store.
    pub(super) fn of(store: &Path) -> Self {
        Self(store.join("lists"))
    }

    fn path(&self, list: &Name) -> PathBuf {
        // Names that differ in what a file's name cannot hold need files of their own.
        let digest = Sha256::digest(list.as_str());
        let digest = data_encoding::HEXLOWER.encode(&digest[..6]);
        let name: String = safe_segment(list.as_str()).chars().take(40).collect();
        self.0.join(format!("{name}-{digest}.list"))
    }

    /// `None` when there is none of this list; the error tells why the one that is there is of no use.
    pub(super) fn read(&self, list: &Name, origin: &Origin) -> Result<Option<Copy>, String> {
        let path = self.path(list);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(format!("cannot read {}: {error}", path.display())),
        };
        let broken = || format!("{} is broken", path.display());
        let end = memchr::memchr(b'\n', &bytes).ok_or_else(broken)?;
        let (head, mut rest) = bytes.split_at(end);
        let head: Head = serde_json::from_slice(head).map_err(|_| broken())?;
        if head.camhook_list != VERSION || head.identity != origin.identity {
            return Ok(None);
        }
        rest = &rest[1..];
        if data_encoding::HEXLOWER.encode(&Sha256::digest(rest)) != head.sha256 {
            return Err(broken());
        }
        let mut pages = Vec::with_capacity(head.pages.len().min(rest.len()));
        for len in head.pages {
            let (page, after) = rest.split_at_checked(len).ok_or_else(broken)?;
            pages.push(page);
            rest = after;
        }
        let table = origin.read(pages.into_iter());
        let table = table.map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Some(Copy {
            table,
            fetched_at: head.fetched_at,
            validators: head.validators,
        }))
    }

    /// Takes the place of the copy that is there, or leaves that.
    pub(super) fn write(
        &self,
        list: &Name,
        identity: &str,
        fetched_at: Timestamp,
        validators: &Validators,
        pages: &[Bytes],
    ) -> io::Result<()> {
        let mut digest = Sha256::new();
        pages.iter().for_each(|page| digest.update(page));
        let head = Head {
            camhook_list: VERSION,
            list: list.to_string(),
            identity: identity.to_owned(),
            fetched_at,
            validators: validators.clone(),
            pages: pages.iter().map(Bytes::len).collect(),
            sha256: data_encoding::HEXLOWER.encode(&digest.finalize()),
        };
        fs::create_dir_all(&self.0)?;
        let (path, new) = (self.path(list), self.path(list).with_extension("new"));
        let mut file = private(&new)?;
        file.write_all(&serde_json::to_vec(&head)?)?;
        file.write_all(b"\n")?;
        for page in pages {
            file.write_all(page)?;
        }
        file.sync_all()?;
        fs::rename(&new, &path)?;
        File::open(&self.0)?.sync_all()
    }

    /// Removes what is of none of these lists: who took a list out of the config does not want its people kept.
    pub(super) fn keep_only<'a>(&self, lists: impl Iterator<Item = &'a Name>) -> io::Result<()> {
        let kept: Vec<PathBuf> = lists.map(|list| self.path(list)).collect();
        let entries = match fs::read_dir(&self.0) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        for entry in entries {
            let path = entry?.path();
            let ours = path
                .extension()
                .is_some_and(|extension| extension == "list" || extension == "new");
            if ours && !kept.contains(&path) {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }
}

/// A list of residents is nobody else's business.
fn private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
