//! What came of an attempt.

use std::time::Duration;

use jiff::Timestamp;

use crate::name::Name;
use crate::secret::Blot;
use crate::store::{Lease, StoreError};
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
    /// Pictures of the other half of its pair are still being fetched.
    Early,
    /// A step found that there is nothing to deliver.
    Filtered { reason: String },
    /// It cannot be made into something to send: another try would end the same.
    Unfit { reason: String },
    /// Camhook could not even try: the event cannot be read. Others are not made to wait for it.
    Trouble { reason: String },
}

impl From<StoreError> for Outcome {
    fn from(error: StoreError) -> Self {
        let reason = error.to_string();
        match error {
            StoreError::Unknown { .. } => Self::Unfit {
                reason: "the event is no longer kept".to_owned(),
            },
            StoreError::Damaged(_) => Self::Unfit { reason },
            StoreError::Full(_) | StoreError::Failed(_) | StoreError::Locked { .. } => {
                Self::Trouble { reason }
            }
        }
    }
}

impl Outcome {
    /// Logs what is not the target's doing; what the target said is in the delivery's attempts.
    pub(super) fn tell(&self, target: &Name, lease: &Lease) {
        match self {
            Self::Unfit { reason } => {
                tracing::warn!(target_name = %target, delivery = %lease.id, route = %lease.route, reason, "cannot be delivered");
            }
            Self::Trouble { reason } => {
                tracing::error!(target_name = %target, delivery = %lease.id, reason, "could not try to deliver");
            }
            Self::Early => {
                tracing::debug!(target_name = %target, delivery = %lease.id, route = %lease.route, "waits for pictures of its other half");
            }
            Self::Filtered { reason } => {
                tracing::debug!(target_name = %target, delivery = %lease.id, route = %lease.route, reason, "filtered");
            }
            Self::Sent { report, .. } => {
                tracing::debug!(target_name = %target, delivery = %lease.id, verdict = ?report.verdict, status = report.status, "asked");
            }
        }
    }

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
            Self::Early => {}
        }
        self
    }
}
