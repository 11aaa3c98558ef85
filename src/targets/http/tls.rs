//! Whom a target trusts: the system's authorities, one of its own, or exactly one pinned certificate.
//!
//! Appliances show certificates that are self-signed, expired or issued to another name. For them there is the pin: with
//! it only the certificate's fingerprint counts, and the handshake's signature, which proves that the other side has
//! the key. A certificate that is given under `ca` and shown by the server itself counts as pinned, too: what
//! `openssl req -x509` makes claims to be an authority, and is refused as a server's certificate otherwise.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, OtherError, RootCertStore};
use schemars::JsonSchema;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::targets::Mistakes;
use crate::tls::{Judge, Judging, Seen, certificates, private_key};

/// Whom to trust, and who camhook is.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// A PEM file with the authority, or the server's own certificate, to trust instead of the system's authorities.
    #[serde(default)]
    pub(crate) ca: Option<String>,
    /// The SHA-256 fingerprint of the server's certificate, in hex with or without colons. Then neither its issuer nor
    /// its name nor its dates matter.
    #[serde(default)]
    pub(crate) pin: Option<String>,
    /// A PEM file with camhook's own certificate, for servers that ask for one; needs `key`.
    #[serde(default)]
    pub(crate) cert: Option<String>,
    /// A PEM file with the key of `cert`.
    #[serde(default)]
    pub(crate) key: Option<String>,
}

/// TLS for one client, and what it was made of: equal for equal settings and files, so that a connection is made anew when
/// one of them has changed.
#[derive(Clone)]
pub(crate) struct Trusted {
    pub(crate) config: Arc<ClientConfig>,
    pub(crate) made_of: [u8; 32],
}

/// The system's authorities, read when the first server shows a certificate: a start must not wait for hundreds of
/// files, and a machine that has none can still speak plain HTTP.
#[derive(Debug)]
pub(super) struct System {
    provider: Arc<CryptoProvider>,
    inner: OnceLock<Result<rustls_platform_verifier::Verifier, rustls::Error>>,
    /// When trusted certificates end.
    seen: Seen,
}

#[derive(Debug)]
enum Trust {
    System(Arc<System>),
    Own {
        given: Vec<CertificateDer<'static>>,
        chain: Arc<WebPkiServerVerifier>,
    },
    Pinned([u8; 32]),
}

/// Tells what certificates it trusted, so that somebody hears before they end.
#[derive(Debug)]
struct Noting {
    trust: Trust,
    seen: Seen,
}

/// Why a server is not trusted, in words that say what to do.
#[derive(Debug, thiserror::Error)]
#[error(
    "{reason}; its certificate has the SHA-256 fingerprint {fingerprint} (`camhook trust HOST:PORT` shows it, and what to write)"
)]
pub(super) struct Distrust {
    reason: String,
    fingerprint: String,
}

/// TLS for one client; without settings it trusts the system's authorities and shows no certificate. Paths count from `folder`.
pub(super) fn client_config(
    settings: Option<&Settings>,
    folder: &Path,
    system: &Arc<System>,
) -> Result<ClientConfig, Mistakes> {
    let settings = settings.cloned().unwrap_or_default();
    let mut mistakes = Mistakes::new();
    let verifier = verifier(&settings, folder, system).map_err(|mistake| mistakes.push(mistake));
    let identity = identity(&settings, folder).map_err(|mistake| mistakes.push(mistake));
    let (Ok(verifier), Ok(identity)) = (verifier, identity) else {
        return Err(mistakes);
    };
    let config = ClientConfig::builder_with_provider(system.provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| vec![at("", error.to_string())])?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match identity {
        Some((chain, key)) => config
            .with_client_auth_cert(chain, key)
            .map_err(|error| vec![at("cert", format!("cannot be used with `key`: {error}"))])?,
        None => config.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

pub(super) fn made_of(settings: Option<&Settings>, folder: &Path) -> [u8; 32] {
    let mut digest = Sha256::new_with_prefix(format!("{settings:?}"));
    let named = settings.map(|settings| [&settings.ca, &settings.cert, &settings.key]);
    for file in named.into_iter().flatten().flatten() {
        let bytes = std::fs::read(folder.join(file)).unwrap_or_default();
        digest.update(Sha256::digest(bytes));
    }
    digest.finalize().into()
}

fn verifier(
    settings: &Settings,
    folder: &Path,
    system: &Arc<System>,
) -> Result<Arc<dyn ServerCertVerifier>, (Vec<String>, String)> {
    let provider = system.provider.clone();
    let trust = match (&settings.ca, &settings.pin) {
        (None, None) => Trust::System(system.clone()),
        (Some(_), Some(_)) => {
            return Err(at(
                "pin",
                "a pinned certificate is trusted whoever issued it: leave out `pin` or `ca`"
                    .to_owned(),
            ));
        }
        (None, Some(pin)) => Trust::Pinned(fingerprint(pin).map_err(|error| at("pin", error))?),
        (Some(ca), None) => {
            let given = certificates(folder, ca).map_err(|error| at("ca", error))?;
            let mut roots = RootCertStore::empty();
            for certificate in &given {
                roots.add(certificate.clone()).map_err(|error| {
                    at("ca", format!("{ca} holds no usable certificate: {error}"))
                })?;
            }
            let chain = WebPkiServerVerifier::builder_with_provider(roots.into(), provider.clone())
                .build()
                .map_err(|error| at("ca", error.to_string()))?;
            Trust::Own { given, chain }
        }
    };
    let judge = Noting {
        trust,
        seen: system.seen.clone(),
    };
    Ok(Arc::new(Judging::new(judge, provider)))
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn identity(settings: &Settings, folder: &Path) -> Result<Option<Identity>, (Vec<String>, String)> {
    match (&settings.cert, &settings.key) {
        (None, None) => Ok(None),
        (Some(_), None) => Err(at("cert", "needs its `key` beside it".to_owned())),
        (None, Some(_)) => Err(at("key", "needs its `cert` beside it".to_owned())),
        (Some(cert), Some(key)) => {
            let chain = certificates(folder, cert).map_err(|error| at("cert", error))?;
            let key = private_key(folder, key).map_err(|error| at("key", error))?;
            Ok(Some((chain, key)))
        }
    }
}

fn at(key: &str, message: String) -> (Vec<String>, String) {
    let keys = ["tls", key].into_iter().filter(|key| !key.is_empty());
    (keys.map(str::to_owned).collect(), message)
}

/// As people copy it: hex in any case, with or without colons, perhaps with what openssl prints in front.
fn fingerprint(text: &str) -> Result<[u8; 32], String> {
    let hex = text.rsplit_once('=').map_or(text, |(_, hex)| hex).trim();
    let hex = match hex.get(..7) {
        Some(prefix) if prefix.eq_ignore_ascii_case("sha256:") => &hex[7..],
        _ => hex,
    };
    let digits: String = hex.chars().filter(|c| !matches!(c, ':' | ' ')).collect();
    data_encoding::HEXLOWER_PERMISSIVE
        .decode(digits.as_bytes())
        .ok()
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| {
            "is no SHA-256 fingerprint: expected 64 hex digits, as `openssl x509 -noout -fingerprint -sha256` prints"
                .to_owned()
        })
}

fn fingerprint_of(certificate: &CertificateDer<'_>) -> [u8; 32] {
    Sha256::digest(certificate).into()
}

fn distrust(reason: String, certificate: &CertificateDer<'_>) -> rustls::Error {
    let distrust = Distrust {
        reason,
        fingerprint: data_encoding::HEXLOWER.encode(&fingerprint_of(certificate)),
    };
    CertificateError::Other(OtherError(Arc::new(distrust))).into()
}

/// Adds to the library's reason what it needs to be mended.
fn explained(
    result: Result<ServerCertVerified, rustls::Error>,
    certificate: &CertificateDer<'_>,
) -> Result<ServerCertVerified, rustls::Error> {
    result.map_err(|error| {
        let reason = match &error {
            // a bad signature is that of another authority of the same name, such as a renewed one
            rustls::Error::InvalidCertificate(
                CertificateError::UnknownIssuer | CertificateError::BadSignature,
            ) => {
                "nobody that is trusted here issued the server's certificate (`tls` can name its `ca` or `pin` it)"
                    .to_owned()
            }
            rustls::Error::InvalidCertificate(CertificateError::Other(error)) => {
                format!("the server's certificate is {}", not_a_servers(error))
            }
            rustls::Error::InvalidCertificate(error) => {
                format!("the server's certificate is not accepted: {error}")
            }
            other => return other.clone(),
        };
        distrust(reason, certificate)
    })
}

/// What rustls has no word of its own for; nearly always one that its server made itself.
pub(super) fn not_a_servers(error: &OtherError) -> String {
    format!(
        "not made as a server's has to be ({error}): what `openssl req -x509` makes, for one, calls itself an authority"
    )
}

impl System {
    pub(super) fn new(provider: Arc<CryptoProvider>) -> Self {
        Self {
            provider,
            inner: OnceLock::new(),
            seen: Seen::default(),
        }
    }

    /// What is trusted is noted there.
    pub(super) fn noting(self, seen: Seen) -> Self {
        Self { seen, ..self }
    }

    pub(super) fn authorities(
        &self,
    ) -> Result<&rustls_platform_verifier::Verifier, &rustls::Error> {
        self.inner
            .get_or_init(|| rustls_platform_verifier::Verifier::new(self.provider.clone()))
            .as_ref()
    }
}

impl Judge for Trust {
    fn judge(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match self {
            Self::System(system) => match system.authorities() {
                Ok(inner) => explained(
                    inner.verify_server_cert(end_entity, intermediates, server_name, ocsp, now),
                    end_entity,
                ),
                Err(error) => Err(distrust(
                    format!(
                        "this machine's certificate authorities cannot be read (is `ca-certificates` installed?): {error}"
                    ),
                    end_entity,
                )),
            },
            Self::Own { given, .. } if given.iter().any(|given| given == end_entity) => {
                Ok(ServerCertVerified::assertion())
            }
            Self::Own { chain, .. } => explained(
                chain.verify_server_cert(end_entity, intermediates, server_name, ocsp, now),
                end_entity,
            ),
            Self::Pinned(pin) if fingerprint_of(end_entity) == *pin => {
                Ok(ServerCertVerified::assertion())
            }
            Self::Pinned(_) => Err(distrust(
                "the server's certificate is not the pinned one (if it was renewed on purpose, change `pin`)"
                    .to_owned(),
                end_entity,
            )),
        }
    }
}

impl Judge for Noting {
    fn judge(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified = self
            .trust
            .judge(end_entity, intermediates, server_name, ocsp, now)?;
        self.seen.note(server_name, end_entity);
        Ok(verified)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::Method;
    use rcgen::{
        BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa,
        KeyPair,
    };
    use rustls::ServerConfig;
    use rustls::server::WebPkiClientVerifier;
    use tokio_rustls::TlsAcceptor;

    use super::super::receiver::{Act, Receiver};
    use super::super::{Clients, HttpTarget, Settings as HttpSettings};
    use super::*;
    use crate::clock::Clock;
    use crate::event::DeliveryId;
    use crate::fate::Verdict;
    use crate::payload::{Body, Payload, Request};
    use crate::secret::Blot;
    use crate::targets::{Report, Target};

    const AGAIN: Verdict = Verdict::TryAgain { pause: None };

    #[test]
    fn a_fingerprint_is_read_as_people_copy_it() {
        let plain = "00ff".repeat(16);
        let expected = fingerprint(&plain).unwrap();
        assert_eq!(&expected[..2], [0x00, 0xff]);
        let colons = ["00:FF"; 16].join(":");
        for text in [
            colons.clone(),
            format!("sha256:{plain}"),
            format!("SHA256 Fingerprint={colons}\n"),
            format!("sha256 Fingerprint={colons}"),
        ] {
            assert_eq!(fingerprint(&text).unwrap(), expected, "{text}");
        }
        for text in ["", "00ff", "é".repeat(32).as_str(), &"zz".repeat(32)] {
            assert!(fingerprint(text).is_err(), "{text}");
        }
    }

    #[test]
    fn mistakes_name_the_key_and_the_file() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("empty.pem"), "no certificate").unwrap();
        let system = Arc::new(System::new(Arc::new(
            rustls::crypto::ring::default_provider(),
        )));
        let mistake = |settings: Settings| {
            let mut mistakes = client_config(Some(&settings), folder.path(), &system).unwrap_err();
            assert_eq!(mistakes.len(), 1);
            let (path, message) = mistakes.remove(0);
            format!("{}: {message}", path.join("."))
        };
        let set = |text: &str| Some(text.to_owned());
        let told = mistake(Settings {
            ca: set("missing.pem"),
            ..Settings::default()
        });
        assert!(
            told.starts_with("tls.ca: could not read ")
                && told.contains("missing.pem: No such file")
        );
        let told = mistake(Settings {
            ca: set("empty.pem"),
            ..Settings::default()
        });
        assert_eq!(told, "tls.ca: empty.pem holds no certificate in PEM form");
        let told = mistake(Settings {
            pin: set("12:34"),
            ..Settings::default()
        });
        assert!(told.starts_with("tls.pin: is no SHA-256 fingerprint"));
        let told = mistake(Settings {
            cert: set("c.pem"),
            ..Settings::default()
        });
        assert_eq!(told, "tls.cert: needs its `key` beside it");
        let told = mistake(Settings {
            ca: set("a"),
            pin: set("b"),
            ..Settings::default()
        });
        assert!(told.starts_with("tls.pin: "));
    }

    /// An authority and a server's certificate in PEM files, and a server that shows it.
    struct Secured {
        folder: tempfile::TempDir,
        receiver: Receiver,
        fingerprint: String,
    }

    #[derive(Default)]
    struct Shown {
        expired: bool,
        self_signed: bool,
        name: Option<&'static str>,
        asks_for_client: bool,
    }

    async fn secured(shown: Shown) -> Secured {
        let folder = tempfile::tempdir().unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority =
            CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();

        let key = KeyPair::generate().unwrap();
        let name = shown.name.unwrap_or("127.0.0.1").to_owned();
        let mut params = CertificateParams::new(vec![name]).unwrap();
        if shown.expired {
            params.not_before = rcgen::date_time_ymd(2001, 1, 1);
            params.not_after = rcgen::date_time_ymd(2002, 1, 1);
        }
        let certificate = if shown.self_signed {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained); // as `openssl req -x509` does
            params.self_signed(&key).unwrap()
        } else {
            params.signed_by(&key, &authority).unwrap()
        };
        let client_key = KeyPair::generate().unwrap();
        let mut client = CertificateParams::new(vec!["camhook".to_owned()]).unwrap();
        client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let client = client.signed_by(&client_key, &authority).unwrap();

        for (file, pem) in [
            ("ca.pem", authority.pem()),
            ("server.pem", certificate.pem()),
            ("client.pem", client.pem()),
            ("client.key", client_key.serialize_pem()),
        ] {
            std::fs::write(folder.path().join(file), pem).unwrap();
        }

        let config = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .unwrap();
        let config = if shown.asks_for_client {
            let mut roots = RootCertStore::empty();
            roots.add(authority.der().clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
            config.with_client_cert_verifier(verifier.build().unwrap())
        } else {
            config.with_no_client_auth()
        };
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = config
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        let ok = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec();
        let tls = TlsAcceptor::from(Arc::new(config));
        let receiver = Receiver::with(Act::Answer(ok), Some(tls)).await;
        let fingerprint = data_encoding::HEXUPPER.encode(&fingerprint_of(certificate.der()));
        Secured {
            folder,
            receiver,
            fingerprint,
        }
    }

    impl Secured {
        async fn asked_with(&self, tls: &str) -> Report {
            let settings: HttpSettings = serde_saphyr::from_str(&format!("tls: {tls}")).unwrap();
            let clients = Clients::new(super::super::Sessions::default());
            let (blot, clock) = (Blot::default(), Clock::system());
            let target = HttpTarget::new(&settings, self.folder.path(), &clients, blot, clock)
                .unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
            let url = format!("https://{}/", self.receiver.address);
            let request = Request {
                method: Method::POST,
                url,
                headers: Vec::new(),
                body: Body(vec![
                    Bytes::from_static(b"one "),
                    Bytes::from_static(b"two"),
                ]),
                around: None,
            };
            let delivery = DeliveryId::from_bytes([9; 16]);
            target.send(delivery, Payload::Http(request)).await
        }

        async fn refused_with(&self, tls: &str) -> String {
            let report = self.asked_with(tls).await;
            assert_eq!(report.verdict, AGAIN);
            assert!(self.receiver.log.requests().is_empty());
            report.error.unwrap()
        }
    }

    #[tokio::test]
    async fn an_authority_of_ones_own_is_trusted() {
        let server = secured(Shown::default()).await;
        let report = server.asked_with("{ ca: ca.pem }").await;
        assert_eq!(report.verdict, Verdict::Delivered, "{report:?}");
        assert_eq!(server.receiver.log.requests()[0].body, b"one two");
    }

    #[tokio::test]
    async fn a_stranger_is_not_trusted_and_the_error_tells_the_fingerprint() {
        let server = secured(Shown::default()).await;
        let other = secured(Shown::default()).await;
        std::fs::copy(
            other.folder.path().join("ca.pem"),
            server.folder.path().join("ca.pem"),
        )
        .unwrap();
        let error = server.refused_with("{ ca: ca.pem }").await;
        assert!(
            error.contains(": nobody that is trusted here issued"),
            "{error}"
        );
        assert!(
            error.contains(&server.fingerprint.to_lowercase()),
            "{error}"
        );
        let error = server.refused_with("{}").await;
        assert!(
            error.contains(&server.fingerprint.to_lowercase()),
            "{error}"
        );
    }

    #[tokio::test]
    async fn an_expired_certificate_and_one_of_another_name_are_not_trusted() {
        let server = secured(Shown {
            expired: true,
            ..Shown::default()
        })
        .await;
        let error = server.refused_with("{ ca: ca.pem }").await;
        assert!(error.contains("expired"), "{error}");
        let server = secured(Shown {
            name: Some("elsewhere.example"),
            ..Shown::default()
        })
        .await;
        let error = server.refused_with("{ ca: ca.pem }").await;
        assert!(error.contains("not valid for name"), "{error}");
    }

    #[tokio::test]
    async fn a_pinned_certificate_is_trusted_whatever_it_says() {
        let shown = Shown {
            expired: true,
            self_signed: true,
            name: Some("elsewhere.example"),
            ..Shown::default()
        };
        let server = secured(shown).await;
        let report = server
            .asked_with(&format!("{{ pin: '{}' }}", server.fingerprint))
            .await;
        assert_eq!(report.verdict, Verdict::Delivered, "{report:?}");
        let report = server.asked_with("{ ca: server.pem }").await;
        assert_eq!(report.verdict, Verdict::Delivered, "{report:?}");
    }

    #[tokio::test]
    async fn any_other_certificate_than_the_pinned_one_is_refused() {
        let server = secured(Shown::default()).await;
        let error = server
            .refused_with(&format!("{{ pin: '{}' }}", "ab".repeat(32)))
            .await;
        assert!(error.contains("not the pinned one"), "{error}");
        assert!(
            error.contains(&server.fingerprint.to_lowercase()),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_server_that_asks_who_camhook_is_gets_its_certificate() {
        let server = secured(Shown {
            asks_for_client: true,
            ..Shown::default()
        })
        .await;
        let tls = "{ ca: ca.pem, cert: client.pem, key: client.key }";
        let report = server.asked_with(tls).await;
        assert_eq!(report.verdict, Verdict::Delivered, "{report:?}");
        let report = server.asked_with("{ ca: ca.pem }").await;
        assert_eq!(report.verdict, AGAIN);
    }
}
