//! Whatever a target answers, camhook says what it made of it, stays small, and the others get what is theirs.

use std::fmt::Write as _;

use image::ImageFormat;
use jiff::Timestamp;
use serde_json::Value;

use crate::harness::{
    Certificate, Harm, Process, Receiver, Villain, eventually, form_event, multipart, picture,
    recognition,
};

/// What becomes of a delivery to a villain, of one attempt.
struct Case {
    name: &'static str,
    harm: Harm,
    fate: &'static str,
    status: Option<u16>,
    /// In the attempt's error.
    error: &'static str,
}

fn case(
    name: &'static str,
    harm: Harm,
    fate: &'static str,
    status: Option<u16>,
    error: &'static str,
) -> Case {
    Case {
        name,
        harm,
        fate,
        status,
        error,
    }
}

fn bytes(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

fn says(text: &str) -> Harm {
    Harm::Says(bytes(text))
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const NO_ANSWER: &str = "gave no whole answer";
const TOO_LATE: &str = "did not answer within 3s";

fn cases() -> Vec<Case> {
    let many = format!(
        "HTTP/1.1 200 OK\r\n{}\r\n",
        "X-More: and more\r\n".repeat(10_000)
    );
    // A megabyte of zeros, packed: what is read of an answer is read as it came.
    let bomb = [
        bytes(
            "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Type: application/json\r\n\r\n\x1f",
        ),
        vec![0x8b, 8, 0, 0, 0, 0, 0, 0, 3],
        [0xec, 0xc1, 1, 1, 0, 0, 0, 0x80, 0x90].repeat(10_000),
    ];
    vec![
        // The system has it: what comes behind a 2xx cannot take that back.
        case(
            "resets",
            Harm::SaysAndResets(bytes("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhal")),
            "delivered",
            Some(200),
            "",
        ),
        case(
            "drips-its-body",
            Harm::Drips(
                bytes("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"),
                bytes("x"),
            ),
            "delivered",
            Some(200),
            "",
        ),
        case(
            "ten-gigabytes",
            Harm::Floods(
                bytes("HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n"),
                vec![b'x'; 64 << 10],
            ),
            "delivered",
            Some(200),
            "",
        ),
        case(
            "endless-chunks",
            Harm::Floods(
                bytes("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
                bytes(&"1\r\nx\r\n".repeat(5_000)),
            ),
            "delivered",
            Some(200),
            "",
        ),
        case(
            "chunk-of-nonsense",
            says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n"),
            "delivered",
            Some(200),
            "",
        ),
        case(
            "chunk-beyond-counting",
            says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\nhello"),
            "delivered",
            Some(200),
            "",
        ),
        case(
            "endless-trailers",
            Harm::Floods(
                bytes("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"),
                bytes(&"X-More: and more\r\n".repeat(1_000)),
            ),
            "delivered",
            Some(200),
            "",
        ),
        case(
            "gzip-bomb",
            Harm::Says(bomb.concat()),
            "delivered",
            Some(200),
            "",
        ),
        case(
            "http-1-0",
            says("HTTP/1.0 200 OK\r\n\r\nwhatever"),
            "delivered",
            Some(200),
            "",
        ),
        case(
            "answers-early",
            Harm::AnswersEarly(bytes(
                "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
            )),
            "delivered",
            Some(200),
            "",
        ),
        case(
            "refuses-early",
            Harm::AnswersEarly(bytes(
                "HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
            )),
            "dead",
            Some(413),
            "answered 413",
        ),
        case(
            "one-hint",
            says(
                "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            ),
            "delivered",
            Some(200),
            "",
        ),
        // It may or may not have it: such a delivery is made again, under the same key.
        case(
            "drips-its-head",
            Harm::Drips(bytes("HTTP/1.1 200 OK\r\n"), bytes("X-More: and more\r\n")),
            "dead",
            None,
            TOO_LATE,
        ),
        case(
            "endless-head",
            Harm::Floods(
                bytes("HTTP/1.1 200 OK\r\n"),
                bytes(&"X-More: and more\r\n".repeat(1_000)),
            ),
            "dead",
            None,
            NO_ANSWER,
        ),
        case(
            "endless-header",
            Harm::Floods(bytes("HTTP/1.1 200 OK\r\nX-More: "), vec![b'x'; 64 << 10]),
            "dead",
            None,
            NO_ANSWER,
        ),
        case(
            "ten-thousand-headers",
            Harm::Says(bytes(&many)),
            "dead",
            None,
            NO_ANSWER,
        ),
        case(
            "never-answers",
            Harm::SaysAndStays(Vec::new()),
            "dead",
            None,
            TOO_LATE,
        ),
        case("swallows", Harm::Swallows, "dead", None, TOO_LATE),
        case("half-closes", Harm::HalfCloses, "dead", None, NO_ANSWER),
        case(
            "speaks-first",
            Harm::SpeaksFirst(bytes("220 mail.example ESMTP\r\n")),
            "dead",
            None,
            NO_ANSWER,
        ),
        case("no-http", says("hello\r\n\r\n"), "dead", None, NO_ANSWER),
        case(
            "http-0-9",
            says("<html>hello</html>"),
            "dead",
            None,
            NO_ANSWER,
        ),
        case(
            "two-lengths",
            says("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 5\r\n\r\nhello"),
            "dead",
            None,
            NO_ANSWER,
        ),
        case(
            "no-number",
            says("HTTP/1.1 2OO OK\r\nContent-Length: 0\r\n\r\n"),
            "dead",
            None,
            NO_ANSWER,
        ),
        case(
            "switches",
            says(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
            ),
            "dead",
            Some(101),
            "answered 101",
        ),
        // Where a redirect points, nobody goes.
        case(
            "to-the-cloud",
            says(
                "HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/latest/meta-data/\r\nContent-Length: 0\r\n\r\n",
            ),
            "dead",
            Some(302),
            "redirects are not followed",
        ),
        case(
            "to-a-file",
            says(
                "HTTP/1.1 307 Temporary\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n",
            ),
            "dead",
            Some(307),
            "redirects are not followed",
        ),
    ]
}

/// What `Retry-After` says, and the longest wait that may come of it: seconds.
const PAUSES: [(&str, i64); 8] = [
    ("-5", 2),
    ("soon", 2),
    ("1.5", 2),
    ("Thu, 01 Jan 1970 00:00:00 GMT", 2),
    ("Sun, 99 Feb 2999 99:99:99 GMT", 2),
    ("0", 2),
    ("99999999999999999999999999", 86_400),
    ("Fri, 31 Dec 9999 23:59:59 GMT", 86_400),
];

fn target(routes: &mut String, name: &str, url: &str, more: &str) {
    writeln!(routes, "  {name}: {{ http: {{ url: \"{url}\", original: true, timeout: 3s }}, breaker: {{ failures: 1000 }}, {more} }}").unwrap();
}

/// The only delivery of an event to that target, once it was tried.
async fn tried(camhook: &Process, target: &str, event: &str) -> Value {
    let mut row = Value::Null;
    eventually(&format!("{target} was tried"), async || {
        let rows = camhook
            .get(&format!(
                "/api/v1/deliveries?target={target}&event={event}&limit=0"
            ))
            .await;
        row = rows[0].clone();
        row["attempts"]
            .as_array()
            .is_some_and(|attempts| !attempts.is_empty())
    })
    .await;
    row
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_answer_has_its_meaning_and_harms_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let good = Receiver::new().await;
    let cases = cases();
    let mut routes = String::from("sources:\n  pr: { kind: platerecognizer, path: / }\ntargets:\n");
    target(&mut routes, "good", &good.url(), "order: camera");
    let (mut villains, mut names) = (Vec::new(), vec!["good".to_owned()]);
    for case in &cases {
        let villain = Villain::that(case.harm.clone()).await;
        target(
            &mut routes,
            case.name,
            &villain.url(),
            "retry: { attempts: 1 }, concurrency: 1",
        );
        names.push(case.name.to_owned());
        villains.push(villain);
    }
    // Somebody else in the local network, to whom one target sends us.
    let neighbour = Villain::that(says(OK)).await;
    let moved = format!(
        "HTTP/1.1 308 Moved\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n",
        neighbour.url()
    );
    let moved = Villain::that(Harm::Says(bytes(&moved))).await;
    target(
        &mut routes,
        "to-the-neighbour",
        &moved.url(),
        "retry: { attempts: 1 }",
    );
    names.push("to-the-neighbour".to_owned());
    let forgetful = Villain::that(Harm::ClosesAtReuse(bytes(
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    )))
    .await;
    let soon = "retry: { initial: 100ms }, concurrency: 1";
    target(&mut routes, "forgetful", &forgetful.url(), soon);
    names.push("forgetful".to_owned());
    let mut patient = Vec::new();
    for (n, (wish, _)) in PAUSES.iter().enumerate() {
        let answer =
            format!("HTTP/1.1 503 Busy\r\nRetry-After: {wish}\r\nContent-Length: 0\r\n\r\n");
        let villain = Villain::that(Harm::Says(bytes(&answer))).await;
        target(
            &mut routes,
            &format!("pause-{n}"),
            &villain.url(),
            "retry: { initial: 2s, factor: 1 }",
        );
        names.push(format!("pause-{n}"));
        patient.push(villain);
    }
    writeln!(
        routes,
        "routes:\n  - {{ name: all, to: [{}] }}",
        names.join(", ")
    )
    .unwrap();
    let mut camhook = Process::start(folder.path(), &routes);

    // The second is too large for what systems buffer.
    let mut large = vec![0x5a; 6_000_000];
    large[..4].copy_from_slice(b"\xff\xd8\xff\xe0");
    for upload in [picture(64, 64, &[], ImageFormat::Jpeg), large] {
        let (kind, body) = multipart(&recognition("c", &[]).to_string(), &[("upload", &upload)]);
        let answer = crate::harness::client()
            .post(&camhook.url)
            .header("content-type", kind)
            .body(body)
            .send()
            .await;
        assert_eq!(answer.unwrap().status(), 200);
    }
    let events = camhook.get("/api/v1/events").await;
    let events: Vec<&str> = events
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["id"].as_str().unwrap())
        .collect();
    assert_eq!(events.len(), 2);

    good.wait_for(2).await;
    let mut wrong = String::new();
    for case in &cases {
        for event in events.iter().rev() {
            let row = tried(&camhook, case.name, event).await;
            let attempt = &row["attempts"][0];
            let error = attempt["error"].as_str().unwrap_or_default();
            let fits = row["fate"] == case.fate
                && attempt["status"] == Value::from(case.status)
                && error.contains(case.error);
            if !fits
                || row["attempts"].as_array().unwrap().len() != 1
                || (case.fate == "delivered" && !error.is_empty())
            {
                writeln!(wrong, "{}: {row:#}", case.name).unwrap();
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    let row = tried(&camhook, "to-the-neighbour", events[0]).await;
    assert!(
        row["attempts"][0]["error"]
            .as_str()
            .unwrap()
            .contains(&neighbour.url())
    );
    assert_eq!(neighbour.connections(), 0);

    for (n, (wish, longest)) in PAUSES.iter().enumerate() {
        let row = tried(&camhook, &format!("pause-{n}"), events[1]).await;
        assert_eq!(row["fate"], "pending", "{wish}");
        let last = row["attempts"].as_array().unwrap().last().unwrap().clone();
        let moment = |value: &Value| value.as_str().unwrap().parse::<Timestamp>().unwrap();
        let wait = moment(&row["due"])
            .duration_since(moment(&last["at"]))
            .as_secs_f64();
        let bounds = *longest as f64 * 0.7..*longest as f64 + 30.0; // jitter, and how long the answer took
        assert!(bounds.contains(&wait), "{wish}: {wait} s");
    }

    for event in &events {
        eventually(
            "what was lost with its connection is sent again",
            async || tried(&camhook, "forgetful", event).await["fate"] == "delivered",
        )
        .await;
    }

    // Of the floods no more was taken than what systems keep for a connection.
    for (case, villain) in cases.iter().zip(&villains) {
        let (bytes, requests) = (villain.bytes(), villain.requests());
        assert!(bytes < 64 << 20, "{}: {bytes} bytes", case.name);
        // Each attempt is one request, but for those that died in the connection.
        assert!(requests <= 4, "{}: {requests} requests", case.name);
    }
    assert!(camhook.is_running());
    assert!(
        camhook.peak_memory() < 256 * 1024,
        "{} KiB",
        camhook.peak_memory()
    );
    // One connection for each at most stays open, besides what camhook has for itself.
    let open = camhook.descriptors();
    assert!(open < 100 + 2 * names.len(), "{open} open files");
}

/// Hints may come before an answer, as many as a server likes; hyper reads them all, which costs a core while it lasts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hints_without_end_end_with_their_attempt() {
    for hint in [
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let good = Receiver::new().await;
        let villain = Villain::that(Harm::Floods(Vec::new(), bytes(&hint.repeat(1_000)))).await;
        let mut routes =
            String::from("sources:\n  pr: { kind: platerecognizer, path: / }\ntargets:\n");
        target(&mut routes, "good", &good.url(), "order: camera");
        let once = "retry: { attempts: 1 }, concurrency: 1";
        target(&mut routes, "hints", &villain.url(), once);
        routes.push_str("routes:\n  - { name: all, to: [good, hints] }\n");
        let mut camhook = Process::start(folder.path(), &routes);
        for n in 0..2 {
            let (kind, body) = form_event(n);
            let request = crate::harness::client().post(&camhook.url);
            let request = request.header("content-type", kind).body(body);
            assert_eq!(request.send().await.unwrap().status(), 200);
        }
        good.wait_for(2).await;
        let events = camhook.get("/api/v1/events").await;
        for event in events.as_array().unwrap() {
            let row = tried(&camhook, "hints", event["id"].as_str().unwrap()).await;
            let error = row["attempts"][0]["error"].as_str().unwrap();
            assert!(row["fate"] == "dead" && error.contains(TOO_LATE), "{row:#}");
        }
        let peak = camhook.peak_memory();
        assert!(camhook.is_running() && peak < 256 * 1024, "{peak} KiB");
        println!("{} bytes of hints, {peak} KiB at the peak", villain.bytes());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_a_certificate_that_fits_is_believed() {
    let folder = tempfile::tempdir().unwrap();
    let mut routes = String::from("sources:\n  pr: { kind: platerecognizer, path: / }\ntargets:\n");
    let cases = [
        ("good", Certificate::Good, ""),
        ("expired", Certificate::Expired, "expired"),
        ("not-yet", Certificate::NotYetValid, "not valid yet"),
        ("other-host", Certificate::OfAnotherHost, "127.0.0.1"),
        (
            "self-signed",
            Certificate::SelfSigned,
            "nobody that is trusted here",
        ),
    ];
    let mut villains = Vec::new();
    for (name, certificate, _) in &cases {
        let (villain, authority) = Villain::showing(*certificate).await;
        std::fs::write(folder.path().join(format!("{name}.pem")), authority).unwrap();
        writeln!(
            routes,
            "  {name}: {{ http: {{ url: \"{}\", original: true, tls: {{ ca: {name}.pem }} }}, retry: {{ attempts: 1 }} }}",
            villain.url()
        )
        .unwrap();
        villains.push(villain);
    }
    let names: Vec<&str> = cases.iter().map(|(name, ..)| *name).collect();
    writeln!(
        routes,
        "routes:\n  - {{ name: all, to: [{}] }}",
        names.join(", ")
    )
    .unwrap();
    let camhook = Process::start(folder.path(), &routes);
    let (kind, body) = multipart(&recognition("c", &[]).to_string(), &[]);
    let answer = crate::harness::client()
        .post(&camhook.url)
        .header("content-type", kind)
        .body(body)
        .send()
        .await;
    assert_eq!(answer.unwrap().status(), 200);
    let event = camhook.get("/api/v1/events").await[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    for ((name, _, told), villain) in cases.iter().zip(&villains) {
        let row = tried(&camhook, name, &event).await;
        let error = row["attempts"][0]["error"].as_str().unwrap_or_default();
        let fate = if told.is_empty() { "delivered" } else { "dead" };
        assert!(
            row["fate"] == fate && error.contains(told),
            "{name}: {row:#}"
        );
        assert_eq!(
            villain.requests(),
            usize::from(told.is_empty()),
            "{name}: nothing is told to whom nobody trusts"
        );
    }
}
