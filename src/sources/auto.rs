//! Any vendor's requests at one address, told apart by their shape alone.

use std::sync::Arc;

use http::Method;

use super::generic::{GENERIC, UNKNOWN};
use super::{ALL, DecodeSettings, Source, Undecodable};
use crate::event::{Event, Original};
use crate::name::Name;

pub(super) struct Auto;

impl Source for Auto {
    fn kind(&self) -> &'static str {
        "auto"
    }

    /// It asks the others, so it recognises nothing itself.
    fn recognises(&self, _: &Original) -> bool {
        false
    }

    fn decode(
        &self,
        source: &Name,
        settings: &DecodeSettings,
        request: &Arc<Original>,
    ) -> Result<Vec<Event>, Undecodable> {
        vendor(request).decode(source, settings, request)
    }

    fn passes_on(&self, request: &Original) -> Option<&'static dyn Source> {
        Some(vendor(request))
    }

    fn methods(&self) -> &'static [Method] {
        UNKNOWN.methods()
    }
}

fn vendor(request: &Original) -> &'static dyn Source {
    ALL.iter()
        .filter(|vendor| vendor.kind() != GENERIC.kind())
        .find(|vendor| vendor.recognises(request))
        .copied()
        .unwrap_or(&UNKNOWN) // which tells why, if it is not even well-formed
}
