//! Both listeners inside of TLS, by certificates that `camhook cert` makes: what they show, to whom, and what happens when
//! it changes or ends.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::harness::{Process, camhook_command, eventually};

/// Runs `camhook cert` in the folder; what it makes lies in its folder `tls`.
pub(crate) fn cert(folder: &Path, arguments: &[&str]) -> String {
    let output = camhook_command(folder)
        .arg("cert")
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    said(&output)
}

/// A sender that trusts the authority in the folder, and shows a certificate if it is told whose.
pub(crate) fn connector(folder: &Path, shows: Option<&str>) -> TlsConnector {
    let read = |file: &str| CertificateDer::from_pem_file(folder.join(file)).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(read("ca.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match shows {
        Some(name) => {
            let key = PrivateKeyDer::from_pem_file(folder.join(format!("{name}.key"))).unwrap();
            config
                .with_client_auth_cert(vec![read(&format!("{name}.pem"))], key)
                .unwrap()
        }
        None => config.with_no_client_auth(),
    };
    TlsConnector::from(Arc::new(config))
}

fn said(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8(both).unwrap()
}

const TLS: &str = "tls: { cert: tls/camhook.pem, key: tls/camhook.key";

/// A camhook whose listeners speak nothing but HTTPS, with more settings of `server.tls`.
fn start(folder: &Path, more: &str) -> Process {
    let listen = "listen: \"127.0.0.1:0\"";
    let text = format!(
        "server: {{ {listen}, {TLS}{more} }} }}\nadmin: {{ {listen}, {TLS} }} }}\nsources:\n  gate: {{ kind: generic }}\n"
    );
    std::fs::write(folder.join("routes.yaml"), text).unwrap();
    let log = std::fs::File::create(folder.join("log.txt")).unwrap();
    Process::start_logging(folder, log)
}

fn curl(folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("curl");
    command.current_dir(folder).args([
        "-sS",
        "--noproxy",
        "*",
        "-w",
        " %{http_code} %{http_version}",
    ]);
    command.args(["-H", "content-type: application/json", "-d", "{\"a\": 1}"]);
    said(&command.args(arguments).output().expect("curl is installed"))
}

#[tokio::test(flavor = "multi_thread")]
async fn cameras_of_every_age_send_by_https() {
    let folder = tempfile::tempdir().unwrap();
    let told = cert(folder.path(), &["127.0.0.1", "gate.example"]);
    assert!(
        told.contains("ca.pem") && told.contains("server: {"),
        "{told}"
    );
    let camhook = start(folder.path(), "");
    let port = camhook.address().rsplit(':').next().unwrap().to_owned();
    let url = format!("https://{}/gate", camhook.address());
    assert_eq!(camhook.url, url);
    let trusting = ["--cacert", "tls/ca.pem"];
    let by_name = format!("gate.example:{port}:127.0.0.1");
    let named = format!("https://gate.example:{port}/gate");
    for (arguments, expected) in [
        (&[&url[..]][..], " 200 1.1"),
        (&["--tls-max", "1.2", "--http1.1", &url], " 200 1.1"),
        (&["--http1.0", &url], " 200 1"),
        (&["--resolve", &by_name, &named], " 200 1.1"),
    ] {
        let told = curl(folder.path(), &[&trusting[..], arguments].concat());
        assert!(told.ends_with(expected), "{arguments:?}: {told}");
    }
    let stranger = curl(folder.path(), &[&url]);
    assert!(stranger.starts_with(" 000 0"), "{stranger}");
    let old = curl(
        folder.path(),
        &[
            "-k",
            "--tls-max",
            "1.1",
            "--ciphers",
            "DEFAULT@SECLEVEL=0",
            &url,
        ],
    );
    assert!(old.starts_with(" 000 0"), "{old}");
    let plain = curl(folder.path(), &[&url.replace("https", "http")]);
    assert!(
        plain.contains("https://") && plain.ends_with(" 400 1.1"),
        "{plain}"
    );

    // By itself, from the config; and at an address that is given.
    let own = camhook.admin.trim_start_matches("https://");
    let text = format!("admin: {{ listen: \"{own}\", {TLS} }} }}\n");
    std::fs::write(folder.path().join("own.yaml"), text).unwrap();
    let rows = camhook_command(folder.path())
        .args(["--config", "own.yaml", "--json", "events"])
        .output()
        .unwrap();
    assert!(rows.status.success(), "{}", said(&rows));
    assert_eq!(said(&rows).lines().count(), 4);
    assert!(camhook.admin.starts_with("https://"));
    assert_eq!(camhook.rows(&["events"]).len(), 4);
    let sent = camhook.cli(&["send", "generic", "json", "--url", &url]);
    assert!(sent.status.success(), "{}", said(&sent));
    assert!(camhook.rows(&["events"]).len() > 4);
    let elsewhere = tempfile::tempdir().unwrap();
    let mut command = camhook_command(elsewhere.path());
    let output = command
        .args(["--admin", &camhook.admin, "events"])
        .output()
        .unwrap();
    assert!(
        !output.status.success(),
        "a certificate that nobody vouches for"
    );
    let mut command = camhook_command(elsewhere.path());
    command.env("SSL_CERT_FILE", folder.path().join("tls/ca.pem"));
    let output = command
        .args(["--admin", &camhook.admin, "events"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));

    camhook.stop();
    let log = std::fs::read_to_string(folder.path().join("log.txt")).unwrap();
    for told in [
        "does not trust this certificate",
        "its TLS is too old",
        "does not speak TLS",
    ] {
        assert!(log.contains(told), "{told} in {log}");
    }
}

/// The expiry that `/metrics` tells of the front door's certificate.
fn ends(folder: &Path, camhook: &Process) -> String {
    let url = format!("{}/metrics", camhook.admin);
    let output = Command::new("curl")
        .current_dir(folder)
        .args(["-sS", "--noproxy", "*", "--cacert", "tls/ca.pem", &url])
        .output()
        .unwrap();
    let page = said(&output);
    let line = "camhook_certificate_expires_timestamp_seconds{listener=\"server\"} ";
    let found = page.lines().find_map(|told| told.strip_prefix(line));
    found.unwrap_or_else(|| panic!("{page}")).to_owned()
}

/// The serial number that a new connection is shown.
async fn shown(folder: &Path, url: &str) -> Vec<u8> {
    let stream = TcpStream::connect(url.split('/').nth(2).unwrap())
        .await
        .unwrap();
    let connector = connector(&folder.join("tls"), None);
    let name = "127.0.0.1".try_into().unwrap();
    let stream = connector.connect(name, stream).await.unwrap();
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_certificate_is_taken_up_and_a_bad_one_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join("tls").join(name);
    cert(folder.path(), &["127.0.0.1"]);
    let camhook = start(folder.path(), "");
    let first = shown(folder.path(), &camhook.url).await;
    let began = ends(folder.path(), &camhook);

    // A connection that is open stays open over the change.
    let stream = TcpStream::connect(camhook.address()).await.unwrap();
    let connector = connector(&file(""), None);
    let mut open = connector
        .connect("127.0.0.1".try_into().unwrap(), stream)
        .await
        .unwrap();
    let request = b"POST /gate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
    let mut answer = [0; 12];
    open.write_all(request).await.unwrap();
    open.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");

    let refused = camhook_command(folder.path())
        .args(["cert", "127.0.0.1"])
        .output()
        .unwrap();
    assert!(!refused.status.success() && said(&refused).contains("--replace"));
    cert(folder.path(), &["127.0.0.1", "--days", "10", "--replace"]);
    eventually("the new certificate is shown", async || {
        shown(folder.path(), &camhook.url).await != first
    })
    .await;
    eventually("both listeners show it", async || {
        shown(folder.path(), &camhook.admin).await == shown(folder.path(), &camhook.url).await
    })
    .await;
    assert_ne!(ends(folder.path(), &camhook), began);
    open.write_all(request).await.unwrap();
    let mut rest = vec![0; 4096];
    let n = open.read(&mut rest).await.unwrap();
    assert!(n > 0);

    let second = shown(folder.path(), &camhook.url).await;
    std::fs::copy(file("ca.key"), file("camhook.key")).unwrap();
    camhook.signal("HUP");
    eventually("the bad key is refused", async || {
        let log = std::fs::read_to_string(folder.path().join("log.txt")).unwrap();
        log.contains("this key does not belong to the first certificate")
    })
    .await;
    assert_eq!(shown(folder.path(), &camhook.url).await, second);
    let log = std::fs::read_to_string(folder.path().join("log.txt")).unwrap();
    assert!(
        log.contains("the certificate of `server` ends in 9 days")
            || log.contains("ends in 10 days"),
        "{log}"
    );
    camhook.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_drip_keep_nobody_waiting_and_are_ended() {
    let folder = tempfile::tempdir().unwrap();
    cert(folder.path(), &["127.0.0.1"]);
    let camhook = start(folder.path(), ", handshake_timeout: 1s");
    let address = camhook.address().to_owned();
    let mut dripping = Vec::new();
    for n in 0..100 {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        let began = [&b""[..], b"\x16\x03\x01", b"\x16\x03\x01\x40\x00\x01\x00"][n % 3];
        stream.write_all(began).await.unwrap();
        dripping.push(stream);
    }
    let url = format!("https://{}/gate", camhook.address());
    let told = curl(folder.path(), &["--cacert", "tls/ca.pem", &url]);
    assert!(told.contains(" 200 "), "{told}");
    for mut stream in dripping {
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await; // a reset is an end, too
    }
    camhook.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_certificate_nobody_comes_in_where_all_must_have_one() {
    let folder = tempfile::tempdir().unwrap();
    cert(folder.path(), &["127.0.0.1"]);
    cert(folder.path(), &["--client", "gate-1"]);
    let camhook = start(folder.path(), ", client_ca: tls/ca.pem");
    let url = format!("https://{}/gate", camhook.address());
    let with = [
        "--cacert",
        "tls/ca.pem",
        "--cert",
        "tls/gate-1.pem",
        "--key",
        "tls/gate-1.key",
        &url,
    ];
    let told = curl(folder.path(), &with);
    assert!(told.contains(" 200 "), "{told}");
    let told = curl(folder.path(), &["--cacert", "tls/ca.pem", &url]);
    assert!(told.ends_with(" 000 0") || told.contains(" 000 "), "{told}");
    // The listener's own certificate is by the same authority, but not for clients.
    let own = [
        "--cacert",
        "tls/ca.pem",
        "--cert",
        "tls/camhook.pem",
        "--key",
        "tls/camhook.key",
        &url,
    ];
    let told = curl(folder.path(), &own);
    assert!(told.contains(" 000 "), "{told}");
    assert_eq!(camhook.rows(&["events"]).len(), 1);
    camhook.stop();
    let log = std::fs::read_to_string(folder.path().join("log.txt")).unwrap();
    assert!(log.contains("it shows no certificate"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_that_hangs_up_without_good_bye_has_sent_its_event() {
    let folder = tempfile::tempdir().unwrap();
    cert(folder.path(), &["127.0.0.1"]);
    let camhook = start(folder.path(), "");
    let address = camhook.address().to_owned();
    let stream = TcpStream::connect(&address).await.unwrap();
    let connector = connector(&folder.path().join("tls"), None);
    let mut tls = connector
        .connect("127.0.0.1".try_into().unwrap(), stream)
        .await
        .unwrap();
    let request = b"POST /gate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
    tls.write_all(request).await.unwrap();
    // The connection below is closed one way, with no word of TLS; the answer comes all the same.
    tls.get_mut().0.shutdown().await.unwrap();
    let mut answer = [0; 12];
    tls.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    // And a body that is cut short is none.
    let stream = TcpStream::connect(&address).await.unwrap();
    let mut tls = connector
        .connect("127.0.0.1".try_into().unwrap(), stream)
        .await
        .unwrap();
    let short = b"POST /gate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n{}";
    tls.write_all(short).await.unwrap();
    tls.get_mut().0.shutdown().await.unwrap();
    tls.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 400");
    eventually("one event is kept", async || {
        camhook.rows(&["events"]).len() == 1
    })
    .await;
    camhook.stop();
}

#[test]
fn check_tells_of_a_certificate_that_ends_and_of_one_that_cannot_be_used() {
    let folder = tempfile::tempdir().unwrap();
    cert(folder.path(), &["127.0.0.1", "--days", "3"]);
    let file = folder.path().join("routes.yaml");
    std::fs::write(&file, format!("server: {{ {TLS} }} }}\n")).unwrap();
    let check = || {
        camhook_command(folder.path())
            .arg("check")
            .output()
            .unwrap()
    };
    let output = check();
    assert!(output.status.success(), "{}", said(&output));
    assert!(
        said(&output).contains("warning: the certificate of `server` ends in 2 days"),
        "{}",
        said(&output)
    );
    std::fs::remove_file(folder.path().join("tls/camhook.key")).unwrap();
    let output = check();
    assert_eq!(output.status.code(), Some(2));
    let told = said(&output);
    assert!(
        told.contains("routes.yaml:1:46") && told.contains("could not read"),
        "{told}"
    );
    std::fs::write(
        &file,
        format!("server: {{ listen: \"127.0.0.1:9\", {TLS}, listen: \"0.0.0.0:9\" }} }}\n"),
    )
    .unwrap();
    assert!(said(&check()).contains("is taken by `server.listen` already"));
}

#[cfg(unix)]
#[test]
fn keys_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    cert(folder.path(), &["127.0.0.1"]);
    cert(folder.path(), &["--client", "gate-1"]);
    for key in ["ca.key", "camhook.key", "gate-1.key"] {
        let file = folder.path().join("tls").join(key);
        let mode = std::fs::metadata(file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{key}");
    }
    let told = cert(
        folder.path(),
        &["gate.example", "--config", "conf/routes.yaml"],
    );
    assert!(
        told.contains("cert: tls/camhook.pem, key: tls/camhook.key"),
        "{told}"
    );
    assert!(folder.path().join("conf/tls/camhook.pem").exists());
    for wrong in [
        &["--client", "../x"][..],
        &["--client", "a", "b"],
        &["--client", "ca"],
    ] {
        let mut command = camhook_command(folder.path());
        let output = command.arg("cert").args(wrong).output().unwrap();
        assert!(!output.status.success(), "{wrong:?}");
    }
}
