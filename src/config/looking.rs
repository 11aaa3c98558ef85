//! The admin listener's settings: who may look and steer, and what is wrong with what the file says of it; and the collector's.

use super::load::{Loader, place};
use super::mistake::Mistake;
use super::tree::Shape;
use crate::admin::Settings;
use crate::telemetry::Telemetry;

pub(super) fn admin(loader: &mut Loader<'_>) -> Settings {
    let before = loader.checker.mistakes.len();
    let settings: Settings = loader.settings("admin");
    if loader.checker.mistakes.len() > before {
        return settings; // what is missing may only be misspelt
    }
    let Some(section) = loader.root.get("admin") else {
        return settings;
    };
    let from_outside = |path: &[String]| matches!(&section.follow(path).shape, Shape::Scalar(scalar) if scalar.expanded);
    for wrong in settings.mistakes(from_outside) {
        let at = place(section, &wrong.path);
        loader.mistake(Mistake::new(at, wrong.message).help(wrong.help));
    }
    settings
}

/// Where camhook tells of itself.
pub(super) fn telemetry(loader: &mut Loader<'_>) -> Telemetry {
    let before = loader.checker.mistakes.len();
    let settings: Telemetry = loader.settings("telemetry");
    if loader.checker.mistakes.len() == before
        && let Some(otlp) = &settings.otlp
        && let Err(message) = otlp.check()
    {
        let way = ["telemetry", "otlp", "headers"].map(str::to_owned);
        let at = place(loader.root, &way);
        loader.mistake(Mistake::new(at, message).help("expected such as `Authorization`"));
    }
    settings
}
