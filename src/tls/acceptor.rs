//! From a connection to a stream: the handshake, and what may go wrong with it.

use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::client::Client;
use super::offer::Offer;
use super::plain;
use super::refused::Refused;
use super::stream::Stream;

/// The first byte of a TLS handshake.
const HANDSHAKE: u8 = 0x16;

/// Speaks TLS for a listener, with the offer of the moment. Cheap to clone; all clones change together.
#[derive(Clone)]
pub(crate) struct Acceptor(Arc<ArcSwap<Offer>>);

impl Acceptor {
    pub(crate) fn new(offer: Offer) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(offer)))
    }

    /// Connections from now on see this; those that are open stay as they are.
    pub(crate) fn replace(&self, offer: Offer) {
        self.0.store(Arc::new(offer));
    }

    pub(crate) fn offer(&self) -> Arc<Offer> {
        self.0.load_full()
    }

    /// The stream inside of TLS, and who the sender is by its certificate. None when there is none; the log says why.
    /// `setting` is the listener's, for the log.
    pub(crate) async fn accept(
        &self,
        stream: TcpStream,
        peer: IpAddr,
        setting: &'static str,
    ) -> Option<(Stream, Option<Arc<Client>>)> {
        let offer = self.offer();
        let accepted = timeout(offer.handshake, accept(stream, &offer)).await;
        match accepted.unwrap_or(Err(Refused::Slow(offer.handshake))) {
            Ok(accepted) => Some(accepted),
            Err(Refused::Silent) => {
                tracing::debug!(%peer, setting, "closed a connection that said nothing");
                None
            }
            Err(refused) => {
                tracing::info!(%peer, setting, reason = %refused, "no TLS with a sender");
                None
            }
        }
    }
}

async fn accept(
    mut stream: TcpStream,
    offer: &Offer,
) -> Result<(Stream, Option<Arc<Client>>), Refused> {
    let mut first = [0];
    match stream.peek(&mut first).await {
        Ok(1..) if first[0] == HANDSHAKE => {}
        Ok(1..) if first[0].is_ascii_alphabetic() => {
            plain::answer(&mut stream).await;
            return Err(Refused::Plain);
        }
        Ok(1..) => return Err(Refused::Foreign),
        Ok(_) | Err(_) => return Err(Refused::Silent),
    }
    let acceptor = TlsAcceptor::from(offer.config.clone());
    let stream = acceptor.accept(stream).await.map_err(Refused::of)?;
    let (_, session) = stream.get_ref();
    let shown = session.peer_certificates().and_then(<[_]>::first);
    let client = shown.map(|certificate| Arc::new(Client::read(certificate)));
    Ok((Stream::Secured(Box::new(stream)), client))
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use jiff::{SignedDuration, Timestamp};
    use rcgen::{
        BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose,
        IsCa, KeyPair, SanType,
    };
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
    use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsConnector;

    use super::super::offer::{Ask, Mistake, Wanted};
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    type Authority = CertifiedIssuer<'static, KeyPair>;

    fn authority() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
    }

    fn listener(until: (i32, u8, u8)) -> CertificateParams {
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(until.0, until.1, until.2);
        params
    }

    fn client(name: &str) -> CertificateParams {
        let mut params = CertificateParams::new(vec!["Gate.cams.example".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params
    }

    /// Puts `NAME.pem` and `NAME.key` into the folder.
    fn issue(folder: &Path, name: &str, params: &CertificateParams, by: &Authority) {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, by).unwrap();
        let write = |file: String, text| std::fs::write(folder.join(file), text).unwrap();
        write(format!("{name}.pem"), certificate.pem());
        write(format!("{name}.key"), key.serialize_pem());
    }

    fn wanted<'a>(cert: &'a str, key: Option<&'a str>, ask: Option<bool>) -> Wanted<'a> {
        Wanted {
            cert,
            key,
            ask: ask.map(|required| Ask {
                ca: "ca.pem".to_owned(),
                required,
            }),
            protocols: &[b"h2", b"http/1.1"],
            handshake: LONG,
        }
    }

    /// A folder with an authority, and a listener's and a client's certificates by it.
    fn folder() -> (tempfile::TempDir, Authority) {
        let (folder, authority) = (tempfile::tempdir().unwrap(), authority());
        std::fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
        issue(folder.path(), "own", &listener((2040, 1, 1)), &authority);
        issue(folder.path(), "cam", &client("Gate 1"), &authority);
        (folder, authority)
    }

    fn mistakes(folder: &Path, wanted: &Wanted<'_>) -> Vec<Mistake> {
        let read = wanted.read(folder);
        read.err().expect("it has mistakes")
    }

    /// A sender that trusts the folder's authority, and shows a certificate if it has one.
    fn sender(
        folder: &Path,
        shows: Option<&str>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        let authorities = super::super::certificates(folder, "ca.pem").unwrap();
        roots.add_parsable_certificates(authorities);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match shows {
            Some(name) => {
                let read = |kind| format!("{name}.{kind}");
                let chain: Vec<CertificateDer<'static>> =
                    super::super::certificates(folder, &read("pem")).unwrap();
                let key: PrivateKeyDer<'static> =
                    super::super::private_key(folder, &read("key")).unwrap();
                config.with_client_auth_cert(chain, key).unwrap()
            }
            None => config.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        TlsConnector::from(Arc::new(config))
    }

    /// What the acceptor makes of a connection, and what its sender gets to read.
    async fn meet(
        acceptor: &Acceptor,
        connector: TlsConnector,
    ) -> (Option<Option<Arc<Client>>>, Result<String, String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let sending = async {
            let stream = TcpStream::connect(address).await.unwrap();
            let name = ServerName::try_from("127.0.0.1").unwrap();
            let connected = connector.connect(name, stream).await;
            let mut stream = connected.map_err(|error| error.to_string())?;
            assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
            let mut read = String::new();
            let heard = stream.read_to_string(&mut read).await;
            heard.map(|_| read).map_err(|error| error.to_string())
        };
        let accepting = async {
            let (stream, peer) = listener.accept().await.unwrap();
            let (mut stream, client) = acceptor.accept(stream, peer.ip(), "test").await?;
            stream.write_all(b"hello").await.unwrap();
            stream.shutdown().await.unwrap();
            Some(client)
        };
        tokio::join!(accepting, sending)
    }

    const BOTH: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];

    #[tokio::test]
    async fn old_and_new_senders_are_understood() {
        let (folder, _) = folder();
        let offer = wanted("own.pem", Some("own.key"), None).read(folder.path());
        let acceptor = Acceptor::new(offer.ok().unwrap());
        for version in BOTH {
            let (accepted, heard) = meet(&acceptor, sender(folder.path(), None, &[version])).await;
            assert_eq!(heard.as_deref(), Ok("hello"), "{version:?}");
            assert_eq!(accepted, Some(None));
        }
    }

    #[tokio::test]
    async fn a_sender_shows_who_it_is_where_it_is_asked() {
        let (folder, _) = folder();
        let by = authority();
        issue(folder.path(), "stranger", &client("Gate 1"), &by);
        issue(
            folder.path(),
            "expired",
            &{
                let mut old = client("Gate 1");
                old.not_after = rcgen::date_time_ymd(2001, 1, 1);
                old
            },
            &by,
        );
        for (required, shows, comes_in) in [
            (true, Some("cam"), true),
            (true, None, false),
            (false, None, true),
            (false, Some("cam"), true),
            (true, Some("stranger"), false),
            (false, Some("stranger"), false),
            (false, Some("expired"), false),
        ] {
            let offer = wanted("own.pem", Some("own.key"), Some(required)).read(folder.path());
            let acceptor = Acceptor::new(offer.ok().unwrap());
            for version in BOTH {
                let connector = sender(folder.path(), shows, &[version]);
                let (accepted, heard) = meet(&acceptor, connector).await;
                let case = format!("{required} {shows:?} {version:?} {heard:?}");
                assert_eq!(accepted.is_some(), comes_in, "{case}");
                assert_eq!(heard.is_ok(), comes_in, "{case}");
                let Some(client) = accepted.flatten() else {
                    continue;
                };
                assert!(shows.is_some(), "{case}");
                for name in ["gate 1", "GATE.cams.example", "*.cams.example", "*"] {
                    assert!(client.is(name), "{name}");
                }
                for name in ["gate", "cams.example", "*.example", "", "*.", "sha256:00"] {
                    assert!(!client.is(name), "{name}");
                }
            }
        }
    }

    #[test]
    fn a_certificate_names_its_sender_and_has_a_fingerprint() {
        let by = authority();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "Ärmel");
        let address = SanType::IpAddress("fe80::1".parse().unwrap());
        params.subject_alt_names.push(address);
        let certificate = params
            .signed_by(&KeyPair::generate().unwrap(), &by)
            .unwrap();
        let client = Client::read(certificate.der());
        assert!(client.is("fe80::1") && client.is("ärmel"));
        let unnamed = Client::read(&CertificateDer::from(b"no certificate".to_vec()));
        let fingerprint = unnamed.name().to_owned();
        assert_eq!(fingerprint.len(), 64);
        assert!(unnamed.is(&format!("SHA256:{}", fingerprint.to_uppercase())));
        assert!(!client.is(&format!("sha256:{fingerprint}")));
    }

    /// What a sender that speaks plainly reads before the connection ends.
    async fn answer_to(acceptor: &Acceptor, said: &[u8]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut stream = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let (accepted, peer) = listener.accept().await.unwrap();
        stream.write_all(said).await.unwrap();
        let heard = async {
            let mut read = Vec::new();
            let _ = stream.read_to_end(&mut read).await; // a reset is an end, too
            drop(stream);
            read
        };
        let (accepted, read) = tokio::join!(acceptor.accept(accepted, peer.ip(), "test"), heard);
        assert!(accepted.is_none());
        String::from_utf8_lossy(&read).into_owned()
    }

    #[tokio::test]
    async fn plain_http_is_told_what_is_wrong() {
        let (folder, _) = folder();
        let offer = wanted("own.pem", Some("own.key"), None).read(folder.path());
        let acceptor = Acceptor::new(offer.ok().unwrap());
        let body = "x".repeat(100_000);
        let request = format!(
            "POST / HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let answer = answer_to(&acceptor, request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        assert!(answer.contains("https://"), "{answer}");
        assert_eq!(answer_to(&acceptor, b"\x00\x01\x02").await, "");
    }

    #[tokio::test]
    async fn a_handshake_that_drips_is_ended() {
        let (folder, _) = folder();
        let wanted = Wanted {
            handshake: Duration::from_millis(50),
            ..wanted("own.pem", Some("own.key"), None)
        };
        let acceptor = Acceptor::new(wanted.read(folder.path()).ok().unwrap());
        for said in [&b""[..], b"\x16", b"\x16\x03\x01\x40\x00\x01"] {
            assert_eq!(answer_to(&acceptor, said).await, "");
        }
    }

    #[tokio::test]
    async fn a_renewed_certificate_is_shown_to_whoever_comes_next() {
        let (folder, authority) = folder();
        let wanted = wanted("own.pem", Some("own.key"), None);
        let acceptor = Acceptor::new(wanted.read(folder.path()).ok().unwrap());
        let old = std::fs::read(folder.path().join("own.pem")).unwrap();
        issue(folder.path(), "own", &listener((2041, 1, 1)), &authority);
        acceptor.replace(wanted.read(folder.path()).ok().unwrap());
        let ends = acceptor.offer().ends.unwrap().to_string();
        assert_eq!(ends, "2041-01-01T00:00:00Z");
        let (accepted, _) = meet(&acceptor, sender(folder.path(), None, BOTH)).await;
        assert!(accepted.is_some());
        assert_ne!(std::fs::read(folder.path().join("own.pem")).unwrap(), old);
    }

    #[test]
    fn what_is_wrong_with_the_files_is_told_with_its_setting() {
        let (folder, _) = folder();
        let path = folder.path();
        let told = |cert, key, ask| {
            let found = mistakes(path, &wanted(cert, key, ask));
            assert_eq!(found.len(), 1, "{found:?}");
            format!("{}: {}", found[0].0, found[0].1)
        };
        let missing = told("nowhere.pem", Some("own.key"), None);
        assert!(missing.starts_with("cert: could not read ") && missing.contains("nowhere.pem"));
        assert!(told("nowhere.pem", None, None).starts_with("cert: could not read "));
        let none = told("own.pem", None, None);
        assert!(none.starts_with("cert: own.pem holds no private key") && none.contains("`key`"));
        let other = told("own.pem", Some("cam.key"), None);
        assert!(
            other.starts_with("key: this key does not belong"),
            "{other}"
        );
        std::fs::write(
            path.join("locked.key"),
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
        )
        .unwrap();
        let locked = told("own.pem", Some("locked.key"), None);
        assert!(
            locked.contains("is encrypted") && locked.contains("openssl pkey"),
            "{locked}"
        );
        std::fs::write(path.join("ca.pem"), "nothing").unwrap();
        let ca = told("own.pem", Some("own.key"), Some(true));
        assert_eq!(ca, "client_ca: ca.pem holds no certificate in PEM form");
    }

    #[test]
    fn one_file_may_hold_the_certificate_and_its_key() {
        let (folder, _) = folder();
        let read = |file| std::fs::read_to_string(folder.path().join(file)).unwrap();
        let both = read("own.key") + &read("own.pem");
        std::fs::write(folder.path().join("both.pem"), both).unwrap();
        assert!(wanted("both.pem", None, None).read(folder.path()).is_ok());
    }

    #[test]
    fn a_certificate_is_warned_about_from_two_weeks_before_its_end() {
        let (folder, _) = folder();
        let offer = wanted("own.pem", Some("own.key"), None).read(folder.path());
        let offer = offer.ok().unwrap();
        let end: Timestamp = "2040-01-01T00:00:00Z".parse().unwrap();
        let warned = |hours| offer.warning(end - SignedDuration::from_hours(hours));
        assert_eq!(warned(14 * 24), None);
        let told = |hours| warned(hours).unwrap();
        assert_eq!(told(14 * 24 - 1), "ends in 13 days, on 2040-01-01 00:00Z");
        assert_eq!(told(25), "ends in a day, on 2040-01-01 00:00Z");
        assert_eq!(told(1), "ends within a day, on 2040-01-01 00:00Z");
        assert!(told(-1).starts_with("has ended on 2040-01-01"));
    }
}
