//! Where an item is in the picture, and where it is going.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;

use super::forms::Unknown;
use super::texts::{Asked as _, NOT_TOLD, Text};
use crate::event::{Area, Event, Polygon, Role, Size, Unit};

/// A range of directions, clockwise or not as the degrees grow; it may go past 0.
#[derive(Debug, Clone, Deserialize)]
#[serde(from = "FullDirection")]
pub(super) struct Direction {
    from: f64,
    to: f64,
    unknown: Unknown,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct FullDirection {
    /// Degrees, 0 to 360; counter-clockwise, 90 is up the picture. Itself included.
    from: Degrees,
    /// Degrees, itself included. Where it is less than `from`, the range goes past 0: from 315 to 45 is 90 degrees wide.
    to: Degrees,
    /// What happens when the event does not tell it (`fail`).
    #[serde(default)]
    unknown: Unknown,
}

impl JsonSchema for Direction {
    fn schema_name() -> Cow<'static, str> {
        "Direction".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        FullDirection::json_schema(generator)
    }
}

impl JsonSchema for Zone {
    fn schema_name() -> Cow<'static, str> {
        "Zone".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        FullZone::json_schema(generator)
    }
}

impl From<FullDirection> for Direction {
    fn from(full: FullDirection) -> Self {
        Self {
            from: full.from.0,
            to: full.to.0,
            unknown: full.unknown,
        }
    }
}

/// 0 to 360.
#[derive(Deserialize, JsonSchema)]
#[serde(try_from = "f64")]
struct Degrees(#[schemars(range(min = 0, max = 360))] f64);

impl TryFrom<f64> for Degrees {
    type Error = String;

    fn try_from(degrees: f64) -> Result<Self, String> {
        match (0.0..=360.0).contains(&degrees) {
            true => Ok(Self(degrees)),
            false => Err(format!(
                "{degrees} is no direction: expected degrees from 0 to 360"
            )),
        }
    }
}

impl Direction {
    pub(super) fn hold(&self, seen: Option<f64>) -> bool {
        let Some(seen) = seen else {
            return self.unknown.passes();
        };
        let seen = seen.rem_euclid(360.0);
        // 360 is 0 again, so a range that ends or begins there has both.
        let within = |seen: f64| match self.from <= self.to {
            true => (self.from..=self.to).contains(&seen),
            false => seen >= self.from || seen <= self.to,
        };
        within(seen) || (seen == 0.0 && within(360.0))
    }

    pub(super) fn why(&self, seen: Option<f64>) -> String {
        match seen {
            None => NOT_TOLD.to_owned(),
            Some(seen) => format!("{seen}° is not within {}°–{}°", self.from, self.to),
        }
    }
}

/// Part of the picture that the item must be in.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "FullZone")]
pub(super) struct Zone {
    areas: Vec<(Option<Text>, Polygon)>,
    unit: ZoneUnit,
    point: Point,
    outside: bool,
    unknown: Unknown,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct FullZone {
    /// The corners of the area, each `[x, y]` from the top left, three to 100 of them.
    #[serde(default)]
    corners: Option<Corners>,
    /// Corners of an area for each camera, by its id or name, in which `*` stands for anything. Other cameras have no
    /// area, so nothing is known of them.
    #[serde(default)]
    cameras: BTreeMap<String, Corners>,
    /// `e4`: ten-thousandths of the frame's width and height, so that 5000 is its middle; `px`: pixels of the frame (`e4`).
    #[serde(default)]
    unit: ZoneUnit,
    /// The point of the item's box that must lie in the area: its `centre`, or its `foot`, the middle of its lower side
    /// (`centre`).
    #[serde(default)]
    point: Point,
    /// `true`: the point must lie outside of the area (`false`).
    #[serde(default)]
    outside: bool,
    /// What happens when it cannot be known where the item is (`fail`).
    #[serde(default)]
    unknown: Unknown,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
enum ZoneUnit {
    #[default]
    #[serde(rename = "e4")]
    TenThousandths,
    #[serde(rename = "px")]
    Pixels,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Point {
    #[default]
    Centre,
    Foot,
}

/// Corners that enclose something.
#[derive(Deserialize)]
#[serde(try_from = "Vec<[f64; 2]>")]
struct Corners(Polygon);

impl TryFrom<Vec<[f64; 2]>> for Corners {
    type Error = String;

    fn try_from(corners: Vec<[f64; 2]>) -> Result<Self, String> {
        Polygon::new(&corners).map(Self)
    }
}

impl JsonSchema for Corners {
    fn schema_name() -> Cow<'static, str> {
        "Corners".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Vec::<[f64; 2]>::json_schema(generator)
    }
}

impl TryFrom<FullZone> for Zone {
    type Error = String;

    fn try_from(full: FullZone) -> Result<Self, String> {
        let mut areas = Vec::new();
        for (camera, corners) in full.cameras {
            areas.push((Some(Text::parse(&camera)?), corners.0));
        }
        areas.extend(full.corners.map(|corners| (None, corners.0)));
        if areas.is_empty() {
            return Err(
                "it has no area: expected `corners`, or `cameras` with corners for each".to_owned(),
            );
        }
        Ok(Self {
            areas,
            unit: full.unit,
            point: full.point,
            outside: full.outside,
            unknown: full.unknown,
        })
    }
}

impl Zone {
    /// `vehicle` is the box of the vehicle, should the item's box count in the crop around it.
    pub(super) fn hold(&self, event: &Event, area: Option<&Area>, vehicle: Option<&Area>) -> bool {
        match self.area(event).zip(self.point(event, area, vehicle)) {
            None => self.unknown.passes(),
            Some((area, (x, y))) => area.contains(x, y) != self.outside,
        }
    }

    pub(super) fn why(&self, event: &Event, area: Option<&Area>, vehicle: Option<&Area>) -> String {
        let Some(_) = self.area(event) else {
            return "this camera has no area here".to_owned();
        };
        let Some(box_of_it) = area else {
            return "the event tells no box".to_owned();
        };
        match self.point(event, Some(box_of_it), vehicle) {
            None => "the size of the frame is not known, or the box counts in another picture"
                .to_owned(),
            Some((x, y)) => {
                let side = if self.outside { "inside" } else { "outside" };
                format!(
                    "{} {}, {} is {side}",
                    self.point.as_str(),
                    x.round(),
                    y.round()
                )
            }
        }
    }

    fn area(&self, event: &Event) -> Option<&Polygon> {
        let camera = [&event.camera.id, &event.camera.name];
        let is_of = |text: &Text| camera.into_iter().flatten().any(|name| text.fits(name));
        let mut areas = self.areas.iter();
        areas
            .find(|(camera, _)| camera.as_ref().is_none_or(is_of))
            .map(|(_, area)| area)
    }

    /// In the zone's unit.
    fn point(
        &self,
        event: &Event,
        area: Option<&Area>,
        vehicle: Option<&Area>,
    ) -> Option<(f64, f64)> {
        let area = area?;
        let is_own = area.image == Role::FRAME
            && (area.unit == Unit::TenThousandths) == (self.unit == ZoneUnit::TenThousandths);
        if is_own {
            return Some(self.point.of(area));
        }
        // The frame's header is read only where the units differ.
        let frame = frame(event);
        let (x, y) = self.point.of(&area.told_in(&Role::FRAME, frame, vehicle)?);
        match self.unit {
            ZoneUnit::Pixels => Some((x, y)),
            ZoneUnit::TenThousandths => {
                let frame = frame?;
                let part = |at: f64, side: u32| at * 10_000.0 / f64::from(side.max(1));
                Some((part(x, frame.width), part(y, frame.height)))
            }
        }
    }
}

impl Point {
    fn of(self, area: &Area) -> (f64, f64) {
        let middle = |a: i32, b: i32| (f64::from(a) + f64::from(b)) / 2.0;
        let x = middle(area.xmin, area.xmax);
        match self {
            Self::Centre => (x, middle(area.ymin, area.ymax)),
            Self::Foot => (x, f64::from(area.ymax)),
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Centre => "centre",
            Self::Foot => "foot",
        }
    }
}

fn frame(event: &Event) -> Option<Size> {
    let mut frames = event
        .images
        .iter()
        .filter(|picture| picture.role == Role::FRAME);
    frames.find_map(crate::event::Picture::size)
}
