//! The front door: where cameras post. It checks, reads and answers; what lies between is in `intake`.
//!
//! Senders are small machines with odd habits: they keep connections open for minutes without a word, hang up without
//! waiting for the answer, ask for `100-continue` and send the body anyway, double their slashes, and take a 4xx as
//! a reason to forget the event or to repeat it for ever. And the address is often reachable by more than cameras. So:
//!
//! - The head alone decides whether a request may enter (`door`, `auth`), before a byte of its body is read. Only a
//!   signature needs the body too (`signature`); it is checked before anything looks into the body.
//! - Whatever a sender can make grow has a limit: connections, header bytes and time, idle time, body bytes and pace,
//!   and the bytes of all requests together. At the limit of connections new ones wait in the system's queue; every
//!   other limit has an answer that says which it was.
//! - A body is read into one piece, of which everything later is a slice, and is paid for from the budget until its
//!   commit is done.
//! - A request that came in whole is taken in even when its sender has hung up meanwhile.
//! - Success is answered only with a proof from the store in hand (unless the source is set to `durability: relaxed`).
//!
//! - `X-Forwarded-For` is believed from named proxies only, and from them as far as they can know (`caller`).
//! - Whoever guesses credentials is answered late; whoever has them never is (`guard`).
//!
//! TLS is the room `tls`; what is in here sees a stream and perhaps the sender's certificate.

mod answer;
mod auth;
mod body;
mod caller;
mod connection;
mod digest;
mod door;
mod front;
mod guard;
mod intake;
mod listener;
mod mask;
mod mqtt;
mod nonces;
mod path;
mod settings;
mod signature;
#[cfg(test)]
mod tests;
mod traced;
mod wording;

pub(crate) use auth::{AuthSettings, try_credentials};
pub(crate) use door::{Door, Entry};
pub(crate) use listener::{BindError, Server};
pub(crate) use mqtt::{MqttSettings, Subscription, Subscriptions};
pub(crate) use settings::{ClientCerts, Settings, SourceSettings};
pub(crate) use signature::try_signatures;
