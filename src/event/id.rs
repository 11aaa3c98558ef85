//! Ids of events and deliveries: UUIDs that sort by the time they were made (version 7).

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use uuid::{ContextV7, Uuid};

/// Names one event or delivery for ever; `Of` keeps the two apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Id<Of> {
    uuid: Uuid,
    of: PhantomData<Of>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum OfEvent {}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum OfDelivery {}

/// What an id names. Each has a row of its own: with one for all, the id of an event that came while a delivery was being
/// decided would make the delivery's look later than it is.
pub(crate) trait Named {
    fn row() -> &'static Mutex<ContextV7>;
}

impl Named for OfEvent {
    fn row() -> &'static Mutex<ContextV7> {
        static ROW: Mutex<ContextV7> = Mutex::new(ContextV7::new());
        &ROW
    }
}

impl Named for OfDelivery {
    fn row() -> &'static Mutex<ContextV7> {
        static ROW: Mutex<ContextV7> = Mutex::new(ContextV7::new());
        &ROW
    }
}

pub(crate) type EventId = Id<OfEvent>;

/// Also the idempotency key of all the delivery's attempts.
pub(crate) type DeliveryId = Id<OfDelivery>;

impl<Of: Named> Id<Of> {
    /// A new id of that moment, later than every id of its kind made before it in this process.
    pub(crate) fn at(now: Timestamp) -> Self {
        let context = Of::row().lock().unwrap_or_else(PoisonError::into_inner);
        let seconds = u64::try_from(now.as_second()).unwrap_or(0);
        let nanoseconds = u32::try_from(now.subsec_nanosecond()).unwrap_or(0);
        let uuid = Uuid::new_v7(uuid::Timestamp::from_unix(&*context, seconds, nanoseconds));
        Self {
            uuid,
            of: PhantomData,
        }
    }
}

impl<Of> Id<Of> {
    pub(crate) fn from_bytes(bytes: [u8; 16]) -> Self {
        Self {
            uuid: Uuid::from_bytes(bytes),
            of: PhantomData,
        }
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 16] {
        self.uuid.as_bytes()
    }
}

impl<Of> JsonSchema for Id<Of> {
    fn schema_name() -> Cow<'static, str> {
        "Id".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "uuid" })
    }
}

impl<Of> fmt::Display for Id<Of> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.uuid.fmt(f)
    }
}

impl<Of> FromStr for Id<Of> {
    type Err = uuid::Error;
    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        Ok(Self {
            uuid: text.parse()?,
            of: PhantomData,
        })
    }
}
