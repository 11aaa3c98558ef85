//! The file of all webhooks: written, synced and renamed, so that it is the old one or the new one whenever camhook ends.
//!
//! Numbers are given once and never again, for deliveries and receivers remember them. The file is for its owner alone: an
//! address may hold a token.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{Document, Webhook, target_name};
use crate::name::Name;

/// In the folder of the store.
pub(crate) const FILE: &str = "webhooks.json";
const VERSION: u64 = 1;

/// All webhooks.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Shelf {
    /// In the order they were made.
    webhooks: Vec<Webhook>,
    /// The highest number that was ever given.
    last: u64,
    /// Deleted ones whose undelivered messages have not ended yet.
    leaving: Vec<u64>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum ShelfError {
    #[error("cannot read {}", .path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error(
        "{} is damaged ({why}): put a good copy in its place, or move it away to begin without webhooks",
        .path.display()
    )]
    Damaged { path: PathBuf, why: String },
    #[error("cannot write {}", .path.display())]
    Unwritable { path: PathBuf, source: io::Error },
}

impl Shelf {
    pub(crate) fn webhooks(&self) -> &[Webhook] {
        &self.webhooks
    }

    pub(crate) fn get(&self, id: u64) -> Option<&Webhook> {
        self.webhooks.iter().find(|webhook| webhook.id == id)
    }

    /// The targets of deleted webhooks that may still have undelivered messages.
    pub(crate) fn leaving(&self) -> impl Iterator<Item = (u64, Name)> {
        self.leaving.iter().map(|id| (*id, target_name(*id)))
    }

    pub(crate) fn add(&mut self, document: Document) -> &Webhook {
        self.last += 1;
        let id = self.last;
        self.webhooks.push(Webhook { id, document });
        self.webhooks.last().expect("one was put there")
    }

    /// Whether there was one.
    pub(crate) fn replace(&mut self, id: u64, document: Document) -> bool {
        let found = self.webhooks.iter_mut().find(|webhook| webhook.id == id);
        found.map(|webhook| webhook.document = document).is_some()
    }

    /// Whether there was one.
    pub(crate) fn remove(&mut self, id: u64) -> bool {
        let before = self.webhooks.len();
        self.webhooks.retain(|webhook| webhook.id != id);
        let is_gone = self.webhooks.len() < before;
        if is_gone {
            self.leaving.push(id);
        }
        is_gone
    }

    /// Nothing undelivered is left of it.
    pub(crate) fn has_left(&mut self, id: u64) {
        self.leaving.retain(|leaving| *leaving != id);
    }

    /// What lies in the folder; nothing when nothing does.
    ///
    /// # Errors
    /// When it cannot be read, or is not whole.
    pub(crate) fn read(folder: &Path) -> Result<Self, ShelfError> {
        let path = folder.join(FILE);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(source) => return Err(ShelfError::Unreadable { path, source }),
        };
        Self::parse(&bytes).map_err(|why| ShelfError::Damaged { path, why })
    }

    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let value: Value = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        match value["camhook_webhooks"].as_u64() {
            Some(VERSION) => {}
            Some(other) => return Err(format!("it is of version {other}, which is not known")),
            None => return Err("it tells no version".to_owned()),
        }
        let last = value["last"].as_u64().ok_or("`last` is missing")?;
        let mut shelf = Self {
            last,
            ..Self::default()
        };
        for kept in value["webhooks"]
            .as_array()
            .ok_or("`webhooks` is missing")?
        {
            let id = kept["id"].as_u64().filter(|id| (1..=last).contains(id));
            let id = id.ok_or("a webhook has no number")?;
            let document = Document::read(kept).map_err(|faults| {
                let told = faults
                    .first()
                    .map_or(String::new(), |fault| fault.message.to_string());
                format!("webhook {id}: {told}")
            })?;
            if shelf.get(id).is_some() {
                return Err(format!("there are two webhooks {id}"));
            }
            shelf.webhooks.push(Webhook { id, document });
        }
        let leaving = value["leaving"].as_array().into_iter().flatten();
        shelf.leaving = leaving.filter_map(Value::as_u64).collect();
        Ok(shelf)
    }

    fn to_json(&self) -> Value {
        let webhooks = self.webhooks.iter().map(Webhook::to_json);
        json!({
            "camhook_webhooks": VERSION,
            "last": self.last,
            "webhooks": webhooks.collect::<Vec<_>>(),
            "leaving": self.leaving,
        })
    }

    /// Takes the place of what lies in the folder. When this returns, it is on disk.
    ///
    /// # Errors
    /// When it cannot be written; what was there is there still.
    pub(crate) fn write(&self, folder: &Path) -> Result<(), ShelfError> {
        let path = folder.join(FILE);
        self.write_to(folder, &path)
            .map_err(|source| ShelfError::Unwritable { path, source })
    }

    fn write_to(&self, folder: &Path, path: &Path) -> io::Result<()> {
        let new = path.with_extension("new");
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&new)?;
        let mut text = serde_json::to_vec_pretty(&self.to_json())?;
        text.push(b'\n');
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&new, path)?;
        File::open(folder)?.sync_all()
    }
}

impl Webhook {
    /// The document with its number.
    pub(crate) fn to_json(&self) -> Value {
        let mut map = serde_json::Map::new();
        map.insert("id".to_owned(), self.id.into());
        map.extend(self.document.to_json());
        Value::Object(map)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(name: &str) -> Document {
        let value = json!({ "name": name, "target": "http://a.example/?token=x", "filters": { "camera_in": [7] } });
        Document::read(&value).unwrap()
    }

    #[test]
    fn what_was_written_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Shelf::read(folder.path()).unwrap(), Shelf::default());
        let mut shelf = Shelf::default();
        assert_eq!(shelf.add(document("a")).id, 1);
        assert_eq!(shelf.add(document("b")).id, 2);
        assert!(shelf.remove(2) && !shelf.remove(2));
        shelf.write(folder.path()).unwrap();
        let mut again = Shelf::read(folder.path()).unwrap();
        assert_eq!(again, shelf);
        assert_eq!(again.add(document("c")).id, 3, "a number is given once");
        assert!(again.leaving().map(|(id, _)| id).eq([2]));
        again.has_left(2);
        assert_eq!(again.leaving().count(), 0);
        let mode = fs::metadata(folder.path().join(FILE))
            .unwrap()
            .permissions();
        assert_eq!(
            std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777,
            0o600
        );
    }

    #[test]
    fn a_half_written_file_is_not_taken_for_a_whole_one() {
        let folder = tempfile::tempdir().unwrap();
        let mut shelf = Shelf::default();
        shelf.add(document("a"));
        shelf.write(folder.path()).unwrap();
        let whole = fs::read(folder.path().join(FILE)).unwrap();
        for end in 0..whole.len() - 2 {
            assert!(Shelf::parse(&whole[..end]).is_err(), "{end}");
        }
        // What was cut short before the renaming hurts nobody.
        fs::write(folder.path().join("webhooks.new"), &whole[..20]).unwrap();
        assert_eq!(Shelf::read(folder.path()).unwrap(), shelf);
        shelf.add(document("b"));
        shelf.write(folder.path()).unwrap();
        assert_eq!(Shelf::read(folder.path()).unwrap(), shelf);
    }

    #[test]
    fn what_no_client_could_have_said_is_damage() {
        for wrong in [
            json!({}),
            json!({ "camhook_webhooks": 2, "last": 0, "webhooks": [] }),
            json!({ "camhook_webhooks": 1, "webhooks": [] }),
            json!({ "camhook_webhooks": 1, "last": 0, "webhooks": [{ "id": 1, "name": "a", "target": "http://a/" }] }),
            json!({ "camhook_webhooks": 1, "last": 1, "webhooks": [{ "id": 1, "name": "a", "target": "no" }] }),
        ] {
            assert!(
                Shelf::parse(wrong.to_string().as_bytes()).is_err(),
                "{wrong}"
            );
        }
    }
}
