//! Who may send: every kind of auth, right and wrong in every way there is, and nothing of a refused request is kept.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use md5::Md5;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{Process, camhook_command};
use crate::https::{cert, connector};

const SOURCES: &str = r#"
sources:
  open: { kind: generic }
  token: { kind: generic, auth: { token: "tok en/1" } }
  tokens: { kind: generic, auth: { tokens: "one, two" } }
  basic: { kind: generic, auth: { basic: { username: gate, password: "a:b c" } } }
  digest: { kind: generic, auth: { digest: { username: gate, password: "a:b c" } } }
  strict: { kind: generic, auth: { digest: { username: gate, password: other, algorithms: [sha256] } } }
  many: { kind: generic, auth: { token: tok, basic: { username: gate, password: pw }, digest: { username: gate, password: pw } } }
  near: { kind: generic, auth: { allow: [10.0.0.0/8, "2001:db8::/32"] } }
  nearby: { kind: generic, auth: { allow: [10.0.0.0/8], token: tok } }
  signed: { kind: generic, auth: { signature: { scheme: github, secret: shared } } }
  cert: { kind: generic, auth: { client_cert: [gate-1] } }
  anycert: { kind: generic, auth: { client_cert: ["*"], token: tok } }
  all: { kind: generic, auth: { allow: [10.0.0.0/8], client_cert: ["*"], digest: { username: gate, password: pw }, signature: { scheme: github, secret: shared } } }
  root: { kind: generic, path: /, auth: { token: root-tok } }
"#;

/// How a request reaches camhook.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Over {
    Plain,
    Tls,
    /// TLS with this certificate.
    As(&'static str),
}

/// One request, and what must come of it.
struct Case {
    name: String,
    method: &'static str,
    path: String,
    headers: Vec<String>,
    over: Over,
    /// As told by the trusted proxy that the tests are; guesses of one case must not slow down another.
    from: Option<&'static str>,
    status: u16,
}

struct Doors {
    camhook: Process,
    folder: tempfile::TempDir,
    cases: Vec<Case>,
}

fn body(name: &str) -> String {
    serde_json::json!({ "case": name }).to_string()
}

/// `X-Hub-Signature-256` of a case's body.
fn signature(case: &str, secret: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body(case).as_bytes());
    let code = data_encoding::HEXLOWER.encode(&mac.finalize().into_bytes());
    format!("X-Hub-Signature-256: sha256={code}")
}

fn basic(pair: &str) -> String {
    format!("Authorization: Basic {}", STANDARD.encode(pair))
}

/// A digest as a camera makes it.
#[derive(Clone, Copy)]
struct Credentials<'a> {
    user: &'a str,
    password: &'a str,
    sha256: bool,
    /// Of the request, as the camera understands it.
    uri: &'a str,
    count: &'a str,
}

fn answered(nonce: &str, method: &str, given: Credentials<'_>) -> String {
    let hash = |text: String| match given.sha256 {
        true => data_encoding::HEXLOWER.encode(&Sha256::digest(text)),
        false => data_encoding::HEXLOWER.encode(&Md5::digest(text)),
    };
    let Credentials {
        user,
        password,
        uri,
        count,
        ..
    } = given;
    let ours = hash(format!("{user}:camhook:{password}"));
    let request = hash(format!("{method}:{uri}"));
    let response = hash(format!("{ours}:{nonce}:{count}:c0ffee:auth:{request}"));
    let algorithm = if given.sha256 { "SHA-256" } else { "MD5" };
    format!(
        "Authorization: Digest username=\"{user}\", realm=\"camhook\", nonce=\"{nonce}\", uri=\"{uri}\", algorithm={algorithm}, qop=auth, nc={count}, cnonce=\"c0ffee\", response=\"{response}\""
    )
}

impl Doors {
    fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        cert(folder.path(), &["127.0.0.1"]);
        for name in ["gate-1", "gate-2"] {
            cert(folder.path(), &["--client", name]);
        }
        let tls = "tls: { cert: tls/camhook.pem, key: tls/camhook.key, listen: \"127.0.0.1:0\", client_ca: tls/ca.pem, client_certs: optional }";
        let listeners = format!(
            "server: {{ listen: \"127.0.0.1:0\", trusted_proxies: [127.0.0.1], {tls} }}\nadmin: {{ listen: 127.0.0.1:0 }}\n"
        );
        std::fs::write(folder.path().join("routes.yaml"), listeners + SOURCES).unwrap();
        let camhook = Process::start_again(folder.path());
        Self {
            camhook,
            folder,
            cases: Vec::new(),
        }
    }

    fn case(&mut self, name: &str, path: &str, headers: &[&str], status: u16) -> &mut Case {
        let headers = headers.iter().map(|header| (*header).to_owned());
        self.cases.push(Case {
            name: name.to_owned(),
            method: "POST",
            path: path.to_owned(),
            headers: headers.collect(),
            over: Over::Plain,
            from: None,
            status,
        });
        self.cases.last_mut().unwrap()
    }

    /// A fresh nonce.
    async fn nonce(&self, path: &str, over: Over) -> String {
        let from = "X-Forwarded-For: 10.0.0.9";
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\n{from}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        );
        let (status, text) = self.exchange(over, request.as_bytes()).await;
        assert_eq!(status, 401, "{path}");
        let nonce = text.split("nonce=\"").nth(1).unwrap();
        nonce.split('"').next().unwrap().to_owned()
    }

    /// Bytes to camhook and back; the answer's status and text.
    async fn exchange(&self, over: Over, request: &[u8]) -> (u16, String) {
        let address = match over {
            Over::Plain => self.camhook.address(),
            Over::Tls | Over::As(_) => self.camhook.secured_address(),
        };
        let mut stream = TcpStream::connect(address).await.unwrap();
        let mut heard = Vec::new();
        if over == Over::Plain {
            stream.write_all(request).await.unwrap();
            stream.read_to_end(&mut heard).await.unwrap();
        } else {
            let shows = match over {
                Over::As(name) => Some(name),
                Over::Plain | Over::Tls => None,
            };
            let connector = connector(&self.folder.path().join("tls"), shows);
            let name = "127.0.0.1".try_into().unwrap();
            let mut stream = connector.connect(name, stream).await.unwrap();
            stream.write_all(request).await.unwrap();
            stream.read_to_end(&mut heard).await.unwrap();
        }
        let text = String::from_utf8(heard).unwrap();
        (text[9..12].parse().unwrap(), text)
    }

    async fn send(&self, case: &Case, n: usize) -> (u16, String) {
        let body = body(&case.name);
        let from = case.from.map_or_else(
            || format!("198.51.{}.{}", n / 250, n % 250 + 1),
            str::to_owned,
        );
        let headers: String = case.headers.iter().fold(
            format!("Host: x\r\nX-Forwarded-For: {from}\r\nConnection: close\r\nContent-Type: application/json\r\n"),
            |text, header| text + header + "\r\n",
        );
        let request = format!(
            "{} {} HTTP/1.1\r\n{headers}Content-Length: {}\r\n\r\n{body}",
            case.method,
            case.path,
            body.len()
        );
        self.exchange(case.over, request.as_bytes()).await
    }

    /// Sends all cases; all that were taken are kept, and nothing else.
    async fn judge(self) {
        let mut wrong = String::new();
        for (n, case) in self.cases.iter().enumerate() {
            let (status, text) = self.send(case, n).await;
            let head = text.split("\r\n\r\n").next().unwrap().to_lowercase();
            if status != case.status {
                wrong += &format!("{}: {status}, expected {}\n", case.name, case.status);
            }
            if status == 401
                && !case.name.starts_with("signed")
                && !case.name.starts_with("all: unsigned")
            {
                assert!(head.contains("www-authenticate: "), "{}: {head}", case.name);
            }
        }
        assert!(wrong.is_empty(), "{wrong}");
        let expected: BTreeSet<String> = (self.cases.iter())
            .filter(|case| case.status == 200 && case.method == "POST")
            .map(|case| case.name.clone())
            .collect();
        let rows = self.camhook.rows(&["events", "--limit", "0"]);
        let mut kept = BTreeSet::new();
        for row in rows {
            let id = row["id"].as_str().unwrap();
            let event = self.camhook.get(&format!("/api/v1/events/{id}")).await;
            let case = event["raw"]["case"]
                .as_str()
                .unwrap_or_else(|| panic!("{event}"));
            assert!(kept.insert(case.to_owned()), "{case} is there twice");
        }
        assert_eq!(kept, expected);
        assert!(self.camhook.rows(&["quarantine"]).is_empty());
        self.camhook.stop();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_auth_matrix() {
    let mut doors = Doors::open();
    without_credentials(&mut doors);
    tokens(&mut doors);
    passwords(&mut doors);
    digests(&mut doors).await;
    networks(&mut doors);
    signatures(&mut doors);
    certificates(&mut doors);
    everything(&mut doors).await;
    doors.judge().await;
}

fn without_credentials(doors: &mut Doors) {
    doors.case("open", "/open", &[], 200);
    doors.case("open: below", "/open/a/b", &[], 200);
    doors.case("open: needless", "/open", &["Authorization: Token x"], 200);
    doors.case("open: up and away", "/open/../token", &[], 200); // it stays in `open`
    doors.case("open: encoded", "/%6fpen", &[], 200);
    doors.case("open: another case is another path", "/Open", &[], 401);
    for (n, path) in ["/token", "/basic", "/digest", "/strict", "/many", "/"]
        .into_iter()
        .enumerate()
    {
        doors.case(&format!("missing {n}"), path, &[], 401);
        for method in ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"] {
            doors
                .case(&format!("missing {n} {method}"), path, &[], 401)
                .method = method;
        }
    }
    for (n, path) in ["/near", "/cert", "/anycert", "/all"]
        .into_iter()
        .enumerate()
    {
        doors.case(&format!("forbidden {n}"), path, &[], 403);
        doors
            .case(&format!("forbidden {n} GET"), path, &[], 403)
            .method = "GET";
    }
}

fn tokens(doors: &mut Doors) {
    let right = "Authorization: Token tok en/1";
    let wrong = "Authorization: Token tok";
    for (name, path, headers, status) in [
        ("header", "/token", &[right][..], 200),
        (
            "bearer in any case",
            "/token",
            &["authorization: BEARER tok en/1"],
            200,
        ),
        ("path", "/token/tok%20en%2F1", &[], 200),
        (
            "path, all encoded",
            "/%74oken/%74%6f%6b%20%65%6e%2f%31",
            &[],
            200,
        ),
        ("path below", "/token/cam-1/tok%20en%2F1", &[], 200),
        ("path, slashes", "//token//tok%20en%2F1/", &[], 200),
        ("query", "/token?token=tok%20en/1", &[], 200),
        ("query with plus", "/token?a=b&token=tok+en%2f1", &[], 200),
        (
            "query, the second",
            "/token?token=x&token=tok+en/1",
            &[],
            200,
        ),
        ("query name in any case", "/token?Token=tok+en/1", &[], 200),
        (
            "two headers, the first right",
            "/token",
            &[right, wrong],
            200,
        ),
        (
            "two headers, the first wrong",
            "/token",
            &[wrong, right],
            401,
        ),
        (
            "another scheme before it",
            "/token",
            &["Authorization: Basic eA==", right],
            200,
        ),
        ("wrong", "/token", &[wrong], 401),
        ("longer", "/token", &["Authorization: Token tok en/12"], 401),
        (
            "another case",
            "/token",
            &["Authorization: Token TOK EN/1"],
            401,
        ),
        ("empty", "/token", &["Authorization: Token "], 401),
        ("no scheme", "/token", &["Authorization: tok en/1"], 401),
        (
            "another scheme",
            "/token",
            &["Authorization: Basic tok en/1"],
            401,
        ),
        ("not in the end", "/token/tok%20en%2F1/x", &[], 401),
        ("parted by its slash", "/token/tok%20en/1", &[], 401),
        ("encoded twice", "/token/tok%2520en%252F1", &[], 401),
        (
            "in the query under another name",
            "/token?tokens=tok+en/1",
            &[],
            401,
        ),
        ("in a cookie", "/token", &["Cookie: token=tok en/1"], 401),
        (
            "of another source",
            "/token",
            &["Authorization: Token one"],
            401,
        ),
        ("of another source in the path", "/token/one", &[], 401),
        ("the source's name", "/token/token", &[], 401),
        ("not UTF-8", "/token/%ff%fe", &[], 401),
    ] {
        doors.case(&format!("token: {name}"), path, headers, status);
    }
    for (name, path, headers, status) in [
        ("one", "/tokens", &["Authorization: Token one"][..], 200),
        ("two", "/tokens/two", &[], 200),
        ("both", "/tokens", &["Authorization: Token one, two"], 401),
        ("the comma", "/tokens", &["Authorization: Token ,"], 401),
        (
            "path and header of different sources",
            "/tokens/root-tok",
            &[right],
            401,
        ),
    ] {
        doors.case(&format!("tokens: {name}"), path, headers, status);
    }
    for (name, path, status) in [
        ("at /", "/root-tok", 200),
        ("below an unclaimed path", "/any/thing/root-tok", 200),
        (
            "in the query of an unclaimed path",
            "/any?token=root-tok",
            200,
        ),
        ("below a source that has another", "/token/root-tok", 401),
        ("not in the end", "/root-tok/any", 401),
        ("with dots", "/any/../root-tok/.", 401),
        ("wrong", "/root-toc", 401),
    ] {
        doors.case(&format!("root: {name}"), path, &[], status);
    }
}

fn passwords(doors: &mut Doors) {
    let right = basic("gate:a:b c");
    for (name, path, header, status) in [
        ("right", "/basic", right.clone(), 200),
        ("right below", "/basic/x", right.clone(), 200),
        (
            "scheme in any case",
            "/basic",
            right.replace("Basic", "bAsIc"),
            200,
        ),
        ("wrong password", "/basic", basic("gate:a:b"), 401),
        ("wrong user", "/basic", basic("Gate:a:b c"), 401),
        ("no user", "/basic", basic(":a:b c"), 401),
        ("no colon", "/basic", basic("gate"), 401),
        ("empty", "/basic", basic(""), 401),
        (
            "no base64",
            "/basic",
            "Authorization: Basic ***".into(),
            401,
        ),
        (
            "not UTF-8",
            "/basic",
            format!("Authorization: Basic {}", STANDARD.encode(b"gate:\xff")),
            401,
        ),
        (
            "not encoded",
            "/basic",
            "Authorization: Basic gate:a:b c".into(),
            401,
        ),
        (
            "as a token",
            "/basic",
            "Authorization: Token a:b c".into(),
            401,
        ),
        ("in the address", "/basic?token=a:b+c", String::new(), 401),
        ("of another source", "/basic", basic("gate:pw"), 401),
        (
            "in the proxy's header",
            "/basic",
            right.replace("Authorization", "Proxy-Authorization"),
            401,
        ),
        ("where digest is asked for", "/digest", right.clone(), 401),
    ] {
        let headers: Vec<&str> = Some(header.as_str())
            .filter(|header| !header.is_empty())
            .into_iter()
            .collect();
        doors.case(&format!("basic: {name}"), path, &headers, status);
    }
    let wrong = basic("gate:x");
    doors.case(
        "basic: two headers, the first right",
        "/basic",
        &[&right, &wrong],
        200,
    );
    doors.case(
        "basic: two headers, the first wrong",
        "/basic",
        &[&wrong, &right],
        401,
    );
    for (name, header, status) in [
        ("token", "Authorization: Token tok".to_owned(), 200),
        ("password", basic("gate:pw"), 200),
        ("wrong token", "Authorization: Token pw".to_owned(), 401),
        ("wrong password", basic("gate:tok"), 401),
    ] {
        doors.case(&format!("many: {name}"), "/many", &[&header], status);
    }
}

async fn digests(doors: &mut Doors) {
    let right = Credentials {
        user: "gate",
        password: "a:b c",
        sha256: false,
        uri: "/digest",
        count: "00000001",
    };
    let sha256 = Credentials {
        sha256: true,
        ..right
    };
    let strict = Credentials {
        password: "other",
        uri: "/strict",
        ..sha256
    };
    for (name, path, given, status) in [
        ("MD5", "/digest", right, 200),
        ("SHA-256", "/digest", sha256, 200),
        ("strict", "/strict", strict, 200),
        (
            "many",
            "/many",
            Credentials {
                password: "pw",
                uri: "/many",
                ..right
            },
            200,
        ),
        (
            "a later count",
            "/digest",
            Credentials {
                count: "0000abcd",
                ..right
            },
            200,
        ),
        (
            "below, with a query",
            "/digest/a%20b?x=1,2",
            Credentials {
                uri: "/digest/a%20b?x=1,2",
                ..right
            },
            200,
        ),
        (
            "whole address",
            "/digest",
            Credentials {
                uri: "http://camhook.example:1/digest",
                ..right
            },
            200,
        ),
        (
            "wrong password",
            "/digest",
            Credentials {
                password: "a:b",
                ..right
            },
            401,
        ),
        (
            "wrong user",
            "/digest",
            Credentials {
                user: "GATE",
                ..right
            },
            401,
        ),
        (
            "empty password",
            "/digest",
            Credentials {
                password: "",
                ..right
            },
            401,
        ),
        (
            "of another source",
            "/digest",
            Credentials {
                password: "other",
                ..right
            },
            401,
        ),
        (
            "for another source",
            "/digest",
            Credentials {
                uri: "/many",
                ..right
            },
            401,
        ),
        ("for a path above", "/digest/x", right, 401),
        (
            "for another query",
            "/digest?a=2",
            Credentials {
                uri: "/digest?a=1",
                ..right
            },
            401,
        ),
        (
            "for the same path, encoded otherwise",
            "/%64igest",
            right,
            401,
        ),
        (
            "MD5 where only SHA-256 will do",
            "/strict",
            Credentials {
                sha256: false,
                ..strict
            },
            401,
        ),
        (
            "count of nothing",
            "/digest",
            Credentials {
                count: "00000000",
                ..right
            },
            401,
        ),
        (
            "short count",
            "/digest",
            Credentials {
                count: "1",
                ..right
            },
            401,
        ),
    ] {
        let nonce = doors.nonce(path, Over::Plain).await;
        let header = answered(&nonce, "POST", given);
        doors.case(&format!("digest: {name}"), path, &[&header], status);
    }
    let nonce = doors.nonce("/digest", Over::Plain).await;
    let first = answered(&nonce, "POST", right);
    let second = answered(
        &nonce,
        "POST",
        Credentials {
            count: "00000002",
            ..right
        },
    );
    doors.case("digest: first use", "/digest", &[&first], 200);
    doors.case("digest: replayed", "/digest", &[&first], 401);
    doors.case("digest: next use", "/digest", &[&second], 200);
    doors.case("digest: replayed again", "/digest", &[&second], 401);
    doors.case(
        "digest: replayed at another source",
        "/many",
        &[&second],
        401,
    );
    let other = answered(
        &nonce,
        "GET",
        Credentials {
            count: "00000003",
            ..right
        },
    );
    doors.case("digest: for another method", "/digest", &[&other], 401);
    doors
        .case("digest: a visit", "/digest", &[&other], 200)
        .method = "GET";
    let strange = answered("bm90IG91cnM", "POST", right);
    doors.case(
        "digest: a nonce of another server",
        "/digest",
        &[&strange],
        401,
    );
    let fresh = doors.nonce("/digest", Over::Plain).await;
    let header = answered(&fresh, "POST", right);
    for (n, (from, to)) in [
        ("qop=auth", "qop=auth-int"),
        ("qop=auth, ", ""),
        ("cnonce=\"c0ffee\"", "cnonce=\"\""),
        ("username=\"gate\"", "username=\"gate"),
        ("username=\"gate\"", "username=\"gate\", username=\"gate\""),
        ("algorithm=MD5", "algorithm=MD5-sess"),
        ("algorithm=MD5", "algorithm=SHA-256"),
        ("response=\"", "response=\"00"),
        ("Digest ", "Digest"),
        ("Authorization", "Proxy-Authorization"),
    ]
    .into_iter()
    .enumerate()
    {
        let broken = header.replacen(from, to, 1);
        assert_ne!(broken, header);
        doors.case(
            &format!("digest: malformed {n}"),
            "/digest",
            &[&broken],
            401,
        );
    }
    let wrong = answered(
        &fresh,
        "POST",
        Credentials {
            password: "x",
            ..right
        },
    );
    doors.case(
        "digest: two headers, the first wrong",
        "/digest",
        &[&wrong, &header],
        401,
    );
    doors.case(
        "digest: two headers, the first right",
        "/digest",
        &[&header, &wrong],
        200,
    );
}

fn networks(doors: &mut Doors) {
    for (name, path, from, headers, status) in [
        ("inside", "/near", "10.1.2.3", &[][..], 200),
        ("inside, IPv6", "/near", "[2001:db8::7]:4711", &[], 200),
        ("inside, mapped", "/near", "::ffff:10.1.2.3", &[], 200),
        ("outside", "/near", "11.1.2.3", &[], 403),
        (
            "invented before the last hop",
            "/near",
            "10.1.2.3, 11.1.2.3",
            &[],
            403,
        ),
        (
            "what the proxy appended",
            "/near",
            "11.1.2.3, 10.1.2.3",
            &[],
            200,
        ),
        ("hidden", "/near", "unknown", &[], 403),
        ("empty", "/near", "", &[], 403),
        (
            "invented in another header",
            "/near",
            "11.1.2.3",
            &["Forwarded: for=10.1.2.3", "X-Real-IP: 10.1.2.3"],
            403,
        ),
        ("inside with token", "/nearby/tok", "10.1.2.3", &[], 200),
        ("inside without token", "/nearby", "10.1.2.3", &[], 401),
        ("outside with token", "/nearby/tok", "11.1.2.3", &[], 403),
    ] {
        doors
            .case(&format!("allow: {name}"), path, headers, status)
            .from = Some(from);
    }
}

fn signatures(doors: &mut Doors) {
    let mut case = |name: &str, of: &str, secret: &str, status| {
        let name = format!("signed: {name}");
        let of = if of.is_empty() { &name } else { of };
        let header = signature(of, secret);
        doors.case(&name, "/signed", &[&header], status);
    };
    case("right", "", "shared", 200);
    case("another secret", "", "Shared", 401);
    case("of another body", "signed: right", "shared", 401);
    doors.case("signed: missing", "/signed", &[], 401);
    doors.case(
        "signed: malformed",
        "/signed",
        &["X-Hub-Signature-256: sha256=xyz"],
        401,
    );
    let twice = "signed: two headers";
    let header = signature(twice, "shared");
    doors.case(twice, "/signed", &[&header, &header], 401);
    doors.case(
        "signed: by a token",
        "/signed",
        &["Authorization: Token shared"],
        401,
    );
}

fn certificates(doors: &mut Doors) {
    let tok = "Authorization: Token tok";
    for (name, path, over, headers, status) in [
        ("named", "/cert", Over::As("gate-1"), &[][..], 200),
        ("named, below", "/cert/x", Over::As("gate-1"), &[], 200),
        ("another name", "/cert", Over::As("gate-2"), &[], 403),
        ("none", "/cert", Over::Tls, &[], 403),
        ("plain", "/cert", Over::Plain, &[], 403),
        (
            "told by a header",
            "/cert",
            Over::Plain,
            &["X-SSL-Client-CN: gate-1", "X-Client-Cert: gate-1"],
            403,
        ),
        ("needless", "/open", Over::As("gate-2"), &[], 200),
        ("not asked for", "/open", Over::Tls, &[], 200),
        (
            "any, with token",
            "/anycert",
            Over::As("gate-2"),
            &[tok],
            200,
        ),
        (
            "any, without token",
            "/anycert",
            Over::As("gate-2"),
            &[],
            401,
        ),
        ("token without any", "/anycert", Over::Tls, &[tok], 403),
        (
            "in place of a token",
            "/token",
            Over::As("gate-1"),
            &[],
            401,
        ),
    ] {
        doors
            .case(&format!("cert: {name}"), path, headers, status)
            .over = over;
    }
}

/// Of four that are asked for, each missing once.
async fn everything(doors: &mut Doors) {
    let given = Credentials {
        user: "gate",
        password: "pw",
        sha256: true,
        uri: "/all",
        count: "00000001",
    };
    for (name, lacks, status) in [
        ("everything", "", 200),
        ("from elsewhere", "allow", 403),
        ("without certificate", "cert", 403),
        ("without password", "digest", 401),
        ("unsigned", "signature", 401),
    ] {
        let name = format!("all: {name}");
        let nonce = doors.nonce("/all", Over::As("gate-1")).await;
        let mut headers = Vec::new();
        if lacks != "digest" {
            headers.push(answered(&nonce, "POST", given));
        }
        if lacks != "signature" {
            headers.push(signature(&name, "shared"));
        }
        let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
        let case = doors.case(&name, "/all", &headers, status);
        case.over = if lacks == "cert" {
            Over::Tls
        } else {
            Over::As("gate-1")
        };
        case.from = Some(if lacks == "allow" {
            "11.1.2.3"
        } else {
            "10.1.2.3"
        });
    }
}

fn curl(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new("curl");
    command
        .current_dir(folder)
        .args(["-sS", "-o", "answer", "-w", "%{http_code} %{num_connects}"]);
    command.args(arguments).output().expect("curl is installed")
}

fn said(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8(both).unwrap()
}

const CLIENTS: &str = r#"
sources:
  digest: { kind: generic, auth: { digest: { username: gate, password: "p:w" } } }
  strict: { kind: generic, auth: { digest: { username: gate, password: "p:w", algorithms: [sha256] } } }
  many: { kind: generic, auth: { digest: { username: gate, password: "p:w" }, basic: { username: gate, password: "p:w" } } }
"#;

/// JSON of 3 MB, as a camera that sends a large picture.
fn large(folder: &Path) {
    let body = serde_json::json!({ "picture": "A".repeat(3 << 20) }).to_string();
    std::fs::write(folder.join("large.json"), body).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_sends_by_digest() {
    let folder = tempfile::tempdir().unwrap();
    large(folder.path());
    let camhook = Process::start(folder.path(), CLIENTS);
    let kind = "content-type: application/json";
    for path in ["digest", "strict", "many"] {
        let url = format!("http://{}/{path}?camera=1", camhook.address());
        for data in ["@large.json", "{\"a\": 1}"] {
            for method in ["--digest", "--anyauth"] {
                let arguments = [
                    method,
                    "-u",
                    "gate:p:w",
                    "-H",
                    kind,
                    "--data-binary",
                    data,
                    &url,
                ];
                let told = said(&curl(folder.path(), &arguments));
                assert!(told.starts_with("200"), "{path} {data} {method}: {told}");
            }
        }
        let wrong = [
            "--digest",
            "-u",
            "gate:wrong",
            "-H",
            kind,
            "--data-binary",
            "@large.json",
            &url,
        ];
        let told = said(&curl(folder.path(), &wrong));
        assert!(told.starts_with("401"), "{path}: {told}");
    }
    let url = format!("http://{}/many", camhook.address());
    let basic = ["--basic", "-u", "gate:p:w", "-H", kind, "-d", "{}", &url];
    assert!(said(&curl(folder.path(), &basic)).starts_with("200"));
    assert_eq!(camhook.rows(&["events", "--limit", "0"]).len(), 13);
    camhook.stop();
}

/// Several posts in one session, large ones among them, with camhook killed and started anew in between.
const PYTHON: &str = r#"
import sys, requests
from requests.auth import HTTPDigestAuth
large = {"picture": "A" * (3 << 20)}
session = requests.Session()
session.auth = HTTPDigestAuth("gate", "p:w")
for line in sys.stdin:
    url, size = line.split()
    answer = session.post(url, json=large if size == "large" else {"a": 1})
    print(answer.status_code, len(answer.history), answer.request.headers["Authorization"].split("algorithm=")[1][:9], flush=True)
"#;

#[tokio::test(flavor = "multi_thread")]
async fn python_requests_send_by_digest_and_go_on_after_a_restart() {
    use std::io::{BufRead as _, BufReader, Write as _};
    let there = Command::new("python3")
        .args(["-c", "import requests"])
        .output();
    if !there.is_ok_and(|output| output.status.success()) {
        println!("left out: python3 has no requests");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = port.local_addr().unwrap();
    drop(port);
    let listeners =
        format!("server: {{ listen: \"{address}\" }}\nadmin: {{ listen: 127.0.0.1:0 }}\n");
    std::fs::write(folder.path().join("routes.yaml"), listeners + CLIENTS).unwrap();
    let mut camhook = Process::start_again(folder.path());
    let mut python = Command::new("python3")
        .args(["-c", PYTHON])
        .env("NO_PROXY", "*")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = python.stdin.take().unwrap();
    let mut output = BufReader::new(python.stdout.take().unwrap()).lines();
    let mut posts = |path: &str, size: &str| {
        writeln!(input, "http://{address}/{path} {size}").unwrap();
        output.next().unwrap().unwrap()
    };
    assert!(
        posts("digest", "large").starts_with("200 1 "),
        "the first is challenged"
    );
    for size in ["large", "small", "large"] {
        assert!(
            posts("digest", size).starts_with("200 0 "),
            "{size}: the nonce goes on"
        );
    }
    assert!(posts("strict", "small").contains("SHA-256"));
    camhook.kill();
    camhook = Process::start_again(folder.path());
    assert!(
        posts("strict", "large").starts_with("200 1 "),
        "the nonce is of another life"
    );
    assert!(posts("strict", "small").starts_with("200 0 "));
    drop(input);
    python.wait().unwrap();
    assert_eq!(camhook.rows(&["events", "--limit", "0"]).len(), 7);
    camhook.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stranger_says_of_others_is_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    let routes = "sources:\n  near: { kind: generic, auth: { allow: [10.0.0.0/8] } }\n";
    let camhook = Process::start(folder.path(), routes);
    let url = format!("http://{}/near", camhook.address());
    for header in ["X-Forwarded-For: 10.0.0.1", "Forwarded: for=10.0.0.1"] {
        let told = said(&curl(folder.path(), &["-H", header, "-d", "{}", &url]));
        assert!(told.starts_with("403"), "{told}");
    }
    camhook.stop();
    let file = folder.path().join("routes.yaml");
    let proxies = "trusted_proxies: [\"127.0.0.0/8\"], forwarded_by: forwarded }\nadmin";
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replacen("}\nadmin", &format!(", {proxies}"), 1)).unwrap();
    let camhook = Process::start_again(folder.path());
    let url = format!("http://{}/near", camhook.address());
    for (header, status) in [
        ("X-Forwarded-For: 10.0.0.1", "403"),
        ("Forwarded: for=10.0.0.1", "200"),
    ] {
        let told = said(&curl(
            folder.path(),
            &[
                "-H",
                header,
                "-H",
                "content-type: application/json",
                "-d",
                "{}",
                &url,
            ],
        ));
        assert!(told.starts_with(status), "{header}: {told}");
    }
    let rows = camhook.rows(&["events"]);
    assert_eq!(rows.len(), 1);
    camhook.stop();
}

#[test]
fn client_certificates_need_an_authority() {
    let folder = tempfile::tempdir().unwrap();
    let routes = "sources: { gate: { auth: { client_cert: [gate-1] } } }\n";
    std::fs::write(folder.path().join("routes.yaml"), routes).unwrap();
    let output = camhook_command(folder.path())
        .arg("check")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("client_ca"), "{}", said(&output));
}
