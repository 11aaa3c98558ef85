//! Other vendors' plate readers: their boxes cut the right pixels out of the right picture, and only signed webhooks enter.

use hmac::{Hmac, Mac};
use image::{ImageFormat, Rgb};
use sha2::Sha256;

use crate::harness::{Process, Receiver, Within, picture};

const RED: [u8; 3] = [220, 20, 20];

/// Each part: name, which is its file name too, content type, content.
fn files(parts: &[(&str, &str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, kind, bytes) in parts {
        let head = format!(
            "--B\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{name}\"\r\nContent-Type: {kind}\r\n\r\n"
        );
        body.extend([head.as_bytes(), bytes, b"\r\n"].concat());
    }
    body.extend(b"--B--\r\n");
    body
}

fn cropping(receiver: &Receiver) -> String {
    let url = receiver.url();
    format!(
        "targets:\n  out:\n    http: {{ url: \"{url}\", multipart: {{ cut: \"{{{{ images.plate }}}}\" }} }}\n\
         routes:\n  - name: all\n    each: plate\n    steps: [ {{ crop: {{ region: plate }} }} ]\n    to: [out]\n"
    )
}

/// What the receiver got is the red rectangle and nothing else.
fn is_red(receiver: &Receiver, request: usize, width: u32, height: u32) {
    let taken = &receiver.taken()[request];
    let cut = image::load_from_memory(&taken.parts()["cut"])
        .unwrap()
        .into_rgb8();
    assert_eq!(cut.dimensions(), (width, height));
    for Rgb(pixel) in cut.pixels() {
        for (channel, red) in pixel.iter().zip(RED) {
            assert!(channel.abs_diff(red) < 40, "{pixel:?}");
        }
    }
}

fn axis(image_type: &str, image: &[u8]) -> Vec<u8> {
    let event = format!(
        r#"{{"plateUTF8": "AB123CD", "plateConfidence": "0.9", "carState": "new", "carID": "1",
            "capture_timestamp": "1769860800000", "imageType": "{image_type}",
            "plateCoordinates": [304, 200, 80, 24], "plateCoordinatesRelative": [104, 96, 80, 24]}}"#
    );
    files(&[
        ("event", "application/json", event.as_bytes()),
        ("image", "image/png", image),
    ])
}

#[tokio::test]
async fn an_axis_box_is_cut_from_the_picture_it_counts_in() {
    let receiver = Receiver::new().await;
    let camhook = Within::start(&cropping(&receiver)).await;
    let kind = "multipart/form-data; boundary=B";
    let frame = picture(640, 360, &[([304, 200, 384, 224], RED)], ImageFormat::Png);
    camhook.post(kind, axis("frame", &frame)).await;
    receiver.wait_for(1).await;
    is_red(&receiver, 0, 80, 24);

    let region = picture(320, 200, &[([104, 96, 184, 120], RED)], ImageFormat::Png);
    camhook.post(kind, axis("roi", &region)).await;
    receiver.wait_for(2).await;
    is_red(&receiver, 1, 80, 24);

    // The plate's own picture is as large as a frame here, and must not be cut all the same.
    let plate = picture(640, 360, &[([0, 0, 640, 360], RED)], ImageFormat::Png);
    camhook.post(kind, axis("plate", &plate)).await;
    receiver.wait_for(3).await;
    is_red(&receiver, 2, 640, 360);
}

fn hikvision([x, y, width, height]: [i32; 4], plate: &[u8], frame: &[u8]) -> Vec<u8> {
    let alert = format!(
        "<EventNotificationAlert xmlns=\"http://www.isapi.org/ver20/XMLSchema\"><ipAddress>192.0.2.9</ipAddress>\
         <dateTime>2026-01-31T12:00:00+00:00</dateTime><eventType>ANPR</eventType><eventState>active</eventState>\
         <ANPR><licensePlate>AB123CD</licensePlate><confidenceLevel>90</confidenceLevel><pictureInfoList>\
         <pictureInfo><fileName>detectionPicture.jpg</fileName><type>detectionPicture</type><plateRect><X>{x}</X><Y>{y}</Y>\
         <width>{width}</width><height>{height}</height></plateRect></pictureInfo></pictureInfoList></ANPR></EventNotificationAlert>"
    );
    files(&[
        ("anpr.xml", "text/xml", alert.as_bytes()),
        ("licensePlatePicture.jpg", "image/jpeg", plate),
        ("detectionPicture.jpg", "image/jpeg", frame),
    ])
}

#[tokio::test]
async fn a_hikvision_box_is_cut_from_the_frame_in_pixels_and_in_thousandths() {
    let receiver = Receiver::new().await;
    let camhook = Within::start(&cropping(&receiver)).await;
    let kind = "multipart/form-data; boundary=B";
    let blue = |width, height| {
        let whole = [0, 0, width as i32, height as i32];
        picture(width, height, &[(whole, [20, 20, 220])], ImageFormat::Png)
    };
    let frame = picture(1000, 500, &[([600, 200, 700, 225], RED)], ImageFormat::Png);
    camhook
        .post(kind, hikvision([600, 200, 100, 25], &blue(100, 25), &frame))
        .await;
    receiver.wait_for(1).await;
    is_red(&receiver, 0, 100, 25);

    // Both readings lie inside the frame; only in thousandths it has the shape of the plate's picture.
    camhook
        .post(kind, hikvision([600, 400, 100, 50], &blue(200, 50), &frame))
        .await;
    receiver.wait_for(2).await;
    is_red(&receiver, 1, 100, 25);
}

fn code(secret: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

const BODY: &str = r#"{"webhook_type":"lpr","webhook_id":"w","created_at":1769860800,"data":{"camera_id":"c","created":1769860800,"license_plate_number":"AB123CD","confidence":0.9}}"#;

/// Noon of 2026-01-31, where the clock stands.
const NOON: i64 = 1_769_860_800;

#[tokio::test]
async fn only_signed_webhooks_enter() {
    let routes = "sources:\n\
        \x20 verkada: { kind: verkada, path: /v, auth: { signature: { scheme: verkada, secret: hunter22 } } }\n\
        \x20 standard: { kind: auto, path: /s, auth: { signature: { scheme: standard, secret: \"whsec_aHVudGVyMjI=\" } } }\n\
        \x20 github: { kind: auto, path: /g, auth: { signature: { scheme: github, secret: hunter22 } } }\n";
    let camhook = Within::start(routes).await;
    let hex =
        |secret: &str, text: &str| data_encoding::HEXLOWER.encode(&code(secret.as_bytes(), text));
    let base64 = |text: &str| data_encoding::BASE64.encode(&code(b"hunter22", text));

    let verkada = |at: i64, secret: &str| {
        let signature = format!("{at}|{}", hex(secret, &format!("{BODY}|{at}")));
        vec![("verkada-signature", signature)]
    };
    let standard = |at: i64, id: &str| {
        vec![
            ("webhook-id", "w1".to_owned()),
            ("webhook-timestamp", at.to_string()),
            (
                "webhook-signature",
                format!("v1,{}", base64(&format!("{id}.{at}.{BODY}"))),
            ),
        ]
    };
    let github = |secret: &str| {
        vec![(
            "x-hub-signature-256",
            format!("sha256={}", hex(secret, BODY)),
        )]
    };
    let changed = BODY.replace("AB123CD", "XX999XX");
    let mut events = 0;
    for (path, headers, body, status) in [
        ("/v", verkada(NOON, "hunter22"), BODY, 200),
        ("/v", verkada(NOON, "hunter22"), BODY, 200), // again, as a sender that heard no answer
        ("/v", verkada(NOON - 299, "hunter22"), BODY, 200),
        ("/v", verkada(NOON - 301, "hunter22"), BODY, 401),
        ("/v", verkada(NOON + 301, "hunter22"), BODY, 401),
        ("/v", verkada(NOON, "hunter23"), BODY, 401),
        ("/v", verkada(NOON, "hunter22"), &changed, 401),
        ("/v", vec![], BODY, 401),
        ("/v", github("hunter22"), BODY, 401),
        ("/s", standard(NOON, "w1"), BODY, 200),
        ("/s", standard(NOON, "w2"), BODY, 401),
        ("/s", standard(NOON - 301, "w1"), BODY, 401),
        ("/s", standard(NOON, "w1"), &changed, 401),
        ("/s", vec![], BODY, 401),
        ("/g", github("hunter22"), BODY, 200),
        ("/g", github("hunter23"), BODY, 401),
        ("/g", github("hunter22"), &changed, 401),
        ("/g", vec![], "", 401),
    ] {
        assert_eq!(
            camhook.send(path, &headers, body).await,
            status,
            "{path} {headers:?} {body}"
        );
        events += usize::from(status == 200);
    }
    let kept = camhook.get("/api/v1/events?limit=0").await;
    let kept = kept.as_array().unwrap();
    assert_eq!(kept.len(), events);
    for event in kept {
        assert_eq!(event["vendor"], "verkada");
        let event = camhook
            .get(&format!("/api/v1/events/{}", event["id"].as_str().unwrap()))
            .await;
        for name in [
            "verkada-signature",
            "webhook-signature",
            "x-hub-signature-256",
        ] {
            let value = &event["headers"][name];
            assert!(value.is_null() || value == "***", "{value}");
        }
    }
    let quarantine = camhook.get("/api/v1/quarantine").await;
    assert_eq!(quarantine.as_array().unwrap().len(), 0);
}

#[tokio::test]
async fn every_sample_is_known_for_its_vendors() {
    let folder = tempfile::tempdir().unwrap();
    let camhook = Process::start(folder.path(), "sources:\n  any: { kind: auto, path: / }\n");
    for vendor in ["axis", "hikvision", "genetec", "verkada", "survision"] {
        let sent = camhook.cli(&[
            "send",
            vendor,
            "all",
            "--url",
            &camhook.url,
            "--plate",
            "AB123CD",
        ]);
        assert!(
            sent.status.success(),
            "{}",
            String::from_utf8_lossy(&sent.stderr)
        );
        let newest = camhook.rows(&["events", "--limit", "1"]);
        assert_eq!(newest[0]["vendor"], vendor);
        assert!(
            camhook
                .get("/api/v1/quarantine")
                .await
                .as_array()
                .unwrap()
                .is_empty()
        );
    }
}
