//! Requests of Plate Recognizer senders, written as their programs write them.

use std::fmt::Write;
use std::io::Cursor;

use image::{ImageFormat, Rgb, RgbImage};
use serde_json::{Value, json};

/// A recognition with these plates: text and box.
pub(crate) fn recognition(camera: &str, plates: &[(&str, [i32; 4])]) -> Value {
    let results: Vec<Value> = plates
        .iter()
        .map(|(plate, [xmin, ymin, xmax, ymax])| {
            json!({
                "plate": plate, "score": 0.91, "dscore": 0.74,
                "box": { "xmin": xmin, "ymin": ymin, "xmax": xmax, "ymax": ymax },
                "region": { "code": "it", "score": 0.48 },
                "candidates": [{ "plate": plate, "score": 0.91 }],
                "vehicle": { "type": "SUV", "score": 0.25, "box": { "xmin": 600, "ymin": 100, "xmax": 1000, "ymax": 400 } },
                "direction": 210, "user_data": "",
            })
        })
        .collect();
    json!({
        "hook": { "event": "recognition", "id": camera, "target": "http://proxy/", "filename": "gate/25-03-04/10.jpg" },
        "data": {
            "camera_id": camera, "filename": "gate/25-03-04/10.jpg",
            "timestamp": "2025-03-04T09:11:12.131415Z", "timestamp_local": "2025-03-04 10:11:12.131415+01:00",
            "results": results,
        },
    })
}

/// A picture of that size, grey, with coloured rectangles.
pub(crate) fn picture(
    width: u32,
    height: u32,
    rectangles: &[([i32; 4], [u8; 3])],
    format: ImageFormat,
) -> Vec<u8> {
    let mut image = RgbImage::from_pixel(width, height, Rgb([128, 128, 128]));
    for ([xmin, ymin, xmax, ymax], colour) in rectangles {
        for y in *ymin..*ymax {
            for x in *xmin..*xmax {
                image.put_pixel(x as u32, y as u32, Rgb(*colour));
            }
        }
    }
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// A multipart body as python-requests writes it: content type and body.
pub(crate) fn multipart(json: &str, files: &[(&str, &[u8])]) -> (String, Vec<u8>) {
    let boundary = "ca2339e391165eb0b98d3409e1915a3f";
    let mut body =
        format!("--{boundary}\r\nContent-Disposition: form-data; name=\"json\"\r\n\r\n{json}\r\n")
            .into_bytes();
    for (name, bytes) in files {
        let head = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{name}.jpg\"\r\n\r\n"
        );
        body.extend([head.as_bytes(), bytes, b"\r\n"].concat());
    }
    body.extend(format!("--{boundary}--\r\n").as_bytes());
    (format!("multipart/form-data; boundary={boundary}"), body)
}

/// Event number `n` with a small picture.
pub(crate) fn multipart_event(n: usize) -> (String, Vec<u8>) {
    let mut json = recognition(&format!("cam-{}", n % 4), &[("ab123cd", [10, 10, 60, 30])]);
    json["data"]["results"][0]["user_data"] = format!("event-{n:08}").into();
    let noise: Vec<u8> = (0..900)
        .map(|i| ((i * 7919 + n * 104_729) >> 3) as u8)
        .collect();
    multipart(
        &json.to_string(),
        &[("upload", &[b"\xff\xd8\xff\xe0".as_slice(), &noise].concat())],
    )
}

/// Event number `n` as Stream posts it without a picture.
pub(crate) fn form_event(n: usize) -> (String, Vec<u8>) {
    let mut json = recognition(&format!("cam-{}", n % 4), &[("ab123cd", [10, 10, 60, 30])]);
    json["data"]["results"][0]["user_data"] = format!("event-{n:08}").into();
    let mut body = String::from("json=");
    for byte in json.to_string().bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
                body.push(char::from(byte))
            }
            b' ' => body.push('+'),
            other => write!(body, "%{other:02X}").unwrap(),
        }
    }
    (
        "application/x-www-form-urlencoded".to_owned(),
        body.into_bytes(),
    )
}
