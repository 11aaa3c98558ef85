//! How long the parts take that every event goes through: `cargo bench`, or `cargo bench -- decode` for some of them.
//!
//! Each allocates as camhook does, and is told with its allocations. Real load is measured by `bench/`.

use camhook::testing::Way;
use divan::Bencher;
use divan::counter::BytesCount;
use jpeg_encoder::{ColorType, Encoder};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

#[global_allocator]
static ALLOCATOR: divan::AllocProfiler<mimalloc::MiMalloc> =
    divan::AllocProfiler::new(mimalloc::MiMalloc);

const BOUNDARY: &str = "0123456789abcdef0123456789abcdef";
const DOCUMENT: &str = r#"{"hook": {"event": "recognition", "id": "gate-1", "target": "http://proxy/", "filename": "gate-1/10-11-12.jpg"}, "data": {"camera_id": "gate-1", "filename": "gate-1/10-11-12.jpg", "timestamp": "2025-03-04T09:11:12.131415Z", "timestamp_local": "2025-03-04 10:11:12.131415+01:00", "results": [{"plate": "ab123cd", "score": 0.91, "dscore": 0.74, "box": {"xmin": 153, "ymin": 91, "xmax": 302, "ymax": 125}, "region": {"code": "it", "score": 0.48}, "candidates": [{"plate": "ab123cd", "score": 0.91}, {"plate": "ab1z3cd", "score": 0.72}], "vehicle": {"type": "SUV", "score": 0.25, "box": {"xmin": 103, "ymin": 0, "xmax": 1099, "ymax": 174}}, "model_make": [{"make": "Fiat", "model": "Panda", "score": 0.3}], "color": [{"color": "white", "score": 0.9}], "orientation": [{"orientation": "Front", "score": 0.94}], "direction": 210, "speed": null, "speed_score": 0.0, "source_url": "/user-data/video.mp4", "position_sec": "23.47", "user_data": ""}]}}"#;
const CONDITION: &str = "plate.score >= 0.8 and not plate.text in lists.residents";

fn main() {
    divan::main();
}

#[divan::bench(args = [2_000, 200_000])]
fn decode_a_recognition(bencher: Bencher, bytes: usize) {
    let set = Set::new(&noise(bytes - DOCUMENT.len()), "");
    let bencher = bencher.counter(BytesCount::new(bytes));
    bencher.bench(|| set.way.decode());
}

#[divan::bench]
fn evaluate_a_condition(bencher: Bencher) {
    let set = Set::new(&noise(1_000), "");
    assert!(set.way.condition());
    bencher.bench(|| set.way.condition());
}

#[divan::bench]
fn plan_one_route(bencher: Bencher) {
    let set = Set::new(&noise(1_000), "");
    assert_eq!(set.way.plan(), 1);
    bencher.bench(|| set.way.plan());
}

#[divan::bench]
fn render_a_multipart_request(bencher: Bencher) {
    let set = Set::new(&noise(200_000), "");
    bencher.bench(|| set.way.prepare());
}

/// With the request rendered, which takes a hundredth of it.
#[divan::bench(sample_count = 20)]
fn crop_a_plate_of_1080p(bencher: Bencher) {
    let set = Set::new(&photo(1920, 1080), "steps: [crop]");
    bencher.bench(|| set.way.prepare());
}

/// Told for all of them together; the time is the disk's, for the most part.
#[divan::bench(args = [1, 64], sample_count = 50)]
fn accept_and_read_back(bencher: Bencher, at_once: usize) {
    let set = Set::new(&noise(1_000), "");
    let runtime = Runtime::new().expect("a machine with threads");
    bencher.bench(|| {
        runtime.block_on(async {
            let mut under_way = JoinSet::new();
            for _ in 0..at_once {
                let way = set.way.clone();
                under_way.spawn(async move { way.accept().await });
            }
            under_way.join_all().await
        })
    });
}

/// A config in a folder of its own, and a request.
struct Set {
    way: Way,
    _folder: TempDir,
}

impl Set {
    fn new(picture: &[u8], steps: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder for temporary files");
        let write = |name, text| std::fs::write(folder.path().join(name), text);
        write("residents.csv", "plate,owner\nXY 987 ZW,Max\n".to_owned())
            .expect("a writable folder");
        write("routes.yaml", config(steps)).expect("a writable folder");
        let content_type = format!("multipart/form-data; boundary={BOUNDARY}");
        let config = folder.path().join("routes.yaml");
        Self {
            way: Way::new(&config, &content_type, body(picture)),
            _folder: folder,
        }
    }
}

fn config(steps: &str) -> String {
    format!(
        r#"
store: {{ path: data }}
sources:
  stream: {{ kind: platerecognizer, path: /stream }}
lists:
  residents: {{ csv: residents.csv, key: plate }}
targets:
  receiver:
    http:
      url: http://127.0.0.1:1/plates
      multipart:
        json: "{{{{ event.raw | tojson }}}}"
        image: "{{{{ images.plate or images.frame }}}}"
routes:
  - name: strangers
    each: plate
    when: {CONDITION}
    to: [receiver]
    {steps}
"#
    )
}

fn body(picture: &[u8]) -> Vec<u8> {
    let head = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"json\"\r\n\r\n{DOCUMENT}\r\n--{BOUNDARY}\r\n\
         Content-Disposition: form-data; name=\"upload\"; filename=\"image.jpg\"\r\n\r\n"
    );
    [
        head.as_bytes(),
        picture,
        format!("\r\n--{BOUNDARY}--\r\n").as_bytes(),
    ]
    .concat()
}

/// What begins like a JPEG, for where nobody looks into it.
fn noise(bytes: usize) -> Vec<u8> {
    let mut noise = 0x2545_f491_4f6c_dd1d_u64;
    let mut picture = vec![0xff, 0xd8, 0xff, 0xe0];
    picture.resize_with(bytes, || {
        noise ^= noise << 13;
        noise ^= noise >> 7;
        noise ^= noise << 17;
        noise.to_le_bytes()[0]
    });
    picture
}

/// A JPEG of slopes and stripes, about as large as a camera's.
fn photo(width: u16, height: u16) -> Vec<u8> {
    let pixel = |at: usize| {
        let (x, y) = (at % usize::from(width), at / usize::from(width));
        let byte = |shade: usize| u8::try_from(shade % 256).expect("below 256");
        [byte(x / 8), byte(y / 5), byte((x * 7 + y * 13) % 64 + 64)]
    };
    let pixels: Vec<u8> = (0..usize::from(width) * usize::from(height))
        .flat_map(pixel)
        .collect();
    let mut jpeg = Vec::new();
    let encoder = Encoder::new(&mut jpeg, 85);
    let encoded = encoder.encode(&pixels, width, height, ColorType::Rgb);
    encoded.expect("written into memory");
    jpeg
}
