//! Logins, requests that come first and signatures, against systems that insist on them.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;
use crate::payload::Around;
use crate::payload::around::{Find, First, Lifetime, Session, TOKEN};
use crate::payload::late::mark;
use crate::secret::Secret;
use crate::targets::http::receiver::Received;

fn answer(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn header<'a>(request: &'a Received, name: &str) -> Option<&'a str> {
    let mut lines = request.head.lines();
    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// A system as Nx Witness is: tokens that end, and a 403 that means "log in again".
#[derive(Clone, Default)]
struct Vms(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    logins: usize,
    good: HashSet<String>,
    bookmarks: Vec<String>,
    logged_out: Vec<String>,
    refuses_logins: bool,
}

impl Vms {
    async fn receiver(&self) -> Receiver {
        let vms = self.clone();
        Receiver::that(Act::Ask(Arc::new(move |request| vms.answer(request)))).await
    }

    fn answer(&self, request: &Received) -> String {
        let mut state = self.0.lock().unwrap();
        let line = request.head.lines().next().unwrap();
        if line.starts_with("POST /login") {
            state.logins += 1;
            if state.refuses_logins {
                return answer("401 Unauthorized", "{}");
            }
            let token = format!("vms-{}", state.logins);
            state.good.insert(token.clone());
            return answer(
                "200 OK",
                &format!(r#"{{"token":"{token}","expiresInS":3600}}"#),
            );
        }
        if let Some(rest) = line.strip_prefix("DELETE /login/") {
            let token = rest.split(' ').next().unwrap();
            state.logged_out.push(token.to_owned());
            return answer("200 OK", "");
        }
        let token = header(request, "authorization").and_then(|text| text.strip_prefix("Bearer "));
        if !token.is_some_and(|token| state.good.contains(token)) {
            return answer(
                "403 Forbidden",
                &format!(
                    r#"{{"errorId":"sessionExpired","was":"{}"}}"#,
                    token.unwrap_or("")
                ),
            );
        }
        state
            .bookmarks
            .push(String::from_utf8(request.body.clone()).unwrap());
        answer("200 OK", r#"{"id":"b"}"#)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

const JUDGE: &str = "judge: [{ status: 403, json: { /errorId: [sessionExpired, sessionRequired] }, then: login_again }]";

fn plain(method: Method, url: String, body: &str) -> Request {
    Request {
        method,
        url,
        headers: Vec::new(),
        body: Body(vec![Bytes::from(body.to_owned())]),
        around: None,
    }
}

fn bookmark(receiver: &Receiver, name: &str) -> Payload {
    let at = receiver.address;
    let mut request = plain(Method::POST, format!("http://{at}/bookmarks"), name);
    let bearer = format!("Bearer {}", mark(TOKEN));
    request.headers = vec![(
        header::AUTHORIZATION,
        HeaderValue::try_from(bearer).unwrap(),
    )];
    let logout = format!("http://{at}/login/{}", mark(TOKEN));
    request.around = Some(Box::new(Around {
        session: Some(Session {
            login: plain(Method::POST, format!("http://{at}/login"), "me"),
            token: Find::Json("/token".to_owned()),
            lifetime: Lifetime::Told(Find::Json("/expiresInS".to_owned())),
            logout: Some(plain(Method::DELETE, logout, "")),
        }),
        ..Around::default()
    }));
    Payload::Http(request)
}

fn id(n: u8) -> DeliveryId {
    DeliveryId::from_bytes([n; 16])
}

#[tokio::test]
async fn one_login_serves_many_and_a_burst_with_an_ended_session_makes_one_more() {
    let vms = Vms::default();
    let receiver = vms.receiver().await;
    let target = Arc::new(target_with(JUDGE));
    let first = target.send(id(0), bookmark(&receiver, "first")).await;
    assert_eq!(first.verdict, Verdict::Delivered);
    vms.state().good.clear(); // the session ends
    let tasks = crate::tasks::Tasks::default();
    let reports = Arc::new(Mutex::new(Vec::new()));
    for n in 1..=100 {
        let (target, reports) = (target.clone(), reports.clone());
        let payload = bookmark(&receiver, &format!("plate {n}"));
        tasks.spawn(async move {
            let report = target.send(id(n), payload).await;
            reports.lock().unwrap().push(report);
        });
    }
    assert!(tasks.wait(Duration::from_secs(60)).await);
    let reports = reports.lock().unwrap();
    assert_eq!(reports.len(), 100);
    for report in reports.iter() {
        assert_eq!(report.verdict, Verdict::Delivered, "{report:?}");
    }
    let state = vms.state();
    assert_eq!(state.logins, 2);
    let kept: HashSet<&String> = state.bookmarks.iter().collect();
    assert_eq!((state.bookmarks.len(), kept.len()), (101, 101));
}

#[tokio::test]
async fn a_session_outlives_a_reload_and_ends_with_camhook() {
    let vms = Vms::default();
    let receiver = vms.receiver().await;
    let sessions = Sessions::default();
    for name in ["before", "after"] {
        let settings: Settings = serde_saphyr::from_str(JUDGE).unwrap();
        let clock = Clock::stepped("2025-03-04T10:00:00Z".parse().unwrap());
        let clients = Clients::new(sessions.clone());
        let blot = Blot::default();
        let target = HttpTarget::new(&settings, Path::new("/"), &clients, blot, clock);
        let target = target.unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
        let report = target.send(id(1), bookmark(&receiver, name)).await;
        assert_eq!(report.verdict, Verdict::Delivered);
    }
    sessions.log_out().await;
    sessions.log_out().await;
    let state = vms.state();
    assert_eq!(
        (state.logins, &state.logged_out[..]),
        (1, &["vms-1".to_owned()][..])
    );
}

#[tokio::test]
async fn a_refused_login_holds_the_target_and_is_not_repeated() {
    let vms = Vms::default();
    vms.state().refuses_logins = true;
    let receiver = vms.receiver().await;
    let target = target_with(JUDGE);
    for n in 0..5 {
        let report = target.send(id(n), bookmark(&receiver, "x")).await;
        assert_eq!(report.verdict, Verdict::Hold);
        assert!(report.error.unwrap().contains("401"));
    }
    assert_eq!(vms.state().logins, 1);
}

#[tokio::test]
async fn a_token_that_is_refused_twice_is_told_and_not_shown() {
    let vms = Vms::default();
    let receiver = vms.receiver().await;
    let target = target_with(
        "judge: [{ status: 403, then: login_again, because: the session is not taken }]",
    );
    let Payload::Http(mut request) = bookmark(&receiver, "x") else {
        panic!("it is for HTTP");
    };
    let wrong = HeaderValue::try_from(format!("Bearer no-{}", mark(TOKEN))).unwrap();
    request.headers[0].1 = wrong;
    let report = target.send(id(1), Payload::Http(request)).await;
    assert_eq!(report.verdict, Verdict::Hold);
    assert_eq!(vms.state().logins, 2);
    let excerpt = report.excerpt.unwrap();
    assert!(
        excerpt.contains("no-***") && !excerpt.contains("vms-2"),
        "{excerpt}"
    );
}

/// A system as Frigate is: the first request makes an event, the second needs its id.
async fn two_steps(refuse_second: usize) -> (Receiver, Arc<Mutex<usize>>) {
    let seconds = Arc::new(Mutex::new(0));
    let count = seconds.clone();
    let answers = move |request: &Received| {
        if request.head.starts_with("POST /create ") {
            return answer("200 OK", r#"{"event_id":"17.5-ab/c"}"#);
        }
        assert!(request.head.starts_with("POST /events/17.5-ab%2Fc/plate "));
        let mut count = count.lock().unwrap();
        *count += 1;
        match *count <= refuse_second {
            true => answer("503 Unavailable", "later"),
            false => answer("200 OK", &String::from_utf8_lossy(&request.body)),
        }
    };
    (Receiver::that(Act::Ask(Arc::new(answers))).await, seconds)
}

fn chained(receiver: &Receiver) -> Payload {
    let at = receiver.address;
    let url = format!("http://{at}/events/{}/plate", mark("captured.event"));
    let mut request = plain(Method::POST, url, &format!("[{}]", mark("captured.event")));
    request.around = Some(Box::new(Around {
        first: vec![First {
            request: plain(Method::POST, format!("http://{at}/create"), ""),
            capture: vec![("event".to_owned(), Find::Json("/event_id".to_owned()))],
        }],
        ..Around::default()
    }));
    Payload::Http(request)
}

#[tokio::test]
async fn what_a_first_request_told_stands_in_the_next_and_is_not_asked_twice() {
    let (receiver, _) = two_steps(1).await;
    let target = target();
    let report = target.send(id(1), chained(&receiver)).await;
    assert_eq!(report.verdict, AGAIN);
    let report = target.send(id(1), chained(&receiver)).await;
    assert_eq!(report.verdict, Verdict::Delivered);
    assert_eq!(report.excerpt.as_deref(), Some("[17.5-ab/c]"));
    let requests = receiver.log.requests();
    let created = requests
        .iter()
        .filter(|one| one.head.contains("/create"))
        .count();
    assert_eq!((created, requests.len()), (1, 3));
    let key = |n: usize| header(&requests[n], "idempotency-key");
    assert_eq!((key(0), key(2)), (None, Some(id(1).to_string().as_str())));
}

#[tokio::test]
async fn a_first_answer_without_its_value_ends_the_delivery_with_the_reason() {
    let receiver = Receiver::that(Act::Answer(answer("200 OK", "{}").into_bytes())).await;
    let report = target().send(id(1), chained(&receiver)).await;
    assert_eq!(report.verdict, Verdict::Dead);
    assert_eq!(
        report.error.as_deref(),
        Some("the request before it (1 of 1): its answer holds no `event`")
    );
}

#[tokio::test]
async fn an_answer_that_breaks_off_before_the_value_it_was_to_tell_is_tried_again() {
    let cut = |body: &str| {
        let cut = format!("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{body}");
        Receiver::that(Act::Close(cut.into_bytes()))
    };
    let receiver = cut(r#"{"event_id": "17."#).await;
    let report = target().send(id(1), chained(&receiver)).await;
    assert_eq!(report.verdict, AGAIN);
    let error = report.error.unwrap();
    assert!(
        error.ends_with("its answer holds no `event`: it broke off"),
        "{error}"
    );

    let receiver = cut(r#"{"token": "vms-"#).await;
    let target = target_with(JUDGE);
    for logins in 1..=2 {
        let report = target.send(id(1), bookmark(&receiver, "x")).await;
        assert_eq!(report.verdict, AGAIN);
        assert!(report.error.unwrap().contains("broke off"));
        assert_eq!(receiver.log.requests().len(), logins, "it is no refusal");
    }
}

#[tokio::test]
async fn digest_is_answered_and_kept_for_the_next_request() {
    let answers = |request: &Received| {
        match header(request, "authorization") {
        Some(text) if text.starts_with("Digest ") && text.contains("username=\"root\"") => {
            answer("200 OK", "")
        }
        _ => answer("401 Unauthorized", "").replacen(
            "\r\n",
            "\r\nWWW-Authenticate: Digest realm=\"cam\", qop=\"auth\", algorithm=SHA-256, nonce=\"n1\"\r\n",
            1,
        ),
    }
    };
    let receiver = Receiver::that(Act::Ask(Arc::new(answers))).await;
    let target = target();
    for n in 0..3 {
        let mut request = plain(
            Method::PUT,
            format!("http://{}/gate", receiver.address),
            "open",
        );
        request.around = Some(Box::new(Around {
            sign: Some(Sign::Digest {
                username: "root".to_owned(),
                password: Secret::new("hunter2"),
            }),
            ..Around::default()
        }));
        let report = target.send(id(n), Payload::Http(request)).await;
        assert_eq!(report.verdict, Verdict::Delivered, "{report:?}");
    }
    let requests = receiver.log.requests();
    assert_eq!(requests.len(), 4);
    assert!(requests.iter().all(|one| one.body == b"open"));
    assert!(requests[3].head.contains("nc=00000003"));
    assert!(requests.iter().all(|one| !one.head.contains("hunter2")));
}

#[tokio::test]
async fn a_request_that_is_too_large_is_sent_once_more_without_its_pictures() {
    let answers = |request: &Received| match request.body.len() {
        0..=10 => answer("200 OK", ""),
        _ => answer("413 Payload Too Large", ""),
    };
    let receiver = Receiver::that(Act::Ask(Arc::new(answers))).await;
    let url = format!("http://{}/", receiver.address);
    let mut request = plain(Method::POST, url.clone(), "with a large picture");
    request.around = Some(Box::new(Around {
        smaller: Some(Box::new(plain(Method::POST, url, "without"))),
        ..Around::default()
    }));
    let report = target().send(id(1), Payload::Http(request)).await;
    assert_eq!(report.verdict, Verdict::Delivered);
    assert_eq!(receiver.log.requests()[1].body, b"without");
}
