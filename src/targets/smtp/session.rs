//! The talk with a mail server (RFC 5321, STARTTLS of RFC 3207, AUTH of RFC 4954; read 2026-11-21).

use std::io;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// A server's line has at most 512 bytes; some write more.
const LINE_MAX: u64 = 4 << 10;
const LINES_MAX: usize = 100;

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// One connection to a mail server.
pub(super) struct Session {
    stream: BufReader<Box<dyn Stream>>,
    /// How camhook calls itself: its address there.
    me: String,
    secured: bool,
}

/// Why a mail was not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("could not connect")]
    Unreachable(#[source] io::Error),
    #[error("no TLS with the mail server")]
    Tls(#[source] io::Error),
    #[error("the connection to the mail server broke")]
    Broken(#[from] io::Error),
    #[error("the mail server does not speak SMTP: {0}")]
    Strange(&'static str),
    /// An answer other than the one hoped for.
    #[error("the mail server answered {} to {to}: {}", reply.code, reply.text)]
    Refused { to: &'static str, reply: Reply },
    #[error("{0}")]
    Insecure(&'static str),
}

#[derive(Debug)]
pub(super) struct Reply {
    pub(super) code: u16,
    /// Lines joined by line feeds.
    pub(super) text: String,
}

impl Session {
    /// Connects; with TLS from the start if told so.
    pub(super) async fn open(
        host: &str,
        port: u16,
        tls: Option<Arc<ClientConfig>>,
    ) -> Result<Self, Fault> {
        let stream = TcpStream::connect((host, port))
            .await
            .map_err(Fault::Unreachable)?;
        let me = match stream.local_addr()?.ip() {
            std::net::IpAddr::V4(ip) => format!("[{ip}]"),
            std::net::IpAddr::V6(ip) => format!("[IPv6:{ip}]"),
        };
        let secured = tls.is_some();
        let stream: Box<dyn Stream> = match tls {
            Some(tls) => Box::new(secure(stream, host, tls).await?),
            None => Box::new(stream),
        };
        let mut session = Self {
            stream: BufReader::new(stream),
            me,
            secured,
        };
        session.expect("its greeting", 2).await?;
        Ok(session)
    }

    pub(super) fn is_secured(&self) -> bool {
        self.secured
    }

    /// What the server can do, a word for each line, in capitals.
    pub(super) async fn hello(&mut self) -> Result<Vec<String>, Fault> {
        let hello = format!("EHLO {}", self.me);
        let reply = self.say("EHLO", &hello, 2).await?;
        let lines = reply.text.lines().skip(1);
        Ok(lines.map(str::to_uppercase).collect())
    }

    pub(super) async fn start_tls(
        mut self,
        host: &str,
        tls: Arc<ClientConfig>,
    ) -> Result<Self, Fault> {
        self.say("STARTTLS", "STARTTLS", 2).await?;
        if !self.stream.buffer().is_empty() {
            // what was put there by somebody between us must not count as said under TLS
            return Err(Fault::Strange("it went on talking after STARTTLS"));
        }
        let stream: Box<dyn Stream> = Box::new(secure(self.stream.into_inner(), host, tls).await?);
        Ok(Self {
            stream: BufReader::new(stream),
            me: self.me,
            secured: true,
        })
    }

    /// `able` is what [`Session::hello`] told.
    pub(super) async fn login(
        &mut self,
        able: &[String],
        username: &str,
        password: &str,
    ) -> Result<(), Fault> {
        let ways = able.iter().find_map(|line| line.strip_prefix("AUTH"));
        let has =
            |way: &str| ways.is_some_and(|ways| ways.split([' ', '=']).any(|word| word == way));
        if has("PLAIN") {
            let both = STANDARD.encode(format!("\0{username}\0{password}"));
            self.say("AUTH", &format!("AUTH PLAIN {both}"), 2).await?;
        } else if has("LOGIN") {
            self.say("AUTH", "AUTH LOGIN", 3).await?;
            self.say("AUTH", &STANDARD.encode(username), 3).await?;
            self.say("AUTH", &STANDARD.encode(password), 2).await?;
        } else {
            return Err(Fault::Insecure(
                "the mail server takes no password by AUTH PLAIN or LOGIN: leave username and password out, or take its port for senders (587)",
            ));
        }
        Ok(())
    }

    /// What the server said when it took the mail.
    pub(super) async fn mail(
        &mut self,
        from: &str,
        to: &[String],
        message: &[u8],
    ) -> Result<Reply, Fault> {
        self.say("MAIL FROM", &format!("MAIL FROM:<{from}>"), 2)
            .await?;
        for to in to {
            self.say("RCPT TO", &format!("RCPT TO:<{to}>"), 2).await?;
        }
        self.say("DATA", "DATA", 3).await?;
        self.stream.write_all(&stuffed(message)).await?;
        self.stream.flush().await?;
        self.expect("the mail", 2).await
    }

    /// A goodbye that nobody waits for.
    pub(super) async fn quit(mut self) {
        let _ = self.stream.write_all(b"QUIT\r\n").await;
        let _ = self.stream.flush().await;
        let _ = self.stream.shutdown().await;
    }

    /// `what` is told when the answer is not of the class `hoped`.
    async fn say(&mut self, what: &'static str, line: &str, hoped: u16) -> Result<Reply, Fault> {
        if line.contains(['\r', '\n', '\0']) {
            return Err(Fault::Strange("a line break in a command")); // addresses were checked before
        }
        self.stream
            .write_all(format!("{line}\r\n").as_bytes())
            .await?;
        self.stream.flush().await?;
        self.expect(what, hoped).await
    }

    async fn expect(&mut self, to: &'static str, hoped: u16) -> Result<Reply, Fault> {
        let reply = self.reply().await?;
        match reply.code / 100 == hoped {
            true => Ok(reply),
            false => Err(Fault::Refused { to, reply }),
        }
    }

    async fn reply(&mut self) -> Result<Reply, Fault> {
        let mut texts = Vec::new();
        for _ in 0..LINES_MAX {
            let mut line = Vec::new();
            let mut limited = (&mut self.stream).take(LINE_MAX);
            limited.read_until(b'\n', &mut line).await?;
            if !line.ends_with(b"\n") {
                return match line.len() as u64 == LINE_MAX {
                    true => Err(Fault::Strange("a line without end")),
                    false => Err(Fault::Broken(io::ErrorKind::UnexpectedEof.into())),
                };
            }
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end();
            let code: Option<u16> = line.get(..3).and_then(|code| code.parse().ok());
            let Some(code) = code else {
                return Err(Fault::Strange("a line without a code"));
            };
            texts.push(line.get(4..).unwrap_or_default().to_owned());
            if line.as_bytes().get(3) != Some(&b'-') {
                let text = texts.join("\n");
                return Ok(Reply { code, text });
            }
        }
        Err(Fault::Strange("an answer without end"))
    }
}

async fn secure<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    host: &str,
    tls: Arc<ClientConfig>,
) -> Result<tokio_rustls::client::TlsStream<S>, Fault> {
    let name = ServerName::try_from(host.to_owned())
        .map_err(|error| Fault::Tls(io::Error::other(error)))?;
    let connector = TlsConnector::from(tls);
    connector.connect(name, stream).await.map_err(Fault::Tls)
}

/// A dot that begins a line is doubled, and one of its own ends it all.
fn stuffed(message: &[u8]) -> Vec<u8> {
    let mut stuffed = Vec::with_capacity(message.len() + 64);
    for line in message.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(b".") {
            stuffed.push(b'.');
        }
        stuffed.extend_from_slice(line);
    }
    if !stuffed.ends_with(b"\r\n") {
        stuffed.extend_from_slice(b"\r\n");
    }
    stuffed.extend_from_slice(b".\r\n");
    stuffed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dot_ends_no_mail_early() {
        assert_eq!(stuffed(b"a\r\n.\r\n..b"), b"a\r\n..\r\n...b\r\n.\r\n");
        assert_eq!(stuffed(b"a\r\n"), b"a\r\n.\r\n");
    }
}
