//! A store with as many events as a measurement wants, through the real log and the real indexer.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::SignedDuration;

use crate::clock::Clock;
use crate::decide::Written;
use crate::event::{Camera, DeliveryId, Event, Kind, Original, Picture, PictureData, Plate, Role};
use crate::fate::{Choice, Plan, Planned};
use crate::name::Name;
use crate::store::{Intake, Order, Settings, Settled, Store, TargetState};
use crate::telemetry::Metrics;

/// Events of one request, and deliveries that are settled of the first ones.
const AT_ONCE: usize = 50;
const CAMERAS: usize = 200;
/// Of each thousand settled deliveries so many are dead.
const DEAD: usize = 20;

/// Fills the store in `folder` with events of the last days: two targets, both paused, the first of which has got `settled`
/// of them. Panics when the store cannot be written.
pub async fn fill(folder: &Path, events: usize, settled: usize) {
    let clock = Clock::system();
    let settings = Settings {
        path: folder.to_owned(),
        keep: Duration::from_secs(30 * 86_400),
        max_size: 1 << 40,
        pictures: None,
    };
    let store = Store::open(settings, clock.clone(), Metrics::new()).expect("a store of its own");
    let name = |text: &str| Name::new(text).expect("a name");
    let (vms, log) = (name("vms"), name("log"));
    let now = clock.now();
    let body = Bytes::from(vec![b'x'; 300]);
    for first in (0..events).step_by(AT_ONCE) {
        let last = (first + AT_ONCE).min(events);
        let ago =
            SignedDuration::from_secs(3 * 86_400) * i32::try_from(events - first).unwrap_or(1);
        let received_at = now - ago / i32::try_from(events).unwrap_or(1);
        let original = Arc::new(Original {
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            received_at,
            body: body.clone(),
            ..Original::default()
        });
        let told = (first..last).map(|n| {
            let kind = if n % 10 == 0 {
                Kind::Motion
            } else {
                Kind::Plate
            };
            let source = name(if n % 3 == 0 { "yard" } else { "gate" });
            let mut event = Event::new(source, "generic", kind, original.clone());
            event.camera = Camera {
                id: Some(format!("camera-{}", n * 31 % CAMERAS)),
                ..Camera::default()
            };
            if kind == Kind::Plate {
                event.plates.push(Plate {
                    text: Some(plate(n)),
                    ..Plate::default()
                });
                event.images.push(Picture {
                    role: Role::PLATE,
                    item: None,
                    content_type: "image/jpeg".to_owned(),
                    data: PictureData::Bytes(body.slice(0..100)),
                });
            }
            let plan = Plan {
                routes: vec![Choice {
                    route: name("all"),
                    filtered_by: None,
                    left_out: vec![],
                }],
                deliveries: vec![Planned {
                    id: DeliveryId::at(received_at),
                    route: name("all"),
                    target: if n < settled || n % 2 == 0 {
                        vms.clone()
                    } else {
                        log.clone()
                    },
                    item: None,
                    not_before: None,
                }],
                joined: vec![],
            };
            (Arc::new(event), plan)
        });
        let events = told.collect();
        let intake = Intake {
            original,
            events,
            written: Written::default(),
        };
        let _safe = store.accept(intake).await.expect("the disk has room");
        if last <= settled {
            store.caught_up().await;
            settle(&store, &vms, first).await;
        }
    }
    store.caught_up().await;
    let held = TargetState::Held {
        since: now,
        reason: "401 Unauthorized".to_owned(),
    };
    store
        .set_target_state(&vms, held)
        .await
        .expect("the disk has room");
    let paused = TargetState::Paused { since: now };
    store
        .set_target_state(&log, paused)
        .await
        .expect("the disk has room");
    store.close().await;
}

async fn settle(store: &Store, target: &Name, n: usize) {
    let leased = store
        .lease(target, Order::None, AT_ONCE)
        .await
        .expect("an index");
    for (m, lease) in leased.leases.into_iter().enumerate() {
        let settled = if (n + m) % 1_000 < DEAD {
            Settled::Dead
        } else {
            Settled::Delivered
        };
        store.settle(lease, None, settled);
    }
}

/// Seven letters and digits; a tenth of them are read again and again.
fn plate(n: usize) -> String {
    let n = if n % 10 == 1 {
        n % 5_000
    } else {
        n * 7_919 % 17_576_000
    };
    let letter = |n: usize| char::from(b'A' + u8::try_from(n % 26).unwrap_or(0));
    let (a, b, c) = (letter(n), letter(n / 26), letter(n / 676));
    format!("{a}{b}{:03}{c}{}", n / 17_576 % 1_000, letter(n / 3))
}
