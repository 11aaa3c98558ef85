//! The files of Plate Recognizer Stream, so that scripts written for them keep working: its CSV and its JSON Lines.
//!
//! Both tell one result for each plate, with boxes in pixels of the full frame (in webhooks a plate's box counts in the
//! picture that was sent along, often the crop of the vehicle). An event of Stream itself is written from its own
//! document, any other from its neutral form; a score, colour or time that nobody told is null or an empty cell, and a
//! box that nobody told is all zeros, which is Stream's own word for "none".

use std::borrow::Cow;

use jiff::Zoned;
use serde_json::{Map, Value, json};

use super::forms::Form;
use super::{own, python};
use crate::event::{Area, Boxes, Event, Item, Plate, Role, Score, Scored, Size, Vehicle};

pub(super) const CSV_HEADER: &str = "timestamp,plate,score,dscore,file,box,model_make,color,vehicle,region,orientation,candidates,source_url,position_sec,direction";

/// The event as one JSON object, without the `hook` and `data` around it, its results in that form; `item` leaves the one
/// result it names.
pub(super) fn line(event: &Event, item: Option<Item>, form: Form) -> Value {
    let own = own_data(event);
    let mut results = results(event, own.as_ref());
    for result in &mut results {
        *result = form.of(result.take());
    }
    if let Some(Item::Plate(n)) = item
        && n < results.len()
    {
        results = vec![results.swap_remove(n)];
    }
    let Some(mut data) = own else {
        let mut data = json!({ "camera_id": event.camera.id, "filename": "" });
        for (name, text) in timestamps(event) {
            data[name] = text.into();
        }
        data["results"] = results.into();
        return data;
    };
    if let Some(Value::String(filename)) = data.get_mut("filename") {
        *filename = filename.rsplit('/').next().unwrap_or_default().to_owned();
    }
    if data.contains_key("results") {
        data.insert("results".to_owned(), Value::Array(results)); // keeps its place among the keys
    }
    Value::Object(data)
}

/// The event as rows of the CSV, one for each plate, `\n` between them; empty when it has none.
pub(super) fn rows(event: &Event, item: Option<Item>) -> String {
    let own = own_data(event);
    let file = match own.as_ref().and_then(|data| data.get("filename")) {
        Some(Value::String(name)) if !name.is_empty() => {
            format!("/{}", name.trim_start_matches('/'))
        }
        _ => String::new(),
    };
    let timestamp = timestamp(&event.occurred_at.local(), "%Y-%m-%d %H:%M:%S", "%:z");
    let results = results(event, own.as_ref()).into_iter().enumerate();
    let rows: Vec<_> = results
        .filter(|(n, _)| !matches!(item, Some(Item::Plate(only)) if only != *n))
        .map(|(n, result)| {
            let result = match result {
                own @ Value::Object(_) if own.get("plate").is_some_and(Value::is_string) => own,
                own => plate_format(event, n, own), // the CSV has no other format
            };
            let cell = |name: &str| cell(result.get(name));
            let cells = [
                timestamp.clone(),
                cell("plate"),
                cell("score"),
                cell("dscore"),
                file.clone(),
                cell("box"),
                cell("model_make"),
                cell("color"),
                cell("vehicle"),
                cell("region"),
                cell("orientation"),
                cell("candidates"),
                cell("source_url"),
                cell("position_sec"),
                cell("direction"),
            ];
            python::row(&cells)
        })
        .collect();
    rows.join("\n")
}

fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => python::repr(other),
    }
}

/// The fraction is Python's: six digits, and none when it is zero.
fn timestamp(local: &Zoned, format: &str, zone: &str) -> String {
    let fraction = match local.subsec_nanosecond() / 1_000 {
        0 => String::new(),
        micros => format!(".{micros:06}"),
    };
    let zone = if zone.starts_with('%') {
        local.strftime(zone).to_string()
    } else {
        zone.to_owned()
    };
    format!("{}{fraction}{zone}", local.strftime(format))
}

/// `data` of Stream's own webhook.
fn own_data(event: &Event) -> Option<Map<String, Value>> {
    match own::document(event)?.remove("data") {
        Some(Value::Object(data)) => Some(data),
        _ => None,
    }
}

/// Every plate in Stream's plate form.
pub(super) fn told(event: &Event) -> Vec<Value> {
    let counting = counting(event);
    plates(event)
        .iter()
        .map(|plate| result(plate, counting))
        .collect()
}

/// The event's moment by the names that Stream gives it.
pub(super) fn timestamps(event: &Event) -> [(&'static str, String); 2] {
    let utc = event
        .occurred_at
        .instant()
        .to_zoned(jiff::tz::TimeZone::UTC);
    [
        ("timestamp", timestamp(&utc, "%Y-%m-%dT%H:%M:%S", "Z")),
        (
            "timestamp_local",
            timestamp(&event.occurred_at.local(), "%Y-%m-%d %H:%M:%S", "%z"),
        ),
    ]
}

/// Every result: Stream's own with its boxes translated, else made from the plates.
fn results(event: &Event, own: Option<&Map<String, Value>>) -> Vec<Value> {
    let counting = counting(event);
    let own = own.and_then(|data| data.get("results")).cloned();
    let Some(Value::Array(mut results)) = own else {
        return told(event);
    };
    // Only then is a place in one list the same place in the other.
    let plates = plates(event);
    let aligned = results.len() == plates.len();
    for (n, result) in results.iter_mut().enumerate() {
        if let Some(Value::String(url)) = result.get_mut("source_url") {
            *url = without_password(url);
        }
        if aligned
            && let Some(plate) = plates.get(n)
            && let Some(area) = &plate.area
            && area.image != Role::FRAME
            && let Some(told) = in_frame(area, plate.vehicle.as_ref(), counting)
        {
            let own = if result["plate"].is_object() {
                result["plate"].get_mut("box")
            } else {
                result.get_mut("box")
            };
            if let Some(Value::Object(own)) = own {
                for (key, value) in sides(&told) {
                    own.insert(key.to_owned(), value.into()); // keeps its place
                }
            }
        }
    }
    results
}

/// A result of Stream's vehicle mode, or one of another shape, told in the plate format.
fn plate_format(event: &Event, n: usize, own: Value) -> Value {
    let Some(plate) = event.plates.get(n) else {
        return own;
    };
    let mut told = result(plate, counting(event));
    for name in ["source_url", "position_sec", "direction"] {
        if let Some(value) = own.get(name) {
            told[name] = value.clone();
        }
    }
    // The neutral form keeps only the best make and model, without its score.
    let props = &own["vehicle"]["props"];
    for (name, in_props) in [
        ("model_make", "make_model"),
        ("color", "color"),
        ("orientation", "orientation"),
    ] {
        if let Some(Value::Array(words)) = props.get(in_props).or_else(|| own.get(name)) {
            told[name] = words.iter().map(|word| renamed(word, name)).collect();
        }
    }
    told
}

/// `{value, score}` of the vehicle format as `{<name>, score}` of the plate format.
fn renamed(word: &Value, name: &str) -> Value {
    match word.get("value") {
        Some(value) => json!({ name: value, "score": word["score"] }),
        None => word.clone(),
    }
}

/// One plate in Stream's plate format.
fn result(plate: &Plate, counting: Counting) -> Value {
    let text = plate.text.clone().unwrap_or_default();
    let area = plate.area.as_ref();
    let mut result = Map::new();
    let mut put = |name: &str, value: Value| result.insert(name.to_owned(), value);
    put("plate", text.clone().into());
    put("score", score(plate.score));
    put("dscore", score(plate.detection_score));
    put(
        "box",
        corners(area.and_then(|area| in_frame(area, plate.vehicle.as_ref(), counting))),
    );
    put("region", region(plate));
    put("candidates", candidates(plate, &text));
    put("vehicle", vehicle(plate.vehicle.as_ref(), counting));
    let known = plate.vehicle.as_ref();
    if let Some(known) = known.filter(|known| known.make.is_some() || known.model.is_some()) {
        put(
            "model_make",
            json!([{ "make": known.make, "model": known.model, "score": null }]),
        );
    }
    if let Some(known) = known.filter(|known| !known.colors.is_empty()) {
        put("color", words("color", &known.colors));
    } else if let Some(color) = known.and_then(|known| known.color.as_ref()) {
        put("color", json!([{ "color": color, "score": null }]));
    }
    if !plate.orientation.is_empty() {
        put("orientation", words("orientation", &plate.orientation));
    }
    put("direction", plate.direction.map_or(Value::Null, number));
    put("speed", plate.speed.map_or(Value::Null, number));
    put(
        "user_data",
        plate.user_data.clone().unwrap_or_else(|| "".into()),
    );
    Value::Object(result)
}

fn region(plate: &Plate) -> Value {
    match &plate.region {
        Some(code) => json!({ "code": code, "score": score(plate.region_score) }),
        None => json!({ "code": "", "score": 0.0 }),
    }
}

fn candidates(plate: &Plate, text: &str) -> Value {
    if plate.candidates.is_empty() {
        return json!([{ "plate": text, "score": score(plate.score) }]);
    }
    plate
        .candidates
        .iter()
        .map(|candidate| json!({ "plate": candidate.text, "score": score(candidate.score) }))
        .collect()
}

fn vehicle(vehicle: Option<&Vehicle>, counting: Counting) -> Value {
    let Some(vehicle) = vehicle else {
        return json!({ "type": "Unknown", "score": 0.0, "box": corners(None) });
    };
    let kind = vehicle.kind.as_deref().unwrap_or("Unknown");
    let area = vehicle.area.as_ref();
    let corners = corners(area.and_then(|area| in_frame(area, None, counting)));
    json!({ "type": kind, "score": score(vehicle.score), "box": corners })
}

fn words(name: &str, words: &[Scored]) -> Value {
    words
        .iter()
        .map(|word| json!({ name: word.value, "score": score(word.score) }))
        .collect()
}

fn score(value: Option<Score>) -> Value {
    value.map_or(Value::Null, |value| value.fraction().into())
}

/// A whole number without its fraction.
fn number(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() < 1e15 {
        (value as i64).into()
    } else {
        value.into()
    }
}

/// In pixels of the full frame, as the sender told it (not cut to the frame), unless a step has boxes count elsewhere.
fn in_frame(area: &Area, vehicle: Option<&Vehicle>, counting: Counting) -> Option<Area> {
    let frame = match counting {
        Counting::AsTold => return Some(area.clone()),
        Counting::InFrame(frame) => frame,
    };
    area.told_in(
        &Role::FRAME,
        frame,
        vehicle.and_then(|vehicle| vehicle.area.as_ref()),
    )
}

pub(super) fn corners(area: Option<Area>) -> Value {
    let corners = match &area {
        Some(area) => sides(area),
        None => ["xmin", "ymin", "xmax", "ymax"].map(|side| (side, 0)),
    };
    corners
        .into_iter()
        .map(|(side, value)| (side.to_owned(), Value::from(value)))
        .collect::<Map<_, _>>()
        .into()
}

fn sides(area: &Area) -> [(&'static str, i32); 4] {
    [
        ("xmin", area.xmin),
        ("ymin", area.ymin),
        ("xmax", area.xmax),
        ("ymax", area.ymax),
    ]
}

/// Which picture boxes are written for.
#[derive(Clone, Copy)]
enum Counting {
    /// The full frame, of that size if it is known.
    InFrame(Option<Size>),
    /// The one that a step chose, in its pixels.
    AsTold,
}

fn counting(event: &Event) -> Counting {
    let frame = || {
        let mut images = event.images.iter();
        images.find(|picture| picture.role == Role::FRAME)?.size()
    };
    match event.boxes {
        Boxes::In(_) => Counting::AsTold,
        Boxes::AsSent | Boxes::Retold { .. } => Counting::InFrame(frame()),
    }
}

/// The plates, with boxes that lead to the frame: a picture that a step made in place of a vehicle's does not lie in the frame
/// where the vehicle does.
fn plates(event: &Event) -> Cow<'_, [Plate]> {
    match &event.boxes {
        Boxes::Retold { sent } if sent.plates.len() == event.plates.len() => {
            let mut plates = event.plates.clone();
            for (plate, sent) in plates.iter_mut().zip(&sent.plates) {
                if plate
                    .area
                    .as_ref()
                    .is_some_and(|area| area.image != Role::FRAME)
                {
                    plate.area.clone_from(&sent.area);
                }
            }
            Cow::Owned(plates)
        }
        _ => Cow::Borrowed(&event.plates),
    }
}

/// Stream tells the address it reads the camera from, with the camera's password.
fn without_password(url: &str) -> String {
    let masked = || {
        let (scheme, rest) = url.split_once("://")?;
        let authority = rest.split(['/', '?', '#']).next()?;
        let (credentials, _) = authority.rsplit_once('@')?;
        let (user, _) = credentials.split_once(':')?;
        let after = &rest[credentials.len()..];
        Some(format!("{scheme}://{user}:{}{after}", crate::secret::MASK))
    };
    masked().unwrap_or_else(|| url.to_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::event::{Kind, Moment, Original, Raw, Unit};
    use crate::name::Name;

    fn area(corners: [i32; 4], unit: Unit, image: Role) -> Area {
        let [xmin, ymin, xmax, ymax] = corners;
        Area {
            xmin,
            ymin,
            xmax,
            ymax,
            unit,
            image,
        }
    }

    fn event(vendor: &str) -> Event {
        let original = Arc::new(Original::default());
        let mut event = Event::new(Name::new("stream").unwrap(), vendor, Kind::Plate, original);
        event.camera.id = Some("gate-1".into());
        event.occurred_at = moment("2025-03-04T10:11:12.131415+01:00");
        let vehicle = Vehicle {
            area: Some(area([603, 0, 1099, 174], Unit::Pixels, Role::FRAME)),
            ..Vehicle::default()
        };
        event.plates = vec![Plate {
            text: Some("ab123cd".into()),
            score: Score::from_fraction(0.91),
            area: Some(area([153, 91, 302, 125], Unit::Pixels, Role::VEHICLE)),
            vehicle: Some(vehicle),
            ..Plate::default()
        }];
        event
    }

    fn moment(text: &str) -> Moment {
        serde_json::from_value(text.into()).unwrap()
    }

    fn of_stream() -> Event {
        let mut event = event("platerecognizer");
        event.raw = Raw::from_value(&json!({
            "hook": { "event": "recognition", "id": "gate-1" },
            "data": {
                "camera_id": "gate-1", "filename": "gate-1_screenshots/25-03-04/10-11-12.131415.jpg",
                "timestamp": "2025-03-04T09:11:12.131415Z", "timestamp_local": "2025-03-04 10:11:12.131415+01:00",
                "timestamp_camera": null,
                "results": [{
                    "plate": "ab123cd", "score": 0.91, "dscore": 0.74,
                    "box": { "xmin": 153, "ymin": 91, "xmax": 302, "ymax": 125 },
                    "region": { "code": "it", "score": 0.48 },
                    "candidates": [{ "plate": "ab123cd", "score": 0.91 }, { "plate": "ab1z3cd", "score": 0.72 }],
                    "vehicle": { "type": "SUV", "score": 0.25, "box": { "xmin": 603, "ymin": 0, "xmax": 1099, "ymax": 174 } },
                    "model_make": [{ "make": "Fiat", "model": "Panda", "score": 0.3 }],
                    "color": [{ "color": "white", "score": 0.9 }],
                    "orientation": [{ "orientation": "Front", "score": 0.94 }],
                    "direction": 210, "speed": null, "speed_score": 0.0,
                    "source_url": "/user-data/video.mp4", "position_sec": "23.47", "user_data": "",
                }],
            },
        }));
        event
    }

    #[test]
    fn writes_a_row_as_stream_does() {
        assert_eq!(
            rows(&of_stream(), None),
            concat!(
                "2025-03-04 10:11:12.131415+01:00,ab123cd,0.91,0.74,/gate-1_screenshots/25-03-04/10-11-12.131415.jpg,",
                "\"{'xmin': 756, 'ymin': 91, 'xmax': 905, 'ymax': 125}\",",
                "\"[{'make': 'Fiat', 'model': 'Panda', 'score': 0.3}]\",",
                "\"[{'color': 'white', 'score': 0.9}]\",",
                "\"{'type': 'SUV', 'score': 0.25, 'box': {'xmin': 603, 'ymin': 0, 'xmax': 1099, 'ymax': 174}}\",",
                "\"{'code': 'it', 'score': 0.48}\",",
                "\"[{'orientation': 'Front', 'score': 0.94}]\",",
                "\"[{'plate': 'ab123cd', 'score': 0.91}, {'plate': 'ab1z3cd', 'score': 0.72}]\",",
                "/user-data/video.mp4,23.47,210"
            )
        );
        assert_eq!(CSV_HEADER.split(',').count(), 15);
    }

    #[test]
    fn writes_a_line_as_stream_does() {
        let line = line(&of_stream(), None, Form::AsItCame);
        let keys: Vec<_> = line.as_object().unwrap().keys().collect();
        assert_eq!(
            keys,
            [
                "camera_id",
                "filename",
                "timestamp",
                "timestamp_local",
                "timestamp_camera",
                "results"
            ]
        );
        assert_eq!(line["filename"], "10-11-12.131415.jpg");
        let result = &line["results"][0];
        assert_eq!(
            result["box"],
            json!({ "xmin": 756, "ymin": 91, "xmax": 905, "ymax": 125 })
        );
        assert_eq!(result["vehicle"]["box"]["xmin"], 603);
        assert_eq!(result["position_sec"], "23.47");
        assert_eq!(result["speed_score"], 0.0);
    }

    #[test]
    fn a_box_of_a_picture_that_a_step_made_is_still_told_in_the_frame() {
        for sent in [of_stream(), event("generic")] {
            let mut event = sent.clone();
            event.plates[0].area = Some(area([163, 101, 312, 135], Unit::Pixels, Role::VEHICLE)); // cut with a margin
            event.boxes = Boxes::Retold {
                sent: Arc::new(sent),
            };
            let line = line(&event, None, Form::AsItCame);
            assert_eq!(line["results"][0]["box"]["xmin"], 756);
        }
    }

    #[test]
    fn a_box_that_a_step_told_in_one_picture_is_told_so() {
        let mut event = event("generic");
        event.plates[0].area = Some(area([3, 1, 9, 8], Unit::Pixels, Role::VEHICLE));
        event.boxes = Boxes::In(Role::VEHICLE);
        let line = line(&event, None, Form::AsItCame);
        assert_eq!(line["results"][0]["box"]["xmin"], 3);
    }

    #[test]
    fn a_box_of_the_frame_stays_as_it_is() {
        let mut event = of_stream();
        event.plates[0].area = Some(area([153, 91, 302, 125], Unit::Pixels, Role::FRAME));
        assert_eq!(
            line(&event, None, Form::AsItCame)["results"][0]["box"]["xmin"],
            153
        );
    }

    #[test]
    fn a_result_of_the_vehicle_mode_keeps_its_shape_in_lines_and_fits_the_columns_in_csv() {
        let mut event = of_stream();
        event.raw = Raw::from_value(&json!({ "data": { "camera_id": "gate-1", "results": [{
            "plate": { "type": "Plate", "score": 0.74, "box": { "xmin": 153, "ymin": 91, "xmax": 302, "ymax": 125 },
                       "props": { "plate": [{ "value": "ab123cd", "score": 0.91 }] } },
            "vehicle": { "type": "SUV", "score": 0.25, "props": {
                "make_model": [{ "make": "Fiat", "model": "Panda", "score": 0.6 }, { "make": "Fiat", "model": "500", "score": 0.2 }],
                "color": [{ "value": "white", "score": 0.9 }, { "value": "silver", "score": 0.1 }],
                "orientation": [{ "value": "Front", "score": 0.94 }] } },
            "position_sec": 23.47, "direction": null,
        }] } }));
        assert_eq!(
            line(&event, None, Form::AsItCame)["results"][0]["plate"]["box"]["xmin"],
            756
        );
        let rows = rows(&event, None);
        assert!(
            rows.starts_with("2025-03-04 10:11:12.131415+01:00,ab123cd,0.91,,,\"{'xmin': 756, ")
        );
        for cell in [
            "\"[{'make': 'Fiat', 'model': 'Panda', 'score': 0.6}, {'make': 'Fiat', 'model': '500', 'score': 0.2}]\"",
            "\"[{'color': 'white', 'score': 0.9}, {'color': 'silver', 'score': 0.1}]\"",
            "\"[{'orientation': 'Front', 'score': 0.94}]\"",
        ] {
            assert!(rows.contains(cell), "{rows}");
        }
        assert!(rows.ends_with(",23.47,"));
    }

    #[test]
    fn an_event_of_another_vendor_is_told_in_streams_words() {
        let mut event = event("viewtron");
        event.occurred_at = moment("2025-03-04T10:11:12+01:00");
        event.plates[0].direction = Some(210.0);
        let line = line(&event, None, Form::AsItCame);
        assert_eq!(line["camera_id"], "gate-1");
        assert_eq!(line["timestamp"], "2025-03-04T09:11:12Z");
        assert_eq!(line["timestamp_local"], "2025-03-04 10:11:12+0100");
        let result = &line["results"][0];
        assert_eq!(result["plate"], "ab123cd");
        assert_eq!(result["dscore"], Value::Null);
        assert_eq!(result["box"]["xmin"], 756);
        assert_eq!(result["direction"], 210);
        assert_eq!(
            result["candidates"],
            json!([{ "plate": "ab123cd", "score": 0.91 }])
        );
        assert!(
            rows(&event, None)
                .starts_with("2025-03-04 10:11:12+01:00,ab123cd,0.91,,,\"{'xmin': 756,")
        );
    }

    #[test]
    fn each_plate_is_one_row_and_an_item_is_only_its_own() {
        let mut event = event("viewtron");
        event.plates.push(Plate {
            text: Some("zz9".into()),
            ..Plate::default()
        });
        assert_eq!(rows(&event, None).lines().count(), 2);
        let second = rows(&event, Some(Item::Plate(1)));
        assert_eq!(second.lines().count(), 1);
        assert!(second.contains(",zz9,,,,\"{'xmin': 0, 'ymin': 0, 'xmax': 0, 'ymax': 0}\","));
        let line = line(&event, Some(Item::Plate(1)), Form::AsItCame);
        assert_eq!(line["results"].as_array().unwrap().len(), 1);
        assert_eq!(line["results"][0]["plate"], "zz9");
        event.plates.clear();
        assert_eq!(rows(&event, None), "");
    }

    #[test]
    fn ten_thousandths_need_the_size_of_their_picture() {
        let frame = Some(Size {
            width: 1920,
            height: 1080,
        });
        let told = area(
            [1000, 5000, 2000, 10_000],
            Unit::TenThousandths,
            Role::FRAME,
        );
        let box_of = |frame| corners(in_frame(&told, None, Counting::InFrame(frame)));
        assert_eq!(
            box_of(frame),
            json!({ "xmin": 192, "ymin": 540, "xmax": 384, "ymax": 1080 })
        );
        assert_eq!(
            box_of(None),
            json!({ "xmin": 0, "ymin": 0, "xmax": 0, "ymax": 0 })
        );
    }

    #[test]
    fn the_password_of_the_camera_is_masked() {
        assert_eq!(
            without_password("rtsp://admin:p@ss@10.0.0.9:554/live?x=a@b"),
            "rtsp://admin:***@10.0.0.9:554/live?x=a@b"
        );
        for plain in [
            "/user-data/video.mp4",
            "rtsp://10.0.0.9/live@x:1",
            "rtsp://admin@10.0.0.9/",
        ] {
            assert_eq!(without_password(plain), plain);
        }
    }
}
