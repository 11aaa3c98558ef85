//! What a NATS server says: lines, and messages behind some of them.
//!
//! After the page "Client Protocol" of docs.nats.io, read on 2026-11-21.

use serde::Deserialize;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};

use super::failure::NatsError;

/// A server tells a lot of itself in one line; nothing else is nearly as long.
const LINE_MAX: u64 = 256 << 10;
/// What is heard are confirmations, which are short.
const MESSAGE_MAX: usize = 1 << 20;

/// One thing that a server says.
#[derive(Debug, PartialEq)]
pub(super) enum Said {
    Info(Info),
    Ping,
    Pong,
    Error(String),
    Message(Heard),
    /// `+OK`, or what is not known.
    Other,
}

/// A message that was heard.
#[derive(Debug, PartialEq)]
pub(super) struct Heard {
    pub(super) subject: String,
    /// Of its headers; 503 when nobody listens to what was asked.
    pub(super) status: Option<u16>,
    pub(super) payload: Vec<u8>,
}

/// What a server tells of itself.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Info {
    /// Bytes, headers included.
    pub(super) max_payload: usize,
    pub(super) tls_required: bool,
    pub(super) tls_available: bool,
    pub(super) headers: bool,
    /// What is to be signed.
    pub(super) nonce: String,
    /// Whether it is about to go.
    pub(super) ldm: bool,
}

/// Reads what a server says to its end, for those who try bytes that nobody thought of. Returns whether it said something.
pub(crate) async fn try_wire(mut bytes: &[u8]) -> bool {
    let mut said = 0;
    while next(&mut bytes).await.is_ok() {
        said += 1;
    }
    said > 0
}

/// The next thing.
pub(super) async fn next(reader: &mut (impl AsyncBufRead + Unpin)) -> Result<Said, NatsError> {
    let line = line(reader).await?;
    let (word, rest) = line.split_once([' ', '\t']).unwrap_or((&line, ""));
    let rest = rest.trim();
    Ok(match word.to_ascii_uppercase().as_str() {
        "INFO" => {
            let info = serde_json::from_str(rest);
            Said::Info(info.map_err(|_| NatsError::Broken("its INFO is no JSON"))?)
        }
        "PING" => Said::Ping,
        "PONG" => Said::Pong,
        "-ERR" => Said::Error(rest.trim_matches('\'').to_owned()),
        "MSG" => message(reader, rest, false).await?,
        "HMSG" => message(reader, rest, true).await?,
        _ => Said::Other,
    })
}

async fn line(reader: &mut (impl AsyncBufRead + Unpin)) -> Result<String, NatsError> {
    let mut bytes = Vec::new();
    let read = reader.take(LINE_MAX).read_until(b'\n', &mut bytes).await?;
    match bytes.last() {
        Some(b'\n') => Ok(String::from_utf8_lossy(&bytes).trim_end().to_owned()),
        _ if read as u64 == LINE_MAX => Err(NatsError::Broken("a line has no end")),
        _ => Err(NatsError::Closed),
    }
}

/// `subject sid [reply] [head] size`: what follows are so many bytes and a line's end.
async fn message(
    reader: &mut (impl AsyncBufRead + Unpin),
    rest: &str,
    with_head: bool,
) -> Result<Said, NatsError> {
    const WRONG: NatsError = NatsError::Broken("it announces a message in another way");
    let words: Vec<&str> = rest.split_ascii_whitespace().collect();
    let number = |from_end: usize| -> Result<usize, NatsError> {
        let word = words.len().checked_sub(from_end).map(|at| words[at]);
        word.and_then(|word| word.parse().ok()).ok_or(WRONG)
    };
    let size = number(1)?;
    let head = if with_head { number(2)? } else { 0 };
    if size > MESSAGE_MAX || head > size {
        return Err(WRONG);
    }
    let subject = (*words.first().ok_or(WRONG)?).to_owned();
    let mut bytes = vec![0; size + 2];
    reader.read_exact(&mut bytes).await?;
    bytes.truncate(size);
    let payload = bytes.split_off(head);
    let status = String::from_utf8_lossy(&bytes)
        .strip_prefix("NATS/1.0 ")
        .and_then(|text| text.get(..3)?.parse().ok());
    Ok(Said::Message(Heard {
        subject,
        status,
        payload,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn all(mut bytes: &[u8]) -> Vec<Said> {
        let mut said = Vec::new();
        while let Ok(one) = next(&mut bytes).await {
            said.push(one);
        }
        said
    }

    #[tokio::test]
    async fn lines_and_messages_are_told_apart() {
        let head = "NATS/1.0 503 No Responders\r\n\r\n";
        let size = head.len();
        let bytes = format!(
            "INFO {{\"max_payload\":1048576,\"headers\":true,\"more\":[1]}}\r\nPING\r\n+OK\r\n-ERR 'Authorization Violation'\r\n\
             MSG _INBOX.a.1 1 5\r\nPONG\n\r\nHMSG _INBOX.a.2 1 {size} {size}\r\n{head}\r\npong\r\nMSG cut 1 500\r\nx"
        );
        let said = all(bytes.as_bytes()).await;
        assert!(
            matches!(&said[0], Said::Info(info) if info.max_payload == 1 << 20 && info.headers)
        );
        assert_eq!(said[1..3], [Said::Ping, Said::Other]);
        assert_eq!(said[3], Said::Error("Authorization Violation".into()));
        let heard = |subject: &str, status, payload: &[u8]| {
            Said::Message(Heard {
                subject: subject.to_owned(),
                status,
                payload: payload.to_vec(),
            })
        };
        assert_eq!(said[4], heard("_INBOX.a.1", None, b"PONG\n"));
        assert_eq!(said[5], heard("_INBOX.a.2", Some(503), b""));
        assert_eq!(said[6..], [Said::Pong]);
    }

    #[tokio::test]
    async fn a_server_cannot_make_us_hold_more_than_is_allowed() {
        for wrong in [
            "MSG a 1 99999999999\r\n",
            "MSG a\r\n",
            "MSG\r\n",
            "HMSG a 1 9 5\r\n",
            "HMSG 5\r\n",
        ] {
            let told = next(&mut wrong.as_bytes()).await;
            assert!(matches!(told, Err(NatsError::Broken(_))), "{wrong}");
        }
        let endless = vec![b'x'; LINE_MAX as usize + 1];
        let told = next(&mut endless.as_slice()).await;
        assert!(matches!(told, Err(NatsError::Broken(_))));
    }
}
