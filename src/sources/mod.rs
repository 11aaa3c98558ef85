//! Sources: each understands one vendor's requests and decodes them into events. Pure: no network, no clock, no disk.

use std::sync::Arc;

use crate::event::{Event, Original};
use crate::name::Name;

/// One vendor's way of speaking.
pub(crate) trait Source: Send + Sync {
    /// The word for `kind:` in `routes.yaml`.
    fn kind(&self) -> &'static str;

    /// Whether the request is this vendor's, by its shape alone; `auto` asks in the order of [`ALL`].
    fn recognises(&self, request: &Original) -> bool;

    /// One request's events: none for a request that says nothing (never for one that was not understood).
    fn decode(
        &self,
        source: &Name,
        settings: &DecodeSettings,
        request: &Arc<Original>,
    ) -> Result<Vec<Event>, Undecodable>;

    /// Methods besides `POST` that carry events.
    fn methods(&self) -> &'static [http::Method] {
        &[]
    }

    /// What the sender wants to read when its event is safe.
    fn answer(&self) -> Answer {
        Answer::OK
    }
}

/// What a decoder may need to know of its source's settings.
#[derive(Debug, Clone, Default)]
pub(crate) struct DecodeSettings {
    /// For times without a zone; UTC unless set.
    pub(crate) timezone: Option<jiff::tz::TimeZone>,
}

/// The success answer of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) content_type: &'static str,
    pub(crate) body: &'static str,
}

impl Answer {
    pub(crate) const OK: Self = Self {
        content_type: "application/json",
        body: "{\"ok\":true}\n",
    };
}

/// Why a request could not be decoded, in words for the one who has to mend the sender.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub(crate) struct Undecodable {
    pub(crate) reason: String,
}
