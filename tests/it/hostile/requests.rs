//! Requests that want to hurt get their documented answer; camhook stays up, and its memory stays bounded.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use image::ImageFormat;

use crate::harness::{Process, Receiver, eventually, multipart, picture, recognition};

/// Sends raw bytes and reads until the other side closes or answers.
fn raw(camhook: &Process, request: &[u8]) -> String {
    let address = camhook.url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let _ = stream.write_all(request);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn status(answer: &str) -> u16 {
    answer
        .get(9..12)
        .and_then(|digits| digits.parse().ok())
        .unwrap_or(0)
}

fn posted(content_type: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_gets_its_documented_answer_and_camhook_lives_on() {
    let receiver = Receiver::new().await;
    let folder = tempfile::tempdir().unwrap();
    let routes = format!(
        "sources:\n  pr: {{ kind: platerecognizer, path: / }}\n\
         targets:\n  all: {{ http: {{ url: \"{}\", multipart: {{ id: \"{{{{ event.id }}}}\", plate: \"{{{{ images.plate }}}}\" }} }} }}\n\
         routes:\n  - {{ name: all, steps: [ {{ crop: {{ region: plate }} }} ], to: [all] }}\n",
        receiver.url()
    );
    let mut camhook = Process::start(folder.path(), &routes);
    let json = |box_: &str| {
        format!(
            r#"{{"hook":{{"event":"recognition"}},"data":{{"camera_id":"c","timestamp":"2025-03-04T09:11:12Z","results":[{{"plate":"ab1","score":0.9,"dscore":0.9,"box":{box_}}}]}}}}"#
        )
    };

    // Understood as far as it goes, delivered without a crop where nothing is left of the box.
    let jpeg = picture(64, 64, &[], ImageFormat::Jpeg);
    let mut bomb = picture(64, 64, &[], ImageFormat::Jpeg);
    let frame = bomb
        .windows(2)
        .position(|pair| pair == [0xff, 0xc0])
        .unwrap();
    bomb[frame + 5..frame + 9].copy_from_slice(&[0x75, 0x30, 0x75, 0x30]); // 30,000 x 30,000 in the header
    let fine = [
        multipart(
            &json(r#"{"xmin":0,"ymin":0,"xmax":30000,"ymax":30000}"#),
            &[("upload", &bomb)],
        ),
        multipart(
            &json(r#"{"xmin":40,"ymin":40,"xmax":10,"ymax":10}"#),
            &[("upload", &jpeg)],
        ),
        multipart(
            &json(r#"{"xmin":-500,"ymin":-9999999999,"xmax":1e308,"ymax":20}"#),
            &[("upload", &jpeg)],
        ),
        multipart(
            r#"{"hook":{"event":"recognition"},"data":{"camera_id":"c","results":[]}}"#,
            &[("upload", &jpeg)],
        ),
    ];
    let (_, bare) = multipart(&json("{}"), &[("upload", &jpeg)]);
    let fine = fine
        .into_iter()
        .chain([("multipart/form-data".to_owned(), bare)]); // the body tells its own boundary
    let fine: Vec<(String, Vec<u8>)> = fine.collect();
    for (kind, body) in &fine {
        assert_eq!(status(&raw(&camhook, &posted(kind, body))), 200);
    }

    // Authentic but not understood: kept, and answered as accepted.
    let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    let many: Vec<u8> = (0..10_000)
        .flat_map(|n| {
            format!("--b\r\nContent-Disposition: form-data; name=\"p{n}\"\r\n\r\nx\r\n")
                .into_bytes()
        })
        .chain(*b"--b--\r\n")
        .collect();
    let (kind, whole) = multipart(&json("{}"), &[("upload", &jpeg)]);
    let kept = [
        posted("multipart/form-data; boundary=wrong", &whole),
        posted("multipart/form-data; boundary=b", &many),
        posted(&kind, &whole[..whole.len() - 60]), // truncated by the sender, though its length is true
        posted("application/json", deep.as_bytes()),
        posted("application/json", b"{\"hook\": \"\xff\xfe\"}"),
        posted(
            "application/json",
            json(r#"{"xmin":NaN,"ymin":0,"xmax":1,"ymax":1}"#).as_bytes(),
        ),
    ];
    for request in &kept {
        assert_eq!(
            status(&raw(&camhook, request)),
            200,
            "{}",
            String::from_utf8_lossy(&request[..120])
        );
    }
    eventually("all of them are in quarantine", async || {
        camhook
            .get("/api/v1/quarantine")
            .await
            .as_array()
            .unwrap()
            .len()
            == kept.len()
    })
    .await;

    // No event at all.
    let short = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{\"hook\"".to_vec();
    assert_eq!(status(&raw(&camhook, &short)), 400);
    let giant = format!(
        "POST / HTTP/1.1\r\nHost: x\r\nX-Big: {}\r\nContent-Length: 0\r\n\r\n",
        "a".repeat(2_000_000)
    );
    assert!(
        matches!(status(&raw(&camhook, giant.as_bytes())), 431 | 0),
        "refused or closed"
    );
    let large = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000000\r\n\r\n".to_vec();
    assert_eq!(status(&raw(&camhook, &large)), 413);
    assert_eq!(
        status(&raw(
            &camhook,
            b"DELETE / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )),
        405
    );

    receiver.wait_for(fine.len()).await;
    let delivered = receiver.taken();
    assert_eq!(delivered.len(), fine.len());
    assert!(camhook.is_running());
    assert!(
        camhook.peak_memory() < 256 * 1024,
        "{} KiB",
        camhook.peak_memory()
    );
    let events = camhook.get("/api/v1/events").await;
    assert_eq!(events.as_array().unwrap().len(), fine.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_posts_of_ten_megabytes_at_once_stay_within_the_budget() {
    let folder = tempfile::tempdir().unwrap();
    let camhook = Process::start(folder.path(), "sources:\n  any: { kind: auto, path: / }\n");
    let mut noise = vec![0x5a_u8; 10_000_000];
    noise[..4].copy_from_slice(b"\xff\xd8\xff\xe0");
    let (kind, body) = multipart(&recognition("c", &[]).to_string(), &[("upload", &noise)]);
    let body = bytes::Bytes::from(body);
    let mut senders = tokio::task::JoinSet::new();
    let client = crate::harness::client();
    for _ in 0..50 {
        let request = client
            .post(&camhook.url)
            .header("content-type", &kind)
            .body(body.clone());
        senders.spawn(async move {
            // A sender does what the protocol says: it comes again after a 503.
            loop {
                match request.try_clone().unwrap().send().await {
                    Ok(answer) if answer.status().is_success() => break,
                    Ok(answer) => {
                        assert_eq!(answer.status(), 503);
                        assert!(answer.headers().contains_key("retry-after"));
                    }
                    Err(error) => assert!(!error.is_builder(), "{error}"),
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        });
    }
    senders.join_all().await;
    eventually("all are counted", async || {
        camhook.get("/api/v1/sources").await[0]["events"].as_u64() >= Some(50)
    })
    .await;
    assert!(
        camhook.peak_memory() < 256 * 1024,
        "{} KiB",
        camhook.peak_memory()
    );
}
