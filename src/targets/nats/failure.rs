//! Why a message is not at its server, and what follows from that.

use std::io;

use crate::fate::Verdict;

/// Why a message is not there.
#[derive(Debug, thiserror::Error)]
pub(super) enum NatsError {
    #[error("could not reach {at}: {source}")]
    Unreachable { at: String, source: io::Error },
    #[error("{at} did not answer in time")]
    Slow { at: String },
    #[error("the server closed the connection")]
    Closed,
    #[error("the connection to the server broke: {0}")]
    Io(#[from] io::Error),
    #[error("the server does not speak NATS as it is described: {0}")]
    Broken(&'static str),
    #[error("the server knows no headers: it is older than 2.2")]
    Old,
    #[error("the server offers no TLS")]
    Plain,
    #[error("the server says: {0}")]
    Refused(String),
    #[error(
        "{bytes} bytes, headers included, are more than the server takes ({max}, its `max_payload`)"
    )]
    TooLarge { bytes: usize, max: usize },
    #[error(
        "no stream takes the subject `{0}`: make one (`nats stream add`), or set `jetstream: false` to send without"
    )]
    NoStream(String),
    #[error("the stream refuses the message: {description} ({code})")]
    Stream { code: u16, description: String },
}

impl NatsError {
    pub(super) fn verdict(&self) -> Verdict {
        match self {
            Self::Old | Self::Plain => Verdict::Hold,
            Self::TooLarge { .. } => Verdict::Dead,
            // 408 and 429: the stream has too much to do; 503: it is full, or its servers are
            Self::Stream {
                code: 408 | 429, ..
            } => Verdict::TryAgain { pause: None },
            // the message is larger than the stream takes, say
            Self::Stream { code: 400..500, .. } => Verdict::Dead,
            Self::Refused(text) => refusal(text),
            // A stream may be made, and while servers choose their leader there is none.
            Self::NoStream(_)
            | Self::Stream { .. }
            | Self::Unreachable { .. }
            | Self::Slow { .. }
            | Self::Closed
            | Self::Io(_)
            | Self::Broken(_) => Verdict::TryAgain { pause: None },
        }
    }

    /// Whether it may be the connection that is at fault, having lain idle, and not the message.
    pub(super) fn is_of_connection(&self) -> bool {
        match self {
            Self::Closed | Self::Io(_) | Self::Broken(_) => true,
            Self::Refused(text) => !begins(text, "permissions violation"),
            _ => false,
        }
    }
}

/// What a server says in `-ERR`. The protocol has words alone for it, no numbers.
fn refusal(text: &str) -> Verdict {
    const OF_CREDENTIALS: &[&str] = &[
        "authorization violation",
        "user authentication",
        "account authentication",
        "permissions violation",
        "invalid client protocol",
        "secure connection",
    ];
    match () {
        () if OF_CREDENTIALS.iter().any(|word| begins(text, word)) => Verdict::Hold,
        () if begins(text, "maximum payload") || begins(text, "invalid subject") => Verdict::Dead,
        () => Verdict::TryAgain { pause: None },
    }
}

fn begins(text: &str, word: &str) -> bool {
    let start = text.get(..word.len()).unwrap_or_default();
    start.eq_ignore_ascii_case(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_stream_says_is_understood() {
        let again = Verdict::TryAgain { pause: None };
        for (code, verdict) in [
            (400, Verdict::Dead),
            (408, again.clone()),
            (429, again.clone()),
            (503, again),
        ] {
            let description = "no".to_owned();
            let said = NatsError::Stream { code, description };
            assert_eq!(said.verdict(), verdict, "{code}");
        }
    }

    #[test]
    fn what_a_server_says_is_understood() {
        let again = Verdict::TryAgain { pause: None };
        for (said, verdict) in [
            ("Authorization Violation", Verdict::Hold),
            (
                "Permissions Violation for Publish to \"plates\"",
                Verdict::Hold,
            ),
            ("User Authentication Expired", Verdict::Hold),
            ("Maximum Payload Violation", Verdict::Dead),
            ("Stale Connection", again.clone()),
            ("maximum connections exceeded", again.clone()),
            ("", again),
        ] {
            assert_eq!(
                NatsError::Refused(said.to_owned()).verdict(),
                verdict,
                "{said}"
            );
        }
    }
}
