//! The packets that a client sends, as bytes.

use super::connection::Hello;

pub(super) const PINGREQ: [u8; 2] = [0xC0, 0];
pub(super) const DISCONNECT: [u8; 2] = [0xE0, 0];

pub(super) fn connect(hello: &Hello) -> Vec<u8> {
    let mut flags = 0;
    let mut payload = Vec::new();
    put_text(&mut payload, &hello.client_id);
    if hello.clean {
        flags |= 0x02;
    }
    if let Some(will) = &hello.will {
        flags |= 0x04 | 0x08 | 0x20; // a will, with QoS 1, retained
        put_text(&mut payload, &will.topic);
        put_text(&mut payload, &will.payload);
    }
    if let Some(username) = &hello.username {
        flags |= 0x80;
        put_text(&mut payload, username);
    }
    if let Some(password) = &hello.password {
        flags |= 0x40;
        put_text(&mut payload, password.expose());
    }
    let mut body = Vec::new();
    put_text(&mut body, "MQTT");
    body.extend([4, flags]); // 4 is version 3.1.1
    let seconds = u16::try_from(hello.keep_alive.as_secs()).unwrap_or(u16::MAX);
    body.extend(seconds.to_be_bytes());
    body.extend(payload);
    packet(0x10, &body)
}

pub(super) fn subscribe(id: u16, filters: &[String], qos: u8) -> Vec<u8> {
    let mut body = id.to_be_bytes().to_vec();
    for filter in filters {
        put_text(&mut body, filter);
        body.push(qos);
    }
    packet(0x82, &body)
}

pub(super) fn unsubscribe(id: u16, filters: &[String]) -> Vec<u8> {
    let mut body = id.to_be_bytes().to_vec();
    for filter in filters {
        put_text(&mut body, filter);
    }
    packet(0xA2, &body)
}

pub(super) fn puback(id: u16) -> [u8; 4] {
    let [high, low] = id.to_be_bytes();
    [0x40, 2, high, low]
}

/// All of a PUBLISH but its payload of so many bytes; with an id it has QoS 1.
pub(super) fn publish(topic: &str, id: Option<u16>, retain: bool, payload: usize) -> Vec<u8> {
    let mut head = Vec::new();
    put_text(&mut head, topic);
    head.extend(id.map(u16::to_be_bytes).into_iter().flatten());
    let kind = 0x30 | u8::from(id.is_some()) << 1 | u8::from(retain);
    let mut packet = vec![kind];
    put_length(&mut packet, head.len() + payload);
    packet.extend(head);
    packet
}

fn packet(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![kind];
    put_length(&mut packet, body.len());
    packet.extend(body);
    packet
}

/// A text with its length in two bytes; one that is longer is cut, between characters.
fn put_text(packet: &mut Vec<u8>, text: &str) {
    let text = &text[..text.floor_char_boundary(usize::from(u16::MAX))];
    let length = u16::try_from(text.len()).expect("it was cut to that length");
    packet.extend(length.to_be_bytes());
    packet.extend(text.as_bytes());
}

/// Seven bits a byte, the lowest first; the eighth says that there are more.
fn put_length(packet: &mut Vec<u8>, mut length: usize) {
    loop {
        let low = u8::try_from(length & 0x7F).expect("seven bits fit into a byte");
        length >>= 7;
        packet.push(low | u8::from(length > 0) << 7);
        if length == 0 {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::connection::Will;
    use super::*;
    use crate::secret::Secret;

    #[test]
    fn packets_have_the_bytes_of_the_standard() {
        let hello = Hello {
            client_id: "c".into(),
            username: Some("u".into()),
            password: Some(Secret::new("p")),
            keep_alive: Duration::from_secs(30),
            clean: false,
            will: Some(Will {
                topic: "t".into(),
                payload: "off".into(),
            }),
        };
        let expected = b"\x10\x1b\0\x04MQTT\x04\xec\0\x1e\0\x01c\0\x01t\0\x03off\0\x01u\0\x01p";
        assert_eq!(connect(&hello), expected);
        assert_eq!(
            subscribe(7, &["a/#".into()], 1),
            b"\x82\x08\0\x07\0\x03a/#\x01"
        );
        assert_eq!(unsubscribe(8, &["a".into()]), b"\xa2\x05\0\x08\0\x01a");
        assert_eq!(
            publish("a", Some(258), true, 300),
            b"\x33\xb1\x02\0\x01a\x01\x02"
        );
        assert_eq!(publish("a", None, false, 1), b"\x30\x04\0\x01a");
        assert_eq!(puback(258), [0x40, 2, 1, 2]);
    }

    #[test]
    fn lengths_take_seven_bits_a_byte() {
        for (length, bytes) in [
            (0, &[0][..]),
            (127, &[127]),
            (128, &[0x80, 1]),
            (super::super::PACKET_MAX, &[0xFF, 0xFF, 0xFF, 0x7F]),
        ] {
            let mut packet = Vec::new();
            put_length(&mut packet, length);
            assert_eq!(packet, bytes);
        }
    }
}
