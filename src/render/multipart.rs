//! Writes `multipart/form-data` (RFC 7578) in pieces, so that pictures are sent from where they lie.

use bytes::Bytes;
use memchr::memmem;
use sha2::{Digest, Sha256};

use crate::payload::Body;

/// One part, in the order of the body.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Part {
    pub(super) name: String,
    pub(super) filename: Option<String>,
    /// Must be a legal header value.
    pub(super) content_type: Option<String>,
    pub(super) bytes: Bytes,
}

/// The body and its content type. The boundary follows from `seed` (which no sender can know beforehand) and occurs
/// in no part: the same parts always make the same bytes, so a repeated attempt sends what the first one sent.
pub(super) fn write(seed: &[u8], parts: Vec<Part>) -> (String, Body) {
    let boundary = (0u32..)
        .map(|n| boundary(seed, n))
        .find(|boundary| !parts.iter().any(|part| part.holds(boundary)))
        .expect("the parts are finite");
    let mut pieces = Vec::with_capacity(parts.len() * 2 + 1);
    let mut text = String::new();
    for part in parts {
        text.push_str(&format!("--{boundary}\r\n"));
        text.push_str(&part.head());
        pieces.push(Bytes::from(std::mem::take(&mut text)));
        pieces.push(part.bytes);
        text.push_str("\r\n");
    }
    text.push_str(&format!("--{boundary}--\r\n"));
    pieces.push(Bytes::from(text));
    (
        format!("multipart/form-data; boundary={boundary}"),
        Body(pieces),
    )
}

fn boundary(seed: &[u8], n: u32) -> String {
    let digest = Sha256::new()
        .chain_update(seed)
        .chain_update(n.to_be_bytes())
        .finalize();
    format!("camhook-{}", data_encoding::HEXLOWER.encode(&digest[..16]))
}

impl Part {
    fn holds(&self, boundary: &str) -> bool {
        memmem::find(&self.bytes, boundary.as_bytes()).is_some()
    }

    fn head(&self) -> String {
        let mut head = format!(
            "Content-Disposition: form-data; name=\"{}\"",
            escaped(&self.name)
        );
        if let Some(filename) = &self.filename {
            head.push_str(&format!("; filename=\"{}\"", escaped(filename)));
        }
        if let Some(content_type) = &self.content_type {
            head.push_str(&format!("\r\nContent-Type: {content_type}"));
        }
        head.push_str("\r\n\r\n");
        head
    }
}

/// As browsers escape names (WHATWG), and the backslash too, which some receivers read as an escape.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '"' | '\\' => escaped.push_str(&format!("%{:02X}", u32::from(character))),
            control if control.is_ascii_control() => {
                escaped.push_str(&format!("%{:02X}", u32::from(control)));
            }
            other => escaped.push(other),
        }
    }
    escaped
}

/// The usual ending of a file of this content type.
pub(super) fn extension(content_type: &str) -> &'static str {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    match essence.to_ascii_lowercase().as_str() {
        "image/jpeg" | "image/jpg" => "jpg",
        "image/png" => "png",
        "image/webp" => "webp",
        "image/gif" => "gif",
        "image/bmp" => "bmp",
        "video/mp4" => "mp4",
        "video/x-matroska" => "mkv",
        _ => "bin",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(name: &str, text: &str) -> Part {
        Part {
            name: name.to_owned(),
            filename: None,
            content_type: None,
            bytes: Bytes::from(text.to_owned()),
        }
    }

    #[test]
    fn writes_parts_in_order_with_an_unquoted_boundary_last() {
        let picture = Bytes::from_static(b"\xff\xd8\xff--\r\n");
        let parts = vec![
            text("json", "{}"),
            Part {
                name: "upload".into(),
                filename: Some("upload.jpg".into()),
                content_type: Some("image/jpeg".into()),
                bytes: picture.clone(),
            },
        ];
        let (content_type, body) = write(b"seed", parts);
        let boundary = content_type
            .strip_prefix("multipart/form-data; boundary=")
            .unwrap();
        assert!(
            boundary
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        );
        let expected = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"json\"\r\n\r\n{{}}\r\n\
             --{boundary}\r\nContent-Disposition: form-data; name=\"upload\"; filename=\"upload.jpg\"\r\n\
             Content-Type: image/jpeg\r\n\r\n"
        );
        let end = format!("\r\n--{boundary}--\r\n");
        assert_eq!(
            body.to_vec(),
            [expected.as_bytes(), &picture, end.as_bytes()].concat()
        );
        assert!(
            body.0
                .iter()
                .any(|piece| piece.as_ptr() == picture.as_ptr())
        ); // not copied
    }

    #[test]
    fn a_boundary_that_occurs_in_a_part_is_not_used() {
        let first = boundary(b"seed", 0);
        let (content_type, _) = write(b"seed", vec![text("a", &format!("\r\n--{first}--\r\n"))]);
        assert!(content_type.ends_with(&boundary(b"seed", 1)));
    }

    #[test]
    fn the_same_parts_make_the_same_bytes() {
        let one = write(b"seed", vec![text("a", "b")]);
        let two = write(b"seed", vec![text("a", "b")]);
        assert_eq!(one.0, two.0);
        assert_eq!(one.1.to_vec(), two.1.to_vec());
        assert_ne!(one.0, write(b"other", vec![text("a", "b")]).0);
    }

    #[test]
    fn a_name_cannot_inject_headers_or_parts() {
        let mut part = text("a\"\r\nX-Evil: 1\r\n\r\n", "");
        part.filename = Some("x\\\".jpg\r\n--".into());
        let head = part.head();
        assert_eq!(
            head,
            "Content-Disposition: form-data; name=\"a%22%0D%0AX-Evil: 1%0D%0A%0D%0A\"; \
             filename=\"x%5C%22.jpg%0D%0A--\"\r\n\r\n"
        );
    }

    #[test]
    fn no_parts_make_a_closed_body() {
        let (content_type, body) = write(b"seed", Vec::new());
        let boundary = content_type.rsplit('=').next().unwrap();
        assert_eq!(body.to_vec(), format!("--{boundary}--\r\n").into_bytes());
    }
}
