//! TLS where camhook is the server: both listeners show a certificate through this room, and may ask for the sender's.
//!
//! Cameras are years behind: they speak TLS 1.2 at best, trust no public authority, send plain HTTP to a TLS port after
//! a change of settings, and go away without a good-bye. And a certificate ends on a day that nobody remembers. So:
//!
//! - TLS 1.2 and 1.3; what a failed handshake means is told in words that say what to do (`refused`).
//! - A handshake has a time limit, counted from the connection's first moment, and happens in the connection's own task:
//!   nobody else waits for it.
//! - Plain HTTP on a TLS port is answered with a readable 400 (`plain`).
//! - A certificate is read with the config and takes over without dropping a connection; one that cannot be used is
//!   refused, and the running one stays (`Acceptor::replace`).
//! - The end of a stream without TLS's own good-bye is an end: HTTP tells by itself whether a body was cut short.

mod acceptor;
mod client;
mod known;
mod offer;
mod pem;
mod plain;
mod refused;
mod seen;
mod stream;

pub(crate) use acceptor::Acceptor;
pub(crate) use client::Client;
pub(crate) use known::client_config;
pub(crate) use offer::{Ask, Offer, Wanted};
pub(crate) use pem::{certificates, private_key};
pub(crate) use seen::Seen;
pub(crate) use stream::Stream;
