//! Requests as Viewtron (TVT) cameras and recorders make them.
//!
//! Two dialects of one XML: a camera counts a plate's corners in ten-thousandths of the frame, a recorder in pixels. After
//! the vendor's HTTP post examples of both, read in November 2026; all values are invented.

mod camera;
mod recorder;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::scene::Car;
use super::{Drawn, Sample};
use crate::event::{Pixels, Size};

pub(super) const SAMPLES: [Sample; 10] = [
    Sample {
        name: "viewtron camera",
        about: "a plate as a Viewtron camera posts it",
        make: camera::plate,
    },
    Sample {
        name: "viewtron recorder",
        about: "a plate as a Viewtron recorder posts it for its camera",
        make: recorder::plate,
    },
    Sample {
        name: "viewtron heartbeat",
        about: "a sign of life of a Viewtron recorder",
        make: recorder::heartbeat,
    },
    Sample {
        name: "viewtron face",
        about: "a face that a Viewtron camera saw",
        make: camera::face,
    },
    Sample {
        name: "viewtron intrusion",
        about: "somebody in a zone of a Viewtron camera",
        make: camera::intrusion,
    },
    Sample {
        name: "viewtron line",
        about: "a car that crossed a line of a Viewtron camera",
        make: camera::line,
    },
    Sample {
        name: "viewtron alarm",
        about: "an alarm of a Viewtron camera that begins",
        make: camera::alarm,
    },
    Sample {
        name: "viewtron track",
        about: "where a car is at the moment; several a second are usual",
        make: camera::track,
    },
    Sample {
        name: "viewtron recorder face",
        about: "a face with its attributes as a Viewtron recorder posts it",
        make: recorder::face,
    },
    Sample {
        name: "viewtron recorder intrusion",
        about: "somebody in a zone of a Viewtron recorder's camera",
        make: recorder::intrusion,
    },
];

/// From the range that is reserved for documentation.
const MAC: &str = "00:00:5e:00:53:17";
const IP: &str = "192.0.2.60";

fn encoded(name: &str, jpeg: &[u8], attribute: &str) -> String {
    let data = STANDARD.encode(jpeg);
    let number = if attribute.is_empty() {
        ""
    } else {
        " type=\"uint32\""
    };
    format!(
        "<{name}Base64Length{number}>{}</{name}Base64Length><{name}Base64Data{attribute}>{data}</{name}Base64Data>",
        data.len()
    )
}

/// Two corners, in pixels.
fn corners(
    Pixels {
        x,
        y,
        width,
        height,
    }: Pixels,
) -> String {
    format!(
        "<x1>{x}</x1><y1>{y}</y1><x2>{}</x2><y2>{}</y2>",
        x + width,
        y + height
    )
}

/// In ten-thousandths of the frame, as most boxes of both dialects are.
fn share(of: Pixels, frame: Size) -> Pixels {
    let across = |pixels: u32| (pixels * 10_000 + frame.width / 2) / frame.width;
    let down = |pixels: u32| (pixels * 10_000 + frame.height / 2) / frame.height;
    let (x, y) = (across(of.x), down(of.y));
    Pixels {
        x,
        y,
        width: across(of.x + of.width) - x,
        height: down(of.y + of.height) - y,
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// The one thing that CDATA cannot hold is split between two.
fn in_cdata(text: &str) -> String {
    text.replace("]]>", "]]]]><![CDATA[>")
}

impl Drawn {
    fn car(&self) -> &Car {
        &self.one_car.cars[0]
    }
}

#[cfg(test)]
mod tests {
    use super::super::Told;
    use super::super::scene::SIZE;
    use super::camera::plate as camera_plate;
    use super::recorder::{heartbeat, plate as recorder_plate};
    use super::*;

    fn told<'a>() -> Told<'a> {
        Told {
            plate: "AB<1>3]]>D",
            second_plate: "",
            camera: "gate & yard",
            at: "2025-03-04T09:11:12.131415Z".parse().unwrap(),
            url: "http://proxy:8001/API",
            seed: 42,
        }
    }

    fn between<'a>(text: &'a str, start: &str, end: &str) -> Vec<&'a str> {
        text.split(start)
            .skip(1)
            .map(|rest| rest.split(end).next().unwrap())
            .collect()
    }

    #[test]
    fn both_dialects_carry_frame_and_plate() {
        let drawn = Drawn::new("AB123CD", "XY987ZT");
        let (frame, plate) = (&drawn.one_car.frame, &drawn.car().plate_picture);
        for (request, names) in [
            (
                camera_plate(&drawn, &told()),
                ["targetBase64Data", "targetBase64Data"],
            ),
            (
                recorder_plate(&drawn, &told()),
                ["sourceBase64Data", "targetBase64Data"],
            ),
        ] {
            let text = String::from_utf8(request.body).unwrap();
            let pictures: Vec<_> = names
                .iter()
                .flat_map(|name| between(&text, &format!("<{name}"), "</"))
                .map(|data| STANDARD.decode(data.split('>').nth(1).unwrap()).unwrap())
                .collect();
            assert!(pictures.iter().any(|picture| picture == frame));
            assert!(pictures.iter().any(|picture| picture == plate));
            assert!(text.contains("1741079472131415"));
        }
    }

    #[test]
    fn a_camera_counts_in_ten_thousandths() {
        let drawn = Drawn::new("AB123CD", "XY987ZT");
        let text = String::from_utf8(camera_plate(&drawn, &told()).body).unwrap();
        let corner = between(&text, "<rightBottom>", "</rightBottom>")[0];
        let sides: Vec<u32> = between(corner, "\">", "</")
            .into_iter()
            .map(|side| side.parse().unwrap())
            .collect();
        let plate = drawn.car().plate;
        let back = |part: u32, side: u32| (part * side + 5_000) / 10_000;
        assert_eq!(back(sides[0], SIZE.width), plate.x + plate.width);
        assert_eq!(back(sides[1], SIZE.height), plate.y + plate.height);
    }

    #[test]
    fn any_names_leave_the_document_whole() {
        let drawn = Drawn::new("AB123CD", "XY987ZT");
        let camera = String::from_utf8(camera_plate(&drawn, &told()).body).unwrap();
        assert!(camera.contains(">gate &amp; yard<") && camera.contains(">AB&lt;1&gt;3]]&gt;D<"));
        let recorder = String::from_utf8(recorder_plate(&drawn, &told()).body).unwrap();
        assert!(recorder.contains("<![CDATA[AB<1>3]]]]><![CDATA[>D]]>"));
        assert!(
            String::from_utf8(heartbeat(&Drawn::new("", ""), &told()).body)
                .unwrap()
                .contains("<![CDATA[gate & yard]]>")
        );
    }
}
