//! What is too much, too slow or too many is refused, and says why.

use std::num::NonZeroU32;
use std::time::Duration;

use super::super::answer::Refusal;
use super::setup;
use crate::secret::Secret;
use crate::units::{ByteSize, Span};

#[tokio::test]
async fn a_sender_that_asks_is_told_to_go_on_or_not() {
    let mut camhook = setup().open().await;
    let ask = |length: usize| {
        format!(
            "POST /gate HTTP/1.1\r\nHost: c\r\nExpect: 100-continue\r\nContent-Length: {length}\r\n\r\n"
        )
    };
    let mut camera = camhook.connect().await;
    assert_eq!(camera.says(&ask(2)).await.hears().await.status, 100);
    assert_eq!(camera.says("hi").await.hears().await.status, 200);
    assert_eq!(camhook.seen().await.body, "hi");

    let said = camera.says(&ask(300_000)).await.hears().await;
    assert_eq!((said.status, said.error().as_str()), (413, "too_large"));
    assert!(said.head.contains("connection: close"));
    camera.is_hung_up_on().await;
}

#[tokio::test]
async fn too_large_a_body_is_refused_before_it_is_sent_and_while_it_is() {
    let camhook = setup().open().await;
    let mut camera = camhook.connect().await;
    camera
        .says("POST /gate HTTP/1.1\r\nHost: c\r\nContent-Length: 300000\r\n\r\n")
        .await;
    assert_eq!(camera.hears().await.status, 413);

    let mut camera = camhook.connect().await;
    camera
        .says("POST /gate HTTP/1.1\r\nHost: c\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await;
    let chunk = format!("186a0\r\n{}\r\n", "x".repeat(100_000));
    for _ in 0..3 {
        camera.says(&chunk).await;
    }
    let said = camera.hears().await;
    assert_eq!((said.status, said.error().as_str()), (413, "too_large"));
    assert_eq!(camhook.metrics.inflight_bytes.get(), 0);
}

#[tokio::test]
async fn a_sender_that_does_not_listen_while_it_sends_still_reads_why_it_was_refused() {
    let camhook = setup().open().await;
    let mut camera = camhook.connect().await;
    let head = "POST /nowhere HTTP/1.1\r\nHost: c\r\nContent-Length: 8000000\r\n\r\n";
    camera.says(head).await.says(&"x".repeat(8_000_000)).await;
    let said = camera.hears().await;
    assert_eq!(said.error(), "not_found");
    assert!(said.head.contains("connection: close"));
    camera.is_hung_up_on().await;
}

#[tokio::test]
async fn a_body_without_progress_is_given_up() {
    let mut setup = setup();
    setup.settings.body_timeout = Span(Duration::from_millis(20));
    let camhook = setup.open().await;
    let mut camera = camhook.connect().await;
    camera
        .says("POST /gate HTTP/1.1\r\nHost: c\r\nContent-Length: 10\r\n\r\nshort")
        .await;
    let said = camera.hears().await;
    assert_eq!((said.status, said.error().as_str()), (408, "timeout"));
    camera.is_hung_up_on().await;
    assert_eq!(camhook.metrics.inflight_bytes.get(), 0);
}

#[tokio::test]
async fn giant_headers_are_refused() {
    let mut setup = setup();
    setup.settings.max_header = ByteSize(8 << 10);
    let camhook = setup.open().await;
    let giant = format!(
        "POST /gate HTTP/1.1\r\nHost: c\r\nX-A: {}\r\n\r\n",
        "x".repeat(9000)
    );
    let many = format!(
        "POST /gate HTTP/1.1\r\nHost: c\r\n{}\r\n",
        "a: b\r\n".repeat(101)
    );
    for request in [giant, many] {
        let mut camera = camhook.connect().await;
        assert_eq!(camera.says(&request).await.hears().await.status, 431);
    }
}

#[tokio::test]
async fn silent_connections_are_closed() {
    let mut setup = setup();
    setup.settings.header_timeout = Span(Duration::from_millis(20));
    setup.settings.idle_timeout = Span(Duration::from_millis(20));
    let camhook = setup.open().await;
    camhook.connect().await.is_hung_up_on().await;
    camhook
        .connect()
        .await
        .says("POST /gate HT")
        .await
        .is_hung_up_on()
        .await;

    let mut idle = camhook.connect().await;
    idle.says("GET /gate HTTP/1.1\r\nHost: c\r\n\r\n")
        .await
        .hears()
        .await;
    idle.is_hung_up_on().await;
}

#[tokio::test]
async fn at_the_limit_new_connections_wait() {
    let mut setup = setup();
    setup.settings.max_connections = NonZeroU32::MIN;
    let camhook = setup.open().await;
    let request = "GET /gate HTTP/1.1\r\nHost: c\r\n\r\n";
    let mut first = camhook.connect().await;
    assert_eq!(first.says(request).await.hears().await.status, 200);
    let mut second = camhook.connect().await;
    second.says(request).await;
    // The first is served again while the second waits.
    assert_eq!(first.says(request).await.hears().await.status, 200);
    assert_eq!(camhook.metrics.connections.get(), 1);
    drop(first);
    assert_eq!(second.hears().await.status, 200);
}

#[tokio::test]
async fn over_the_budget_a_sender_is_asked_to_come_again() {
    let mut setup = setup();
    setup.budget = 100_000;
    setup.permits = 0;
    let mut camhook = setup.open().await;
    let request = format!(
        "POST /gate HTTP/1.1\r\nHost: c\r\nContent-Length: 60000\r\n\r\n{}",
        "x".repeat(60_000)
    );
    let mut first = camhook.connect().await;
    first.says(&request).await;
    camhook.seen().await;
    assert_eq!(camhook.metrics.inflight_bytes.get(), 60_000);

    let mut second = camhook.connect().await;
    let said = second.says(&request).await.hears().await;
    assert_eq!((said.status, said.error().as_str()), (503, "busy"));
    assert!(said.head.contains("\r\nretry-after: "));

    camhook.permits.add_permits(1);
    assert_eq!(first.hears().await.status, 200);
    assert_eq!(second.says(&request).await.hears().await.status, 200);

    let mut third = camhook.connect().await;
    third
        .says("POST /gate HTTP/1.1\r\nHost: c\r\nContent-Length: 150000\r\n\r\n")
        .await;
    let said = third.hears().await;
    assert_eq!(said.status, 413);
    assert!(said.body.contains("server.budget"));
}

#[tokio::test]
async fn a_store_that_cannot_accept_is_told_before_the_body_is_read() {
    let mut setup = setup();
    let reason = "the store is full".to_owned();
    setup.refusal = Some(Refusal::StoreFull { reason });
    let camhook = setup.open().await;
    let mut camera = camhook.connect().await;
    camera
        .says("POST /gate HTTP/1.1\r\nHost: c\r\nContent-Length: 2\r\n\r\n")
        .await;
    let said = camera.hears().await;
    assert_eq!((said.status, said.error().as_str()), (503, "store_full"));
    assert!(said.head.contains("\r\nretry-after: "));
}

#[tokio::test]
async fn who_guesses_is_answered_late_and_who_knows_is_not() {
    let mut setup = setup();
    setup.entries[0].settings.auth.token = Some(Secret::new("tok"));
    let mut camhook = setup.open().await;
    let post = |token: &str| {
        format!(
            "POST /gate HTTP/1.1\r\nHost: c\r\nAuthorization: Token {token}\r\nContent-Length: 2\r\n\r\nhi"
        )
    };
    let mut guesser = camhook.connect().await;
    for _ in 0..10 {
        assert_eq!(guesser.says(&post("x")).await.hears().await.status, 401);
    }
    guesser.says(&post("x")).await;
    let mut camera = camhook.connect().await;
    assert_eq!(camera.says(&post("tok")).await.hears().await.status, 200);
    assert_eq!(camhook.seen().await.body, "hi");

    while camhook.clock.sleepers() == 0 {
        tokio::task::yield_now().await;
    }
    let later = jiff::Timestamp::from_second(2).unwrap();
    assert!(camhook.clock.step(later), "the answer waited for the clock");
    assert_eq!(guesser.hears().await.status, 401);
}
