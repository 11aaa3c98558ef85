//! Senders that want to hurt: they drip, stop half way, ask without listening, and say two things at once.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Camhook, Sender, setup};
use crate::telemetry::Status;
use crate::units::{ByteSize, Span};

const HEAD: &str = "POST /gate HTTP/1.1\r\nHost: c\r\n";
const FINE: &str = "POST /gate HTTP/1.1\r\nHost: c\r\nContent-Length: 1\r\n\r\n1";

/// Others are served, and nothing is held for who is gone.
async fn lives_on(camhook: &Camhook) {
    let mut other = camhook.connect().await;
    assert_eq!(other.says(FINE).await.hears().await.status, 200);
    assert_eq!(camhook.metrics.inflight_bytes.get(), 0);
}

async fn impatient() -> Camhook {
    let mut setup = setup();
    setup.settings.header_timeout = Span(Duration::from_millis(100));
    setup.settings.idle_timeout = Span(Duration::from_millis(200));
    setup.settings.body_timeout = Span(Duration::from_millis(100));
    setup.open().await
}

#[tokio::test]
async fn a_head_that_drips_is_not_waited_for_however_often_a_byte_comes() {
    let camhook = impatient().await;
    let mut drips = Vec::new();
    for _ in 0..50 {
        drips.push(camhook.connect().await);
    }
    let begun = tokio::time::Instant::now();
    let mut cut = 0;
    for byte in HEAD.as_bytes().iter().cycle() {
        for drip in &mut drips {
            let stream = drip.0.get_mut();
            cut += usize::from(stream.write_all(&[*byte]).await.is_err());
        }
        if cut > 50 {
            break; // each has failed by now, some twice
        }
        lives_on(&camhook).await;
        assert!(begun.elapsed() < Duration::from_secs(60), "they drip on");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_body_that_drips_is_given_up_and_leaves_nothing_behind() {
    let camhook = impatient().await;
    let mut drip = camhook.connect().await;
    drip.says(&format!("{HEAD}Content-Length: 100000\r\n\r\n"))
        .await;
    let (mut hears, mut says) = tokio::io::split(drip.0.into_inner());
    camhook.tasks.spawn(async move {
        while says.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    let mut answer = Vec::new();
    let _ = hears.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer);
    assert!(
        answer.starts_with("HTTP/1.1 408 ") && answer.contains("\"timeout\""),
        "{answer}"
    );
    lives_on(&camhook).await;
}

#[tokio::test]
async fn who_asks_to_go_on_and_does_not_is_given_up() {
    let camhook = impatient().await;
    let mut camera = camhook.connect().await;
    camera
        .says(&format!(
            "{HEAD}Expect: 100-continue\r\nContent-Length: 5\r\n\r\n"
        ))
        .await;
    assert_eq!(camera.hears().await.status, 100);
    let said = camera.hears().await;
    assert_eq!((said.status, said.error().as_str()), (408, "timeout"));
    camera.is_hung_up_on().await;
    lives_on(&camhook).await;
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_their_order() {
    let mut camhook = setup().open().await;
    let mut camera = camhook.connect().await;
    let requests: String = (1..=9)
        .map(|n| format!("{HEAD}Content-Length: 1\r\n\r\n{n}"))
        .collect();
    camera.says(&requests).await;
    for n in 1..=9 {
        assert_eq!(camera.hears().await.status, 200);
        assert_eq!(camhook.seen().await.body, n.to_string());
    }
}

#[tokio::test]
async fn who_never_reads_its_answers_is_not_read_from_for_ever() {
    let camhook = impatient().await;
    let Sender(stream) = camhook.connect().await;
    let mut stream = stream.into_inner();
    let requests = "GET /gate HTTP/1.1\r\nHost: c\r\n\r\n".repeat(1_000);
    let mut bytes: u64 = 0;
    let ended = async {
        while stream.write_all(requests.as_bytes()).await.is_ok() {
            bytes += requests.len() as u64;
            // Answers are longer than the requests: far more than what systems keep for a connection.
            assert!(bytes < 1 << 30, "it is read from and read from");
        }
    };
    tokio::time::timeout(Duration::from_secs(60), ended)
        .await
        .expect("it is hung up on");
    lives_on(&camhook).await;
    assert!(camhook.metrics.connections.get() <= 1);
}

#[tokio::test]
async fn absurd_chunks_are_refused_before_anything_is_made_for_them() {
    let camhook = setup().open().await;
    let chunked = |body: &str| format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n{body}");
    for (body, status) in [
        ("FFFFFFFFFFFFFFFFFFFF\r\nx", 400),
        ("-5\r\nhello\r\n0\r\n\r\n", 400),
        ("0x5\r\nhello\r\n0\r\n\r\n", 400),
        ("5 5\r\nhello\r\n0\r\n\r\n", 400),
        ("5\r\nhello!\r\n0\r\n\r\n", 400), // one byte more than announced
        ("\r\n5\r\nhello\r\n0\r\n\r\n", 400),
    ] {
        let mut camera = camhook.connect().await;
        let said = camera.says(&chunked(body)).await.hears().await;
        assert_eq!(
            (said.status, said.error().as_str()),
            (status, "incomplete"),
            "{body:?}"
        );
        camera.is_hung_up_on().await;
    }
    // A length that could be, of which nothing comes: only what comes is paid for.
    let mut camera = camhook.connect().await;
    camera.says(&chunked("7FFFFFFFFFFFFFFF\r\nx")).await;
    let mut other = camhook.connect().await;
    assert_eq!(other.says(FINE).await.hears().await.status, 200);
    assert!(camhook.metrics.inflight_bytes.get() <= 64 << 10);

    let endless = format!("5;{}\r\nhello\r\n", "x".repeat(100_000));
    let mut camera = camhook.connect().await;
    let said = camera.says(&chunked(&endless)).await.hears().await;
    assert_eq!(said.status, 400, "an extension without end");
    let trailers = format!(
        "5\r\nhello\r\n0\r\n{}",
        "X-More: and more\r\n".repeat(10_000)
    );
    let mut camera = camhook.connect().await;
    let said = camera.says(&chunked(&trailers)).await.hears().await;
    assert_eq!(said.status, 400, "trailers without end");
}

#[tokio::test]
async fn a_body_that_is_cut_off_is_no_event_and_holds_nothing() {
    let mut camhook = setup().open().await;
    for n in 0..100 {
        let Sender(stream) = camhook.connect().await;
        let mut stream = stream.into_inner();
        let begun = format!(
            "{HEAD}Content-Length: 100000\r\n\r\n{}",
            "x".repeat(n * 900)
        );
        stream.write_all(begun.as_bytes()).await.unwrap();
        if n % 2 == 0 {
            stream.set_zero_linger().unwrap();
        }
    }
    let mut camera = camhook.connect().await;
    assert_eq!(camera.says(FINE).await.hears().await.status, 200);
    assert_eq!(camhook.seen().await.body, "1");
    drop(camera);
    let none_left = async {
        while camhook.metrics.inflight_bytes.get() > 0 || camhook.metrics.connections.get() > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), none_left)
        .await
        .expect("all is given back");
    assert!(camhook.seen.try_recv().is_err());
}

#[tokio::test]
async fn a_request_that_two_could_read_in_two_ways_is_read_in_none() {
    let smuggled = "POST /gate HTTP/1.1\r\nHost: c\r\nContent-Length: 8\r\n\r\nsmuggled";
    for head in [
        "Content-Length: 1\r\nContent-Length: 2\r\n",
        "Content-Length: 1, 2\r\n",
        "Content-Length: +1\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 0x1\r\n",
        "Content-Length: 18446744073709551617\r\n",
        "Content-Length : 1\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding:\x0bchunked\r\n",
        "Host: d\x00e\r\nContent-Length: 1\r\n",
        "X: y\r\n Content-Length: 1\r\n",
    ] {
        let mut camhook = setup().open().await;
        let mut camera = camhook.connect().await;
        camera
            .says(&format!("{HEAD}{head}\r\n1\r\n2\r\n0\r\n\r\n{smuggled}"))
            .await;
        let said = camera.hears().await;
        assert_eq!(
            (said.status, said.error().as_str()),
            (400, "bad_request"),
            "{head:?}"
        );
        camera.is_hung_up_on().await;
        assert!(camhook.seen.try_recv().is_err(), "{head:?}");
    }
}

#[tokio::test]
async fn a_length_beside_chunks_counts_for_nothing_and_ends_the_connection() {
    for head in [
        "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n",
    ] {
        let mut camhook = setup().open().await;
        let mut camera = camhook.connect().await;
        camera
            .says(&format!("{HEAD}{head}\r\n1\r\n2\r\n0\r\n\r\n{FINE}"))
            .await;
        let said = camera.hears().await;
        assert_eq!(said.status, 200);
        assert!(said.head.contains("connection: close"), "{head:?}");
        camera.is_hung_up_on().await;
        assert_eq!(camhook.seen().await.body, "2");
        assert!(
            camhook.seen.try_recv().is_err(),
            "what came behind it is not believed"
        );
    }
}

#[tokio::test]
async fn what_is_no_http_is_told_so() {
    let mut setup = setup();
    setup.settings.max_header = ByteSize(128 << 10);
    let camhook = setup.open().await;
    let long = format!("GET /{} HTTP/1.1\r\nHost: c\r\n\r\n", "x".repeat(70_000));
    let giant = format!("{HEAD}X-A: {}\r\n\r\n", "x".repeat(2_000_000));
    let many = format!("{HEAD}{}\r\n", "a: b\r\n".repeat(2_000));
    for (request, status, error) in [
        (
            "\x16\x03\x01\x02\x00\x01\x00\x01\r\n\r\n",
            400,
            "bad_request",
        ), // TLS, to a port without
        ("GET /gate\r\n\r\n", 400, "bad_request"),
        ("GET /gate HTTP/9.9\r\n\r\n", 400, "bad_request"),
        (&long, 414, "too_long"),
        (&giant, 431, "headers_too_large"),
        (&many, 431, "headers_too_large"),
    ] {
        let mut camera = camhook.connect().await;
        let said = camera.says(request).await.hears().await;
        assert_eq!(
            (said.status, said.error().as_str()),
            (status, error),
            "{:.40}",
            request
        );
        assert!(said.head.contains("connection: close"));
        camera.is_hung_up_on().await;
        let labels = Status { status };
        assert!(
            camhook
                .metrics
                .requests_refused
                .get_or_create(&labels)
                .get()
                > 0
        );
    }
    lives_on(&camhook).await;
}

#[tokio::test]
async fn what_is_announced_and_does_not_come_leaves_room_for_what_does() {
    let camhook = setup().open().await;
    let mut announced = Vec::new();
    for _ in 0..5 {
        let mut camera = camhook.connect().await;
        camera
            .says(&format!(
                "{HEAD}Expect: 100-continue\r\nContent-Length: 195000\r\n\r\n"
            ))
            .await;
        assert_eq!(camera.hears().await.status, 100); // what it announced is reserved, as far as it is
        announced.push(camera);
    }
    let picture = "1".repeat(150_000);
    let mut camera = camhook.connect().await;
    camera
        .says(&format!(
            "{HEAD}Content-Length: {}\r\n\r\n{picture}",
            picture.len()
        ))
        .await;
    assert_eq!(camera.hears().await.status, 200);
    for mut camera in announced {
        assert_eq!(
            camera.says(&"1".repeat(195_000)).await.hears().await.status,
            200
        );
    }
}
