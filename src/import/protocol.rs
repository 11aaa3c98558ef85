//! The protocols: which one it was, and who writes its config.

use super::page::Page;
use super::settings::Settings;
use super::{ImportError, Old, direction, forward, pairs, systems};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    CropPlate,
    Annotate,
    Dot,
    SynologyRest,
    Soap,
    Nx,
    OpenEye,
    Salient,
    Zatpark,
    StripPlate,
    FrontRear,
    MultipleParkPow,
    Worker,
    WebhookLambda,
    /// Only keeps what comes in.
    None,
}

/// By the names that users write, the usual one first.
const NAMES: [(Protocol, &[&str]); 15] = [
    (Protocol::CropPlate, &["crop_plate"]),
    (Protocol::Annotate, &["annotate", "annotate_plate"]),
    (Protocol::Dot, &["dot"]),
    (
        Protocol::SynologyRest,
        &["synology_rest", "synology", "rest"],
    ),
    (Protocol::Soap, &["soap"]),
    (Protocol::Nx, &["nx"]),
    (Protocol::OpenEye, &["openeye"]),
    (Protocol::Salient, &["salient"]),
    (Protocol::Zatpark, &["zatpark"]),
    (Protocol::StripPlate, &["strip_plate"]),
    (Protocol::FrontRear, &["front_rear"]),
    (Protocol::MultipleParkPow, &["multiple_parkpow"]),
    (
        Protocol::Worker,
        &["worker", "stream_parkpow_webhook_worker"],
    ),
    (Protocol::WebhookLambda, &["webhook_lambda"]),
    (Protocol::None, &["none"]),
];

pub(super) fn names() -> Vec<&'static str> {
    NAMES.iter().map(|(_, names)| names[0]).collect()
}

impl Protocol {
    /// The worker has no `MIDDLEWARE_NAME` and is told by its own variables.
    pub(super) fn of(settings: &mut Settings<'_>) -> Result<Option<Self>, ImportError> {
        let became = "chose the target and the route below";
        let Some(name) = settings.get("MIDDLEWARE_NAME", became) else {
            let endpoint = settings.get("PARKPOW_ENDPOINT", "");
            return Ok(endpoint.map(|_| Self::Worker));
        };
        let plain = name.to_ascii_lowercase().replace(['-', ' '], "_");
        let found = NAMES
            .iter()
            .find(|(_, names)| names.contains(&plain.as_str()));
        match found {
            Some((protocol, _)) => Ok(Some(*protocol)),
            None => Err(ImportError::Protocol {
                name: name.to_owned(),
            }),
        }
    }

    pub(super) fn name(self) -> &'static str {
        let found = NAMES.iter().find(|(protocol, _)| *protocol == self);
        found.map_or("none", |(_, names)| names[0])
    }

    pub(super) fn write(
        self,
        old: &Old,
        settings: &mut Settings<'_>,
        page: &mut Page,
    ) -> Result<(), ImportError> {
        match self {
            Self::CropPlate => forward::crop_plate(settings, page),
            Self::Annotate => forward::annotate(settings, page),
            Self::StripPlate => forward::strip_plate(settings, page),
            Self::Worker => forward::worker(settings, page),
            Self::MultipleParkPow => forward::multiple_parkpow(page),
            Self::Dot => return direction::write(old, settings, page),
            Self::FrontRear => return pairs::write(old, settings, page),
            Self::SynologyRest => systems::synology(settings, page),
            Self::Soap => systems::soap(settings, page),
            Self::Nx => systems::nx(settings, page),
            Self::OpenEye => systems::openeye(settings, page),
            Self::Salient => systems::salient(settings, page),
            Self::Zatpark => systems::zatpark(settings, page),
            Self::WebhookLambda => systems::webhook_lambda(page),
            Self::None => page.note(
                "no protocol was chosen, so events are only kept and shown: add targets and routes (docs/routes.md)",
            ),
        }
        Ok(())
    }
}
