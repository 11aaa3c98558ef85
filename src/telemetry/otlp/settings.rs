//! `telemetry:` in `routes.yaml`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};
use url::Url;

use crate::secret::Secret;
use crate::units::Span;

/// Where camhook tells of itself, besides its log and `/metrics`. A change needs a restart.
#[derive(Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "TelemetrySettings")]
pub(crate) struct Telemetry {
    /// An OpenTelemetry collector that takes OTLP over HTTP. Default: none.
    pub(crate) otlp: Option<Otlp>,
}

/// An OpenTelemetry collector. When it is not there, spans are lost, never events.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "OtlpSettings")]
pub(crate) struct Otlp {
    /// Its address, such as `http://localhost:4318`; `/v1/traces` and `/v1/metrics` are added.
    pub(crate) url: Base,
    /// Headers that it wants, such as `{ Authorization: "Bearer ${OTLP_TOKEN}" }`. Default: none.
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, Secret>,
    /// Whether each event is told as a trace, from its request to its last delivery (`true`).
    #[serde(default = "yes")]
    pub(crate) traces: bool,
    /// Whether what `/metrics` shows is told, too (`true`).
    #[serde(default = "yes")]
    pub(crate) metrics: bool,
    /// How often metrics are told (`60s`).
    #[serde(default = "every")]
    pub(crate) every: Span,
    /// Whether requests to targets tell their trace in a `traceparent` header (`true`). Needs `traces`.
    #[serde(default = "yes")]
    pub(crate) propagate: bool,
    /// What camhook is called there (`camhook`).
    #[serde(default = "service")]
    pub(crate) service: String,
}

/// An address that paths are added to.
#[derive(Clone)]
pub(crate) struct Base(Url);

fn yes() -> bool {
    true
}

fn every() -> Span {
    Span(Duration::from_secs(60))
}

fn service() -> String {
    "camhook".to_owned()
}

impl Base {
    pub(super) fn with(&self, path: &str) -> Url {
        let mut url = self.0.clone();
        url.set_path(&format!("{}/{path}", url.path().trim_end_matches('/')));
        url
    }

    /// Without what might be secret.
    pub(super) fn shown(&self) -> String {
        self.0.origin().ascii_serialization()
    }
}

impl<'de> Deserialize<'de> for Base {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let url = Url::parse(&text).ok().filter(|url| {
            matches!(url.scheme(), "http" | "https")
                && url.has_host()
                && url.username().is_empty()
                && url.password().is_none()
                && url.query().is_none()
        });
        url.map(Self).ok_or_else(|| {
            de::Error::custom(
                "this is no address of a collector: expected such as `http://localhost:4318`; credentials go to `headers`",
            )
        })
    }
}

impl JsonSchema for Base {
    fn schema_name() -> Cow<'static, str> {
        "CollectorUrl".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": "an address such as `http://localhost:4318`" })
    }
}

impl Otlp {
    /// The headers as they are sent; one that cannot be is told by its name.
    pub(super) fn headers(&self) -> Result<Vec<(HeaderName, HeaderValue)>, String> {
        let header = |(name, value): (&String, &Secret)| {
            let no = || format!("the header `{name}` cannot be sent");
            let key = HeaderName::try_from(name.as_str()).map_err(|_| no())?;
            let mut value = HeaderValue::try_from(value.expose()).map_err(|_| no())?;
            value.set_sensitive(true);
            Ok((key, value))
        };
        self.headers.iter().map(header).collect()
    }

    /// # Errors
    /// In words, when a header cannot be sent.
    pub(crate) fn check(&self) -> Result<(), String> {
        self.headers().map(drop)
    }

    /// All of it in one text, to be compared. It holds secrets.
    fn whole(&self) -> String {
        let headers = self.headers.iter();
        let headers: Vec<_> = headers
            .map(|(name, value)| (name, value.expose()))
            .collect();
        let flags = (self.traces, self.metrics, self.propagate);
        format!(
            "{} {headers:?} {flags:?} {:?} {}",
            self.url.0, self.every, self.service
        )
    }
}

impl Telemetry {
    /// Whether nothing has changed.
    pub(crate) fn is_the_same(&self, other: &Self) -> bool {
        self.otlp.as_ref().map(Otlp::whole) == other.otlp.as_ref().map(Otlp::whole)
    }
}
