//! Cameras: each sends one event after the other, and writes down what it was told.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::books::{Answer, Books};
use crate::dice::Dice;
use crate::event::{self, Made, Sender};
use crate::wire::{self, Got};

/// A camera that hears nothing for so long gives the event up.
const PATIENCE: Duration = Duration::from_secs(30);

pub struct Camera {
    pub id: usize,
    pub sender: Sender,
    pub books: Arc<Books>,
    pub dice: Dice,
    /// Where camhook listens; `None` while it does not.
    pub address: watch::Receiver<Option<String>>,
    /// Between two events, in milliseconds.
    pub pause: (u64, u64),
}

impl Camera {
    /// Sends until the address is gone for good.
    pub async fn run(mut self) {
        let mut nth = 0;
        let mut kept: Option<(String, TcpStream)> = None;
        loop {
            tokio::time::sleep(self.dice.millis(self.pause.0, self.pause.1)).await;
            let known = self.address.borrow().clone();
            let Some(address) = known else {
                if self.address.changed().await.is_err() {
                    return;
                }
                continue;
            };
            if self.address.has_changed().is_err() {
                return;
            }
            let number = self.books.number();
            let made = event::make(self.sender, self.id, nth, number);
            nth += 1;
            // A connection of before camhook's death is used all the same now and then: cameras do not know either.
            let reused = kept
                .take()
                .filter(|(of, _)| *of == address || self.dice.percent(20));
            self.books.sending(number, self.sender, &made);
            let sent = tokio::time::timeout(PATIENCE, self.send(&address, reused, &made)).await;
            let (answer, stream) = match sent {
                Ok((answer, stream)) => (answer, stream),
                Err(_) => (Answer::Unanswered("no answer in time".to_owned()), None),
            };
            self.books.answered(number, answer);
            kept = stream.map(|stream| (address, stream));
        }
    }

    async fn send(
        &mut self,
        address: &str,
        reused: Option<(String, TcpStream)>,
        made: &Made,
    ) -> (Answer, Option<TcpStream>) {
        let told = |what: &str, error: std::io::Error| {
            (Answer::Unanswered(format!("{what}: {error}")), None)
        };
        let mut stream = match reused {
            Some((_, stream)) => stream,
            None => match TcpStream::connect(address).await {
                Ok(stream) => stream,
                Err(error) => return told("connecting", error),
            },
        };
        let _ = stream.set_nodelay(true);
        let keep = self.dice.percent(60);
        let path = self.sender.path();
        let (kind, length) = (&made.content_type, made.body.len());
        let connection = if keep { "" } else { "connection: close\r\n" };
        let mut request = format!(
            "POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n{connection}\r\n"
        )
        .into_bytes();
        request.extend(&made.body);
        // Now and then in two pieces with a pause between, so that a kill falls into a request.
        let cut = if self.dice.percent(15) {
            usize::try_from(self.dice.below(request.len() as u64)).unwrap_or(0)
        } else {
            request.len()
        };
        if let Err(error) = stream.write_all(&request[..cut]).await {
            return told("sending", error);
        }
        if cut < request.len() {
            tokio::time::sleep(self.dice.millis(1, 40)).await;
            if let Err(error) = stream.write_all(&request[cut..]).await {
                return told("sending", error);
            }
        }
        match wire::read(&mut stream, &mut Vec::new()).await {
            Got::Nothing => (Answer::Unanswered("the connection ended".to_owned()), None),
            Got::Torn(answer) | Got::Whole(answer) => match answer.status() {
                // The status line is what a camera goes by.
                Some(status @ 200..300) => {
                    let stays = keep && answer.header("connection") != "close";
                    (Answer::Acknowledged(status), stays.then_some(stream))
                }
                Some(status) => (Answer::Refused(status), None),
                None => (Answer::Unanswered(answer.first), None),
            },
        }
    }
}
