//! The key of this machine: a token that is made anew with each start and lies in the store's folder, for its owner alone.
//!
//! Who can read that folder as camhook's user could read and rewrite the store itself, so nothing is given away by it, and the
//! command line needs no password. It is shown to nobody but the address that is written beside it.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::random;
use crate::secret::Secret;

const FILE: &str = "admin.token";

/// The key of a running camhook; its file goes when camhook stops.
pub(crate) struct LocalKey {
    digest: [u8; 32],
    file: Option<PathBuf>,
}

/// What the command line finds.
pub(crate) struct Found {
    pub(crate) address: SocketAddr,
    pub(crate) token: Secret,
}

impl LocalKey {
    /// Makes one and lays it into the store's folder. Where that fails there is none, and the log says so.
    pub(crate) fn lay(folder: &Path, address: SocketAddr) -> Self {
        let token = random::token();
        let file = folder.join(FILE);
        let laid = lay(&file, &format!("{address} {token}\n"));
        if let Err(error) = &laid {
            tracing::warn!(%error, file = %file.display(), "the command line finds no key: it needs `--admin-token`");
        }
        Self {
            digest: Sha256::digest(&token).into(),
            file: laid.is_ok().then_some(file),
        }
    }

    pub(super) fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// The key of the camhook that works on this store, if it runs and we may read it.
    pub(crate) fn find(folder: &Path) -> Option<Found> {
        let text = fs::read_to_string(folder.join(FILE)).ok()?;
        let (address, token) = text.trim_end().split_once(' ')?;
        Some(Found {
            address: address.parse().ok()?,
            token: Secret::new(token),
        })
    }
}

impl Drop for LocalKey {
    fn drop(&mut self) {
        if let Some(file) = &self.file {
            let _ = fs::remove_file(file);
        }
    }
}

/// Never readable by others, not even for a moment, and never through a link that somebody laid there.
fn lay(file: &Path, text: &str) -> io::Result<()> {
    let new = file.with_extension("new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    let mut opened = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)?;
    opened.write_all(text.as_bytes())?;
    fs::rename(&new, file)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn lies_there_for_its_owner_alone_until_camhook_stops() {
        let folder = tempfile::tempdir().unwrap();
        let elsewhere = folder.path().join("elsewhere");
        fs::write(&elsewhere, "untouched").unwrap();
        symlink(&elsewhere, folder.path().join(FILE)).unwrap();
        symlink(&elsewhere, folder.path().join("admin.new")).unwrap();

        let address: SocketAddr = "127.0.0.1:9001".parse().unwrap();
        let key = LocalKey::lay(folder.path(), address);
        let file = folder.path().join(FILE);
        let mode = fs::symlink_metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "untouched");
        let found = LocalKey::find(folder.path()).unwrap();
        assert_eq!(found.address, address);
        let digest: [u8; 32] = Sha256::digest(found.token.expose()).into();
        assert_eq!(&digest, key.digest());

        let again = LocalKey::lay(folder.path(), address);
        assert_ne!(again.digest(), key.digest());
        drop(again);
        assert!(!file.exists() && LocalKey::find(folder.path()).is_none());
    }
}
