//! The store as the other rooms see it, on real files.

use std::path::Path;

mod accepting;
mod by_hand;
mod damage;
mod faults;
mod find;
mod forget;
mod forget_power;
mod index_files;
mod jobs;
mod joined;
mod leasing;
mod matrix;
mod model;
mod notes;
mod overview;
mod pictures;
mod power;
mod removal;
mod set_clock;
mod shed;
mod undelivered;
mod watch;

use std::sync::Mutex as StdMutex;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;

use super::disk::faults::FaultyDisk;
use super::*;
use crate::decide::Written;
use crate::event::{
    Camera, DeliveryId, EventId, Item, Kind, Original, Picture, PictureData, Plate, Raw, Role,
};
use crate::fate::{Attempt, Choice, Delivery, Fate, Planned};
use crate::name::Name;

const START: Timestamp = Timestamp::constant(1_800_000_000, 0);
const GIB: u64 = 1 << 30;

/// A store in a folder of its own, with a clock that stands still until it is moved.
struct Bench {
    folder: TempDir,
    clock: Clock,
    disk: FaultyDisk,
    max_size: u64,
    pictures: Option<Pictures>,
}

impl Bench {
    fn new() -> Self {
        Self::sized(GIB)
    }

    fn sized(max_size: u64) -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            clock: Clock::stepped(START),
            disk: FaultyDisk::default(),
            max_size,
            pictures: None,
        }
    }

    fn try_open_at(&self, path: &Path) -> Result<Store, StoreError> {
        let settings = Settings {
            path: path.to_owned(),
            keep: Duration::from_secs(7 * 86_400),
            max_size: self.max_size,
            pictures: self.pictures,
        };
        let disk = Arc::new(self.disk.clone());
        Store::open_on(disk, settings, self.clock.clone(), Metrics::new())
    }

    fn open(&self) -> Store {
        self.try_open_at(self.folder.path()).unwrap()
    }

    fn wait(&self, seconds: i64) {
        let until = self.clock.now() + SignedDuration::from_secs(seconds);
        while self.clock.step(until) {}
    }

    /// What a crash would leave: the files as they are while the store is open.
    fn crashed(&self, with_index: bool) -> TempDir {
        let copy = tempfile::tempdir().unwrap();
        std::fs::create_dir(copy.path().join("log")).unwrap();
        for entry in std::fs::read_dir(self.folder.path().join("log")).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(
                entry.path(),
                copy.path().join("log").join(entry.file_name()),
            )
            .unwrap();
        }
        if with_index {
            for name in ["index.sqlite", "index.sqlite-wal"] {
                let from = self.folder.path().join(name);
                if from.exists() {
                    std::fs::copy(from, copy.path().join(name)).unwrap();
                }
            }
        }
        copy
    }

    fn intake(
        &self,
        camera: &str,
        plate: &str,
        body: Bytes,
        targets: &[&str],
    ) -> (EventId, Intake) {
        let original = Arc::new(Original {
            headers: vec![("Content-Type".to_owned(), "application/json".to_owned())],
            remote: Some([10, 0, 0, 7].into()),
            received_at: self.clock.now(),
            body: body.clone(),
            ..Original::default()
        });
        let mut event = Event::new(name("stream"), "acme", Kind::Plate, original.clone());
        event.camera = Camera {
            id: Some(camera.to_owned()),
            ..Camera::default()
        };
        event.plates = vec![Plate {
            text: Some(plate.to_owned()),
            ..Plate::default()
        }];
        if body.len() >= 10 {
            event.images.push(picture(Role::FRAME, body.slice(4..10)));
        }
        event
            .images
            .push(picture(Role::PLATE, Bytes::from_static(b"made elsewhere")));
        event.raw = Raw::from_value(&serde_json::json!({ "score": 0.904_761_904_761_904_8 }));
        let id = event.id;
        let plan = Plan {
            routes: vec![Choice {
                route: name("all"),
                filtered_by: None,
                left_out: vec![],
            }],
            deliveries: targets.iter().map(|target| planned(target)).collect(),
            joined: vec![],
        };
        let events = vec![(Arc::new(event), plan)];
        let written = Written::default();
        (
            id,
            Intake {
                original,
                events,
                written,
            },
        )
    }

    async fn accept(&self, store: &Store, camera: &str, plate: &str, targets: &[&str]) -> EventId {
        let body = Bytes::from(vec![b'x'; 2_000]);
        let (id, intake) = self.intake(camera, plate, body, targets);
        let _ = store.accept(intake).await.unwrap();
        store.caught_up().await;
        id
    }
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn picture(role: Role, bytes: Bytes) -> Picture {
    Picture {
        role,
        item: Some(Item::Plate(0)),
        content_type: "image/jpeg".to_owned(),
        data: PictureData::Bytes(bytes),
    }
}

fn planned(target: &str) -> Planned {
    Planned {
        id: DeliveryId::at(START),
        route: name("all"),
        target: name(target),
        item: Some(Item::Plate(0)),
        not_before: None,
    }
}

fn attempt(at: Timestamp) -> Option<Attempt> {
    Some(Attempt {
        at,
        status: Some(503),
        ms: 12,
        error: Some("busy".to_owned()),
        excerpt: None,
    })
}

async fn lease(store: &Store, target: &str, order: Order) -> Vec<Lease> {
    store.lease(&name(target), order, 64).await.unwrap().leases
}

async fn settle(store: &Store, lease: Lease, settled: Settled) {
    store.settle(lease, attempt(START), settled);
    store.caught_up().await;
}

/// Everything that the outside can see, in words.
async fn told(store: &Store) -> String {
    store.caught_up().await;
    let mut told = String::new();
    for id in store.events(EventQuery::default()).await.unwrap() {
        let kept = store.event(id).await.unwrap();
        told += &format!("{} {:?}\n", kept.event.to_json(), kept.plan);
    }
    for delivery in store.deliveries(DeliveryQuery::default()).await.unwrap() {
        told += &format!("{delivery:?}\n");
    }
    for row in store.quarantined(PageQuery::default()).await.unwrap() {
        told += &format!(
            "{} {} {:?} {}\n",
            row.id, row.source, row.content_type, row.reason
        );
    }
    for target in store.targets().await.unwrap() {
        told += &format!("{target:?}\n");
    }
    for group in store.undelivered().await.unwrap() {
        told += &format!("{group:?}\n");
    }
    for job in store.jobs().await.unwrap() {
        told += &format!("{job:?}\n");
    }
    for source in store.sources().await.unwrap() {
        told += &format!(
            "{} {} {}\n",
            source.source, source.events, source.quarantined
        );
    }
    told
}
