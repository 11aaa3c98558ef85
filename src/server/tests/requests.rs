//! What senders ask, and how they ask it.

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::{Fake, entry, setup};
use crate::secret::Secret;
use crate::telemetry::Status;

#[tokio::test]
async fn a_request_is_taken_with_its_credentials_masked() {
    let mut setup = setup();
    setup.entries[0].settings.auth.token = Some(Secret::new("hunter22"));
    let mut camhook = setup.open().await;
    let mut camera = camhook.connect().await;
    camera
        .says("POST /gate/hunter22?x=1 HTTP/1.1\r\nHost: c\r\nAuthorization: Basic eA==\r\nX-A: 1\r\nContent-Length: 2\r\n\r\nhi")
        .await;
    let said = camera.hears().await;
    assert_eq!((said.status, said.body.as_str()), (200, "{\"ok\":true}\n"));
    let original = camhook.seen().await;
    assert_eq!(original.method, "POST");
    assert_eq!(original.path, "/gate/***?x=1");
    assert_eq!(original.body, "hi");
    assert_eq!(original.header("authorization"), Some("***"));
    assert_eq!(original.header("X-A"), Some("1"));
    assert_eq!(original.remote, Some(IpAddr::from([127, 0, 0, 1])));
}

#[tokio::test]
async fn refusals_tell_status_and_reason_and_keep_the_connection() {
    let mut setup = setup();
    let mut closed = entry("/closed", &Fake);
    closed.settings.auth.allow = Some(vec!["192.0.2.0/24".parse().unwrap()]);
    let mut locked = entry("/locked", &Fake);
    locked.settings.auth.token = Some(Secret::new("tok"));
    setup.entries.extend([closed, locked]);
    let camhook = setup.open().await;
    let mut camera = camhook.connect().await;
    for (request, status, error) in [
        ("POST /nowhere", 404, "not_found"),
        ("DELETE /gate", 405, "method_not_allowed"),
        ("POST /locked/tik", 401, "unauthorized"),
        ("POST /closed", 403, "forbidden"),
    ] {
        let request = format!("{request} HTTP/1.1\r\nHost: c\r\nContent-Length: 2\r\n\r\nhi");
        let said = camera.says(&request).await.hears().await;
        assert_eq!((said.status, said.error().as_str()), (status, error));
        assert!(!said.head.contains("connection: close"));
        assert_eq!(
            said.head.contains("\r\nallow: post, put, get, head\r\n"),
            status == 405
        );
        assert_eq!(said.head.contains("\r\nwww-authenticate: "), status == 401);
        let labels = Status { status };
        assert_eq!(
            camhook
                .metrics
                .requests_refused
                .get_or_create(&labels)
                .get(),
            1
        );
    }
}

#[tokio::test]
async fn a_browser_reads_a_text() {
    let camhook = setup().open().await;
    let mut browser = camhook.connect().await;
    let said = browser
        .says("GET /gate HTTP/1.1\r\nHost: c\r\n\r\n")
        .await
        .hears()
        .await;
    assert_eq!(said.status, 200);
    assert!(said.head.contains("text/plain") && said.body.contains("`gate`"));
    let said = browser
        .says("HEAD /gate HTTP/1.1\r\nHost: c\r\n\r\n")
        .await
        .hears()
        .await;
    assert_eq!((said.status, said.body.as_str()), (200, ""));
}

#[tokio::test]
async fn a_connection_is_used_again() {
    let mut camhook = setup().open().await;
    let mut camera = camhook.connect().await;
    for body in ["1", "2"] {
        let request = format!("POST /gate HTTP/1.1\r\nHost: c\r\nContent-Length: 1\r\n\r\n{body}");
        assert_eq!(camera.says(&request).await.hears().await.status, 200);
        assert_eq!(camhook.seen().await.body, body);
    }
}

#[tokio::test]
async fn a_chunked_body_and_an_absolute_target_are_read_and_the_connection_stays_open() {
    let mut camhook = setup().open().await;
    let mut camera = camhook.connect().await;
    for _ in 0..2 {
        camera
            .says("POST http://proxy.example/gate/sub?a=b HTTP/1.1\r\nHost: c\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n")
            .await;
        let said = camera.hears().await;
        assert_eq!(said.status, 200);
        assert!(!said.head.contains("connection: close"), "{}", said.head);
        let original = camhook.seen().await;
        assert_eq!(
            (original.path.as_str(), &original.body[..]),
            ("/gate/sub?a=b", &b"hello"[..])
        );
    }
}

#[tokio::test]
async fn short_and_broken_bodies_are_no_events() {
    let mut camhook = setup().open().await;
    for request in [
        "POST /gate HTTP/1.1\r\nHost: c\r\nContent-Length: 10\r\n\r\nshort",
        "POST /gate HTTP/1.1\r\nHost: c\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe",
        "POST /gate HTTP/1.1\r\nHost: c\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
    ] {
        let mut camera = camhook.connect().await;
        camera.says(request).await;
        camera.0.get_mut().shutdown().await.unwrap();
        let said = camera.hears().await;
        assert_eq!(
            (said.status, said.error().as_str()),
            (400, "incomplete"),
            "{request}"
        );
        camera.is_hung_up_on().await;
    }
    assert!(camhook.seen.try_recv().is_err());
}

#[tokio::test]
async fn a_request_whose_sender_closed_its_side_is_answered_all_the_same() {
    let mut setup = setup();
    setup.permits = 0;
    let mut camhook = setup.open().await;
    let mut camera = camhook.connect().await;
    let request = "POST /gate HTTP/1.1\r\nHost: c\r\nContent-Length: 2\r\n\r\nhi";
    camera.says(request).await;
    assert_eq!(camhook.seen().await.body, "hi");
    camera.0.get_mut().shutdown().await.unwrap();
    // Another conversation, in which the front door gets to know of the closed side.
    let mut other = camhook.connect().await;
    let visit = "GET /gate HTTP/1.1\r\nHost: c\r\n\r\n";
    assert_eq!(other.says(visit).await.hears().await.status, 200);
    camhook.permits.add_permits(1);
    assert_eq!(camera.hears().await.status, 200);
}

#[tokio::test]
async fn shutdown_answers_what_is_in_progress_and_ends_the_rest() {
    let mut setup = setup();
    setup.permits = 0;
    let mut camhook = setup.open().await;
    let mut working = camhook.connect().await;
    working
        .says("POST /gate HTTP/1.1\r\nHost: c\r\nContent-Length: 2\r\n\r\nhi")
        .await;
    camhook.seen().await;
    let mut idle = camhook.connect().await;
    idle.says("GET /gate HTTP/1.1\r\nHost: c\r\n\r\n")
        .await
        .hears()
        .await;

    camhook.tasks.stop();
    idle.is_hung_up_on().await;
    camhook.permits.add_permits(1);
    let said = working.hears().await;
    assert_eq!(said.status, 200);
    assert!(said.head.contains("connection: close"));
    working.is_hung_up_on().await;
    assert!(camhook.tasks.wait(Duration::from_secs(60)).await);
    assert!(TcpStream::connect(camhook.address).await.is_err());
    assert_eq!(camhook.metrics.connections.get(), 0);
}

#[tokio::test]
async fn http2_is_spoken_without_asking() {
    let mut camhook = setup().open().await;
    let stream = TcpStream::connect(camhook.address).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    camhook.tasks.spawn(async move {
        let _ = connection.await; // ends with the test
    });
    let post = |path: &str, body: String| {
        Request::post(format!("http://camhook{path}"))
            .body(Full::new(Bytes::from(body)))
            .unwrap()
    };
    let large = "x".repeat(150_000);
    let answer = sender
        .send_request(post("/gate?a", large.clone()))
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    let original = camhook.seen().await;
    assert_eq!(original.body, large);
    assert_eq!(original.path, "/gate?a");
    assert_eq!(original.header("host"), Some("camhook"));

    let answer = sender
        .send_request(post("/gate", "x".repeat(300_000)))
        .await
        .unwrap();
    assert_eq!(answer.status(), 413);
    let answer = sender.send_request(post("/nowhere", large)).await.unwrap();
    assert_eq!(answer.status(), 404);
    let answer = sender
        .send_request(post("/gate", "2".into()))
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
}
