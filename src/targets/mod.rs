//! Targets: each sends payloads to one system and judges the answer.

use std::pin::Pin;

use crate::event::DeliveryId;
use crate::fate::Verdict;
use crate::payload::Payload;

/// One downstream system.
pub(crate) trait Target: Send + Sync {
    /// Sends once. Every failure is a verdict, never an error that somebody else must understand.
    fn send(
        &self,
        delivery: DeliveryId,
        payload: Payload,
    ) -> Pin<Box<dyn Future<Output = Report> + Send + '_>>;
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
