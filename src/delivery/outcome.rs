//! What came of an attempt.

use std::time::Duration;

use jiff::Timestamp;

use crate::secret::Blot;
use crate::targets::Report;

/// What came of trying to deliver once.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The target was asked, and this is what it said.
    Sent {
        report: Report,
        at: Timestamp,
        took: Duration,
    },
    /// A step found that there is nothing to deliver.
    Filtered { reason: String },
    /// It cannot be made into something to send: another try would end the same.
    Unfit { reason: String },
    /// Camhook could not even try: the event cannot be read. Others are not made to wait for it.
    Trouble { reason: String },
}

impl Outcome {
    /// Without these secrets: what is told of it is written down and shown.
    pub(super) fn blotted(mut self, blot: &Blot) -> Self {
        let out = |text: &mut String| *text = blot.out(text);
        match &mut self {
            Self::Sent { report, .. } => {
                report.error.iter_mut().for_each(out);
                report.excerpt.iter_mut().for_each(out);
            }
            Self::Filtered { reason } | Self::Unfit { reason } | Self::Trouble { reason } => {
                out(reason);
            }
        }
        self
    }
}
