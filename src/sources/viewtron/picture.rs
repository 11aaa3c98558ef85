//! Pictures in base64, as leniently as they are told and never doubted into being.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::GeneralPurpose;
use bytes::Bytes;

use super::super::media;
use super::tree::Node;
use crate::event::{Event, Item, PictureData, Role, sniff};
use crate::sources::bounds::ITEMS_READ;

/// Firmware leaves padding out, and says another length than it sends.
const LENIENT: GeneralPurpose = GeneralPurpose::new(&STANDARD, media::LENIENT);

/// The whole frame, wherever the document holds it.
pub(super) fn take_frame(event: &mut Event, root: Node<'_>) {
    for block in root.all().filter(|node| node.is("sourceDataInfo")) {
        take(event, block, "sourceBase64Data", Role::FRAME, None);
    }
}

/// The crop of one target.
pub(super) fn take_target(event: &mut Event, target: Node<'_>, role: Role, item: Option<Item>) {
    if let Some(block) = target.child("targetImageData") {
        take(event, block, "targetBase64Data", role, item);
    }
}

fn take(event: &mut Event, block: Node<'_>, name: &str, role: Role, item: Option<Item>) {
    if event.images.len() == ITEMS_READ {
        return; // nor is one more compared with all of them
    }
    let Some(text) = block.value(name) else {
        return; // not subscribed to
    };
    let Some(bytes) = decode(text) else {
        event
            .repaired
            .push(format!("`{name}` holds no picture and is left out"));
        return;
    };
    // Some cameras send the overview twice.
    let is_known = role == Role::FRAME
        && event.images.iter().any(|known| {
            known.role == role
                && matches!(&known.data, PictureData::Bytes(known) if *known == bytes)
        });
    if !is_known {
        event.images.push(media::picture(bytes, None, role, item));
    }
}

/// `None` for what is no picture by its first bytes: placeholders are valid base64, too.
fn decode(text: &str) -> Option<Bytes> {
    let text = match text.strip_prefix("data:") {
        Some(rest) => rest.split_once(',')?.1,
        None => text,
    };
    let bytes = LENIENT.decode(text).ok().or_else(|| {
        let mut told: Vec<u8> = text
            .bytes()
            .filter(|byte| !byte.is_ascii_whitespace())
            .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
            .collect();
        if told.len() % 4 == 1 {
            told.pop(); // six bits are no byte
        }
        LENIENT.decode(told).ok()
    })?;
    sniff(&bytes)?;
    Some(Bytes::from(bytes))
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn placeholders_are_no_pictures() {
        for stub in [
            "BASE64STUB",
            "BASE64_JPEG_OVERVIEW_IMAGE",
            "... (base64 JPEG) ...",
            "",
            "=",
            "/9j",
        ] {
            assert_eq!(decode(stub), None, "{stub}");
        }
    }

    proptest! {
        #[test]
        fn a_picture_comes_out_as_it_went_in(
            rest in proptest::collection::vec(any::<u8>(), 0..200),
            padded: bool,
            wrapped: bool,
            garbage in proptest::sample::select(["", "!", "\n", "==", "====", "\u{0}\u{0}", " (end)"].as_slice()),
        ) {
            let picture = [&[0xff, 0xd8, 0xff], rest.as_slice()].concat();
            let mut text = STANDARD.encode(&picture);
            if !padded {
                text.truncate(text.trim_end_matches('=').len());
            }
            if wrapped {
                text = text.as_bytes().chunks(76).map(|line| String::from_utf8_lossy(line) + "\r\n").collect();
            }
            text.push_str(garbage);
            prop_assert_eq!(decode(text.trim()).unwrap(), picture);
        }

        #[test]
        fn no_text_makes_it_panic(text in "[A-Za-z0-9+/= \n,:é]{0,60}") {
            decode(&text);
            decode(&format!("/9j/{text}"));
        }
    }
}
