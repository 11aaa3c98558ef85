//! As much HTTP/1.1 as both ends of a load need.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

pub(crate) fn content_length(head: &[u8]) -> usize {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let line = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:").map(str::to_owned));
    line.and_then(|value| value.trim().parse().ok())
        .unwrap_or(0)
}

/// What an admin listener answers, if it is well.
pub(crate) async fn get(admin: u16, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", admin)).await.ok()?;
    let ask = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
    stream.write_all(ask.as_bytes()).await.ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await.ok()?;
    text.starts_with("HTTP/1.1 200 ").then_some(text)
}

/// The sum of the numbers that stand behind a key in JSON.
pub(crate) fn numbers(text: &str, key: &str) -> u64 {
    let digits = text.split(key).skip(1).map(|rest| {
        let rest = rest.trim_start();
        let end = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        rest[..end].parse::<u64>().unwrap_or(0)
    });
    digits.sum()
}
