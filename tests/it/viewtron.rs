//! Viewtron cameras and recorders at the front door, over connections as their firmware opens them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::ImageFormat;
use serde_json::{Value, json};

use crate::harness::{Process, Receiver, eventually, picture};

const ROUTES: &str = "sources:\n  cams: { kind: viewtron, path: /API }\n";
const SUCCESS: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<config version=\"1.0\" xmlns=\"http://www.ipc.com/ver10\"><status>success</status></config>";
const XML: &str = "application/xml; charset=utf-8";

/// One connection that stays open for as long as the other side leaves it so.
struct Connection(BufReader<TcpStream>);

struct Answer {
    head: String,
    body: String,
}

impl Connection {
    fn open(camhook: &Process) -> Self {
        let stream = TcpStream::connect(camhook.url.split('/').nth(2).unwrap()).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        Self(BufReader::new(stream))
    }

    fn send(&mut self, bytes: &[u8]) -> Answer {
        self.0.get_mut().write_all(bytes).unwrap();
        let (mut head, mut line) = (String::new(), String::new());
        while self.0.read_line(&mut line).unwrap() > 0 && line != "\r\n" {
            head.push_str(&line.to_ascii_lowercase());
            line.clear();
        }
        let length = head
            .split("content-length: ")
            .nth(1)
            .expect("an answer with a length");
        let mut body = vec![0; length.split("\r\n").next().unwrap().parse().unwrap()];
        self.0.read_exact(&mut body).unwrap();
        Answer {
            head,
            body: String::from_utf8(body).unwrap(),
        }
    }

    fn post(&mut self, target: &str, content_type: &str, body: &str) -> Answer {
        self.send(&post(target, content_type, body))
    }

    fn is_closed(&mut self) -> bool {
        self.0.read(&mut [0]).unwrap() == 0
    }
}

fn post(target: &str, content_type: &str, body: &str) -> Vec<u8> {
    format!(
        "POST {target} HTTP/1.1\r\nHost: 192.0.2.1:8001\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\
         Connection: keep-alive\r\nAccept-Encoding: gzip, deflate\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn succeeded(answer: &Answer) {
    assert!(answer.head.starts_with("http/1.1 200 "), "{}", answer.head);
    assert!(
        answer.head.contains("content-type: application/xml\r\n"),
        "{}",
        answer.head
    );
    assert_eq!(answer.body, SUCCESS);
}

/// What a camera posts, as the fixture of that name has it.
fn fixture(name: &str) -> String {
    let path = format!(
        "{}/tests/fixtures/sources/viewtron/{name}/request.http",
        env!("CARGO_MANIFEST_DIR")
    );
    let text = std::fs::read_to_string(path).unwrap();
    text.split_once("\r\n\r\n").unwrap().1.to_owned()
}

async fn kinds(camhook: &Process, count: usize) -> Vec<String> {
    let mut kinds = Vec::new();
    eventually("all events are listed", async || {
        let events = camhook.get("/api/v1/events?limit=0").await;
        let events = events.as_array().unwrap();
        assert!(events.iter().all(|event| event["vendor"] == "viewtron"));
        kinds = events
            .iter()
            .map(|event| event["kind"].as_str().unwrap().to_owned())
            .collect();
        kinds.len() == count
    })
    .await;
    kinds.sort();
    kinds
}

#[tokio::test]
async fn everything_a_camera_says_is_answered_on_one_connection() {
    let folder = tempfile::tempdir().unwrap();
    let camhook = Process::start(folder.path(), ROUTES);
    let mut connection = Connection::open(&camhook);
    for body in ["heartbeat-empty", "camera-plate", "camera-face"] {
        let answer = connection.post("/API", XML, &fixture(body));
        succeeded(&answer);
        assert!(
            !answer.head.contains("connection: close"),
            "{}",
            answer.head
        );
    }
    for _ in 0..7 {
        succeeded(&connection.post("/API", XML, &fixture("camera-track")));
    }
    succeeded(&connection.post("/API", XML, &fixture("camera-alarm")));
    succeeded(&connection.post("/API", XML, "this is no XML"));
    succeeded(&connection.post("/API", XML, ""));
    let kinds = kinds(&camhook, 13).await;
    assert_eq!(kinds.iter().filter(|kind| *kind == "track").count(), 7);
    assert_eq!(kinds.iter().filter(|kind| *kind == "heartbeat").count(), 2);
    assert_eq!(kinds.iter().filter(|kind| *kind == "status").count(), 2);
    eventually("what is no XML is in quarantine", async || {
        camhook.rows(&["quarantine"]).len() == 1
    })
    .await;
    let visit = connection.send(b"GET /API HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(visit.head.starts_with("http/1.1 200 ") && visit.body.contains("camhook"));
}

#[tokio::test]
async fn a_recorder_may_name_the_whole_address() {
    let folder = tempfile::tempdir().unwrap();
    let camhook = Process::start(folder.path(), ROUTES);
    let soap = "application/soap+xml; charset=utf-8";
    let mut connection = Connection::open(&camhook);
    for body in ["recorder-plate", "heartbeat-recorder"] {
        succeeded(&connection.post("http://192.168.0.56:5002/API", soap, &fixture(body)));
    }
    assert_eq!(kinds(&camhook, 2).await, ["heartbeat", "plate"]);
}

/// HTTP/1.1 lets a server close after a request that says both, and hyper does; the camera opens anew.
#[tokio::test]
async fn a_chunked_body_counts_beside_a_length_of_zero() {
    let folder = tempfile::tempdir().unwrap();
    let camhook = Process::start(folder.path(), ROUTES);
    let body = fixture("camera-plate");
    let (front, back) = body.split_at(1_000);
    let chunks = format!(
        "{:x}\r\n{front}\r\n{:x}\r\n{back}\r\n0\r\n\r\n",
        front.len(),
        back.len()
    );
    let [chunked, zero] = ["Transfer-Encoding: chunked\r\n", "Content-Length: 0\r\n"];
    for headers in [[chunked, zero], [zero, chunked]] {
        let head = format!(
            "POST /API HTTP/1.1\r\nHost: x\r\nContent-Type: {XML}\r\n{}\r\n",
            headers.concat()
        );
        let mut connection = Connection::open(&camhook);
        succeeded(&connection.send(format!("{head}{chunks}").as_bytes()));
        assert!(connection.is_closed());
    }
    assert_eq!(kinds(&camhook, 2).await, ["plate", "plate"]);
}

#[tokio::test]
async fn an_address_for_every_vendor_knows_them_but_not_an_empty_body() {
    let folder = tempfile::tempdir().unwrap();
    let camhook = Process::start(folder.path(), "sources:\n  any: { kind: auto, path: / }\n");
    let mut connection = Connection::open(&camhook);
    succeeded(&connection.post("/API", XML, &fixture("camera-plate")));
    succeeded(&connection.post("/", XML, &fixture("heartbeat-device-info")));
    let answer = connection.post("/", XML, "");
    assert!(answer.head.starts_with("http/1.1 200 ") && answer.body != SUCCESS);
    assert_eq!(kinds(&camhook, 2).await, ["heartbeat", "plate"]);
    assert_eq!(camhook.rows(&["quarantine"]).len(), 1);
}

#[tokio::test]
async fn plates_are_cut_out_of_both_dialects_frames() {
    let red = ([512, 360, 632, 400], [220, 20, 20]);
    let frame = STANDARD.encode(picture(1280, 720, &[red], ImageFormat::Png));
    for name in ["camera-plate", "recorder-plate"] {
        let receiver = Receiver::new().await;
        let folder = tempfile::tempdir().unwrap();
        let routes = format!(
            "{ROUTES}targets:\n  all:\n    http: {{ url: \"{}\", multipart: {{ json: \"{{{{ plate.text }}}}\", cropped_image: \"{{{{ images.plate }}}}\" }} }}\n\
             routes:\n  - name: crops\n    each: plate\n    steps: [ {{ crop: {{ region: plate, format: png }} }} ]\n    to: [all]\n",
            receiver.url()
        );
        let camhook = Process::start(folder.path(), &routes);
        let body = fixture(name);
        let old = frame_in(&body);
        let mut connection = Connection::open(&camhook);
        succeeded(&connection.post("/API", XML, &body.replace(&old, &frame)));
        receiver.wait_for(1).await;
        let parts = receiver.taken()[0].parts();
        assert_eq!(parts["json"], "KD482PL");
        let crop = image::load_from_memory(&parts["cropped_image"])
            .unwrap()
            .to_rgb8();
        assert_eq!(crop.dimensions(), (120, 40), "{name}");
        assert!(
            crop.pixels().all(|pixel| pixel.0 == red.1),
            "wrong pixels of {name}"
        );
        let event: Value = camhook.get("/api/v1/events").await[0].clone();
        assert_eq!(event["plates"][0]["text"], json!("KD482PL"));
    }
}

/// The fixture's frame, the first of its pictures.
fn frame_in(body: &str) -> String {
    let at = body.find("/9j/").unwrap();
    body[at..].split(['<', ']']).next().unwrap().to_owned()
}
