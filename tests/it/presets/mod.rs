//! Each shipped preset against a system that checks what the real one checks and answers as the real one does.
//!
//! A system here is a function of one request: it complains where the real one would not understand, and answers as it
//! would. A table says what becomes of the delivery after each answer that the real one is known to give. Whatever is
//! not delivered and not dead must arrive once the system answers well again: nothing is lost.

mod cars;
mod chat;
mod files;
mod home;
mod secrets;
mod soap;
mod trust;
mod vms;
mod wire;

use std::sync::Arc;

use image::ImageFormat;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::harness::{Answer, Play, Receiver, Taken, Within, multipart, picture, recognition};

/// What becomes of a delivery after an answer.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    Delivered,
    Dead,
    Held,
    Again,
    /// Not before so many seconds.
    AgainAfter(f64),
}
use Fate::{Again, AgainAfter, Dead, Delivered, Held};

/// A preset as somebody uses it; `URL` in its settings is the system's address.
#[derive(Clone)]
struct Use {
    preset: &'static str,
    with: Value,
    each_plate: bool,
}

impl Use {
    fn of(preset: &'static str, with: Value) -> Self {
        Self {
            preset,
            with,
            each_plate: true,
        }
    }

    /// All plates of an event in one request.
    fn whole(preset: &'static str, with: Value) -> Self {
        Self {
            each_plate: false,
            ..Self::of(preset, with)
        }
    }

    fn target(&self, name: &str, url: &str) -> String {
        let with = self.with.to_string().replace("URL", url);
        format!("  {name}: {{ preset: {}, with: {with} }}\n", self.preset)
    }

    fn route(&self, targets: &[String]) -> String {
        let each = if self.each_plate { "each: plate, " } else { "" };
        format!(
            "routes:\n  - {{ name: all, {each}steps: [{{ crop: {{ region: plate }} }}], to: [{}] }}\n",
            targets.join(", ")
        )
    }
}

fn play(system: impl Fn(&Taken) -> Result<Answer, String> + Send + Sync + 'static) -> Play {
    Arc::new(system)
}

fn ok(body: &str) -> Result<Answer, String> {
    Ok(Answer::status(200).body(body))
}

fn no(status: u16, body: &str) -> (Answer, Fate) {
    let fate = match status {
        401 | 403 => Held,
        400 | 404 | 413 => Dead,
        _ => Again,
    };
    (Answer::status(status).body(body), fate)
}

fn within_200(body: &str, fate: Fate) -> (Answer, Fate) {
    (Answer::status(200).body(body), fate)
}

/// What every system behind a proxy may answer.
fn usual() -> Vec<(Answer, Fate)> {
    vec![
        (
            Answer::status(429).header("retry-after", "7"),
            AgainAfter(7.0),
        ),
        (
            Answer::status(503).header("retry-after", "Sat, 31 Jan 2026 12:01:00 GMT"),
            AgainAfter(60.0),
        ),
        no(500, "<html><body>Server Error</body></html>"),
        no(502, "<html>Bad Gateway</html>"),
        no(504, ""),
        no(401, "Unauthorized"),
        no(403, "<html>Forbidden</html>"),
        (Answer::status(400).body("{"), Dead),
        (Answer::status(302).header("location", "/login"), Dead),
    ]
}

/// Some of the usual answers mean something else to this system.
fn but(mut rows: Vec<(Answer, Fate)>, others: &[(u16, Fate)]) -> Vec<(Answer, Fate)> {
    for (answer, fate) in &mut rows {
        if let Some((_, other)) = others.iter().find(|(code, _)| *code == answer.code()) {
            *fate = *other;
        }
    }
    rows
}

/// An event of Stream with the frame and the crop of the vehicle.
fn event(camera: &str, plate: &str) -> (String, Vec<u8>) {
    let mut json = recognition(camera, &[(plate, [100, 90, 180, 110])]);
    let result = &mut json["data"]["results"][0];
    result["vehicle"]["box"] = json!({ "xmin": 80, "ymin": 30, "xmax": 240, "ymax": 140 });
    result["orientation"] = json!([{ "orientation": "Front", "score": 0.9 }]);
    result["model_make"] = json!([{ "make": "Fiat", "model": "Tipo", "score": 0.6 }]);
    result["color"] = json!([{ "color": "white", "score": 0.7 }]);
    let frame = picture(
        320,
        180,
        &[([100, 90, 180, 110], [9, 9, 9])],
        ImageFormat::Jpeg,
    );
    let vehicle = picture(160, 110, &[], ImageFormat::Jpeg);
    let files: [(&str, &[u8]); 2] = [("original", &frame), ("vehicle", &vehicle)];
    multipart(&json.to_string(), &files)
}

/// Sends one event through the preset to the system; returns the requests it took.
async fn sent(used: &Use, system: Play, camera: &str, plate: &str) -> (Vec<Taken>, Value) {
    let receiver = Receiver::playing([], system).await;
    let names = ["it".to_owned()];
    let routes = format!(
        "targets:\n{}{}",
        used.target("it", &receiver.url()),
        used.route(&names)
    );
    let camhook = Within::start(&routes).await;
    let (kind, body) = event(camera, plate);
    camhook.post(&kind, body).await;
    assert_eq!(receiver.complaints(), [""; 0], "{}", used.preset);
    let deliveries = camhook.get("/api/v1/deliveries").await;
    (receiver.taken(), deliveries[0].clone())
}

/// One system for each answer, and one that has nothing to refuse.
async fn table(used: &Use, system: Play, rows: &[(Answer, Fate)]) {
    let mut receivers = vec![Receiver::playing([], system.clone()).await];
    for (answer, _) in rows {
        receivers.push(Receiver::playing([answer.clone()], system.clone()).await);
    }
    let names: Vec<String> = (0..receivers.len()).map(|n| format!("t{n}")).collect();
    let targets = names.iter().zip(&receivers);
    let targets: String = targets
        .map(|(name, it)| used.target(name, &it.url()))
        .collect();
    let camhook = Within::start(&format!("targets:\n{targets}{}", used.route(&names))).await;
    let began: Timestamp = "2026-01-31T12:00:00Z".parse().unwrap();
    let (kind, body) = event("camera-1", "ab123cd");
    camhook.post(&kind, body).await;
    for receiver in &receivers {
        assert_eq!(receiver.complaints(), [""; 0], "{}", used.preset);
    }
    let all_well = [(Answer::status(200), Delivered)];
    let rows: Vec<_> = all_well.iter().chain(rows).collect();
    let deliveries = fates(&camhook).await;
    for (n, (answer, fate)) in rows.iter().enumerate() {
        let delivery = &deliveries[&format!("t{n}")];
        let told = format!("{} after {answer:?}: {delivery:#}", used.preset);
        assert_eq!(receivers[n].requests(), 1, "{told}");
        let expected = match fate {
            Delivered => "delivered",
            Dead => "dead",
            Held => "held",
            Again | AgainAfter(_) => "pending",
        };
        assert_eq!(delivery["fate"], expected, "{told}");
        assert_eq!(
            delivery["attempts"][0]["error"].is_null(),
            *fate == Delivered,
            "{told}"
        );
        if let AgainAfter(seconds) = fate {
            let due: Timestamp = delivery["due"].as_str().unwrap().parse().unwrap();
            assert!(
                due >= began + SignedDuration::from_secs_f64(*seconds),
                "{told}"
            );
        }
    }
    camhook.advance(100.0).await;
    let deliveries = fates(&camhook).await;
    for (n, (answer, fate)) in rows.iter().enumerate() {
        let told = format!("{} long after {answer:?}", used.preset);
        let (fate, requests) = match fate {
            Dead => ("dead", 1),
            Delivered => ("delivered", 1),
            Held | Again | AgainAfter(_) => ("delivered", 2),
        };
        assert_eq!(deliveries[&format!("t{n}")]["fate"], fate, "{told}");
        assert_eq!(receivers[n].requests(), requests, "{told}");
        assert_eq!(receivers[n].complaints(), [""; 0], "{told}");
    }
}

/// Deliveries by the name of their target.
async fn fates(camhook: &Within) -> std::collections::BTreeMap<String, Value> {
    let deliveries = camhook.get("/api/v1/deliveries?limit=0").await;
    let deliveries = deliveries.as_array().unwrap().iter();
    deliveries
        .map(|row| (row["target"].as_str().unwrap().to_owned(), row.clone()))
        .collect()
}

#[tokio::test]
async fn a_camera_that_a_preset_does_not_know_is_told_and_kept() {
    let known = |value: Value| json!({ "url": "URL", "cameras": { "camera-1": value } });
    let mut genetec = known(json!("00000001-0000-babe-0000-080027bc8c21"));
    for (name, value) in [
        ("username", "u"),
        ("password", "pass"),
        ("application_id", "appid"),
    ] {
        genetec[name] = value.into();
    }
    let mut openeye = known(json!("gate"));
    openeye["aki"] = "akiakiaki".into();
    openeye["aks"] = "aksaksaks".into();
    for used in [
        Use::of("openeye", openeye),
        Use::of("zatpark", known(json!({ "mac": "00:11:22:AA:BB:CC" }))),
        Use::of("milestone", known(json!("10.0.0.7"))),
        Use::of("genetec", genetec),
        Use::of("blue-iris", known(json!("gate"))),
    ] {
        let (taken, delivery) = sent(&used, play(|_| ok("")), "camera-9", "ab123cd").await;
        assert_eq!(taken.len(), 0, "{}", used.preset);
        assert_eq!(delivery["fate"], "dead", "{}", used.preset);
        let reason = delivery["attempts"][0]["error"].as_str().unwrap();
        assert!(reason.contains("camera-9"), "{}: {reason}", used.preset);
    }
}
