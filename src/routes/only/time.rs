//! Hours of the week.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};

use super::forms::{self, Forms, NoMap};
use super::texts::one;
use crate::event::Moment;
use crate::schedule::{self, Days, Hours};

/// Any of these.
#[derive(Debug, Clone)]
pub(super) struct Times(Vec<Hours>);

/// One of them, as a text or a map.
#[derive(Debug, Clone)]
pub(super) struct Time(Hours);

#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct FullTime {
    /// Days of the week: `mon-fri`, `mon,wed`, `weekend`. What passes midnight belongs to the day that it begins on.
    /// Default: all.
    days: Option<DaysOfWeek>,
    /// Time of day, such as `18:00`; itself included (`00:00`).
    from: Option<TimeOfDay>,
    /// Time of day, itself not included (`24:00`). Where it is before `from`, it is on the next day.
    to: Option<TimeOfDay>,
    /// An IANA time zone such as `Europe/Rome`, whose wall clock counts. Default: the offset that the event was told with.
    zone: Option<Zone>,
}

struct DaysOfWeek(Days);
struct DayText(Days);
struct TimeOfDay(u16);
struct Zone(jiff::tz::TimeZone);

impl Times {
    pub(super) fn hold(&self, at: Moment) -> bool {
        self.0.iter().any(|hours| hours.hold(at))
    }

    pub(super) fn why(&self, at: Moment) -> String {
        let Some(first) = self.0.first() else {
            return "it is within none of an empty list".to_owned();
        };
        let hours: Vec<String> = self.0.iter().take(3).map(Hours::to_string).collect();
        let local = first.local(at).strftime("%a %H:%M");
        format!("{local} is not within {}", hours.join(", "))
    }
}

impl FullTime {
    fn hours(self) -> Result<Hours, String> {
        Hours::new(
            self.days.map_or(Days::ALL, |days| days.0),
            self.from.map_or(0, |time| time.0),
            self.to.map_or(24 * 60, |time| time.0),
            self.zone.map(|zone| zone.0),
        )
    }
}

/// Hours as a text.
pub(super) struct TimeText(Hours);

impl<'de> Deserialize<'de> for TimeText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        one(deserializer, |text| Hours::parse(text).map(Self))
    }
}

impl JsonSchema for TimeText {
    fn schema_name() -> Cow<'static, str> {
        "Hours".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 1 })
    }
}

impl Forms for Time {
    type One = TimeText;
    type Full = FullTime;
    const SEVERAL: bool = false;
    const EXPECTED: &'static str =
        "hours such as `mon-fri 18:00-06:00`, or `{ days, from, to, zone }`";

    fn of(all: Vec<TimeText>) -> Result<Self, String> {
        let only = all.into_iter().next();
        only.map(|only| Self(only.0))
            .ok_or_else(|| "no hours".to_owned())
    }

    fn of_map(full: FullTime) -> Result<Self, String> {
        full.hours().map(Self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        forms::read(deserializer)
    }
}

impl JsonSchema for Time {
    fn schema_name() -> Cow<'static, str> {
        "Time".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        forms::schema::<Self>(generator)
    }
}

impl Forms for Times {
    type One = Time;
    type Full = FullTime;
    const EXPECTED: &'static str =
        "hours such as `mon-fri 18:00-06:00`, a list of them, or `{ days, from, to, zone }`";

    fn of(all: Vec<Time>) -> Result<Self, String> {
        Ok(Self(all.into_iter().map(|time| time.0).collect()))
    }

    fn of_map(full: FullTime) -> Result<Self, String> {
        Ok(Self(vec![full.hours()?]))
    }
}

impl<'de> Deserialize<'de> for Times {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        forms::read(deserializer)
    }
}

impl JsonSchema for Times {
    fn schema_name() -> Cow<'static, str> {
        "Times".into()
    }

    /// Not by [`forms::schema`], to which one of several would have a map of its own beside.
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let text = generator.subschema_for::<TimeText>();
        let map = generator.subschema_for::<FullTime>();
        let one = generator.subschema_for::<Time>();
        json_schema!({ "anyOf": [text, { "type": "array", "items": one }, map] })
    }
}

impl<'de> Deserialize<'de> for DayText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        one(deserializer, |text| Days::parse(text).map(Self))
    }
}

impl JsonSchema for DayText {
    fn schema_name() -> Cow<'static, str> {
        "Days".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 1 })
    }
}

impl<'de> Deserialize<'de> for TimeOfDay {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        one(deserializer, |text| schedule::time_of_day(text).map(Self))
    }
}

impl JsonSchema for TimeOfDay {
    fn schema_name() -> Cow<'static, str> {
        "TimeOfDay".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 1 })
    }
}

impl<'de> Deserialize<'de> for Zone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        one(deserializer, |text| schedule::zone(text).map(Self))
    }
}

impl JsonSchema for Zone {
    fn schema_name() -> Cow<'static, str> {
        "ZoneName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 1 })
    }
}

impl Forms for DaysOfWeek {
    type One = DayText;
    type Full = NoMap;
    const MAP: bool = false;
    const EXPECTED: &'static str = "days such as `mon-fri`, or a list of them";

    fn of(all: Vec<DayText>) -> Result<Self, String> {
        let days = all.into_iter().map(|days| days.0);
        Ok(Self(days.fold(Days::NONE, Days::and)))
    }

    fn of_map(never: NoMap) -> Result<Self, String> {
        match never {}
    }
}

impl<'de> Deserialize<'de> for DaysOfWeek {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        forms::read(deserializer)
    }
}

impl JsonSchema for DaysOfWeek {
    fn schema_name() -> Cow<'static, str> {
        "DaysOfWeek".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        forms::schema::<Self>(generator)
    }
}
