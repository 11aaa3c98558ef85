//! Targets: each sends payloads to one system and judges the answer.

pub(crate) mod files;
pub(crate) mod http;
pub(crate) mod log;
pub(crate) mod mqtt;
pub(crate) mod nats;
pub(crate) mod postgres;
pub(crate) mod smtp;

use std::pin::Pin;

use crate::event::DeliveryId;
use crate::fate::Verdict;
use crate::payload::Payload;
use crate::tasks::Tasks;

/// One downstream system.
pub(crate) trait Target: Send + Sync {
    /// Begins what goes on beside single sends, such as a kept connection, until `tasks` stops; called before the
    /// first send, and again with each load of the config.
    fn begin(&self, _tasks: &Tasks) {}

    /// Why this is never sent, as far as that can be told without asking anybody; `explain` tells it, too.
    fn refuses(&self, _payload: &Payload) -> Option<String> {
        None
    }

    /// Sends once. Every failure is a verdict, never an error that somebody else must understand.
    fn send(
        &self,
        delivery: DeliveryId,
        payload: Payload,
    ) -> Pin<Box<dyn Future<Output = Report> + Send + '_>>;

    /// Sends what only asks, for `check --connect`.
    fn ask(&self, payload: Payload) -> Pin<Box<dyn Future<Output = Asked> + Send + '_>> {
        Box::pin(async move {
            Asked {
                report: self.send(DeliveryId::from_bytes([0; 16]), payload).await,
                answer: String::new(),
                differences: None,
            }
        })
    }
}

/// What came of asking a system whether it is there and takes the credentials.
pub(crate) struct Asked {
    pub(crate) report: Report,
    /// The whole answer, as far as it is worth reading.
    pub(crate) answer: String,
    /// Where the system describes itself in another way than was expected; `None` when nothing was expected.
    pub(crate) differences: Option<Vec<String>>,
}

/// What came of sending once.
#[derive(Debug, Clone)]
pub(crate) struct Report {
    pub(crate) verdict: Verdict,
    pub(crate) status: Option<u16>,
    /// Why it failed, with the whole chain of causes.
    pub(crate) error: Option<String>,
    /// The beginning of the answer.
    pub(crate) excerpt: Option<String>,
}

/// Mistakes in the settings of one target, each with the way to it inside the settings: keys from the outside in.
pub(crate) type Mistakes = Vec<(Vec<String>, String)>;

impl Report {
    fn delivered() -> Self {
        Self {
            verdict: Verdict::Delivered,
            status: None,
            error: None,
            excerpt: None,
        }
    }

    fn failed(verdict: Verdict, error: String) -> Self {
        Self {
            verdict,
            status: None,
            error: Some(error),
            excerpt: None,
        }
    }

    fn try_again(error: String) -> Self {
        Self::failed(Verdict::TryAgain { pause: None }, error)
    }

    /// A payload of another kind of target: our own mistake, told and not tried again.
    fn misrouted(target: &str) -> Self {
        Self::failed(
            Verdict::Dead,
            format!("this payload is not for a {target} target"),
        )
    }
}
