//! HTTP/1.1 by hand, both ways: a test of lost answers must know what went over the wire, byte for byte.

use std::collections::HashMap;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// The head and the body of a request or an answer.
pub struct Message {
    /// The request line or the status line.
    pub first: String,
    /// In lower case.
    pub headers: HashMap<String, String>,
    pub body: Vec<u8>,
}

impl Message {
    /// An answer's status.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.first.split(' ').nth(1)?.parse().ok()
    }

    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// How much of a message was there.
pub enum Got {
    Whole(Message),
    /// Its head, and less of its body than was announced.
    Torn(Message),
    Nothing,
}

const HEAD_MAX: usize = 64 << 10;

/// Reads one message; what lies behind it stays in `rest`.
pub async fn read(stream: &mut (impl AsyncRead + Unpin), rest: &mut Vec<u8>) -> Got {
    let end = loop {
        if let Some(at) = rest.windows(4).position(|four| four == b"\r\n\r\n") {
            break at;
        }
        if rest.len() > HEAD_MAX || !matches!(stream.read_buf(rest).await, Ok(1..)) {
            return Got::Nothing;
        }
    };
    let head = String::from_utf8_lossy(&rest[..end]).into_owned();
    rest.drain(..end + 4);
    let mut lines = head.split("\r\n");
    let first = lines.next().unwrap_or_default().to_owned();
    let headers: HashMap<String, String> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length: usize = headers
        .get("content-length")
        .and_then(|length| length.parse().ok())
        .unwrap_or(0);
    while rest.len() < length {
        if !matches!(stream.read_buf(rest).await, Ok(1..)) {
            let body = std::mem::take(rest);
            return Got::Torn(Message {
                first,
                headers,
                body,
            });
        }
    }
    let behind = rest.split_off(length);
    let body = std::mem::replace(rest, behind);
    Got::Whole(Message {
        first,
        headers,
        body,
    })
}

/// Asks camhook's admin listener; `body` makes it a POST.
///
/// # Errors
/// When it does not answer, or not with success.
pub async fn ask(
    address: &str,
    path: &str,
    body: Option<&str>,
) -> Result<(serde_json::Value, Option<String>), String> {
    let told = |error: std::io::Error| format!("{path}: {error}");
    let mut stream = tokio::net::TcpStream::connect(address)
        .await
        .map_err(told)?;
    let request = match body {
        None => format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"),
        Some(body) => format!(
            "POST {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        ),
    };
    stream.write_all(request.as_bytes()).await.map_err(told)?;
    let Got::Whole(mut answer) = read(&mut stream, &mut Vec::new()).await else {
        return Err(format!("{path}: no answer"));
    };
    if !answer.headers.contains_key("content-length") {
        let chunked = answer.header("transfer-encoding") == "chunked";
        if chunked {
            return Err(format!("{path}: an answer in chunks is not read here"));
        }
        answer.body.clear();
    }
    let text = String::from_utf8_lossy(&answer.body);
    if answer.status() != Some(200) {
        return Err(format!("{path}: {} {text}", answer.first));
    }
    let value = serde_json::from_str(&text).map_err(|error| format!("{path}: {error}"))?;
    let next = answer
        .headers
        .get("link")
        .and_then(|link| link.split_once('<'))
        .and_then(|(_, rest)| rest.split_once('>'))
        .map(|(next, _)| next.to_owned());
    Ok((value, next))
}

/// What camhook's admin listener answers, whatever it is.
///
/// # Errors
/// When it does not answer.
pub async fn get(address: &str, path: &str) -> Result<(u16, Vec<u8>), String> {
    let told = |error: std::io::Error| format!("{path}: {error}");
    let mut stream = tokio::net::TcpStream::connect(address)
        .await
        .map_err(told)?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.map_err(told)?;
    match read(&mut stream, &mut Vec::new()).await {
        Got::Whole(answer) => Ok((answer.status().unwrap_or(0), answer.body)),
        Got::Torn(_) | Got::Nothing => Err(format!("{path}: no answer")),
    }
}

/// Ends a connection with a reset: what was written and not yet read by the other side may be lost.
pub fn reset(stream: tokio::net::TcpStream) {
    let _ = stream.set_zero_linger();
    drop(stream);
}

/// Writes byte by byte, slowly.
pub async fn drip(
    stream: &mut (impl AsyncWrite + Unpin),
    bytes: &[u8],
    pause: std::time::Duration,
) -> std::io::Result<()> {
    for byte in bytes {
        stream.write_all(&[*byte]).await?;
        tokio::time::sleep(pause).await;
    }
    Ok(())
}
