//! Whether what arrived is what was sent: bytes where bytes are promised, content where it was rewritten.

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::books::Sent;
use crate::event::{self, PLATE, Sender, Sha};
use crate::target::Wants;
use crate::wire::Message;

/// What else a request tells.
#[derive(Default)]
pub struct Told {
    /// camhook's id of the event.
    pub id: Option<String>,
    pub parts: Vec<u32>,
}

/// # Errors
/// With what differs.
pub fn body(wants: Wants, number: u32, sent: &Sent, message: &Message) -> Result<Told, String> {
    match wants {
        Wants::Original => original(sent, message),
        Wants::Neutral => neutral(sent, message),
        Wants::Crop => crop(number, sent, message),
        Wants::Fields => fields(number, message),
    }
}

fn original(sent: &Sent, message: &Message) -> Result<Told, String> {
    let sha: Sha = Sha256::digest(&message.body).into();
    if sha != sent.sha {
        return Err(format!(
            "{} bytes with another sha256 than those that were sent",
            message.body.len()
        ));
    }
    let kind = message.header("content-type");
    if kind != sent.content_type {
        return Err(format!("its content type became `{kind}`"));
    }
    Ok(Told::default())
}

fn neutral(sent: &Sent, message: &Message) -> Result<Told, String> {
    let told: Value = parsed(&message.body)?;
    if told["raw"] != sent.document {
        return Err(format!("its document became {}", told["raw"]));
    }
    if told["camera"]["id"] != sent.camera.as_str() {
        return Err(format!("its camera became {}", told["camera"]["id"]));
    }
    if told["plates"][0]["text"] != sent.plate.as_str() {
        return Err(format!("its plate became {}", told["plates"][0]["text"]));
    }
    let pictures = told["images"].as_array().map_or(0, Vec::len);
    if (pictures > 0) != (sent.sender == Sender::Picture) {
        return Err(format!("it came with {pictures} pictures"));
    }
    let id = told["id"].as_str().ok_or("it has no id")?;
    Ok(Told {
        id: Some(id.to_owned()),
        parts: Vec::new(),
    })
}

fn crop(number: u32, sent: &Sent, message: &Message) -> Result<Told, String> {
    let parts = parts(message)?;
    let part = |name: &str| {
        let found = parts.iter().find(|(known, _)| known == name);
        found.map(|(_, bytes)| *bytes)
    };
    let document = parsed(part("json").ok_or("it has no document")?)?;
    if document != sent.document {
        return Err(format!("its document became {document}"));
    }
    match (part("plate"), sent.sender) {
        (Some(plate), Sender::Picture) => is_plate(number, plate)?,
        (None, Sender::Form) => {}
        (plate, sender) => {
            return Err(format!("{sender:?} with a plate: {}", plate.is_some()));
        }
    }
    Ok(Told::default())
}

/// The plate of this event and of no other: each has a grey of its own.
fn is_plate(number: u32, jpeg: &[u8]) -> Result<(), String> {
    let image = image::load_from_memory(jpeg).map_err(|error| format!("its plate: {error}"))?;
    let image = image.to_luma8();
    let [xmin, ymin, xmax, ymax] = PLATE;
    if image.dimensions() != (xmax - xmin, ymax - ymin) {
        return Err(format!("its plate is {:?} large", image.dimensions()));
    }
    let sum: u64 = image.as_raw().iter().map(|grey| u64::from(*grey)).sum();
    let mean = sum / image.as_raw().len() as u64;
    let wanted = u64::from(event::grey(number));
    if mean.abs_diff(wanted) > 8 {
        return Err(format!("its plate is as grey as {mean}, not {wanted}"));
    }
    Ok(())
}

fn fields(number: u32, message: &Message) -> Result<Told, String> {
    let told = parsed(&message.body)?;
    if told["note"] != event::mark(number).as_str() {
        return Err(format!("its note became {}", told["note"]));
    }
    let of = |side: &str| {
        let note = told[side].as_str()?;
        event::number_in(note.as_bytes())
    };
    let parts = [of("front"), of("rear")].into_iter().flatten();
    Ok(Told {
        id: None,
        parts: parts.filter(|part| *part != number).collect(),
    })
}

fn parsed(bytes: &[u8]) -> Result<Value, String> {
    serde_json::from_slice(bytes).map_err(|error| format!("its JSON: {error}"))
}

/// The parts of a multipart body by name.
fn parts(message: &Message) -> Result<Vec<(String, &[u8])>, String> {
    let (_, boundary) = message
        .header("content-type")
        .split_once("boundary=")
        .ok_or("it is not multipart")?;
    let marker = format!("--{}", boundary.trim_matches('"'));
    let body = &message.body[..];
    let find = |from: usize, what: &[u8]| {
        let found = body[from..].windows(what.len()).position(|w| w == what);
        found.map(|at| at + from)
    };
    let mut parts = Vec::new();
    let mut at = find(0, marker.as_bytes()).ok_or("no boundary")? + marker.len();
    while let Some(next) = find(at, marker.as_bytes()) {
        let part = body.get(at + 2..next - 2).ok_or("a part without an end")?;
        let head = part
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .ok_or("a part without a head")?;
        let text = String::from_utf8_lossy(&part[..head]);
        let (_, name) = text.split_once("name=\"").ok_or("a part without a name")?;
        let name = name.split('"').next().unwrap_or_default().to_owned();
        parts.push((name, &part[head + 4..]));
        at = next + marker.len();
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn sent(number: u32, sender: Sender) -> (Sent, Message) {
        let made = event::make(sender, 0, 0, number);
        let sent = Sent {
            sender,
            camera: made.camera,
            plate: made.plate,
            content_type: made.content_type.clone(),
            sha: made.sha,
            document: made.document,
            began: Duration::ZERO,
            answer: None,
        };
        let headers = [("content-type".to_owned(), made.content_type)];
        let message = Message {
            first: String::new(),
            headers: headers.into(),
            body: made.body,
        };
        (sent, message)
    }

    #[test]
    fn one_changed_byte_is_seen() {
        let (sent, mut message) = sent(3, Sender::Plain);
        assert!(body(Wants::Original, 3, &sent, &message).is_ok());
        *message.body.last_mut().unwrap() = b' ';
        assert!(body(Wants::Original, 3, &sent, &message).is_err());
    }

    #[test]
    fn the_plate_of_another_event_is_seen() {
        let grey = |number| {
            let grey = image::Luma([event::grey(number)]);
            let image = image::GrayImage::from_pixel(64, 32, grey);
            let mut bytes = std::io::Cursor::new(Vec::new());
            image
                .write_to(&mut bytes, image::ImageFormat::Jpeg)
                .unwrap();
            bytes.into_inner()
        };
        assert_eq!(is_plate(7, &grey(7)), Ok(()));
        assert!(is_plate(7, &grey(8)).is_err());
        assert!(is_plate(7, b"nothing").is_err());
    }
}
