//! The presets that come with camhook, and the event that their examples are made from.

/// Each by its name, with its file.
pub(super) const SHIPPED: &[(&str, &str)] =
    &[("parkpow", include_str!("../../../presets/parkpow.yaml"))];

/// An event in neutral form. Its pictures are texts, so that a request with pictures can be read.
pub(super) const EXAMPLE_EVENT: &str = include_str!("../../../presets/example-event.json");
