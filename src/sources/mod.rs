//! Sources: each understands one vendor's requests and decodes them into events. Pure: no network, no clock, no disk.

mod settings;

mod auto;
mod axis;
mod findface;
mod frigate;
mod generic;
mod genetec;
mod hikvision;
mod kipod;
mod platerecognizer;
mod survision;
mod verkada;
mod viewtron;

mod body;
mod bounds;
mod country;
mod document;
mod json;
mod lenient;
mod map;
mod media;
mod moments;
mod multipart;
mod neutral;
mod plain;
mod probe;
mod xml;

#[cfg(test)]
mod fixtures;

use std::sync::Arc;

use crate::event::{Event, Original};
use crate::name::Name;

pub(crate) use map::{Map, MapSettings};
pub(crate) use probe::{mend_kipod, split_multipart};
pub(crate) use settings::{CameraSettings, DecodeSettings, SourceKind};

/// Every source. `auto` asks them in this order, so whoever takes anything stands below whoever is particular.
pub(crate) static ALL: &[&dyn Source] = &[
    &platerecognizer::PlateRecognizer,
    &viewtron::Viewtron,
    &kipod::Kipod,
    &axis::Axis,
    &hikvision::Hikvision,
    &genetec::Genetec,
    &verkada::Verkada,
    &survision::Survision,
    &frigate::Frigate,
    &findface::FindFace,
    &generic::GENERIC,
    &auto::Auto,
];

/// The source of that kind.
pub(crate) fn find(kind: &str) -> Option<&'static dyn Source> {
    ALL.iter().copied().find(|source| source.kind() == kind)
}

/// The words for `kind:` in `routes.yaml`.
pub(crate) fn kinds() -> Vec<&'static str> {
    ALL.iter().map(|source| source.kind()).collect()
}

/// Who understands the request: the source itself, unless it only passes requests on.
pub(crate) fn speaker(source: &'static dyn Source, request: &Original) -> &'static dyn Source {
    source.passes_on(request).unwrap_or(source)
}

/// One request's events within bounds, with what the settings know of their cameras: what everybody but a source itself
/// calls.
pub(crate) fn decode(
    source: &dyn Source,
    name: &Name,
    settings: &DecodeSettings,
    request: &Arc<Original>,
) -> Result<Vec<Event>, Undecodable> {
    let mut events = match &settings.map {
        Some(map) => map.decode(source, name, settings, request)?,
        None => source.decode(name, settings, request)?,
    };
    for event in &mut events {
        bounds::keep(event);
        settings.apply_cameras(event);
        settings.apply_fetch(event);
    }
    Ok(events)
}

/// One vendor's way of speaking.
pub(crate) trait Source: Send + Sync {
    /// The word for `kind:` in `routes.yaml`.
    fn kind(&self) -> &'static str;

    /// Whether the request is this vendor's, by its shape alone; `auto` asks in the order of [`ALL`].
    fn recognises(&self, request: &Original) -> bool;

    /// Who is to decode and answer the request in this source's place; none unless it only passes requests on.
    fn passes_on(&self, _: &Original) -> Option<&'static dyn Source> {
        None
    }

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

    /// The topics that the vendor publishes its events under.
    fn topics(&self) -> &'static [&'static str] {
        &[]
    }

    /// What the sender wants to read when its event is safe.
    fn answer(&self) -> Answer {
        Answer::OK
    }
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

impl Undecodable {
    fn because(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
        }
    }
}
