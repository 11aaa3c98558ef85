//! What a listener shows and asks for: read from its files once, checked, and never changed after.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use super::pem;

/// From this long before its end on, a certificate is warned about.
const WARN_BEFORE: Duration = Duration::from_secs(14 * 86_400);

/// Whether senders must show a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ask {
    /// The file with the authorities that issue them.
    pub(crate) ca: String,
    /// Whether one without is refused at the handshake.
    pub(crate) required: bool,
}

/// Which files a listener's TLS is made of. Paths count from the config's folder.
pub(crate) struct Wanted<'a> {
    pub(crate) cert: &'a str,
    /// None: it lies in the same file as the certificate.
    pub(crate) key: Option<&'a str>,
    pub(crate) ask: Option<Ask>,
    /// The protocols inside of TLS, the preferred first.
    pub(crate) protocols: &'a [&'a [u8]],
    pub(crate) handshake: Duration,
}

/// TLS of one listener, ready to be spoken.
pub(crate) struct Offer {
    pub(super) config: Arc<ServerConfig>,
    pub(super) handshake: Duration,
    /// When the first certificate of the chain ends, if that can be read.
    pub(crate) ends: Option<Timestamp>,
}

/// The setting that is wrong (`cert`, `key`, `client_ca`), and why.
pub(crate) type Mistake = (&'static str, String);

impl Wanted<'_> {
    /// Reads the files. A certificate that has ended is no mistake: cameras often do not look, and events must go on.
    pub(crate) fn read(&self, folder: &Path) -> Result<Offer, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        let chain = pem::certificates(folder, self.cert);
        let chain = chain.map_err(|error| mistakes.push(("cert", error))).ok();
        let key = pem::private_key(folder, self.key.unwrap_or(self.cert)).map_err(|error| {
            mistakes.push(match self.key {
                Some(_) => ("key", error),
                None => (
                    "cert",
                    format!("{error}; a key that lies in a file of its own is named by `key`"),
                ),
            });
        });
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = match &self.ask {
            Some(ask) => verifier(ask, folder, &provider)
                .map_err(|error| mistakes.push(("client_ca", error)))
                .ok(),
            None => Some(WebPkiClientVerifier::no_client_auth()),
        };
        let (Some(chain), Ok(key), Some(verifier)) = (chain, key, verifier) else {
            // An unreadable file without a `key` of its own would be told twice.
            mistakes.dedup_by(|later, earlier| later.0 == earlier.0);
            return Err(mistakes);
        };
        let ends = chain.iter().filter_map(end_of).min();
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(|error| vec![("cert", error.to_string())])?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key);
        let mut config = config.map_err(|error| vec![unusable(&error)])?;
        config.alpn_protocols = self.protocols.iter().map(|name| name.to_vec()).collect();
        // Cameras open a connection for each event: with a ticket the next handshake costs no signature.
        if let Ok(ticketer) = rustls::crypto::ring::Ticketer::new() {
            config.ticketer = ticketer;
        }
        Ok(Offer {
            config: Arc::new(config),
            handshake: self.handshake,
            ends,
        })
    }
}

fn unusable(error: &rustls::Error) -> Mistake {
    match error {
        rustls::Error::InconsistentKeys(_) => (
            "key",
            "this key does not belong to the first certificate of `cert`; in a file with a chain the listener's own certificate comes first"
                .to_owned(),
        ),
        other => ("cert", format!("cannot be used: {other}")),
    }
}

fn verifier(
    ask: &Ask,
    folder: &Path,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn rustls::server::danger::ClientCertVerifier>, String> {
    let mut roots = RootCertStore::empty();
    for certificate in pem::certificates(folder, &ask.ca)? {
        roots
            .add(certificate)
            .map_err(|error| format!("{} holds no usable certificate: {error}", ask.ca))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone());
    let builder = match ask.required {
        true => builder,
        false => builder.allow_unauthenticated(),
    };
    builder.build().map_err(|error| error.to_string())
}

pub(super) fn end_of(certificate: &CertificateDer<'_>) -> Option<Timestamp> {
    let (_, read) = X509Certificate::from_der(certificate).ok()?;
    Timestamp::from_second(read.validity().not_after.timestamp()).ok()
}

impl Offer {
    /// What there is to warn about at `now`, in words that follow "the certificate of …".
    pub(crate) fn warning(&self, now: Timestamp) -> Option<String> {
        let ends = self.ends?;
        let left = ends.duration_since(now);
        let day = ends.strftime("%Y-%m-%d %H:%MZ");
        if left.is_negative() {
            return Some(format!(
                "has ended on {day}; senders that look at it refuse it"
            ));
        }
        if left.unsigned_abs() >= WARN_BEFORE {
            return None;
        }
        Some(match left.as_hours() / 24 {
            0 => format!("ends within a day, on {day}"),
            1 => format!("ends in a day, on {day}"),
            days => format!("ends in {days} days, on {day}"),
        })
    }
}
