//! Genetec: plate reads that Security Center (AutoVu) or a Sharp camera's HTTP extension posts as JSON.
//!
//! After what third parties receive from Security Center's LPR export, and Genetec's "Examples of JSON and XML ALPR events
//! for the SharpV HTTP extension" (techdocs.genetec.com), both read 2026-11-21. The two differ: Security Center tells `Plate`,
//! `Attributes` as an object, and its times as date and time apart; a Sharp tells `PlateRead`, `PlateAnalytics` as a list of
//! `{Key, Score, Value}`, and one `Timestamp`. `-` means unknown, pictures are base64, and no box is told by either.
//!
//! The date's order follows the regional settings of the server: d/m/Y, m/d/Y or Y-m-d. Where a date can be read in two
//! ways, the local date beside it may tell which; else the reading nearest to the time of arrival is taken, and
//! `repaired` says so.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{Offset, TimeZone};
use memchr::memmem;

use super::body::{self, Body};
use super::json::Json;
use super::lenient::{first_of, known, list, number, percent, text};
use super::media::take_base64;
use super::{DecodeSettings, Source, Undecodable, country};
use crate::event::{
    Event, Item, Kind, ListEntry, Moment, Original, Plate, Raw, Role, Scored, Told, Vehicle,
};
use crate::name::Name;

/// Minutes between a place's clock and UTC, at most.
const OFFSET_MINUTES_MAX: i64 = 14 * 60;

pub(super) struct Genetec;

impl Source for Genetec {
    fn kind(&self) -> &'static str {
        "genetec"
    }

    fn recognises(&self, request: &Original) -> bool {
        let has = |word: &[u8]| memmem::find(&request.body, word).is_some();
        ((has(b"\"CameraName\"") && has(b"\"Plate\"")) || has(b"\"PlateRead\""))
            && document(request).is_ok_and(|text| {
                body::parse::<Json>(&text).is_ok_and(|told| Dialect::of(&told).is_some())
            })
    }

    fn decode(
        &self,
        source: &Name,
        settings: &DecodeSettings,
        request: &Arc<Original>,
    ) -> Result<Vec<Event>, Undecodable> {
        let document = document(request)?;
        let told: Json = body::parse(&document)?;
        let dialect = Dialect::of(&told).ok_or_else(|| {
            Undecodable::because(
                "the JSON has neither `CameraName`, `Plate` and a date as Security Center's plate reads do, nor `PlateRead` and `PlateAnalytics` as a Sharp's do",
            )
        })?;
        let mut event = Event::new(
            source.clone(),
            self.kind(),
            Kind::Plate,
            Arc::clone(request),
        );
        event.raw = Raw::from_text(document.clone());
        event.vendor_id = known(&told["Id"]);
        take_camera(&mut event, dialect, &told);
        match dialect {
            Dialect::SecurityCenter => take_dates(&mut event, settings, &told),
            Dialect::Sharp => take_timestamp(&mut event, settings, &told),
        }
        event.plates.push(plate(dialect, &told));
        for (name, role, item) in [
            ("ContextImage", Role::FRAME, None),
            ("PlateImage", Role::PLATE, Some(Item::Plate(0))),
        ] {
            if let Json::Text(encoded) = &told[name] {
                take_base64(&mut event, name, encoded, role, item);
            }
        }
        Ok(vec![event])
    }
}

fn document(request: &Original) -> Result<Bytes, Undecodable> {
    match Body::read(request)? {
        Body::Json(text) => Ok(text),
        _ => Err(Undecodable::because(
            "the body is no JSON as Genetec's plate reads are",
        )),
    }
}

#[derive(Debug, Clone, Copy)]
enum Dialect {
    SecurityCenter,
    Sharp,
}

impl Dialect {
    fn of(told: &Json) -> Option<Self> {
        let there = |name: &str| !told[name].is_null();
        if !told.is_map() {
            None
        } else if there("PlateRead") && there("PlateAnalytics") {
            Some(Self::Sharp)
        } else if there("CameraName") && there("Plate") && (there("DateUtc") || there("DateLocal"))
        {
            Some(Self::SecurityCenter)
        } else {
            None
        }
    }
}

fn take_camera(event: &mut Event, dialect: Dialect, told: &Json) {
    let camera = &mut event.camera;
    match dialect {
        Dialect::SecurityCenter => {
            camera.id = known(&told["CameraName"]);
            camera.name = known(&told["SharpName"]);
        }
        Dialect::Sharp => {
            camera.id = known(first_of(&[&told["SourceUrl"], &told["LprCameraName"]]));
            camera.name = known(&told["LprCameraName"]);
        }
    }
    let (latitude, longitude) = (number(&told["Latitude"]), number(&told["Longitude"]));
    if let (Some(latitude), Some(longitude)) = (latitude, longitude)
        && (latitude, longitude) != (0.0, 0.0)
    {
        (camera.latitude, camera.longitude) = (Some(latitude), Some(longitude));
    }
}

fn plate(dialect: Dialect, told: &Json) -> Plate {
    let attribute = |name: &str| match dialect {
        Dialect::SecurityCenter => &told["Attributes"][name],
        Dialect::Sharp => list(&told["PlateAnalytics"])
            .iter()
            .find(|entry| matches!(&entry["Key"], Json::Text(key) if key == name))
            .map_or(&Json::Null, |entry| &entry["Value"]),
    };
    let (text, region) = match dialect {
        Dialect::SecurityCenter => (&told["Plate"], &told["State"]),
        Dialect::Sharp => (&told["PlateRead"], attribute("State Name")),
    };
    let color = known(attribute("Vehicle Color"));
    let vehicle = Vehicle {
        kind: known(attribute("Vehicle Type")),
        make: known(attribute("Vehicle Make")),
        model: known(attribute("Vehicle Model")),
        colors: color
            .clone()
            .map(|value| Scored { value, score: None })
            .into_iter()
            .collect(),
        color,
        ..Vehicle::default()
    };
    let is_told = [&vehicle.kind, &vehicle.make, &vehicle.model, &vehicle.color]
        .iter()
        .any(|word| word.is_some());
    // A hit is a read whose plate is on a hotlist; which one is not told.
    let is_hit = match &told["IsHit"] {
        Json::Bool(hit) => *hit,
        Json::Text(word) => word.eq_ignore_ascii_case("true") || word == "1",
        _ => false,
    };
    Plate {
        text: known(text),
        score: percent(first_of(&[
            &told["ConfidenceScore"],
            attribute("Confidence Score"),
        ])),
        region: known(region),
        region_score: percent(attribute("State Name Confidence Score")),
        country: known(attribute("Context")).and_then(|code| country::of_region(&code)),
        heading: known(attribute("Relative Motion")),
        vehicle: is_told.then_some(vehicle),
        list: is_hit.then(|| ListEntry {
            name: Some("hit".to_owned()),
            ..ListEntry::default()
        }),
        ..Plate::default()
    }
}

fn take_timestamp(event: &mut Event, settings: &DecodeSettings, told: &Json) {
    let moment = text(&told["Timestamp"])
        .and_then(|written| Told::read(&written, &settings.zone()))
        .map(|told| told.moment);
    take_moment(event, moment);
}

fn take_moment(event: &mut Event, moment: Option<Moment>) {
    match moment {
        Some(moment) => event.occurred_at = moment,
        None => event
            .repaired
            .push("the read tells no readable time: the time of arrival stands in".to_owned()),
    }
}

fn take_dates(event: &mut Event, settings: &DecodeSettings, told: &Json) {
    let utc = Written::read(&told["DateUtc"], &told["TimeUtc"]);
    let local = Written::read(&told["DateLocal"], &told["TimeLocal"]);
    let (moment, guessed) = match (utc, local) {
        (Some(utc), local) => {
            let (utc, local, guessed) = choose(&utc, local.as_ref(), event.received_at);
            let moment = Offset::UTC
                .to_timestamp(utc)
                .map(|instant| Moment::new(instant, offset(utc, local)));
            (moment.ok(), guessed)
        }
        (None, Some(local)) => {
            let zone = settings.zone();
            let arrived = zone.to_datetime(event.received_at);
            let (civil, guessed) = local.nearest(arrived);
            (in_zone(civil, &zone), guessed)
        }
        (None, None) => (None, false),
    };
    take_moment(event, moment);
    if guessed && moment.is_some() {
        let written = first_of(&[&told["DateUtc"], &told["DateLocal"]]);
        let written = text(written).unwrap_or_default();
        event.repaired.push(format!(
            "the date `{}` can be read in two ways: the one nearest to the arrival was taken",
            written.escape_debug()
        ));
    }
}

fn in_zone(civil: DateTime, zone: &TimeZone) -> Option<Moment> {
    let zoned = zone.to_ambiguous_zoned(civil).compatible().ok()?;
    Some(Moment::new(zoned.timestamp(), zoned.offset()))
}

/// A date and time of day as written: one reading, or two with day and month exchanged.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Written {
    first: DateTime,
    second: Option<DateTime>,
}

impl Written {
    fn read(date: &Json, time: &Json) -> Option<Self> {
        let (date, time) = (text(date)?, text(time)?);
        let time = read_time(time.trim())?;
        let mut numbers = date.trim().splitn(3, ['/', '-', '.']);
        let [a, b, c] = [numbers.next()?, numbers.next()?, numbers.next()?];
        let date = |year: &str, month: &str, day: &str| {
            let (year, month, day) = (year.parse().ok()?, month.parse().ok()?, day.parse().ok()?);
            Date::new(year, month, day).ok()
        };
        if a.len() == 4 {
            return date(a, b, c).map(|date| Self {
                first: date.to_datetime(time),
                second: None,
            });
        }
        if c.len() != 4 {
            return None;
        }
        let readings = [date(c, b, a), date(c, a, b)];
        let mut readings = readings.into_iter().flatten();
        let first = readings.next()?;
        let second = readings.next().filter(|second| *second != first);
        Some(Self {
            first: first.to_datetime(time),
            second: second.map(|date| date.to_datetime(time)),
        })
    }

    fn readings(&self) -> impl Iterator<Item = DateTime> {
        std::iter::once(self.first).chain(self.second)
    }

    /// The reading nearest to a moment, and whether it had to be chosen.
    fn nearest(&self, to: DateTime) -> (DateTime, bool) {
        let nearest = self
            .readings()
            .min_by_key(|civil| minutes(*civil, to).abs());
        (nearest.unwrap_or(self.first), self.second.is_some())
    }
}

/// The readings of UTC and local time that go together, and whether they had to be chosen by the time of arrival.
fn choose(
    utc: &Written,
    local: Option<&Written>,
    received: Timestamp,
) -> (DateTime, Option<DateTime>, bool) {
    let near = |utc: DateTime| {
        let of_local = local.into_iter().flat_map(Written::readings);
        of_local
            .filter(|local| minutes(*local, utc).abs() <= OFFSET_MINUTES_MAX)
            .min_by_key(|local| minutes(*local, utc).abs())
    };
    let together: Vec<_> = utc
        .readings()
        .filter_map(|utc| near(utc).map(|local| (utc, local)))
        .collect();
    if let [(utc, local)] = together[..] {
        return (utc, Some(local), false);
    }
    let (utc, guessed) = utc.nearest(Offset::UTC.to_datetime(received));
    (utc, near(utc), guessed)
}

/// From `b` to `a`.
fn minutes(a: DateTime, b: DateTime) -> i64 {
    a.duration_since(b).as_secs() / 60
}

/// Where the camera's clock stands against UTC; zones count in quarters of an hour.
fn offset(utc: DateTime, local: Option<DateTime>) -> Offset {
    local
        .map(|local| local.duration_since(utc).as_secs())
        .filter(|seconds| seconds % 900 == 0)
        .and_then(|seconds| Offset::from_seconds(i32::try_from(seconds).ok()?).ok())
        .unwrap_or(Offset::UTC)
}

/// `20:29:26`, `8:29:26 PM`, with or without a fraction.
fn read_time(text: &str) -> Option<Time> {
    let (clock, half) = text.split_once(' ').unwrap_or((text, ""));
    let mut numbers = clock.splitn(3, ':');
    let (hour, minute) = (numbers.next()?, numbers.next()?);
    let second = numbers.next().unwrap_or("0");
    let (second, fraction) = second.split_once('.').unwrap_or((second, ""));
    let hour: i8 = hour.parse().ok()?;
    let hour = match half.trim().to_ascii_lowercase().as_str() {
        "" => hour,
        "am" => hour % 12,
        "pm" => hour % 12 + 12,
        _ => return None,
    };
    let fraction: String = fraction.chars().take(9).collect();
    let nanosecond = match fraction.as_str() {
        "" => 0,
        digits => format!("{digits:0<9}").parse().ok()?,
    };
    Time::new(hour, minute.parse().ok()?, second.parse().ok()?, nanosecond).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(document: &str, received: &str) -> (String, Vec<String>) {
        let request = Arc::new(Original {
            received_at: received.parse().unwrap(),
            body: Bytes::copy_from_slice(document.as_bytes()),
            ..Original::default()
        });
        let name = Name::new("lpr").unwrap();
        let events = Genetec.decode(&name, &DecodeSettings::default(), &request);
        let event = events.unwrap().remove(0);
        (event.occurred_at.to_string(), event.repaired)
    }

    fn document(dates: &str) -> String {
        format!(r#"{{"CameraName": "a", "Plate": "b", {dates}}}"#)
    }

    #[test]
    fn a_date_is_read_in_the_order_that_it_can_only_have() {
        for (date, expected) in [
            ("31/01/2026", "2026-01-31T20:29:26Z"),
            ("01/31/2026", "2026-01-31T20:29:26Z"),
            ("2026-02-01", "2026-02-01T20:29:26Z"),
            ("03.03.2026", "2026-03-03T20:29:26Z"),
        ] {
            let dates = format!(r#""DateUtc": "{date}", "TimeUtc": "20:29:26""#);
            let (moment, repaired) = read(&document(&dates), "2026-12-01T00:00:00Z");
            assert_eq!((moment.as_str(), repaired.len()), (expected, 0), "{date}");
        }
    }

    #[test]
    fn a_local_date_tells_the_order_and_the_zone() {
        let dates = r#""DateUtc": "12/11/2026", "TimeUtc": "23:30:00", "DateLocal": "13/11/2026", "TimeLocal": "00:30:00""#;
        let (moment, repaired) = read(&document(dates), "2026-12-11T23:30:00Z");
        assert_eq!(moment, "2026-11-13T00:30:00+01:00");
        assert!(repaired.is_empty(), "{repaired:?}");
    }

    #[test]
    fn of_two_readings_the_one_nearest_to_the_arrival_is_taken_and_said() {
        let dates = r#""DateUtc": "10/01/2026", "TimeUtc": "8:29:26 PM", "DateLocal": "10/01/2026", "TimeLocal": "3:29:26 PM""#;
        for (received, expected) in [
            ("2026-10-01T20:29:30Z", "2026-10-01T15:29:26-05:00"),
            ("2026-01-10T20:29:30Z", "2026-01-10T15:29:26-05:00"),
        ] {
            let (moment, repaired) = read(&document(dates), received);
            assert_eq!(moment, expected);
            assert!(repaired[0].contains("`10/01/2026`"), "{repaired:?}");
        }
    }

    #[test]
    fn what_is_no_time_is_the_time_of_arrival_and_said() {
        for dates in [
            r#""DateUtc": "-", "TimeUtc": "-""#,
            r#""DateUtc": "99/99/2026", "TimeUtc": "20:29:26""#,
            r#""DateUtc": "2026-01-01", "TimeUtc": "25:00:00""#,
            r#""DateUtc": "1/1/26", "TimeUtc": "20:00:00""#,
            r#""DateUtc": "2026-01-01", "TimeUtc": "10:00:00.x""#,
        ] {
            let (moment, repaired) = read(&document(dates), "2026-01-10T20:29:30Z");
            assert_eq!(moment, "2026-01-10T20:29:30Z", "{dates}");
            assert_eq!(repaired.len(), 1);
        }
    }
}
