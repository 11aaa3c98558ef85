//! Plain HTTP on a TLS port: answered so that whoever set up the sender can read what is wrong.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long and how much of a request is read after the answer: closing earlier would reset the connection under it.
const FAREWELL: Duration = Duration::from_secs(1);
const READ_MAX: usize = 1 << 20;

const BODY: &str = "{\"error\":\"bad_request\",\"reason\":\"this port speaks HTTPS only; use an address that begins with https://\"}\n";

/// To whoever began as a method begins, with a letter.
pub(super) async fn answer(stream: &mut TcpStream) {
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{BODY}",
        BODY.len()
    );
    if stream.write_all(answer.as_bytes()).await.is_err() || stream.shutdown().await.is_err() {
        return;
    }
    let rest = async {
        let (mut buffer, mut read) = ([0; 4096], 0);
        while let Ok(n @ 1..) = stream.read(&mut buffer).await {
            read += n;
            if read > READ_MAX {
                return;
            }
        }
    };
    let _ = timeout(FAREWELL, rest).await;
}
