//! Ids of events and deliveries: UUIDs that sort by the time they were made (version 7).

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
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

pub(crate) type EventId = Id<OfEvent>;

/// Also the idempotency key of all the delivery's attempts.
pub(crate) type DeliveryId = Id<OfDelivery>;

impl<Of> Id<Of> {
    /// A new id of that moment, later than every id made before it in this process.
    pub(crate) fn at(now: Timestamp) -> Self {
        static CONTEXT: Mutex<ContextV7> = Mutex::new(ContextV7::new());
        let context = CONTEXT.lock().unwrap_or_else(PoisonError::into_inner);
        let seconds = u64::try_from(now.as_second()).unwrap_or(0);
        let nanoseconds = u32::try_from(now.subsec_nanosecond()).unwrap_or(0);
        let uuid = Uuid::new_v7(uuid::Timestamp::from_unix(&*context, seconds, nanoseconds));
        Self {
            uuid,
            of: PhantomData,
        }
    }

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
