//! Questions as they come over HTTP: query parameters read into the store's queries, every unknown one refused.

use std::collections::BTreeMap;
use std::str::FromStr;

use jiff::Timestamp;

use super::Refusal;
use crate::event::Kind;
use crate::fate::Fate;
use crate::store::{DeliveryQuery, EventQuery, Wanted};

/// How many rows one answer holds at most; further ones are asked for with `before`.
const PAGE_MAX: usize = 1_000;
const PAGE: usize = 50;

/// The parameters of a query string; each is taken once, and what is left at the end is a mistake.
pub(super) struct Parameters(BTreeMap<String, String>);

impl Parameters {
    pub(super) fn of(query: Option<&str>) -> Self {
        let pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned();
        Self(pairs.filter(|(_, value)| !value.is_empty()).collect())
    }

    fn take(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)
    }

    fn parse<T: FromStr>(&mut self, name: &str, expected: &str) -> Result<Option<T>, Refusal> {
        let Some(text) = self.take(name) else {
            return Ok(None);
        };
        text.parse()
            .map(Some)
            .map_err(|_| Refusal::bad(format!("`{name}={text}`: expected {expected}")))
    }

    fn limit(&mut self) -> Result<usize, Refusal> {
        Ok(match self.parse("limit", "a whole number")? {
            None => PAGE,
            Some(0) => PAGE_MAX,
            Some(limit) => PAGE_MAX.min(limit),
        })
    }

    fn moment(&mut self, name: &str) -> Result<Option<Timestamp>, Refusal> {
        self.parse(name, "a time such as 2026-01-31T12:00:00Z")
    }

    fn rest(self, known: &str) -> Result<(), Refusal> {
        match self.0.into_keys().next() {
            None => Ok(()),
            Some(name) => Err(Refusal::bad(format!(
                "unknown parameter `{name}`: known are {known}"
            ))),
        }
    }

    pub(super) fn events(mut self) -> Result<EventQuery, Refusal> {
        let kind = self
            .take("kind")
            .map(|text| parse_kind(&text))
            .transpose()?;
        let query = EventQuery {
            source: self.take("source"),
            camera: self.take("camera"),
            plate: self.take("plate"),
            kind,
            since: self.moment("since")?,
            until: self.moment("until")?,
            before: self.parse("before", "an event's id")?,
            limit: self.limit()?,
        };
        self.rest("source, camera, plate, kind, since, until, before, limit")?;
        Ok(query)
    }

    pub(super) fn deliveries(mut self) -> Result<DeliveryQuery, Refusal> {
        let fate = self
            .take("fate")
            .map(|text| parse_fate(&text))
            .transpose()?;
        let query = DeliveryQuery {
            event: self.parse("event", "an event's id")?,
            target: self.take("target"),
            fate,
            before: self.parse("before", "a delivery's id")?,
            limit: self.limit()?,
        };
        self.rest("event, target, fate, before, limit")?;
        Ok(query)
    }

    /// What a feed is to tell, and after which place.
    pub(super) fn feed(mut self) -> Result<(Wanted, Option<String>), Refusal> {
        let kind = self
            .take("kind")
            .map(|text| parse_kind(&text))
            .transpose()?;
        let fate = self
            .take("fate")
            .map(|text| parse_fate(&text))
            .transpose()?;
        let wanted = Wanted {
            source: self.take("source"),
            camera: self.take("camera"),
            plate: self.take("plate"),
            kind,
            target: self.take("target"),
            fate,
        };
        let after = self.take("after");
        self.rest("source, camera, plate, kind, target, fate, after")?;
        Ok((wanted, after))
    }

    pub(super) fn plate(mut self) -> Result<Option<String>, Refusal> {
        let plate = self.take("plate");
        self.rest("plate")?;
        Ok(plate)
    }

    pub(super) fn page(mut self) -> Result<usize, Refusal> {
        let limit = self.limit()?;
        self.rest("limit")?;
        Ok(limit)
    }
}

fn parse_kind(text: &str) -> Result<Kind, Refusal> {
    let known = || Kind::ALL.map(Kind::as_str).join(", ");
    Kind::ALL
        .into_iter()
        .find(|kind| kind.as_str() == text)
        .ok_or_else(|| Refusal::bad(format!("unknown kind `{text}`: known are {}", known())))
}

fn parse_fate(text: &str) -> Result<Fate, Refusal> {
    let known = || Fate::ALL.map(Fate::as_str).join(", ");
    Fate::ALL
        .into_iter()
        .find(|fate| fate.as_str() == text)
        .ok_or_else(|| Refusal::bad(format!("unknown fate `{text}`: known are {}", known())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_known_parameters_and_refuses_the_rest() {
        let query = Parameters::of(Some("camera=gate%201&kind=plate&limit=0&plate="))
            .events()
            .unwrap();
        assert_eq!(query.camera.as_deref(), Some("gate 1"));
        assert_eq!(
            (query.kind, query.limit, query.plate),
            (Some(Kind::Plate), PAGE_MAX, None)
        );

        for wrong in [
            "camra=1",
            "kind=plates",
            "since=yesterday",
            "limit=-1",
            "before=7",
        ] {
            assert!(Parameters::of(Some(wrong)).events().is_err(), "{wrong}");
        }
        let (wanted, after) = Parameters::of(Some("fate=dead&after=3.1")).feed().unwrap();
        assert_eq!((wanted.fate, after.as_deref()), (Some(Fate::Dead), Some("3.1")));
        assert!(Parameters::of(Some("limit=3")).feed().is_err());
        assert_eq!(Parameters::of(None).deliveries().unwrap().limit, PAGE);
        assert!(Parameters::of(Some("fate=lost")).deliveries().is_err());
    }
}
