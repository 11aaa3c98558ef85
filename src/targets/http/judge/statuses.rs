//! What an answer's status means for the delivery.

use std::borrow::Cow;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, header};
use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

use crate::fate::Verdict;

/// No target is obeyed that asks for a longer pause.
pub(super) const PAUSE_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// What statuses mean where this system differs from the rest. A status (`409`) wins over a class (`4xx`).
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Lists {
    /// The system has it; all 2xx if nothing else is said.
    #[serde(default)]
    pub(crate) delivered: Vec<Statuses>,
    /// Worth another try later; 408, 425, 429 and 5xx but 501 and 505 if nothing else is said.
    #[serde(default)]
    pub(crate) try_again: Vec<Statuses>,
    /// Holds the whole target until somebody mends it; 401 and 403 if nothing else is said.
    #[serde(default)]
    pub(crate) hold: Vec<Statuses>,
    /// Will never succeed; whatever is left if nothing else is said.
    #[serde(default)]
    pub(crate) dead: Vec<Statuses>,
}

/// One status, a class of them such as `4xx`, or a range such as `200-204`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Statuses {
    One(u16),
    /// The first digit.
    Class(u16),
    /// The first and the last.
    Range(u16, u16),
}

impl Lists {
    /// Statuses that two lists claim, as the path to the later one and what is wrong.
    pub(super) fn mistakes(&self) -> Vec<(Vec<String>, String)> {
        let mut seen: Vec<(&str, Statuses)> = Vec::new();
        let mut mistakes = Vec::new();
        for (name, _, list) in self.lists() {
            for (n, statuses) in list.iter().enumerate() {
                match seen.iter().find(|(_, known)| known == statuses) {
                    Some((other, _)) if *other != name => mistakes.push((
                        vec!["judge".to_owned(), name.to_owned(), n.to_string()],
                        format!("{statuses} is under `{other}` already"),
                    )),
                    _ => seen.push((name, *statuses)),
                }
            }
        }
        mistakes
    }

    /// `None` when nothing is said of the status.
    pub(super) fn verdict(&self, code: u16) -> Option<Verdict> {
        let said = |wanted: fn(&Statuses) -> bool| {
            let fits = |statuses: &Statuses| wanted(statuses) && statuses.hold(code);
            let mut lists = self.lists().into_iter();
            lists
                .find(|(_, _, list)| list.iter().any(fits))
                .map(|(_, verdict, _)| verdict)
        };
        said(|statuses| matches!(statuses, Statuses::One(_)))
            .or_else(|| said(|statuses| !matches!(statuses, Statuses::One(_))))
    }

    fn lists(&self) -> [(&'static str, Verdict, &Vec<Statuses>); 4] {
        [
            ("delivered", Verdict::Delivered, &self.delivered),
            (
                "try_again",
                Verdict::TryAgain { pause: None },
                &self.try_again,
            ),
            ("hold", Verdict::Hold, &self.hold),
            ("dead", Verdict::Dead, &self.dead),
        ]
    }
}

pub(super) fn usual(code: u16) -> Verdict {
    match code {
        200..=299 => Verdict::Delivered,
        401 | 403 => Verdict::Hold,
        501 | 505 => Verdict::Dead,
        408 | 425 | 429 | 500..=599 => Verdict::TryAgain { pause: None },
        _ => Verdict::Dead,
    }
}

/// The pause that `Retry-After` asks for, as seconds or as a date; what is neither, and what has passed, is no wish.
pub(in crate::targets::http) fn pause(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers
        .get(header::RETRY_AFTER)
        .map(HeaderValue::to_str)?
        .ok()?
        .trim();
    let pause = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        Duration::from_secs(text.parse().unwrap_or(u64::MAX))
    } else {
        let until = httpdate::parse_http_date(text).ok()?;
        until.duration_since(now.into()).ok()? // as the system's time, which has no end in the year 9999
    };
    Some(pause.min(PAUSE_MAX)).filter(|pause| !pause.is_zero())
}

impl std::fmt::Display for Statuses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::One(code) => write!(f, "{code}"),
            Self::Class(digit) => write!(f, "{digit}xx"),
            Self::Range(first, last) => write!(f, "{first}-{last}"),
        }
    }
}

impl Statuses {
    pub(super) fn hold(self, code: u16) -> bool {
        match self {
            Self::One(one) => one == code,
            Self::Class(digit) => digit == code / 100,
            Self::Range(first, last) => (first..=last).contains(&code),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        if let Some((first, last)) = text.split_once('-') {
            let code = |text: &str| text.trim().parse().ok().and_then(Self::one);
            return match (code(first)?, code(last)?) {
                (Self::One(first), Self::One(last)) if first < last => {
                    Some(Self::Range(first, last))
                }
                _ => None,
            };
        }
        match text.trim().strip_suffix("xx") {
            Some(digit) => digit
                .parse()
                .ok()
                .filter(|digit| (2..=5).contains(digit))
                .map(Self::Class),
            None => text.trim().parse().ok().and_then(Self::one),
        }
    }

    fn one(code: u16) -> Option<Self> {
        (200..=599).contains(&code).then_some(Self::One(code))
    }
}

impl<'de> Deserialize<'de> for Statuses {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Statuses;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(
                    "a status from 200 to 599 such as 409, or such as \"4xx\" or \"200-204\"",
                )
            }
            fn visit_u64<E: de::Error>(self, code: u64) -> Result<Statuses, E> {
                u16::try_from(code)
                    .ok()
                    .and_then(Statuses::one)
                    .ok_or_else(|| E::invalid_value(de::Unexpected::Unsigned(code), &self))
            }
            fn visit_i64<E: de::Error>(self, code: i64) -> Result<Statuses, E> {
                u16::try_from(code)
                    .ok()
                    .and_then(Statuses::one)
                    .ok_or_else(|| E::invalid_value(de::Unexpected::Signed(code), &self))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Statuses, E> {
                Statuses::parse(text)
                    .ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Statuses {
    fn schema_name() -> Cow<'static, str> {
        "Statuses".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [
            { "type": "integer", "minimum": 200, "maximum": 599 },
            { "type": "string", "pattern": "^[2-5](xx|[0-9]{2}(-[2-5][0-9]{2})?)$" }
        ] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(judge: &Lists, code: u16) -> Verdict {
        judge.verdict(code).unwrap_or_else(|| usual(code))
    }

    #[test]
    fn statuses_mean_what_they_usually_mean() {
        let judge = Lists::default();
        for code in [200, 201, 202, 204, 299] {
            assert_eq!(verdict(&judge, code), Verdict::Delivered);
        }
        for code in [408, 425, 429, 500, 502, 503, 504, 507, 520] {
            assert_eq!(verdict(&judge, code), Verdict::TryAgain { pause: None });
        }
        for code in [401, 403] {
            assert_eq!(verdict(&judge, code), Verdict::Hold);
        }
        for code in [301, 302, 304, 307, 400, 404, 409, 413, 422, 501, 505] {
            assert_eq!(verdict(&judge, code), Verdict::Dead);
        }
    }

    #[test]
    fn a_status_wins_over_a_class_and_a_class_over_the_usual() {
        let yaml = "{ delivered: [2xx, 409], try_again: ['4xx', 202], hold: [404] }";
        let judge: Lists = serde_saphyr::from_str(yaml).unwrap();
        assert_eq!(verdict(&judge, 409), Verdict::Delivered);
        assert_eq!(verdict(&judge, 200), Verdict::Delivered);
        assert_eq!(verdict(&judge, 202), Verdict::TryAgain { pause: None });
        assert_eq!(verdict(&judge, 401), Verdict::TryAgain { pause: None });
        assert_eq!(verdict(&judge, 404), Verdict::Hold);
        assert_eq!(verdict(&judge, 501), Verdict::Dead);
        assert!(judge.mistakes().is_empty());
    }

    #[test]
    fn what_is_no_status_or_said_twice_is_refused() {
        for yaml in [
            "{ dead: [99] }",
            "{ dead: [6xx] }",
            "{ dead: [-1] }",
            "{ daed: [] }",
            "{ dead: [4x] }",
        ] {
            assert!(serde_saphyr::from_str::<Lists>(yaml).is_err(), "{yaml}");
        }
        let judge: Lists =
            serde_saphyr::from_str("{ delivered: [409], dead: [400, 409] }").unwrap();
        let mistakes = judge.mistakes();
        assert_eq!(mistakes.len(), 1);
        assert_eq!(mistakes[0].0, ["judge", "dead", "1"]);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_and_never_longer_than_a_day() {
        let now: Timestamp = "2025-03-04T10:00:00Z".parse().unwrap();
        let pause = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(
                header::RETRY_AFTER,
                HeaderValue::from_bytes(text.as_bytes()).unwrap(),
            );
            pause(&headers, now)
        };
        assert_eq!(pause("120"), Some(Duration::from_secs(120)));
        assert_eq!(pause(" 5 "), Some(Duration::from_secs(5)));
        assert_eq!(
            pause("Tue, 04 Mar 2025 10:00:30 GMT"),
            Some(Duration::from_secs(30))
        );
        for huge in [
            "999999",
            "99999999999999999999999999",
            "Fri, 31 Dec 9999 23:59:59 GMT",
        ] {
            assert_eq!(pause(huge), Some(PAUSE_MAX));
        }
        for none in [
            "",
            "0",
            "-5",
            "1.5",
            "soon",
            "Tue, 04 Mar 2025 09:00:00 GMT",
            "\u{e9}",
        ] {
            assert_eq!(pause(none), None, "{none}");
        }
        assert_eq!(super::pause(&HeaderMap::new(), now), None);
    }
}
