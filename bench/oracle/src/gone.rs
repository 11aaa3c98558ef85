//! What camhook does not keep any more: by its age, to make room, by `purge` and by `forget`. Every event that is missing somewhere
//! must still be told of, or be gone for one of these reasons, and what was forgotten must be in no file.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::books::{Did, Inner};
use crate::event::{self, Sender, Sha};
use crate::judge::{Numbers, index_of, rows};
use crate::storm::{Running, Storm};
use crate::wire;

/// What was on its way to a target when the event was forgotten may arrive for so long.
pub const STILL_UNDER_WAY: Duration = Duration::from_secs(30);

/// One event as camhook tells of it.
pub struct Row {
    pub id: String,
    /// Its pictures and the request it came in were removed.
    pub shed: bool,
}

/// Everything that camhook tells of, by number.
pub struct There(pub HashMap<u32, Row>);

impl There {
    /// # Errors
    /// When camhook does not answer, or tells of an event that nobody sent.
    pub async fn ask(running: &Running) -> Result<Self, String> {
        let mut there = HashMap::new();
        for row in rows(running, "/api/v1/events?limit=1000").await? {
            if row["source"] == "camhook" {
                continue; // an alert of its own
            }
            let text = row.to_string();
            let number = event::number_in(text.as_bytes());
            let number = number.ok_or_else(|| format!("an event that nobody sent: {text}"))?;
            let notes = row["repaired"].as_array().into_iter().flatten();
            let shed = notes
                .filter_map(Value::as_str)
                .any(|note| note.contains("were removed on"));
            let id = row["id"].as_str().unwrap_or_default().to_owned();
            if let Some(other) = there.insert(number, Row { id, shed }) {
                return Err(format!(
                    "event {number} is there twice, also as {}",
                    other.id
                ));
            }
        }
        Ok(Self(there))
    }

    pub fn has(&self, number: u32) -> bool {
        self.0.contains_key(&number)
    }

    /// Whether both tell of the same events.
    pub fn is(&self, other: &Self) -> bool {
        self.0.len() == other.0.len() && self.0.keys().all(|number| other.has(*number))
    }
}

/// Whether `limited` refused it with its own mouth: then it may have been dead, and gone before it was tried again.
pub fn was_refused(inner: &Inner) -> HashSet<u32> {
    let limited = index_of("limited");
    let refused = inner
        .arrivals
        .iter()
        .filter(|arrival| arrival.target == limited && matches!(arrival.did, Did::Refused(_)));
    refused.map(|arrival| arrival.number).collect()
}

/// Until when an event may have been sent that `limited` never had, because its `give_up_after` had passed: camhook's clock was
/// set forwards by more, which it sees within a second or two, and camhook killed before it saw that.
pub fn given_up_until(inner: &Inner) -> Option<Duration> {
    let far = inner.jumps.iter().filter(|(_, by)| *by >= 3_600);
    far.map(|(at, _)| *at + Duration::from_secs(2)).max()
}

/// The requests that are kept are those that were sent, and those whose pictures went say so.
///
/// # Errors
/// When camhook does not answer.
pub async fn originals(
    storm: &Storm,
    running: &Running,
    there: &There,
    numbers: &mut Numbers,
) -> Result<(), String> {
    let mut looked: Vec<(u32, &Row, Sha, Sender)> = {
        let inner = storm.books.inner();
        let known = there.0.iter();
        known
            .filter_map(|(number, row)| {
                let sent = inner.sent.get(number)?;
                Some((*number, row, sent.sha, sent.sender))
            })
            .collect()
    };
    looked.sort_by_key(|(number, ..)| *number);
    let (mut whole, mut shed) = (0, 0);
    for (n, (number, row, sha, sender)) in looked.into_iter().enumerate() {
        // Those without a picture lose nothing, so some of them will do.
        if !row.shed && sender != Sender::Picture && n % 8 > 0 {
            continue;
        }
        let path = format!("/api/v1/events/{}/original", row.id);
        let (status, body) = wire::get(&running.at.admin, &path).await?;
        let fault = if row.shed {
            shed += 1;
            (status == 200).then(|| "told to be removed, and there".to_owned())
        } else {
            whole += 1;
            let same = status == 200 && Sha::from(Sha256::digest(&body)) == sha;
            (!same).then(|| format!("{status}, {} bytes", body.len()))
        };
        if let Some(what) = fault {
            let what = format!("CHANGED: its request as it is kept: {what}");
            storm.books.fault(Some(number), what);
        }
        if row.shed && sender != Sender::Picture {
            let what = "it had no picture, and lost it".to_owned();
            storm.books.fault(Some(number), what);
        }
    }
    numbers.add("requests looked at in the store, byte for byte", whole);
    numbers.add("events whose pictures went before them, and say so", shed);
    Ok(())
}

/// The numbers of all events that any file in camhook's folder tells of, whole or in parts that were never overwritten.
///
/// # Errors
/// When the folder cannot be read.
pub fn on_disk(folder: &Path) -> Result<BTreeSet<u32>, String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![folder.join("data")];
    while let Some(folder) = folders.pop() {
        let told = |error: std::io::Error| format!("{}: {error}", folder.display());
        for entry in std::fs::read_dir(&folder).map_err(told)? {
            let path = entry.map_err(told)?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            // One that has gone meanwhile tells nothing.
            let Ok(bytes) = std::fs::read(&path) else {
                continue;
            };
            let mut at = 0;
            while let Some(next) = find(&bytes[at..], b"event-") {
                at += next + 6;
                let digits = bytes
                    .get(at..at + 8)
                    .and_then(|d| std::str::from_utf8(d).ok());
                found.extend(digits.and_then(|digits| digits.parse::<u32>().ok()));
            }
            // A plate that nobody else has: P and its number.
            at = 0;
            while let Some(next) = bytes[at..].iter().position(|byte| *byte == b'P') {
                at += next + 1;
                let digits = bytes
                    .get(at..at + 6)
                    .filter(|d| d.iter().all(u8::is_ascii_digit));
                let digits = digits.and_then(|d| std::str::from_utf8(d).ok());
                found.extend(digits.and_then(|digits| digits.parse::<u32>().ok()));
            }
        }
    }
    Ok(found)
}

fn find(bytes: &[u8], word: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some(next) = bytes[at..].iter().position(|byte| *byte == word[0]) {
        at += next;
        if bytes[at..].starts_with(word) {
            return Some(at);
        }
        at += 1;
    }
    None
}

/// Nothing that was forgotten, as camhook told, is in any file.
pub fn is_forgotten(storm: &Storm, numbers: &[u32], when: &str) {
    match on_disk(&storm.home.folder) {
        Ok(found) => {
            for number in numbers.iter().filter(|number| found.contains(number)) {
                let what = format!("FORGOTTEN, AND ON DISK {when}");
                storm.books.fault(Some(*number), what);
            }
        }
        Err(why) => storm.books.fault(None, why),
    }
}

/// Carries every request to forget to its end, and looks.
///
/// # Errors
/// When camhook does not answer.
pub async fn forget(storm: &Storm, running: &Running, numbers: &mut Numbers) -> Result<(), String> {
    let asked: Vec<(u32, String, bool)> = {
        let inner = storm.books.inner();
        let asked = inner.forgotten.iter();
        asked
            .map(|(number, told)| (*number, inner.sent[number].plate.clone(), told.is_some()))
            .collect()
    };
    numbers.add("plates that were to be forgotten", asked.len());
    let answered = asked.iter().filter(|(_, _, told)| *told).count();
    numbers.add(
        "… where camhook was killed while it was at it",
        asked.len() - answered,
    );
    for (number, plate, told) in &asked {
        if !told {
            storm
                .home
                .cli(&running.at.admin, &["forget", plate])
                .await?;
            storm.books.forgotten(*number);
        }
    }
    let all: Vec<u32> = asked.iter().map(|(number, ..)| *number).collect();
    is_forgotten(storm, &all, "in the end");
    Ok(())
}
