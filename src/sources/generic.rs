//! Requests of no known vendor: anything well-formed is kept as one event whose document is under `raw`.
//!
//! A source of this kind takes what stands under well-known plain names ([`plain`]), since whoever set it up chose the
//! names too, and what another camhook forwards ([`neutral`]). A source of kind `auto` does not know who sends, so it takes
//! only the latter, which cannot be mistaken: else the event has kind `other` and the moment of arrival as its time.

use std::sync::Arc;

use http::Method;

use super::body::Body;
use super::document::Document;
use super::{DecodeSettings, Source, Undecodable, neutral, plain};
use crate::event::{Event, Kind, Original};
use crate::name::Name;

pub(super) struct Generic {
    /// Whether a field's plain name is enough to know what it means.
    by_name: bool,
}

/// What `kind: generic` is.
pub(super) static GENERIC: Generic = Generic { by_name: true };
/// What `auto` takes an unknown sender for.
pub(super) static UNKNOWN: Generic = Generic { by_name: false };

impl Source for Generic {
    fn kind(&self) -> &'static str {
        "generic"
    }

    fn recognises(&self, request: &Original) -> bool {
        Body::read(request).is_ok()
    }

    fn decode(
        &self,
        source: &Name,
        settings: &DecodeSettings,
        request: &Arc<Original>,
    ) -> Result<Vec<Event>, Undecodable> {
        let document = Document::read(request)?;
        if let Some(event) = neutral::read(&document, source, settings, request, self.by_name)? {
            return Ok(vec![event]);
        }
        let mut event = blank(&document, source, request);
        if self.by_name {
            plain::fill(&mut event, &document.value(), &settings.zone());
        }
        Ok(vec![event])
    }

    fn methods(&self) -> &'static [Method] {
        &[Method::PUT, Method::PATCH]
    }
}

/// An event of which nothing is known but what came.
pub(super) fn blank(document: &Document, source: &Name, request: &Arc<Original>) -> Event {
    let mut event = Event::new(source.clone(), "generic", Kind::Other, Arc::clone(request));
    document.put_into(&mut event);
    event
}
