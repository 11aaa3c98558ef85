//! Requests as Plate Recognizer's Stream and Snapshot make them.
//!
//! After the vendor's pages "Webhooks and Outputs" (Stream) and "Webhooks" (Snapshot), read in November 2026. All values
//! are invented. Boxes of plates count in the picture sent as `upload`, boxes of vehicles in the full frame.

use jiff::SignedDuration;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::python::{File, dumps, multipart, quote_plus};
use super::reading::Read;
use super::scene::{Car, PAINT, Scene};
use super::{Chance, Drawn, Request, Told};
use crate::event::Pixels;

pub(super) fn stream(drawn: &Drawn, told: &Told<'_>, pictures: Pictures) -> Request {
    Sender::new(&drawn.one_car, told).stream(pictures)
}

pub(super) fn stream_vehicle_format(drawn: &Drawn, told: &Told<'_>, with_plate: bool) -> Request {
    Sender::new(&drawn.one_car, told).stream_vehicle_format(with_plate)
}

pub(super) fn stream_without_image(drawn: &Drawn, told: &Told<'_>) -> Request {
    Sender::new(&drawn.one_car, told).stream_without_image()
}

pub(super) fn stream_dwell(drawn: &Drawn, told: &Told<'_>) -> Request {
    Sender::new(&drawn.one_car, told).stream_dwell()
}

pub(super) fn stream_video(drawn: &Drawn, told: &Told<'_>) -> Request {
    Sender::new(&drawn.one_car, told).stream_video()
}

/// One request for one picture, with a result for each car in it.
pub(super) fn snapshot(scene: &Scene, told: &Told<'_>, with_image: bool) -> Request {
    Sender::new(scene, told).snapshot(with_image)
}

/// What Stream calls `image_type`.
#[derive(Clone, Copy)]
pub(super) enum Pictures {
    Vehicle,
    Original,
    Both,
    VehicleAndPlate,
}

struct Sender<'a> {
    told: &'a Told<'a>,
    chance: Chance,
    scene: &'a Scene,
}

impl<'a> Sender<'a> {
    fn new(scene: &'a Scene, told: &'a Told<'a>) -> Self {
        Self {
            told,
            chance: Chance(told.seed),
            scene,
        }
    }

    fn stream(&mut self, pictures: Pictures) -> Request {
        let car = self.car();
        let plate = match pictures {
            Pictures::Original => car.plate,
            Pictures::Vehicle | Pictures::Both | Pictures::VehicleAndPlate => in_vehicle(car),
        };
        let read = self.read(car, 0, plate);
        let json = self.recognition(vec![
            self.with_position(read.plate_format(), "23.47".into()),
        ]);
        let filename = self.filename("screenshots", "jpg");
        let picture = |name, bytes| File {
            name,
            filename: base_name(&filename),
            content_type: None,
            bytes,
        };
        let (frame, vehicle, plate) = (&self.scene.frame, &car.vehicle_picture, &car.plate_picture);
        let files = match pictures {
            Pictures::Vehicle => vec![picture("upload", vehicle)],
            Pictures::Original => vec![picture("upload", frame)],
            Pictures::Both => vec![picture("original", frame), picture("vehicle", vehicle)],
            Pictures::VehicleAndPlate => {
                vec![picture("upload", vehicle), picture("plate_img", plate)]
            }
        };
        self.multipart(&json, &files)
    }

    fn stream_vehicle_format(&mut self, with_plate: bool) -> Request {
        let car = self.car();
        let read = self.read(car, 0, in_vehicle(car));
        let json = self.recognition(vec![
            self.with_position(read.vehicle_format(with_plate), 23.47.into()),
        ]);
        let filename = self.filename("screenshots", "jpg");
        let upload = File {
            name: "upload",
            filename: base_name(&filename),
            content_type: None,
            bytes: &car.vehicle_picture,
        };
        self.multipart(&json, &[upload])
    }

    fn stream_without_image(&mut self) -> Request {
        let car = self.car();
        let read = self.read(car, 0, car.plate);
        let json = self.recognition(vec![
            self.with_position(read.plate_format(), "23.47".into()),
        ]);
        form(&json)
    }

    fn stream_dwell(&mut self) -> Request {
        let seconds = self.chance.below(600) + 2;
        let left = self
            .told
            .at
            .saturating_add(SignedDuration::from_secs(seconds.into()))
            .unwrap_or(self.told.at);
        form(&json!({
            "hook": { "event": "dwell_time", "id": self.told.camera, "target": self.told.url },
            "data": {
                "camera_id": self.told.camera,
                "results": [{
                    "dwell_time": seconds,
                    "first_seen": self.local(self.told.at),
                    "last_seen": self.local(left),
                    "plate": self.told.plate.to_lowercase(),
                    "user_data": "",
                }],
                "timestamp": self.utc(),
                "timestamp_local": self.local(self.told.at),
            },
        }))
    }

    fn stream_video(&mut self) -> Request {
        let filename = self.filename("videos", "mp4");
        let json = json!({
            "hook": {
                "event": "video_file", "id": self.told.camera, "target": self.told.url, "video_filename": filename,
            },
            "data": {
                "camera_id": self.told.camera,
                "results": [{ "plate": self.told.plate.to_lowercase(), "user_data": "" }],
                "timestamp": self.utc(),
                "timestamp_local": self.local(self.told.at),
                "url": "RESERVED",
                "video_filename": filename,
            },
        });
        let clip = clip(&mut self.chance);
        let file = File {
            name: "video",
            filename: base_name(&filename),
            content_type: None,
            bytes: &clip,
        };
        self.multipart(&json, &[file])
    }

    fn snapshot(&mut self, with_image: bool) -> Request {
        let cars = &self.scene.cars;
        let results: Vec<_> = cars
            .iter()
            .enumerate()
            .map(|(n, car)| self.read(car, n, car.plate).snapshot())
            .collect();
        let name = self.chance.hex();
        let filename = format!(
            "{}_{}_{name}.jpg",
            self.told.at.strftime("%H%M"),
            &name[..5]
        );
        let json = json!({
            "hook": {
                "target": self.told.url, "id": 1_000 + self.chance.below(9_000), "event": "image.done",
            },
            "data": {
                "results": results,
                "filename": filename,
                "version": 1,
                "camera_id": self.told.camera,
                "processing_time": f64::from(400 + self.chance.below(2_000)) / 10.0,
                "timestamp": self.utc(),
                "usage": { "calls": 1 + self.chance.below(2_400), "max_calls": 2_500 },
            },
        });
        if !with_image {
            return Request::post("application/json", dumps(&json));
        }
        let upload = File {
            name: "upload",
            filename: &filename,
            content_type: Some("image/jpeg"),
            bytes: &self.scene.frame,
        };
        self.multipart(&json, &[upload])
    }

    fn car(&self) -> &'a Car {
        &self.scene.cars[0]
    }

    fn recognition(&self, results: Vec<Value>) -> Value {
        let filename = self.filename("screenshots", "jpg");
        json!({
            "hook": {
                "event": "recognition", "id": self.told.camera, "target": self.told.url, "filename": filename,
            },
            "data": {
                "camera_id": self.told.camera,
                "filename": filename,
                "timestamp": self.utc(),
                "timestamp_local": self.local(self.told.at),
                "timestamp_camera": null,
                "results": results,
            },
        })
    }

    /// What Stream adds to every result: a text in the plate format, a number in the vehicle format.
    fn with_position(&self, mut result: Value, position: Value) -> Value {
        result["source_url"] = "/user-data/video.mp4".into();
        result["position_sec"] = position;
        result["user_data"] = "".into();
        result
    }

    fn read(&mut self, car: &Car, n: usize, plate: Pixels) -> Read {
        let chance = &mut self.chance;
        let text = if n == 0 {
            self.told.plate
        } else {
            self.told.second_plate
        };
        let (make, model, kind) = chance.one_of(&[
            ("Fiat", "Panda", "Sedan"),
            ("Volkswagen", "Golf", "Sedan"),
            ("Toyota", "RAV4", "SUV"),
            ("Ford", "Transit", "Van"),
        ]);
        Read {
            text: text.to_lowercase(),
            score: chance.score(0.85),
            detection_score: chance.score(0.6),
            plate: told_box(plate),
            vehicle: told_box(car.vehicle),
            kind,
            kind_score: chance.score(0.4),
            make,
            model,
            make_score: chance.score(0.3),
            color: PAINT[n % PAINT.len()].1,
            color_score: chance.score(0.7),
            orientation_score: chance.score(0.8),
            direction: 60 + chance.below(60), // away from the camera, as the cars are drawn
        }
    }

    fn multipart(&mut self, json: &Value, files: &[File<'_>]) -> Request {
        let boundary = self.chance.hex();
        Request::post(
            format!("multipart/form-data; boundary={boundary}"),
            multipart(&boundary, &dumps(json), files),
        )
    }

    fn utc(&self) -> String {
        format!(
            "{}Z",
            self.told
                .at
                .strftime(&format!("%Y-%m-%dT%H:%M:%S{}", self.fraction()))
        )
    }

    /// As Python's `isoformat(" ")` writes it.
    fn local(&self, at: jiff::Timestamp) -> String {
        at.to_zoned(TimeZone::UTC)
            .strftime(&format!("%Y-%m-%d %H:%M:%S{}+00:00", self.fraction()))
            .to_string()
    }

    /// Six digits, and none at all on the whole second.
    fn fraction(&self) -> &'static str {
        if self.told.at.subsec_microsecond() == 0 && self.told.at.subsec_millisecond() == 0 {
            ""
        } else {
            "%.6f"
        }
    }

    /// Where Stream keeps the file, below its own folder.
    fn filename(&self, folder: &str, ending: &str) -> String {
        let at = self.told.at.strftime("%y-%m-%d/%H-%M-%S%.6f");
        format!("{}_{folder}/{at}.{ending}", self.told.camera)
    }
}

fn form(json: &Value) -> Request {
    Request::post(
        "application/x-www-form-urlencoded",
        format!("json={}", quote_plus(&dumps(json))),
    )
}

fn told_box(pixels: Pixels) -> Value {
    let Pixels {
        x,
        y,
        width,
        height,
    } = pixels;
    json!({ "xmin": x, "ymin": y, "xmax": x + width, "ymax": y + height })
}

/// The car's plate in pixels of the vehicle's picture.
fn in_vehicle(car: &Car) -> Pixels {
    Pixels {
        x: car.plate.x - car.vehicle.x,
        y: car.plate.y - car.vehicle.y,
        ..car.plate
    }
}

/// Senders name a part after the file's last segment; a camera's name may hold what a header must not.
fn base_name(filename: &str) -> &str {
    filename.rsplit('/').next().unwrap_or(filename)
}

/// Not a film, but what begins like one: the box that says MP4, then 20,000 bytes of media that no player will like.
fn clip(chance: &mut Chance) -> Vec<u8> {
    const MEDIA: u32 = 20_000;
    let mut bytes = b"\0\0\0\x18ftypisom\0\0\x02\0isommp41".to_vec();
    bytes.extend((MEDIA + 8).to_be_bytes());
    bytes.extend(b"mdat");
    bytes.extend((0..MEDIA / 8).flat_map(|_| chance.next().to_be_bytes()));
    bytes
}

#[cfg(test)]
mod tests {
    use memchr::memmem;

    use super::*;
    use crate::sample::Sample;
    use crate::sample::stream::{SNAPSHOT, STREAM};

    fn told<'a>() -> Told<'a> {
        Told {
            plate: "AB123CD",
            second_plate: "XY987ZT",
            camera: "gate-1",
            at: "2025-03-04T09:11:12.131415Z".parse().unwrap(),
            url: "http://proxy:8001/",
            seed: 42,
        }
    }

    fn document(request: &Request) -> Value {
        let body = &request.body;
        let text = if request.content_type().starts_with("multipart") {
            let start = memmem::find(body, b"\r\n\r\n").unwrap() + 4;
            let end = start + memmem::find(&body[start..], b"\r\n--").unwrap();
            body[start..end].to_vec()
        } else if request.content_type() == "application/json" {
            body.clone()
        } else {
            let (name, value) = form_urlencoded::parse(body).next().unwrap();
            assert_eq!(name, "json");
            value.into_owned().into_bytes()
        };
        serde_json::from_slice(&text).unwrap()
    }

    /// The picture in the part of that name.
    fn part(request: &Request, name: &str) -> image::DynamicImage {
        let head = format!("name=\"{name}\"; filename=");
        let at = memmem::find(&request.body, head.as_bytes()).unwrap();
        let start = at + memmem::find(&request.body[at..], b"\r\n\r\n").unwrap() + 4;
        image::load_from_memory(&request.body[start..]).unwrap()
    }

    #[test]
    fn every_sample_tells_the_same_when_asked_again() {
        let drawn = Drawn::new("AB123CD", "XY987ZT");
        for sample in STREAM.iter().chain(&SNAPSHOT) {
            let one = sample.request(&drawn, &told());
            assert_eq!(one, sample.request(&drawn, &told()), "{sample:?}");
            let data = &document(&one)["data"];
            assert_eq!(data["camera_id"], "gate-1", "{sample:?}");
            assert_eq!(
                data["timestamp"], "2025-03-04T09:11:12.131415Z",
                "{sample:?}"
            );
            let other = Told { seed: 43, ..told() };
            assert_ne!(one, sample.request(&drawn, &other), "{sample:?}");
        }
    }

    #[test]
    fn the_box_lies_on_the_plate_in_the_picture_that_is_sent() {
        let drawn = Drawn::new("AB123CD", "XY987ZT");
        let cases = [
            ("stream recognition", "upload", "/data/results/0/box"),
            ("stream original", "upload", "/data/results/0/box"),
            ("stream both", "vehicle", "/data/results/0/box"),
            ("stream both", "original", "/data/results/0/vehicle/box"),
            ("stream vehicle", "upload", "/data/results/0/plate/box"),
            ("snapshot image", "upload", "/data/results/0/box"),
            ("snapshot two", "upload", "/data/results/1/box"),
        ];
        for (sample, name, pointer) in cases {
            let request = Sample::named(sample).unwrap().request(&drawn, &told());
            let document = document(&request);
            let side = |key: &str| {
                u32::try_from(document.pointer(pointer).unwrap()[key].as_u64().unwrap()).unwrap()
            };
            let picture = part(&request, name).to_luma8();
            assert!(
                side("xmax") <= picture.width() && side("ymax") <= picture.height(),
                "{sample:?}"
            );
            if pointer.ends_with("vehicle/box") {
                continue;
            }
            // The plate's ground is the brightest thing on a car, and it begins two pixels inside of the box.
            for (x, y) in [
                (side("xmin") + 4, side("ymin") + 4),
                (side("xmax") - 5, side("ymax") - 5),
            ] {
                assert!(picture.get_pixel(x, y).0[0] > 220, "{sample:?}");
            }
            let beside = (side("xmax") + 4, side("ymin") + 4);
            assert!(
                picture.get_pixel(beside.0, beside.1).0[0] < 120,
                "{sample:?}"
            );
        }
    }

    #[test]
    fn a_whole_second_has_no_fraction_as_in_python() {
        let drawn = Drawn::new("AB123CD", "XY987ZT");
        let told = Told {
            at: "2025-03-04T09:11:12Z".parse().unwrap(),
            ..told()
        };
        let data = &document(&stream_dwell(&drawn, &told))["data"];
        assert_eq!(data["timestamp_local"], "2025-03-04 09:11:12+00:00");
        assert_eq!(data["results"][0]["first_seen"], data["timestamp_local"]);
    }

    #[test]
    fn any_names_are_carried_unharmed() {
        let drawn = Drawn::new("", "");
        let told = Told {
            camera: "Tor \"7\"\r\nü/京",
            plate: "京A12345",
            ..told()
        };
        for sample in STREAM.iter().chain(&SNAPSHOT) {
            let document = document(&sample.request(&drawn, &told));
            assert_eq!(document["data"]["camera_id"], told.camera, "{sample:?}");
        }
    }
}
