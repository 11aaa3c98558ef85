//! `alerts:` in `routes.yaml`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

use super::What;
use crate::schedule::Hours;
use crate::units::{Rate, Span};

/// What camhook watches by itself. What is wrong stands in `/api/v1/alerts`, in `camhook alerts` and in the metric
/// `camhook_alerts`; each beginning and each end is also an event of the source `camhook`, which goes to targets by routes
/// with `from: [camhook]`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "AlertSettings")]
pub(crate) struct Settings {
    /// A target is held, or has taken nothing in spite of attempts, for longer than this (`5m`), or `off`.
    pub(crate) target_failing: OrOff<Span>,
    /// The oldest event that a target has not got is older than this (`1h`), or `off`.
    pub(crate) undelivered: OrOff<Span>,
    /// Cameras that send nothing any more.
    pub(crate) camera_silent: Silent,
    /// The store's file system is used up to this (`95%`), or `off`.
    pub(crate) disk_full: OrOff<Percent>,
    /// Of `store.max_size` so much is taken by events that targets have not got yet (`80%`), or the store takes nothing at
    /// all; or `off`.
    pub(crate) store_full: OrOff<Percent>,
    /// More requests of one source than this are put into quarantine (`10/h`), or `off`.
    pub(crate) quarantine: OrOff<Rate>,
    /// A certificate of a listener, or one that a target shows, ends within this (`14d`), or `off`.
    pub(crate) certificate: OrOff<Span>,
    /// An alert that still stands is told again after this, such as `24h` (`off`).
    pub(crate) again: OrOff<Span>,
}

/// Cameras that send nothing any more.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "SilentCameras")]
pub(crate) struct Silent {
    /// A camera that has sent before sends nothing for longer than this, such as `24h` (`off`). Time in which camhook did
    /// not run does not count.
    pub(crate) after: OrOff<Span>,
    /// Another time for some cameras, by the id that their events tell, or `off`: `{ gate: 2h, shed: off }`. A camera that
    /// is named here is waited for also when it never sent.
    pub(crate) cameras: BTreeMap<String, OrOff<Span>>,
    /// Hours in which nobody passes, such as `22:00-06:00 Europe/Rome`: they do not count as silence. Default: none.
    pub(crate) quiet: Option<Quiet>,
}

/// A value, or `off`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct OrOff<T>(pub(crate) Option<T>);

impl<T> Default for OrOff<T> {
    fn default() -> Self {
        Self(None)
    }
}

/// A share, such as `95%`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Percent(pub(crate) f64);

#[derive(Debug, Clone)]
pub(crate) struct Quiet(pub(crate) Hours);

/// What may stand in place of `off`.
pub(crate) trait Word: Sized {
    const NAME: &'static str;
    const SUCH_AS: &'static str;
    fn read(text: &str) -> Result<Self, String>;
}

impl Word for Span {
    const NAME: &'static str = "DurationOrOff";
    const SUCH_AS: &'static str = "a duration such as `30m`, or `off`";
    fn read(text: &str) -> Result<Self, String> {
        Self::parse(text)
    }
}

impl Word for Rate {
    const NAME: &'static str = "RateOrOff";
    const SUCH_AS: &'static str = "a rate such as `10/h`, or `off`";
    fn read(text: &str) -> Result<Self, String> {
        Self::parse(text)
    }
}

impl Word for Percent {
    const NAME: &'static str = "PercentOrOff";
    const SUCH_AS: &'static str = "a share such as `95%`, or `off`";
    fn read(text: &str) -> Result<Self, String> {
        let number = text.trim().strip_suffix('%');
        number
            .and_then(|number| number.trim().parse().ok())
            .filter(|number| (1.0..=100.0).contains(number))
            .map(Self)
            .ok_or_else(|| format!("`{text}` is no share: expected such as `95%`"))
    }
}

impl<'de, T: Word> Deserialize<'de> for OrOff<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == "off" {
            return Ok(Self(None));
        }
        let value = T::read(&text).map_err(|error| format!("{error}, or `off`"));
        value
            .map(|value| Self(Some(value)))
            .map_err(de::Error::custom)
    }
}

impl<T: Word> JsonSchema for OrOff<T> {
    fn schema_name() -> Cow<'static, str> {
        T::NAME.into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": T::SUCH_AS })
    }
}

impl<'de> Deserialize<'de> for Quiet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let hours = Hours::parse(&String::deserialize(deserializer)?);
        hours.map(Self).map_err(de::Error::custom)
    }
}

impl JsonSchema for Quiet {
    fn schema_name() -> Cow<'static, str> {
        "QuietHours".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": "hours such as `22:00-06:00 Europe/Rome`, or `mon-fri 18:00-06:00`" })
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

impl Default for Settings {
    fn default() -> Self {
        let span = |seconds| OrOff(Some(Span(Duration::from_secs(seconds))));
        Self {
            target_failing: span(5 * 60),
            undelivered: span(3_600),
            camera_silent: Silent::default(),
            disk_full: OrOff(Some(Percent(95.0))),
            store_full: OrOff(Some(Percent(80.0))),
            quarantine: OrOff(Some(Rate {
                count: 10,
                per: Duration::from_secs(3_600),
            })),
            certificate: span(14 * 86_400),
            again: OrOff(None),
        }
    }
}

impl Silent {
    /// How long a camera may be silent, if it is watched.
    pub(super) fn of(&self, camera: &str) -> Option<Span> {
        self.cameras.get(camera).unwrap_or(&self.after).0
    }

    pub(crate) fn watches(&self) -> bool {
        self.after.0.is_some() || self.cameras.values().any(|after| after.0.is_some())
    }
}

impl Settings {
    /// The shortest time of all thresholds.
    pub(crate) fn shortest(&self) -> Duration {
        let cameras = self.camera_silent.cameras.values();
        let cameras = cameras.chain([&self.camera_silent.after]);
        let spans = [&self.target_failing, &self.undelivered, &self.again].into_iter();
        let spans = spans.chain(cameras).filter_map(|span| span.0);
        spans.map(|span| span.0).min().unwrap_or(Duration::MAX)
    }

    /// Whether this is watched at all.
    pub(super) fn watches(&self, what: What, subject: &str) -> bool {
        match what {
            What::TargetFailing => self.target_failing.0.is_some(),
            What::Undelivered => self.undelivered.0.is_some(),
            What::CameraSilent => self.camera_silent.of(subject).is_some(),
            What::DiskFull => self.disk_full.0.is_some(),
            What::StoreFull => self.store_full.0.is_some(),
            What::Quarantine => self.quarantine.0.is_some(),
            What::Certificate => self.certificate.0.is_some(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_threshold_is_refused_in_words() {
        let read = |json| serde_json::from_value::<Settings>(json);
        let fine = serde_json::json!({
            "target_failing": "off", "disk_full": "90.5%", "quarantine": "1/m",
            "camera_silent": { "after": "1d", "cameras": { "shed": "off" }, "quiet": "22:00-06:00 Europe/Rome" },
        });
        let settings = read(fine).unwrap();
        assert_eq!(settings.target_failing.0, None);
        assert_eq!(settings.disk_full.0, Some(Percent(90.5)));
        assert!(settings.camera_silent.of("gate").is_some());
        assert!(settings.camera_silent.of("shed").is_none());
        for (key, value, message) in [
            ("undelivered", "soon", "or `off`"),
            ("disk_full", "95", "is no share"),
            ("disk_full", "0%", "is no share"),
            ("quarantine", "0/h", "or `off`"),
        ] {
            let error = read(serde_json::json!({ key: value })).unwrap_err();
            assert!(error.to_string().contains(message), "{key}: {error}");
        }
        let quiet = serde_json::json!({ "camera_silent": { "quiet": "nights" } });
        assert!(read(quiet).unwrap_err().to_string().contains("no day"));
    }
}
