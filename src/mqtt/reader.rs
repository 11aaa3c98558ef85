//! What a broker sends: packets read one by one, the payload of a message only when it is asked for.

use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;

use super::MqttError;

/// No packet but a message is longer. Bytes.
const SMALL_MAX: usize = 64 << 10;

/// What is read at once. Bytes.
const STEP: usize = 8 << 10;

pub(crate) struct Reader {
    stream: Box<dyn AsyncRead + Send + Unpin>,
    buffer: BytesMut,
    /// How long nothing may come: longer than the broker needs to answer the next ping.
    silence: Duration,
}

/// A packet. After a [`Incoming::Message`] its payload must be taken or skipped.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Incoming {
    Message {
        topic: String,
        /// To be confirmed by, with QoS 1.
        id: Option<u16>,
        /// Whether the broker had kept it from before the subscription.
        retained: bool,
        /// Bytes of the payload.
        size: usize,
    },
    /// A message of ours is safe at the broker.
    Confirmed(u16),
    /// For each filter whether it was granted.
    Subscribed(Vec<bool>),
    Connected {
        session: bool,
        code: u8,
    },
    /// An answer that says nothing more.
    Other,
}

/// Reads packets to their end, for those who try bytes that nobody thought of. Returns whether there was one.
pub(crate) async fn try_packets(bytes: &[u8]) -> bool {
    let stream = std::io::Cursor::new(bytes.to_vec());
    let mut reader = Reader::new(Box::new(stream), Duration::from_secs(1));
    let mut packets = 0;
    while let Ok(incoming) = reader.next().await {
        packets += 1;
        if let Incoming::Message { topic, size, .. } = incoming {
            // A broker may announce what it never sends; whoever asks for it has set a limit.
            let whole = match packets % 2 {
                0 if size <= bytes.len() => reader.payload(size).await.map(drop),
                _ => reader.skip(size).await,
            };
            super::matches("a/+/#", &topic);
            drop(super::check_filter(&topic).and(super::check_topic(&topic)));
            if whole.is_err() {
                break;
            }
        }
    }
    packets > 0
}

impl Reader {
    pub(super) fn new(stream: Box<dyn AsyncRead + Send + Unpin>, silence: Duration) -> Self {
        Self {
            stream,
            buffer: BytesMut::new(),
            silence,
        }
    }

    /// The next packet. May be dropped and called again: nothing read is lost.
    pub(crate) async fn next(&mut self) -> Result<Incoming, MqttError> {
        loop {
            if let Some((incoming, used)) = parse(&self.buffer)? {
                self.buffer.advance(used);
                return Ok(incoming);
            }
            self.fill().await?;
        }
    }

    async fn fill(&mut self) -> Result<(), MqttError> {
        self.buffer.reserve(STEP);
        let read = timeout(self.silence, self.stream.read_buf(&mut self.buffer)).await;
        match read.map_err(|_| MqttError::Silent)?? {
            0 => Err(MqttError::Closed),
            _ => Ok(()),
        }
    }

    /// The payload of the message that was told last.
    pub(crate) async fn payload(&mut self, size: usize) -> Result<Bytes, MqttError> {
        let here = self.buffer.len().min(size);
        let mut payload = BytesMut::with_capacity(size);
        payload.extend_from_slice(&self.buffer.split_to(here));
        while payload.len() < size {
            let left = size - payload.len();
            let mut rest = (&mut self.stream).take(left as u64);
            let read = timeout(self.silence, rest.read_buf(&mut payload)).await;
            if read.map_err(|_| MqttError::Silent)?? == 0 {
                return Err(MqttError::Closed);
            }
        }
        Ok(payload.freeze())
    }

    /// Throws the payload away.
    pub(crate) async fn skip(&mut self, mut size: usize) -> Result<(), MqttError> {
        loop {
            let here = self.buffer.len().min(size);
            self.buffer.advance(here);
            size -= here;
            if size == 0 {
                return Ok(());
            }
            self.fill().await?;
        }
    }
}

/// The packet at the beginning of the bytes and how many of them it takes, a message's payload not counted; `None` when more must come.
fn parse(bytes: &[u8]) -> Result<Option<(Incoming, usize)>, MqttError> {
    let Some(&kind) = bytes.first() else {
        return Ok(None);
    };
    let Some((length, head)) = length(&bytes[1..])? else {
        return Ok(None);
    };
    let body = &bytes[1 + head..];
    if kind >> 4 == 3 {
        let message = message(kind, length, body)?;
        return Ok(message.map(|(message, used)| (message, 1 + head + used)));
    }
    if matches!(kind >> 4, 2 | 4 | 11) && length != 2 {
        return Err(MqttError::Broken("a packet of a wrong length"));
    }
    if length > SMALL_MAX {
        return Err(MqttError::Broken("a packet without a message is too long"));
    }
    let Some(body) = body.get(..length) else {
        return Ok(None);
    };
    let incoming = match (kind >> 4, body) {
        (2, [flags, code]) => Incoming::Connected {
            session: flags & 1 == 1,
            code: *code,
        },
        (4, [high, low]) => Incoming::Confirmed(u16::from_be_bytes([*high, *low])),
        (9, [_, _, codes @ ..]) => {
            Incoming::Subscribed(codes.iter().map(|code| *code < 0x80).collect())
        }
        (11, [_, _]) | (13, []) => Incoming::Other,
        _ => return Err(MqttError::Broken("a packet of an unknown kind or form")),
    };
    Ok(Some((incoming, 1 + head + length)))
}

/// The length that a packet tells and how many bytes it takes to tell it.
fn length(bytes: &[u8]) -> Result<Option<(usize, usize)>, MqttError> {
    let mut length = 0;
    for (n, byte) in bytes.iter().take(4).enumerate() {
        length |= usize::from(byte & 0x7F) << (7 * n);
        if byte & 0x80 == 0 {
            return Ok(Some((length, n + 1)));
        }
    }
    match bytes.len() {
        0..4 => Ok(None),
        _ => Err(MqttError::Broken(
            "a packet's length takes more than four bytes",
        )),
    }
}

fn message(kind: u8, length: usize, body: &[u8]) -> Result<Option<(Incoming, usize)>, MqttError> {
    let confirmed = match kind >> 1 & 3 {
        0 => false,
        1 => true,
        _ => {
            return Err(MqttError::Broken(
                "a message of QoS 2, which was not asked for",
            ));
        }
    };
    let Some(&[high, low]) = body.first_chunk::<2>() else {
        return Ok(None);
    };
    let end = 2 + usize::from(u16::from_be_bytes([high, low]));
    let used = end + if confirmed { 2 } else { 0 };
    if used > length {
        return Err(MqttError::Broken(
            "a message whose topic is longer than itself",
        ));
    }
    let Some(head) = body.get(..used) else {
        return Ok(None);
    };
    let topic = std::str::from_utf8(&head[2..end]);
    let topic = topic.map_err(|_| MqttError::Broken("a topic that is not UTF-8"))?;
    let message = Incoming::Message {
        topic: topic.to_owned(),
        id: head[end..].first_chunk().map(|id| u16::from_be_bytes(*id)),
        retained: kind & 1 == 1,
        size: length - used,
    };
    Ok(Some((message, used)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reader(bytes: &'static [u8]) -> Reader {
        Reader::new(Box::new(bytes), Duration::from_secs(5))
    }

    #[tokio::test]
    async fn packets_are_read_one_by_one_and_payloads_on_demand() {
        let mut reader = reader(b"\x20\x02\x01\x00\x33\x08\0\x01a\x01\x02xyz\x30\x05\0\x01bhi\x40\x02\0\x07\x90\x04\0\x01\x01\x80\xd0\0");
        let connected = Incoming::Connected {
            session: true,
            code: 0,
        };
        assert_eq!(reader.next().await.unwrap(), connected);
        let message = Incoming::Message {
            topic: "a".into(),
            id: Some(258),
            retained: true,
            size: 3,
        };
        assert_eq!(reader.next().await.unwrap(), message);
        assert_eq!(reader.payload(3).await.unwrap(), "xyz");
        assert!(matches!(
            reader.next().await.unwrap(),
            Incoming::Message {
                id: None,
                size: 2,
                ..
            }
        ));
        reader.skip(2).await.unwrap();
        assert_eq!(reader.next().await.unwrap(), Incoming::Confirmed(7));
        assert_eq!(
            reader.next().await.unwrap(),
            Incoming::Subscribed(vec![true, false])
        );
        assert_eq!(reader.next().await.unwrap(), Incoming::Other);
        assert!(matches!(reader.next().await, Err(MqttError::Closed)));
    }

    #[tokio::test]
    async fn what_is_no_mqtt_is_told_so() {
        for bytes in [
            &b"HTTP/1.1 400"[..],
            b"\x30\xff\xff\xff\xff\x01",
            b"\x34\x05\0\x01a\0\x01",
            b"\x30\x03\0\x09a",
        ] {
            let error = reader(bytes.to_vec().leak()).next().await.unwrap_err();
            assert!(matches!(error, MqttError::Broken(_)), "{bytes:?}: {error}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            drop(parse(&bytes));
        }
    }
}
