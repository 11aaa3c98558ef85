//! Durations, sizes and rates as people write them: `30s`, `32MiB`, `5/s`.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use jiff::tz::TimeZone;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

/// A duration: a number and `ms`, `s`, `m`, `h` or `d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
pub(crate) struct Span(pub(crate) Duration);

/// A number of bytes: plain, or with `KiB`, `MiB`, `GiB`, `TiB` (or `kB`, `MB`, `GB`, `TB`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
pub(crate) struct ByteSize(pub(crate) u64);

/// So many per `s`, `m` or `h`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rate {
    pub(crate) count: u32,
    pub(crate) per: Duration,
}

/// A time zone by its IANA name, such as `Europe/Rome`.
#[derive(Debug, Clone)]
pub(crate) struct Timezone(pub(crate) TimeZone);

pub(crate) const SPAN_PATTERN: &str = r"^\d+(\.\d+)?\s*(ms|s|m|h|d)$";
pub(crate) const SIZE_PATTERN: &str = r"^\d+(\.\d+)?\s*([kKMGT]i?)?B?$";
pub(crate) const RATE_PATTERN: &str = r"^\d+\s*/\s*(s|m|h)$";

impl Span {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (number, unit) = split(text);
        let seconds = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3_600.0,
            "d" => 86_400.0,
            _ => {
                return Err(format!(
                    "`{text}` is no duration: expected a number and ms, s, m, h or d, such as `30s`"
                ));
            }
        };
        let number: f64 = number
            .parse()
            .map_err(|_| format!("`{text}` is no duration: expected such as `30s`"))?;
        Duration::try_from_secs_f64(number * seconds)
            .map(Self)
            .map_err(|_| format!("`{text}` is too long a duration"))
    }
}

impl ByteSize {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (number, unit) = split(text);
        let factor: u64 = match unit {
            "" | "B" => 1,
            "KiB" | "Ki" => 1 << 10,
            "MiB" | "Mi" => 1 << 20,
            "GiB" | "Gi" => 1 << 30,
            "TiB" | "Ti" => 1 << 40,
            "kB" | "KB" | "k" | "K" => 1_000,
            "MB" | "M" => 1_000_000,
            "GB" | "G" => 1_000_000_000,
            "TB" | "T" => 1_000_000_000_000,
            _ => {
                return Err(format!(
                    "`{text}` is no size: expected a number and B, KiB, MiB, GiB or TiB, such as `32MiB`"
                ));
            }
        };
        let number: f64 = number
            .parse()
            .map_err(|_| format!("`{text}` is no size: expected such as `32MiB`"))?;
        let bytes = number * factor as f64;
        if bytes > 2f64.powi(62) {
            return Err(format!("`{text}` is too large a size"));
        }
        Ok(Self(bytes as u64))
    }

    pub(crate) fn bytes(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl Rate {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!("`{text}` is no rate: expected a whole number and /s, /m or /h, such as `5/s`")
        };
        let (count, unit) = text.split_once('/').ok_or_else(wrong)?;
        let count = count.trim().parse().map_err(|_| wrong())?;
        let seconds = match unit.trim() {
            "s" => 1,
            "m" => 60,
            "h" => 3_600,
            _ => return Err(wrong()),
        };
        if count == 0 {
            return Err(format!(
                "`{text}` would never send anything: to stop a target, use `camhook targets pause`"
            ));
        }
        Ok(Self {
            count,
            per: Duration::from_secs(seconds),
        })
    }
}

fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    let unit = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    (&text[..unit], text[unit..].trim_start())
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.0.as_millis();
        for (size, unit) in [
            (86_400_000, "d"),
            (3_600_000, "h"),
            (60_000, "m"),
            (1_000, "s"),
        ] {
            if ms >= size && ms.is_multiple_of(size) {
                return write!(f, "{}{unit}", ms / size);
            }
        }
        write!(f, "{ms}ms")
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut size = self.0 as f64;
        for unit in ["B", "KiB", "MiB", "GiB"] {
            if size < 1024.0 {
                let digits = usize::from(size.fract() != 0.0);
                return write!(f, "{size:.digits$} {unit}");
            }
            size /= 1024.0;
        }
        write!(f, "{size:.1} TiB")
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = ByteSize;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a size such as `32MiB`")
            }
            fn visit_u64<E>(self, bytes: u64) -> Result<ByteSize, E> {
                Ok(ByteSize(bytes))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<ByteSize, E> {
                ByteSize::parse(text).map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Timezone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        TimeZone::get(&name).map(Self).map_err(|_| {
            de::Error::custom(format!(
                "`{name}` is no time zone known here: expected an IANA name such as `Europe/Rome` or `UTC`"
            ))
        })
    }
}

impl JsonSchema for Timezone {
    fn schema_name() -> Cow<'static, str> {
        "Timezone".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "an IANA time zone such as `Europe/Rome`, for times that are told without one; UTC unless set"
        })
    }
}

impl JsonSchema for Span {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": SPAN_PATTERN, "description": "a duration such as `30s`" })
    }
}

impl JsonSchema for ByteSize {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "integer"], "minimum": 0, "pattern": SIZE_PATTERN, "description": "a size such as `32MiB`" })
    }
}

impl JsonSchema for Rate {
    fn schema_name() -> Cow<'static, str> {
        "Rate".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": RATE_PATTERN, "description": "a rate such as `5/s`" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        assert_eq!(Span::parse("500ms").unwrap().0, Duration::from_millis(500));
        assert_eq!(Span::parse("1.5h").unwrap().0, Duration::from_secs(5_400));
        assert_eq!(Span::parse("7d").unwrap().to_string(), "7d");
        assert_eq!(ByteSize::parse("20GiB").unwrap().0, 20 << 30);
        assert_eq!(ByteSize::parse("64 KiB").unwrap().to_string(), "64 KiB");
        assert_eq!(ByteSize::parse("1MB").unwrap().0, 1_000_000);
        assert_eq!(
            Rate::parse("100/m").unwrap(),
            Rate {
                count: 100,
                per: Duration::from_secs(60)
            }
        );
        for wrong in ["", "30", "s", "30 weeks", "-1s", "1e99d"] {
            assert!(Span::parse(wrong).is_err(), "{wrong}");
        }
        for wrong in ["MiB", "1XB", "99999999TiB"] {
            assert!(ByteSize::parse(wrong).is_err(), "{wrong}");
        }
        for wrong in ["5", "0/s", "5/d", "1.5/s", "/s"] {
            assert!(Rate::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn zones_are_iana_names() {
        assert!(serde_json::from_value::<Timezone>(serde_json::json!("UTC")).is_ok());
        let error =
            serde_json::from_value::<Timezone>(serde_json::json!("Europe/Rom")).unwrap_err();
        assert!(error.to_string().contains("IANA"), "{error}");
    }
}
