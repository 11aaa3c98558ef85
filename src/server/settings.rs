//! What users can set of the front door: `server:` and the part of each source that is about requests.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use super::auth::AuthSettings;
use super::mqtt::MqttSettings;
use crate::reach::{ForwardedBy, Network, Proxies};
use crate::units::{ByteSize, Span};

/// Where cameras post, and what they may ask of this machine.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "ServerSettings")]
pub(crate) struct Settings {
    /// Address and port that cameras post to; `0.0.0.0` is every address of this machine. Default `0.0.0.0:8001`.
    pub(crate) listen: SocketAddr,
    /// HTTPS for cameras: `{ cert, key }`. Default: plain HTTP.
    pub(crate) tls: Option<TlsSettings>,
    /// Addresses and networks of reverse proxies that tell whom they speak for, such as `[10.0.0.2]`: `allow`, the log and
    /// the events then have the address of the sender itself, and so has who logs in at the admin address. Default: none.
    pub(crate) trusted_proxies: Vec<Network>,
    /// The header in which they tell it: `x-forwarded-for` or `forwarded`. The other is not looked at. Default
    /// `x-forwarded-for`.
    pub(crate) forwarded_by: ForwardedBy,
    /// Bytes in memory at once, of all requests, deliveries and decoded pictures together. Over it a sender waits up to
    /// 2 s, then gets 503 with `Retry-After`, and deliveries wait. A request larger than five eighths of it gets 413, and
    /// a picture that has no room in it is not decoded. Default `128MiB`.
    pub(crate) budget: ByteSize,
    /// Connections at once. At the limit new ones wait until another ends. Fewer if the system's limit of open files
    /// (`ulimit -n`) leaves no room for them. Default 1024.
    pub(crate) max_connections: NonZeroU32,
    /// Bytes of one request's line and headers, at least `8KiB`; beyond it 431. Default `64KiB`.
    pub(crate) max_header: ByteSize,
    /// Headers of one request; beyond it 431. Default 100.
    pub(crate) max_headers: NonZeroU32,
    /// How long a request's headers may take, and a new connection's first byte; then the connection is closed.
    /// Default `30s`.
    pub(crate) header_timeout: Span,
    /// How long a connection may stay open without a request. Cameras that reuse connections often wait two minutes.
    /// Default `180s`.
    pub(crate) idle_timeout: Span,
    /// How long a body may make no progress (less than 4 KiB); then 408. Default `60s`.
    pub(crate) body_timeout: Span,
    /// Whether the source at `/` takes every path that no other source claims. Cameras with a fixed path need no
    /// source of their own then. `false` makes such paths 404. Default `true`.
    pub(crate) catch_all: bool,
    /// How long requests in progress may take to finish when camhook stops. Default `20s`.
    pub(crate) shutdown_grace: Span,
}

impl Default for Settings {
    fn default() -> Self {
        let seconds = |seconds| Span(Duration::from_secs(seconds));
        Self {
            listen: (Ipv4Addr::UNSPECIFIED, 8001).into(),
            tls: None,
            trusted_proxies: Vec::new(),
            forwarded_by: ForwardedBy::default(),
            budget: ByteSize(128 << 20),
            max_connections: NonZeroU32::new(1024).expect("it is not zero"),
            max_header: ByteSize(64 << 10),
            max_headers: NonZeroU32::new(100).expect("it is not zero"),
            header_timeout: seconds(30),
            idle_timeout: seconds(180),
            body_timeout: seconds(60),
            catch_all: true,
            shutdown_grace: seconds(20),
        }
    }
}

/// Longer timeouts are this long: moments further away could not be told.
const LONGEST: Duration = Duration::from_secs(30 * 86_400);

impl Settings {
    /// What only a restart can change.
    pub(crate) fn fixed(&self) -> Self {
        Self {
            catch_all: true,
            tls: self.tls.as_ref().map(TlsSettings::fixed),
            ..self.clone()
        }
    }

    /// Whose word on where a request comes from is believed, on both listeners.
    pub(crate) fn proxies(&self) -> Proxies {
        Proxies {
            trusted: self.trusted_proxies.clone(),
            header: self.forwarded_by,
        }
    }

    pub(super) fn header_timeout(&self) -> Duration {
        self.header_timeout.0.min(LONGEST)
    }

    pub(super) fn idle_timeout(&self) -> Duration {
        self.idle_timeout.0.min(LONGEST)
    }

    pub(super) fn body_timeout(&self) -> Duration {
        self.body_timeout.0.min(LONGEST)
    }
}

/// HTTPS on the front door. The files are read again when they change.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ServerTlsSettings")]
pub(crate) struct TlsSettings {
    /// A PEM file with the certificate, and after it those between it and its authority. Counted from this file's folder.
    pub(crate) cert: String,
    /// A PEM file with the certificate's key, without a password. Default: it lies in the file `cert` too.
    #[serde(default)]
    pub(crate) key: Option<String>,
    /// An address and port of its own for HTTPS, such as `0.0.0.0:8443`; `server.listen` then goes on with plain HTTP, for
    /// cameras that know no better. Default: `server.listen` takes HTTPS and nothing else.
    #[serde(default)]
    pub(crate) listen: Option<SocketAddr>,
    /// A PEM file with the authorities whose certificates senders show. `auth: { client_cert }` of a source tells who of
    /// them may send to it. Default: senders are not asked for a certificate.
    #[serde(default)]
    pub(crate) client_ca: Option<String>,
    /// Whether a sender without a certificate is refused at the handshake, or let in as far as its source allows. Default
    /// `required`.
    #[serde(default)]
    pub(crate) client_certs: ClientCerts,
    /// How long a handshake may take, from the connection's first moment; then it is closed. Default `10s`.
    #[serde(default = "ten_seconds")]
    pub(crate) handshake_timeout: Span,
}

/// Whether senders must show a certificate, where `client_ca` is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ClientCerts {
    /// Without one there is no connection.
    #[default]
    Required,
    /// One is asked for; only sources with `auth: { client_cert }` insist on it.
    Optional,
}

fn ten_seconds() -> Span {
    Span(Duration::from_secs(10))
}

impl TlsSettings {
    /// What only a restart can change: where it listens.
    fn fixed(&self) -> Self {
        Self {
            cert: String::new(),
            key: None,
            client_ca: None,
            client_certs: ClientCerts::default(),
            handshake_timeout: ten_seconds(),
            listen: self.listen,
        }
    }

    pub(crate) fn handshake_timeout(&self) -> Duration {
        self.handshake_timeout.0.min(LONGEST)
    }
}

/// How requests reach a source and who may send them.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "SourceDoorSettings")]
pub(crate) struct SourceSettings {
    /// The path to post to; paths below it belong to this source too. Default: `/` and the source's name, or none
    /// with `mqtt`.
    pub(crate) path: Option<String>,
    /// A broker to take messages from, besides or instead of requests: with it the source has no path unless `path` says so.
    pub(crate) mqtt: Option<MqttSettings>,
    /// Who may send: `token`, `basic`, `digest`, `client_cert`, `allow`, `signature`. Default: anybody.
    pub(crate) auth: AuthSettings,
    /// Bytes of one request's body; beyond it 413. Video clips (Plate Recognizer Stream sends them) need more.
    /// Default `32MiB`.
    pub(crate) max_body: ByteSize,
    /// What becomes of a request that cannot be understood. Default `keep`; `refuse` for kind `generic`.
    pub(crate) undecodable: Option<OnUndecodable>,
    /// What a success answer promises. Default `full`; `relaxed` for posts that tell of nothing but tracks.
    pub(crate) durability: Option<Durability>,
}

impl Default for SourceSettings {
    fn default() -> Self {
        Self {
            path: None,
            mqtt: None,
            auth: AuthSettings::default(),
            max_body: ByteSize(32 << 20),
            undecodable: None,
            durability: None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OnUndecodable {
    /// Keep it in quarantine and answer success: most cameras lose or repeat for ever what is refused.
    Keep,
    /// Answer 422 with the reason and keep nothing: for senders that are programs.
    Refuse,
}

/// What a success answer promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Durability {
    /// The event is on disk.
    Full,
    /// The event was understood and is on its way to the disk: quicker, but a power cut, a crash or a full disk may
    /// still lose it.
    Relaxed,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_longer_for_the_next_request_than_cameras_pause() {
        assert!(Settings::default().idle_timeout.0 > Duration::from_secs(120));
    }

    #[test]
    fn knows_its_settings_and_refuses_others() {
        let settings: SourceSettings = serde_json::from_value(serde_json::json!({
            "path": "/gate", "auth": { "token": "abcd", "allow": ["10.0.0.0/8", "192.0.2.7"] }, "max_body": "1MiB",
            "undecodable": "refuse", "durability": "relaxed",
        }))
        .unwrap();
        assert_eq!(settings.max_body.0, 1 << 20);
        assert_eq!(settings.undecodable, Some(OnUndecodable::Refuse));
        for wrong in [
            serde_json::json!({ "pathh": "/" }),
            serde_json::json!({ "auth": { "tokenz": "x" } }),
            serde_json::json!({ "auth": { "token": "" } }),
            serde_json::json!({ "auth": { "allow": ["10.0.0.0/99"] } }),
        ] {
            let refused = serde_json::from_value::<SourceSettings>(wrong.clone());
            assert!(refused.is_err(), "{wrong}");
        }
    }
}
