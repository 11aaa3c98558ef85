//! What an HTTP target makes of answers, good and hostile, over real connections.

mod course;

use bytes::Bytes;
use http::Method;

use super::receiver::{Act, Receiver};
use super::*;
use crate::payload::Body;

fn target_with(settings: &str) -> HttpTarget {
    let settings: Settings = serde_saphyr::from_str(settings).unwrap();
    let blot = Blot::new(["hunter2".to_owned()]);
    let clock = Clock::stepped("2025-03-04T10:00:00Z".parse().unwrap());
    HttpTarget::new(
        &settings,
        Path::new("/"),
        &Clients::new(Sessions::default()),
        blot,
        clock,
    )
    .unwrap_or_else(|mistakes| panic!("{mistakes:?}"))
}

fn target() -> HttpTarget {
    target_with("{}")
}

fn post(url: String) -> Payload {
    Payload::Http(Request {
        method: Method::POST,
        url,
        headers: vec![(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"))],
        body: Body(vec![
            Bytes::from_static(b"one "),
            Bytes::new(),
            Bytes::from_static(b"two"),
        ]),
        around: None,
    })
}

fn delivery() -> DeliveryId {
    DeliveryId::from_bytes([9; 16])
}

async fn send_to(target: &HttpTarget, receiver: &Receiver) -> Report {
    let url = format!("http://{}/plates?token=hunter2", receiver.address);
    target.send(delivery(), post(url)).await
}

async fn answered_by(answer: &str) -> Report {
    let receiver = Receiver::that(Act::Close(answer.as_bytes().to_vec())).await;
    send_to(&target(), &receiver).await
}

const AGAIN: Verdict = Verdict::TryAgain { pause: None };

#[tokio::test]
async fn sends_the_request_with_its_key_and_its_length() {
    let ok = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nthanks".to_vec();
    let receiver = Receiver::that(Act::Answer(ok)).await;
    let report = send_to(&target(), &receiver).await;
    assert_eq!(report.verdict, Verdict::Delivered);
    assert_eq!(report.status, Some(200));
    assert_eq!(report.error, None);
    assert_eq!(report.excerpt.as_deref(), Some("thanks"));

    let request = &receiver.log.requests()[0];
    assert!(
        request
            .head
            .starts_with("POST /plates?token=hunter2 HTTP/1.1\r\n")
    );
    for line in [
        "content-length: 7",
        "content-type: text/plain",
        &format!("idempotency-key: {}", delivery()),
        &format!("user-agent: camhook/{}", env!("CARGO_PKG_VERSION")),
    ] {
        assert!(
            request.head.lines().any(|known| known == line),
            "{line}: {}",
            request.head
        );
    }
    assert!(!request.head.contains("transfer-encoding"));
    assert_eq!(request.body, b"one two");
}

#[tokio::test]
async fn a_get_has_no_body_and_the_users_own_key_is_kept() {
    let ok = b"HTTP/1.1 204 No Content\r\n\r\n".to_vec();
    let receiver = Receiver::that(Act::Answer(ok)).await;
    let request = Request {
        method: Method::GET,
        url: format!("http://{}/", receiver.address),
        headers: vec![(IDEMPOTENCY_KEY, HeaderValue::from_static("mine"))],
        body: Body::default(),
        around: None,
    };
    let report = target().send(delivery(), Payload::Http(request)).await;
    assert_eq!((report.verdict, report.excerpt), (Verdict::Delivered, None));
    let head = &receiver.log.requests()[0].head;
    assert!(head.contains("idempotency-key: mine\r\n") && !head.contains("content-length"));
    assert_eq!(head.matches("idempotency-key").count(), 1);
}

#[tokio::test]
async fn a_connection_is_used_again() {
    let ok = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec();
    let receiver = Receiver::that(Act::Answer(ok)).await;
    let target = target();
    for _ in 0..5 {
        assert_eq!(
            send_to(&target, &receiver).await.verdict,
            Verdict::Delivered
        );
    }
    assert_eq!(receiver.log.requests().len(), 5);
    assert_eq!(receiver.log.connections(), 1);
}

#[tokio::test]
async fn a_busy_target_is_given_the_pause_it_asks_for() {
    for (wish, seconds) in [
        ("120", Some(120)),
        ("Tue, 04 Mar 2025 10:01:00 GMT", Some(60)),
        ("99999999999999999999999", Some(86_400)),
        ("Tue, 04 Mar 2025 09:00:00 GMT", None),
        ("whenever", None),
    ] {
        let answer =
            format!("HTTP/1.1 503 Busy\r\nRetry-After: {wish}\r\nContent-Length: 0\r\n\r\n");
        let report = answered_by(&answer).await;
        let pause = seconds.map(Duration::from_secs);
        assert_eq!(report.verdict, Verdict::TryAgain { pause }, "{wish}");
        assert_eq!(
            report.error.as_deref(),
            Some("answered 503 Service Unavailable")
        );
    }
}

#[tokio::test]
async fn a_refused_credential_holds_and_a_refused_request_is_dead() {
    let report = answered_by("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(report.verdict, Verdict::Hold);
    let report = answered_by("HTTP/1.1 422 No\r\nContent-Length: 9\r\n\r\nno camera").await;
    assert_eq!(report.verdict, Verdict::Dead);
    assert_eq!(report.excerpt.as_deref(), Some("no camera"));
    assert_eq!(
        report.error.as_deref(),
        Some("answered 422 Unprocessable Entity")
    );
}

#[tokio::test]
async fn the_judge_of_the_settings_is_asked_first() {
    let answer = b"HTTP/1.1 409 Conflict\r\nContent-Length: 0\r\n\r\n".to_vec();
    let receiver = Receiver::that(Act::Answer(answer)).await;
    let target = target_with("judge: { delivered: [2xx, 409] }");
    let report = send_to(&target, &receiver).await;
    assert_eq!((report.verdict, report.error), (Verdict::Delivered, None));
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_the_error_says_where_it_points() {
    let second = Receiver::that(Act::Answer(b"HTTP/1.1 200 OK\r\n\r\n".to_vec())).await;
    let answer = format!(
        "HTTP/1.1 301 Moved\r\nLocation: http://{}/?t=hunter2\r\nContent-Length: 0\r\n\r\n",
        second.address
    );
    let report = answered_by(&answer).await;
    assert_eq!(report.verdict, Verdict::Dead);
    let error = report.error.unwrap();
    assert!(
        error.contains(&format!("points to http://{}/: ", second.address)),
        "{error}"
    );
    assert!(error.contains("`url`"));
    assert_eq!(second.log.connections(), 0);
}

#[tokio::test]
async fn a_2xx_that_breaks_off_is_delivered() {
    for act in [
        Act::Reset(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhal".to_vec()),
        Act::Close(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhal".to_vec()),
        Act::Close(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n".to_vec()),
    ] {
        let receiver = Receiver::that(act).await;
        let report = send_to(&target(), &receiver).await;
        assert_eq!(
            (report.verdict, report.status),
            (Verdict::Delivered, Some(200))
        );
    }
}

#[tokio::test]
async fn where_rules_read_the_body_an_answer_that_breaks_off_before_it_tells_is_tried_again() {
    let rules = "judge: [{ json: { /success: { not: true } }, then: dead }, { xml: Fault, then: dead }, { status: 409, then: duplicate }]";
    let judged = async |status: &str, body: &str| {
        let cut = format!("HTTP/1.1 {status}\r\nContent-Length: 100\r\n\r\n{body}");
        let receiver = Receiver::that(Act::Close(cut.into_bytes())).await;
        send_to(&target_with(rules), &receiver).await
    };
    for (status, body) in [
        ("200 OK", r#"{"success":fal"#),
        ("200 OK", "<Envelope><Body>"),
        ("200 OK", ""),
        ("404 Gone", "<Env"),
        ("409 There", "{"),
    ] {
        let report = judged(status, body).await;
        assert_eq!(report.verdict, AGAIN, "{status} {body}");
        assert!(report.error.unwrap().contains("broke off"));
    }
    // Here it told.
    for (status, body, verdict) in [
        ("200 OK", r#"{"success":true}"#, Verdict::Delivered),
        ("200 OK", r#"{"success":false}"#, Verdict::Dead),
        ("200 OK", "<Envelope><Body/></Envelope>", Verdict::Delivered),
        ("401 No", "{", Verdict::Hold),
    ] {
        assert_eq!(
            judged(status, body).await.verdict,
            verdict,
            "{status} {body}"
        );
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_before_its_head_ends_is_tried_again() {
    for act in [
        Act::Reset(Vec::new()),
        Act::Close(Vec::new()),
        Act::Close(b"HTTP/1.1 200 OK\r\nContent-".to_vec()),
        Act::Close(b"SSH-2.0-OpenSSH_9.6\r\n".to_vec()),
    ] {
        let receiver = Receiver::that(act).await;
        let report = send_to(&target(), &receiver).await;
        assert_eq!((&report.verdict, report.status), (&AGAIN, None));
        let error = report.error.unwrap();
        assert!(error.contains(&receiver.address.to_string()), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[tokio::test]
async fn an_answer_that_never_ends_is_judged_by_its_status() {
    for (status, verdict) in [("200 OK", Verdict::Delivered), ("500 Oh", AGAIN)] {
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: 1000\r\n\r\ndrop");
        let receiver = Receiver::that(Act::Stall(head.into_bytes())).await;
        let report = send_to(&target_with("timeout: 100ms"), &receiver).await;
        assert_eq!(report.verdict, verdict);
        assert_eq!(report.excerpt.as_deref(), Some("drop"));
    }
    let flood = Act::Endless(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec(),
        b"5\r\nabcd \r\n".repeat(1_000),
    );
    let receiver = Receiver::that(flood).await;
    let report = send_to(&target(), &receiver).await;
    assert_eq!(report.verdict, Verdict::Delivered);
    assert_eq!(report.excerpt.unwrap().len(), EXCERPT_MAX);
}

#[tokio::test]
async fn headers_that_never_end_are_tried_again() {
    let receiver = Receiver::that(Act::Endless(
        b"HTTP/1.1 200 OK\r\n".to_vec(),
        b"X-More: and more and more\r\n".to_vec(),
    ))
    .await;
    let report = send_to(&target(), &receiver).await;
    assert_eq!((report.verdict, report.status), (AGAIN, None));
}

#[tokio::test]
async fn silence_is_tried_again_after_the_timeout() {
    let receiver = Receiver::that(Act::Stall(Vec::new())).await;
    let report = send_to(&target_with("timeout: 100ms"), &receiver).await;
    assert_eq!(report.verdict, AGAIN);
    let expected = format!("{} did not answer within 100ms", receiver.address);
    assert_eq!(report.error, Some(expected));
}

#[tokio::test]
async fn what_cannot_be_reached_is_tried_again() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let report = target()
        .send(delivery(), post(format!("http://{address}/")))
        .await;
    assert_eq!(report.verdict, AGAIN);
    let error = report.error.unwrap();
    assert!(
        error.starts_with(&format!("could not connect to {address}")),
        "{error}"
    );
    assert!(error.contains("Connection refused"), "{error}");

    let report = target()
        .send(delivery(), post("http://nothing.invalid/".into()))
        .await;
    assert_eq!(report.verdict, AGAIN);
    let error = report.error.unwrap();
    assert!(
        error.starts_with("could not find the address of nothing.invalid"),
        "{error}"
    );
}

#[tokio::test]
async fn the_excerpt_is_short_text_without_secrets() {
    let body = format!("\u{1b}[31mhunter2 {}", "é".repeat(100_000));
    let answer = format!(
        "HTTP/1.1 400 Bad\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let excerpt = answered_by(&answer).await.excerpt.unwrap();
    assert!(excerpt.starts_with("[31m*** éé"), "{excerpt}");
    assert!(excerpt.len() <= EXCERPT_MAX && excerpt.len() > EXCERPT_MAX - 4);

    let receiver =
        Receiver::that(Act::Close(b"HTTP/1.1 400 Bad\r\n\r\n\xff\xfe\0ok".to_vec())).await;
    let report = send_to(&target(), &receiver).await;
    assert_eq!(report.excerpt.as_deref(), Some("\u{fffd}\u{fffd} ok"));
}

#[tokio::test]
async fn a_payload_of_another_target_is_dead() {
    let report = target().send(delivery(), Payload::Files(Vec::new())).await;
    assert_eq!(report.verdict, Verdict::Dead);
}

#[test]
fn settings_without_sense_are_refused() {
    let settings: Settings =
        serde_saphyr::from_str("{ timeout: 0s, connect_timeout: 0s }").unwrap();
    let clock = Clock::system();
    let built = HttpTarget::new(
        &settings,
        Path::new("/"),
        &Clients::new(Sessions::default()),
        Blot::default(),
        clock,
    );
    let paths: Vec<_> = built
        .err()
        .unwrap()
        .into_iter()
        .map(|(path, _)| path)
        .collect();
    assert_eq!(paths, [["timeout"], ["connect_timeout"]]);
}
