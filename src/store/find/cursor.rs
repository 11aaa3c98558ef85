//! Where a page of events ended.

use std::fmt;
use std::str::FromStr;

use crate::event::EventId;

/// An event that a page of events begins behind, as `ID` or `ID.NUMBER`.
///
/// An id tells where its event stands only as long as that is kept: ids follow the clock, which may be set back. The number
/// always does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) id: EventId,
    pub(crate) number: Option<i64>,
}

impl From<EventId> for Cursor {
    fn from(id: EventId) -> Self {
        Self { id, number: None }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.number {
            Some(number) => write!(f, "{}.{number}", self.id),
            None => self.id.fmt(f),
        }
    }
}

impl FromStr for Cursor {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (id, number) = match text.split_once('.') {
            Some((id, number)) => (id, Some(number)),
            None => (text, None),
        };
        let is_number = |text: &str| text.len() <= 18 && text.bytes().all(|b| b.is_ascii_digit());
        let read = |text: &str| text.parse().ok().filter(|_| is_number(text));
        let number = number.map(|text| read(text).ok_or("the number of an event"));
        Ok(Self {
            id: id.parse().map_err(|_| "the id of an event")?,
            number: number.transpose()?,
        })
    }
}
