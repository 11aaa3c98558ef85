//! A payload in words: texts as they are, pictures by their size, secrets masked.

use http::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::{Value, json};

use crate::payload::{Field, Message, Payload, Request, late};
use crate::secret::{Blot, MASK};

/// Text beyond this is cut. Bytes.
const TEXT_MAX: usize = 16 << 10;

pub(super) fn payload(payload: &Payload, blot: &Blot) -> Value {
    match payload {
        Payload::Http(request) => http(request, blot),
        Payload::Line { path, line, .. } => {
            json!({ "append_to": path, "line": blot.out(line.trim_end()) })
        }
        Payload::Files(files) => {
            let file = |file: &crate::payload::File| json!({ "path": file.path, "content": binary(&file.bytes) });
            json!({ "write": files.iter().map(file).collect::<Value>() })
        }
        Payload::Mqtt(messages) => {
            let (main, first) = match messages.split_last() {
                Some((main, first)) => (message(main, blot), first),
                None => (json!({}), [].as_slice()),
            };
            let mut told = main;
            if !first.is_empty() {
                told["first"] = first.iter().map(|first| message(first, blot)).collect();
            }
            told
        }
        Payload::Publication(message) => json!({
            "publish_to": blot.out(&message.subject),
            "headers": message.headers.iter().map(|(name, value)| json!({ name: blot.out(value) })).collect::<Value>(),
            "payload": piece_of(&message.payload.to_vec(), blot),
            "bytes": message.payload.len(),
        }),
        Payload::Row(row) => json!({
            "sql": blot.out(&row.sql),
            "values": row.values.iter().map(|value| match value {
                Field::Value(Value::String(text)) => blot.out(text).into(),
                Field::Value(value) => value.clone(),
                Field::Bytes(bytes) => piece_of(bytes, blot),
            }).collect::<Value>(),
        }),
        Payload::Mail(mail) => {
            let attached = |part: &crate::payload::Attachment| json!({ "name": part.name, "content": binary(&part.bytes) });
            json!({
                "subject": blot.out(&mail.subject),
                "text": blot.out(&mail.text),
                "html": mail.html.as_deref().map(|html| blot.out(html)),
                "attach": mail.attachments.iter().map(attached).collect::<Value>(),
            })
        }
        Payload::Log { text, .. } => json!({ "log": blot.out(text) }),
    }
}

fn message(message: &Message, blot: &Blot) -> Value {
    json!({
        "publish_to": blot.out(&message.topic),
        "qos": message.qos,
        "retain": message.retain,
        "payload": piece_of(&message.payload.to_vec(), blot),
        "bytes": message.payload.len(),
    })
}

/// A request with what happens around it.
fn http(request: &Request, blot: &Blot) -> Value {
    let mut told = alone(request, blot);
    if let Some(around) = &request.around {
        if let Some(session) = &around.session {
            told["login"] = alone(&session.login, blot);
        }
        if !around.first.is_empty() {
            let first = around.first.iter().map(|first| alone(&first.request, blot));
            told["first"] = first.collect();
        }
        if let Some(sign) = &around.sign {
            told["signed"] = sign.to_string().into();
        }
    }
    told
}

fn alone(request: &Request, blot: &Blot) -> Value {
    let mut headers = serde_json::Map::new();
    for (name, value) in &request.headers {
        let shown = match *name {
            AUTHORIZATION => MASK.to_owned(),
            _ => late::shown(&blot.out(&String::from_utf8_lossy(value.as_bytes()))),
        };
        headers.insert(name.to_string(), shown.into());
    }
    let kind = request
        .headers
        .iter()
        .find(|(name, _)| name == CONTENT_TYPE);
    let kind = kind
        .and_then(|(_, value)| value.to_str().ok())
        .unwrap_or_default();
    let pieces = request.body.0.iter();
    let body: Value = match () {
        () if request.body.is_empty() => Value::Null,
        // A multipart body is in pieces: heads and texts between the pictures.
        () if kind.starts_with("multipart/") => pieces.map(|piece| piece_of(piece, blot)).collect(),
        () => piece_of(&request.body.to_vec(), blot),
    };
    json!({
        "method": request.method.as_str(),
        "url": late::shown(&blot.out(&request.url)),
        "headers": headers,
        "body": body,
        "bytes": request.body.len(),
    })
}

/// Blotted out before it is cut: of a secret at the end of what is shown, a half is not recognised.
fn piece_of(bytes: &[u8], blot: &Blot) -> Value {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return binary(bytes).into();
    };
    let shown = blot.out(text);
    if shown.len() <= TEXT_MAX {
        return shown.into();
    }
    let cut = &shown[..shown.floor_char_boundary(TEXT_MAX)];
    format!("{cut}… ({} bytes in all)", bytes.len()).into()
}

fn binary(bytes: &[u8]) -> String {
    let kind = crate::event::sniff(bytes).unwrap_or("binary");
    match imagesize::blob_size(bytes) {
        Ok(size) => format!(
            "<{kind}, {} x {} px, {} bytes>",
            size.width,
            size.height,
            bytes.len()
        ),
        Err(_) => format!("<{kind}, {} bytes>", bytes.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_at_the_end_of_what_is_shown_is_not_shown_by_half() {
        let blot = Blot::new(["hunter22 is the word".into()]);
        for before in TEXT_MAX - 16..TEXT_MAX {
            let text = format!("{}hunter22 is the word and more", ".".repeat(before));
            let shown = piece_of(text.as_bytes(), &blot);
            let shown = shown.as_str().unwrap();
            assert!(!shown.contains("hun"), "{}", &shown[TEXT_MAX - 20..]);
        }
    }
}
