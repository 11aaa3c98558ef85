//! Messages to a real NATS server, with streams and without.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::harness::nats::{Nats, SEED};
use crate::harness::{
    Process, client, eventually, form_event, multipart, multipart_event, recognition,
};

const PATIENCE: &str = "    retry: { initial: 100ms, max: 200ms, attempts: 0 }\n    breaker: { failures: 1000, cool_down: 200ms }\n";

/// `settings` of `nats`, besides `url`.
fn routes(url: &str, settings: &str) -> String {
    format!(
        "targets:\n  bus:\n    nats:\n      url: \"{url}\"\n      subject: \"camhook.{{{{ event.camera.id }}}}.plate\"\n{settings}{PATIENCE}\
         routes:\n  - {{ name: all, to: [bus], each: plate }}\n"
    )
}

async fn post(camhook: &Process, (kind, body): (String, Vec<u8>)) {
    let request = client().post(&camhook.url).header("content-type", kind);
    assert_eq!(request.body(body).send().await.unwrap().status(), 200);
}

fn of_camera(camera: &str, picture: &[u8]) -> (String, Vec<u8>) {
    let json = recognition(camera, &[("ab123cd", [1, 2, 3, 4])]);
    multipart(&json.to_string(), &[("original", picture)])
}

async fn fate(camhook: &Process, fate: &str, count: usize) -> Vec<Value> {
    let mut rows = Vec::new();
    eventually(&format!("{count} are {fate}"), async || {
        rows = camhook.rows(&["deliveries", "--limit", "0", "--fate", fate]);
        rows.len() == count
    })
    .await;
    rows
}

/// Waits until the newest delivery was tried and is not there; what the last try told.
async fn failed(camhook: &Process) -> String {
    let told = || {
        let rows = camhook.rows(&["deliveries"]);
        let tries = rows.first()?["attempts"].as_array()?.clone();
        Some(tries.last()?["error"].as_str()?.to_owned())
    };
    eventually("a try has failed", async || told().is_some()).await;
    told().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_has_each_delivery_once_however_often_camhook_and_the_server_are_killed() {
    const EVENTS: usize = 300;
    let mut server = Nats::start().await;
    server.stream("camhook.>").await;
    let folder = tempfile::tempdir().unwrap();
    let settings = "      payload: { plate: \"{{ plate.text }}\", seen: \"{{ event.occurred_at }}\" }\n      headers: { X-Camera: \"{{ event.camera.id }}\" }\n";
    let mut camhook = Process::start(folder.path(), &routes(&server.open_url(), settings));
    post(&camhook, form_event(0)).await;
    let first = fate(&camhook, "delivered", 1).await.remove(0);
    let told = &first["attempts"][0]["excerpt"];
    assert_eq!(told, "message 1 of the stream PLATES");
    let (subject, headers, payload) = server.message(1).await;
    assert_eq!(subject, "camhook.cam-0.plate");
    let id = format!("Nats-Msg-Id: {}\r\n", first["id"].as_str().unwrap());
    assert!(
        headers.contains(&id) && headers.contains("X-Camera: cam-0\r\n"),
        "{headers}"
    );
    let payload: Value = serde_json::from_slice(&payload).unwrap();
    assert_eq!(payload["plate"], "ab123cd");

    for n in 1..EVENTS {
        post(&camhook, form_event(n)).await;
        match n % 100 {
            // What was sent and not yet noted comes again, and the stream knows it.
            50 => {
                camhook.kill();
                camhook = Process::start_again(folder.path());
            }
            90 => {
                server.kill();
                server.start_again().await;
            }
            _ => {}
        }
    }
    fate(&camhook, "delivered", EVENTS).await;
    assert_eq!(server.count().await, EVENTS as u64);
    camhook.stop();
}

/// A way to the server that ends at the first confirmation of a stream, and is a good one afterwards. Returns its port.
#[expect(clippy::disallowed_methods, reason = "the test's own server")]
async fn cutting_once(to: u16) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut cuts = 1;
        loop {
            let (near, _) = listener.accept().await.unwrap();
            let far = TcpStream::connect(("127.0.0.1", to)).await.unwrap();
            let (mut near_in, mut near_out) = near.into_split();
            let (mut far_in, mut far_out) = far.into_split();
            tokio::spawn(async move { tokio::io::copy(&mut near_in, &mut far_out).await });
            let mut bytes = vec![0; 64 << 10];
            loop {
                let read = far_in.read(&mut bytes).await.unwrap_or(0);
                let confirms = bytes[..read].windows(5).any(|window| window == b"\"seq\"");
                if confirms && cuts > 0 {
                    cuts -= 1;
                    break;
                }
                if read == 0 || near_out.write_all(&bytes[..read]).await.is_err() {
                    break;
                }
            }
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_whose_confirmation_was_lost_comes_again_and_the_stream_has_it_once() {
    let server = Nats::start().await;
    server.stream("camhook.>").await;
    let port = cutting_once(server.port()).await;
    let url = format!("nats://gate:pas%3As%40word@127.0.0.1:{port}");
    let folder = tempfile::tempdir().unwrap();
    let camhook = Process::start(folder.path(), &routes(&url, ""));
    post(&camhook, form_event(1)).await;
    let rows = fate(&camhook, "delivered", 1).await;
    let tries = rows[0]["attempts"].as_array().unwrap();
    assert!(
        tries[0]["error"].to_string().contains("closed"),
        "{}",
        tries[0]
    );
    assert_eq!(
        tries[1]["excerpt"],
        "message 1 of the stream PLATES: it was there already"
    );
    assert_eq!(server.count().await, 1);
    camhook.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_down_gets_its_messages_when_it_is_back() {
    let mut server = Nats::start().await;
    server.stream("camhook.>").await;
    let folder = tempfile::tempdir().unwrap();
    let camhook = Process::start(folder.path(), &routes(&server.open_url(), ""));
    post(&camhook, form_event(1)).await;
    fate(&camhook, "delivered", 1).await;
    server.kill();
    post(&camhook, form_event(2)).await;
    let told = failed(&camhook).await;
    assert!(told.contains("could not reach nats://127.0.0.1:"), "{told}");
    assert!(!told.contains("pas"), "{told}");
    server.start_again().await;
    fate(&camhook, "delivered", 2).await;
    assert_eq!(server.count().await, 2);
    camhook.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subject_without_a_stream_is_told_and_delivered_once_there_is_one() {
    let server = Nats::start().await;
    let folder = tempfile::tempdir().unwrap();
    let camhook = Process::start(folder.path(), &routes(&server.open_url(), ""));
    post(&camhook, of_camera("north.gate", b"\xff\xd8\xff")).await;
    let told = failed(&camhook).await;
    assert!(
        told.contains("no stream takes the subject `camhook.north_gate.plate`"),
        "{told}"
    );
    assert!(told.contains("jetstream: false"), "{told}");
    server.stream("camhook.>").await;
    fate(&camhook, "delivered", 1).await;
    camhook.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_not_let_in_waits_and_loses_nothing() {
    let server = Nats::start().await;
    server.stream("camhook.>").await;
    let narrow = "      inbox: _INBOX_narrow\n";
    for (url, settings, told) in [
        (
            server.url("gate", "not%2Fthe%40one"),
            "",
            "Authorization Violation",
        ),
        (server.bare_url(), "", "Authorization Violation"),
        (
            server.url("narrow", "narrow"),
            narrow,
            "Permissions Violation for Publish to \"camhook.gate.plate\"",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let camhook = Process::start(folder.path(), &routes(&url, settings));
        post(&camhook, of_camera("gate", b"\xff\xd8\xff")).await;
        let held = fate(&camhook, "held", 1).await;
        let error = held[0]["attempts"][0]["error"].as_str().unwrap();
        assert!(error.contains(told), "{error}");
        assert!(!held[0].to_string().contains("not/the"), "{}", held[0]);
        let secrets = camhook.get("/api/v1/targets").await.to_string();
        assert!(!secrets.contains("not%2Fthe") && !secrets.contains("not/the@one"));
        camhook.kill();
    }
    // Who may publish to some subjects only is confirmed there, on a subject of its own.
    let folder = tempfile::tempdir().unwrap();
    let open = routes(&server.url("narrow", "narrow"), narrow).replace("camhook.", "camhook.open.");
    let camhook = Process::start(folder.path(), &open);
    post(&camhook, form_event(1)).await;
    fate(&camhook, "delivered", 1).await;
    camhook.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_no_server_would_take_is_dead_and_the_next_one_goes() {
    let server = Nats::start().await;
    server.stream("camhook.>").await;
    let folder = tempfile::tempdir().unwrap();
    let settings = "      payload: \"{{ images.frame or 'none' }}\"\n";
    let camhook = Process::start(folder.path(), &routes(&server.open_url(), settings));
    post(&camhook, form_event(1)).await;
    fate(&camhook, "delivered", 1).await;
    let large = [b"\xff\xd8\xff".as_slice(), &[9; 70_000]].concat();
    post(&camhook, of_camera("gate", &large)).await;
    let dead = fate(&camhook, "dead", 1).await;
    let told = dead[0]["attempts"][0]["error"].as_str().unwrap();
    assert!(
        told.contains("more than the server takes (65536, its `max_payload`)"),
        "{told}"
    );
    post(&camhook, form_event(2)).await;
    fate(&camhook, "delivered", 2).await;
    camhook.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_stream_whoever_listens_has_the_picture_byte_for_byte() {
    let server = Nats::start().await;
    let folder = tempfile::tempdir().unwrap();
    let settings = "      jetstream: false\n      payload: \"{{ images.frame }}\"\n";
    let mut ear = server.client().await.listen("camhook.*.plate").await;
    let camhook = Process::start(folder.path(), &routes(&server.open_url(), settings));
    let picture: Vec<u8> = [
        b"\xff\xd8\xff\r\n".as_slice(),
        &(0..=255).collect::<Vec<u8>>(),
    ]
    .concat();
    for n in 1..=3 {
        post(&camhook, of_camera("gate", &picture)).await;
        fate(&camhook, "delivered", n).await;
        let (subject, payload) = ear.heard(Duration::from_secs(60)).await.unwrap();
        assert_eq!(subject, "camhook.gate.plate");
        assert!(payload == picture);
    }
    camhook.stop();

    // Nobody may publish there, which the server says before it answers the ping.
    let folder = tempfile::tempdir().unwrap();
    let url = server.url("narrow", "narrow");
    let camhook = Process::start(folder.path(), &routes(&url, "      jetstream: false\n"));
    post(&camhook, form_event(1)).await;
    let held = fate(&camhook, "held", 1).await;
    assert!(
        held[0].to_string().contains("Permissions Violation"),
        "{}",
        held[0]
    );
    camhook.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_signs_and_a_certificate_is_looked_at() {
    let server = Nats::encrypted().await;
    let certificate = server.certificate();
    let trusting = format!("      tls: {{ ca: \"{}\" }}\n", certificate.display());
    let signing = format!("      jetstream: false\n      nkey: {SEED}\n");
    let folder = tempfile::tempdir().unwrap();
    let settings = format!("{trusting}{signing}");
    let camhook = Process::start(folder.path(), &routes(&server.bare_url(), &settings));
    post(&camhook, form_event(1)).await;
    fate(&camhook, "delivered", 1).await;
    camhook.stop();

    // Nobody here trusts a certificate that the server made itself; nothing is told to it.
    let folder = tempfile::tempdir().unwrap();
    let camhook = Process::start(folder.path(), &routes(&server.bare_url(), &signing));
    post(&camhook, form_event(1)).await;
    let told = failed(&camhook).await;
    assert!(told.contains("certificate"), "{told}");
    camhook.kill();

    // And nothing to one that has no TLS where it was asked for.
    let plain = Nats::start().await;
    let folder = tempfile::tempdir().unwrap();
    let url = plain.open_url().replace("nats://", "tls://");
    let camhook = Process::start(folder.path(), &routes(&url, &trusting));
    post(&camhook, form_event(1)).await;
    let held = fate(&camhook, "held", 1).await;
    assert!(held[0].to_string().contains("offers no TLS"), "{}", held[0]);
    camhook.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_preset_fills_a_stream() {
    let server = Nats::start().await;
    server.stream("camhook.>").await;
    let folder = tempfile::tempdir().unwrap();
    let with = json!({ "url": server.bare_url(), "username": "gate", "password": "pas:s@word" });
    let routes = format!(
        "targets:\n  bus: {{ preset: nats, with: {with} }}\nroutes:\n  - {{ to: [bus], each: plate }}\n"
    );
    let camhook = Process::start(folder.path(), &routes);
    post(&camhook, multipart_event(1)).await;
    let rows = fate(&camhook, "delivered", 1).await;
    let (subject, _, payload) = server.message(1).await;
    assert_eq!(subject, "camhook.cam-1.plate");
    let payload: Value = serde_json::from_slice(&payload).unwrap();
    assert_eq!(
        (&payload["id"], &payload["plate"]),
        (&rows[0]["id"], &json!("AB123CD"))
    );
    camhook.stop();
}
