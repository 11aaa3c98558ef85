//! `camhook trust` against servers whose certificates are new, old, of somebody else, or none at all.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Output;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::Value;
use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};

use crate::harness::{Process, Receiver, camhook_command, eventually, form_event};

fn trust(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = camhook_command(folder);
    command.env("SSL_CERT_FILE", folder.join("ca.pem"));
    command.env_remove("SSL_CERT_DIR");
    command.arg("trust").args(arguments).output().unwrap()
}

fn told(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8(both).unwrap()
}

/// What a server shows behind a few words of its own.
fn self_signed() -> tokio_rustls::TlsAcceptor {
    let made = rcgen::generate_simple_self_signed(["mail.local".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    tokio_rustls::TlsAcceptor::from(Arc::new(config))
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_servers_and_databases_are_asked_to_begin() {
    let folder = tempfile::tempdir().unwrap();
    authority(folder.path());
    let tls = self_signed();
    let mail = serving(move |mut stream| {
        let tls = tls.clone();
        async move {
            stream
                .write_all(b"220-hello\r\n220 mail.local\r\n")
                .await
                .unwrap();
            let mut heard = [0; 100];
            let n = stream.read(&mut heard).await.unwrap();
            assert_eq!(&heard[..n], b"EHLO camhook\r\n");
            stream
                .write_all(b"250-mail.local\r\n250 STARTTLS\r\n")
                .await
                .unwrap();
            let n = stream.read(&mut heard).await.unwrap();
            assert_eq!(&heard[..n], b"STARTTLS\r\n");
            stream.write_all(b"220 go on\r\n").await.unwrap();
            let _ = tls.accept(stream).await;
        }
    });
    let output = trust(folder.path(), &[&format!("smtp://{}", mail.await)]);
    assert!(
        told(&output).contains("mail.local") && output.status.success(),
        "{}",
        told(&output)
    );

    let tls = self_signed();
    let database = serving(move |mut stream| {
        let tls = tls.clone();
        async move {
            let mut heard = [0; 8];
            stream.read_exact(&mut heard).await.unwrap();
            assert_eq!(heard, [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]);
            stream.write_all(b"S").await.unwrap();
            let _ = tls.accept(stream).await;
        }
    });
    let output = trust(
        folder.path(),
        &[&format!("postgres://{}/gate", database.await)],
    );
    assert!(
        told(&output).contains("mail.local") && output.status.success(),
        "{}",
        told(&output)
    );

    let unwilling = serving(|mut stream| async move {
        stream
            .write_all(b"220 hi\r\n250 none here\r\n502 what?\r\n")
            .await
            .unwrap();
        let _ = stream.read(&mut [0; 100]).await;
        let _ = stream.read(&mut [0; 100]).await;
    });
    let output = trust(folder.path(), &[&format!("smtp://{}", unwilling.await)]);
    assert!(
        told(&output).contains("does not begin TLS: to `STARTTLS` it answers `502 what?`"),
        "{}",
        told(&output)
    );
}

/// Takes connections one after the other.
#[expect(clippy::disallowed_methods, reason = "the test's own server")]
async fn serving<F: Future<Output = ()> + Send>(
    serve: impl Fn(TcpStream) -> F + Send + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            serve(stream).await;
        }
    });
    address
}

/// An authority whose certificate lies in the folder's `ca.pem`.
fn authority(folder: &Path) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
        .distinguished_name
        .push(DnType::CommonName, "authority of the house");
    let made = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    std::fs::write(folder.join("ca.pem"), made.pem()).unwrap();
    made
}

/// A server with a certificate of the authority for this name, which may be out of date.
async fn issued(by: &CertifiedIssuer<'static, KeyPair>, name: &str, expired: bool) -> SocketAddr {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params
        .distinguished_name
        .push(DnType::CommonName, "the server");
    if expired {
        params.not_before = rcgen::date_time_ymd(2001, 1, 1);
        params.not_after = rcgen::date_time_ymd(2002, 1, 1);
    }
    let own = params.signed_by(&key, by).unwrap();
    showing(vec![own.der().clone(), by.der().clone()], &key).await
}

async fn showing(chain: Vec<CertificateDer<'static>>, key: &KeyPair) -> SocketAddr {
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let tls = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    serving(move |stream| {
        let tls = tls.clone();
        async move {
            if let Ok(mut stream) = tls.accept(stream).await {
                let _ = stream.read(&mut [0]).await;
            }
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_not_trusted_is_trusted_after_one_command() {
    let (server, fingerprint) = Receiver::self_signed().await;
    let address = server.url().trim_end_matches('/').to_owned();
    let address = address.split_once("://").unwrap().1.to_owned();
    let folder = tempfile::tempdir().unwrap();
    authority(folder.path());
    let camhook = Process::start(
        folder.path(),
        &format!(
            "# keep this\ntargets:\n  nas:    # in the cellar\n    http:\n      url: 'https://{address}/in'   # by address\n      \
             headers: {{ Authorization: 'Bearer hush-hush' }}\n      json: \"{{{{ event }}}}\"\n    retry: {{ attempts: 1 }}\n\
             routes:\n  - {{ name: all, to: [nas] }}\n"
        ),
    );
    let (kind, body) = form_event(1);
    let request = crate::harness::client()
        .post(&camhook.url)
        .header("content-type", kind);
    assert_eq!(request.body(body).send().await.unwrap().status(), 200);
    eventually("it is dead", async || {
        camhook.rows(&["deliveries", "--fate", "dead"]).len() == 1
    })
    .await;
    let error = camhook.rows(&["deliveries"])[0]["attempts"][0]["error"].to_string();
    assert!(
        error.contains(&fingerprint) && error.contains("`camhook trust HOST:PORT`"),
        "{error}"
    );

    let output = trust(folder.path(), &[&format!("https://{address}/in")]);
    let text = told(&output);
    assert!(output.status.success(), "{text}");
    assert!(
        text.contains("nobody that this machine trusts issued"),
        "{text}"
    );
    assert!(
        text.contains("is not for `127.0.0.1`") && text.contains("nas.local"),
        "{text}"
    );
    assert!(
        text.contains(&format!("\n    tls: {{ pin: \"sha256:{fingerprint}\" }}\n")),
        "{text}"
    );

    let file = folder.path().join("routes.yaml");
    let before = std::fs::read_to_string(&file).unwrap();
    let text = told(&trust(folder.path(), &[&address, "--target", "nas"]));
    let line = format!("      tls: {{ pin: \"sha256:{fingerprint}\" }}");
    assert!(text.contains(&format!("\n  + {line}\n")), "{text}");
    assert!(
        text.contains("Nothing was written") && !text.contains("hush-hush"),
        "{text}"
    );
    assert_eq!(std::fs::read_to_string(&file).unwrap(), before);

    let output = trust(
        folder.path(),
        &[&address, "--target", "nas", "--write", "--json"],
    );
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["written"], true);
    assert_eq!(told["trusted"], false);
    assert_eq!(told["pin"], format!("sha256:{fingerprint}"));
    assert_eq!(told["certificates"][0]["names"][0], "nas.local");
    let expected = before.replace("# by address\n", &format!("# by address\n{line}\n"));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), expected);

    eventually(
        "the running camhook takes it up, and delivers",
        async || {
            camhook.cli(&["retry", "--target", "nas"]);
            camhook.rows(&["deliveries", "--fate", "delivered"]).len() == 1
        },
    )
    .await;
    let again = trust(folder.path(), &[&address, "--target", "nas", "--write"]);
    let again = String::from_utf8(again.stdout).unwrap();
    assert!(again.contains("has this pin already"));
}

#[tokio::test(flavor = "multi_thread")]
async fn says_what_keeps_this_machine_from_trusting_it() {
    let folder = tempfile::tempdir().unwrap();
    let authority = authority(folder.path());
    let ask = |address: SocketAddr| {
        let output = trust(folder.path(), &[&address.to_string(), "--json"]);
        let text = told(&output);
        serde_json::from_str::<Value>(&text).unwrap_or_else(|_| panic!("{text}"))
    };
    let good = ask(issued(&authority, "127.0.0.1", false).await);
    assert_eq!(good["trusted"], true, "{good}");
    assert_eq!(good["certificates"].as_array().unwrap().len(), 2);
    assert!(
        good["certificates"][0]["issuer"]
            .as_str()
            .unwrap()
            .contains("authority of the house")
    );
    assert_eq!(good["certificates"][1]["authority"], true);
    assert_eq!(good["tls"], "1.3");

    let old = ask(issued(&authority, "127.0.0.1", true).await);
    assert_eq!(old["certificates"][0]["expired"], true);
    assert_eq!(old["doubts"].as_array().unwrap().len(), 1, "{old}");
    assert!(
        old["doubts"][0]
            .as_str()
            .unwrap()
            .contains("expired 2002-01-01"),
        "{old}"
    );

    let other = ask(issued(&authority, "elsewhere.example", true).await);
    let doubts = other["doubts"].as_array().unwrap();
    assert_eq!(doubts.len(), 2, "{other}");
    assert!(
        doubts[1]
            .as_str()
            .unwrap()
            .contains("is not for `127.0.0.1`"),
        "{other}"
    );

    // as `openssl req -x509` makes it
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let made = params.self_signed(&key).unwrap();
    let own = ask(showing(vec![made.der().clone()], &key).await);
    assert_eq!(own["doubts"].as_array().unwrap().len(), 1, "{own}");
    let doubt = own["doubts"][0].as_str().unwrap();
    assert!(
        doubt.contains("calls itself an authority") && !doubt.contains("OtherError"),
        "{own}"
    );
    assert_eq!(own["certificates"][0]["self_issued"], true);

    // by name, which goes along as SNI
    let named = issued(&authority, "localhost", false).await;
    let output = trust(folder.path(), &[&format!("localhost:{}", named.port())]);
    assert!(
        told(&output).contains("This machine trusts it"),
        "{}",
        told(&output)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_tls_is_told_apart_from_one_that_is_silent_or_gone() {
    let folder = tempfile::tempdir().unwrap();
    authority(folder.path());
    let fails = |address: SocketAddr, words: &str| {
        let output = trust(folder.path(), &[&address.to_string(), "--timeout", "300ms"]);
        assert_eq!(output.status.code(), Some(1));
        let text = told(&output);
        assert!(text.contains(words), "{words}: {text}");
    };
    let plain = serving(|mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        let _ = stream.read(&mut [0; 1000]).await;
    });
    fails(plain.await, "answers, but not in TLS");
    let closing = serving(|mut stream| async move {
        let _ = stream.read(&mut [0; 1000]).await;
    });
    fails(closing.await, "closed it without a word of TLS");
    let silent = serving(|mut stream| async move {
        while stream.read(&mut [0; 1000]).await.is_ok_and(|read| read > 0) {}
    });
    fails(silent.await, "did not answer within 0.3 s");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gone = listener.local_addr().unwrap();
    drop(listener);
    fails(gone, "could not reach");
    let output = trust(folder.path(), &["http://10.0.0.5"]);
    assert!(told(&output).contains("there is no TLS in `http://`"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_cannot_edit_it_leaves_and_tells_what_to_write() {
    let folder = tempfile::tempdir().unwrap();
    let authority = authority(folder.path());
    let server = issued(&authority, "127.0.0.1", false).await.to_string();
    let file = folder.path().join("routes.yaml");
    let refuses = |target: &str, words: &str| {
        let config = format!("targets:\n  vms: {target}\nroutes:\n  - {{ to: [vms] }}\n");
        std::fs::write(&file, &config).unwrap();
        let output = trust(folder.path(), &[&server, "--target", "vms", "--write"]);
        let text = told(&output);
        assert!(
            !output.status.success() && text.contains(words),
            "{words}: {text}"
        );
        assert_eq!(std::fs::read_to_string(&file).unwrap(), config);
    };
    refuses(
        "{ http: { url: \"https://x/\", tls: { ca: ca.pem } } }",
        "in `http` of target `vms` by hand: tls: { pin: \"sha256:",
    );
    refuses("{ jsonl: a.jsonl }", "where there is no TLS");
    refuses(
        "{ http: { url: \"https://x/\", urll: 1 } }",
        "unknown key `urll`",
    );
    let output = trust(folder.path(), &[&server, "--write"]);
    assert!(told(&output).contains("--target"));
}
