//! The events that the cameras send: each has its number in it, and can be told from all others wherever it arrives.

use std::fmt::Write;

use image::codecs::jpeg::JpegEncoder;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub type Sha = [u8; 32];

/// What kind of sender an event comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// A plate reader with a picture, as multipart.
    Picture,
    /// The same reader without one, as a form.
    Form,
    /// JSON.
    Plain,
    /// JSON to the source whose route has `dedupe`: each plate three times.
    Gate,
    /// JSON to the source whose route has `pair`: the front, then the rear.
    Lane,
    /// JSON to a source with `durability: relaxed`: what it is told may be lost.
    Quick,
}

impl Sender {
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::Picture | Self::Form => "/stream",
            Self::Plain => "/plain",
            Self::Gate => "/gate",
            Self::Lane => "/lane",
            Self::Quick => "/quick",
        }
    }

    /// Whether its acknowledgement is a promise.
    #[must_use]
    pub fn is_promised(self) -> bool {
        self != Self::Quick
    }
}

/// One request of a camera.
pub struct Made {
    pub content_type: String,
    pub body: Vec<u8>,
    pub sha: Sha,
    /// The JSON document in it.
    pub document: Value,
    pub camera: String,
    pub plate: String,
}

/// Where the plate is in every picture: xmin, ymin, xmax, ymax.
pub const PLATE: [u32; 4] = [48, 64, 112, 96];

/// How grey the plate of that event is: neighbours differ by far more than JPEG blurs.
#[must_use]
pub fn grey(number: u32) -> u8 {
    u8::try_from(20 + (number * 61) % 211).expect("it is less than 256")
}

/// The words in a body by which its event is known.
#[must_use]
pub fn mark(number: u32) -> String {
    format!("event-{number:08}")
}

/// The number of the event in a body, wherever it went and however it was rewritten.
#[must_use]
pub fn number_in(body: &[u8]) -> Option<u32> {
    let at = body.windows(6).position(|word| word == b"event-")?;
    std::str::from_utf8(body.get(at + 6..at + 14)?)
        .ok()?
        .parse()
        .ok()
}

/// The sender's `nth` event, which has that number among all events.
#[must_use]
pub fn make(sender: Sender, id: usize, nth: u32, number: u32) -> Made {
    let mark = mark(number);
    let (camera, plate) = match sender {
        Sender::Gate => (format!("gate-{id}"), format!("G{id}{:05}", nth / 3)),
        Sender::Lane => {
            let side = if nth.is_multiple_of(2) {
                "front"
            } else {
                "rear"
            };
            (format!("lane-{side}"), format!("L{id}{:05}", nth / 2))
        }
        _ => (format!("cam-{id}-{}", nth % 2), format!("P{number:06}")),
    };
    let document = match sender {
        Sender::Picture | Sender::Form => recognition(&camera, &plate, &mark),
        _ => {
            json!({ "note": mark, "kind": "plate", "camera": { "id": camera }, "plates": [{ "text": plate, "score": 0.75 }] })
        }
    };
    let text = document.to_string();
    let (content_type, body) = match sender {
        Sender::Picture => multipart(&text, &picture(number)),
        Sender::Form => form(&text),
        _ => ("application/json".to_owned(), text.into_bytes()),
    };
    Made {
        sha: Sha256::digest(&body).into(),
        content_type,
        body,
        document,
        camera,
        plate,
    }
}

fn recognition(camera: &str, plate: &str, mark: &str) -> Value {
    let [xmin, ymin, xmax, ymax] = PLATE;
    let area = json!({ "xmin": xmin, "ymin": ymin, "xmax": xmax, "ymax": ymax });
    json!({
        "hook": { "event": "recognition", "id": camera, "target": "http://proxy/", "filename": "gate/10.jpg" },
        "data": {
            "camera_id": camera, "filename": "gate/10.jpg",
            "timestamp": "2025-03-04T09:11:12.131415Z", "timestamp_local": "2025-03-04 10:11:12.131415+01:00",
            "results": [{
                "plate": plate, "score": 0.91, "dscore": 0.74, "box": area,
                "region": { "code": "it", "score": 0.5 }, "candidates": [{ "plate": plate, "score": 0.91 }],
                "vehicle": { "type": "SUV", "score": 0.25, "box": area }, "direction": 210, "user_data": mark,
            }],
        },
    })
}

/// Noise, and in it a plate of this event's grey.
fn picture(number: u32) -> Vec<u8> {
    let [xmin, ymin, xmax, ymax] = PLATE;
    let mut noise = number | 1;
    let image = image::GrayImage::from_fn(160, 120, |x, y| {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        if (xmin..xmax).contains(&x) && (ymin..ymax).contains(&y) {
            image::Luma([grey(number)])
        } else {
            image::Luma([100 + (noise >> 26) as u8])
        }
    });
    let mut bytes = Vec::new();
    image
        .write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, 85))
        .expect("a small grey picture can be written to memory");
    bytes
}

fn multipart(text: &str, picture: &[u8]) -> (String, Vec<u8>) {
    let boundary = "ca2339e391165eb0b98d3409e1915a3f";
    let head = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"json\"\r\n\r\n{text}\r\n\
         --{boundary}\r\nContent-Disposition: form-data; name=\"upload\"; filename=\"upload.jpg\"\r\n\r\n"
    );
    let end = format!("\r\n--{boundary}--\r\n");
    let body = [head.as_bytes(), picture, end.as_bytes()].concat();
    (format!("multipart/form-data; boundary={boundary}"), body)
}

fn form(text: &str) -> (String, Vec<u8>) {
    let mut body = String::from("json=");
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
                body.push(char::from(byte));
            }
            b' ' => body.push('+'),
            other => write!(body, "%{other:02X}").expect("a String takes everything"),
        }
    }
    (
        "application/x-www-form-urlencoded".to_owned(),
        body.into_bytes(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_is_known_by_its_number_in_every_form() {
        for sender in [
            Sender::Picture,
            Sender::Form,
            Sender::Plain,
            Sender::Gate,
            Sender::Lane,
            Sender::Quick,
        ] {
            let made = make(sender, 1, 7, 4_711);
            assert_eq!(number_in(&made.body), Some(4_711));
            assert_ne!(made.sha, make(sender, 1, 7, 4_712).sha);
        }
    }
}
