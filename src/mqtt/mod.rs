//! MQTT 3.1.1, as much of it as a client with QoS 0 and 1 needs: packets, topics, and one connection to a broker.
//!
//! Written out here because what the libraries hide is what camhook promises. A message is paid for from the byte
//! budget before it is read, which needs its size before its bytes; one that is larger than allowed is skipped and
//! confirmed, where a library that drops the connection over it is sent it again for ever; and a confirmation is sent
//! when the store says so, not when a queue has room. It is a few hundred lines, for the protocol has not changed since 2014.
//!
//! It is not: a broker, MQTT 5, QoS 2, or a session that survives its connection (that is whoever uses it).
//!
//! After "MQTT Version 3.1.1", OASIS standard, read on 2026-11-21.

mod address;
mod connection;
mod packet;
mod reader;
mod topic;

pub(crate) use address::Address;
pub(crate) use connection::{Connection, Hello, Will, Writer};
pub(crate) use reader::{Incoming, Reader, try_packets};
pub(crate) use topic::{check_filter, check_topic, matches};

use std::io;

/// The longest packet the protocol can tell, in bytes after its head.
pub(crate) const PACKET_MAX: usize = 268_435_455;

/// Why a connection could not be had or is no more.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MqttError {
    #[error("could not reach {at}: {source}")]
    Unreachable { at: String, source: io::Error },
    #[error("{at} did not answer in time")]
    Slow { at: String },
    #[error("the broker {at} refused the connection: {reason}")]
    Refused {
        at: String,
        reason: &'static str,
        /// Whether it will go on to refuse until somebody mends the settings.
        lasting: bool,
    },
    #[error("the broker closed the connection")]
    Closed,
    #[error("the connection to the broker broke: {0}")]
    Io(#[from] io::Error),
    #[error("nothing was heard from the broker for too long")]
    Silent,
    #[error("the broker does not speak MQTT 3.1.1: {0}")]
    Broken(&'static str),
}
