//! The whole of camhook, from outside and from within; a contents page.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]
#![expect(
    clippy::print_stdout,
    reason = "a long run tells its seed, and a test what it had to leave out"
)]

mod harness;

mod cli; // the commands, as a user types them
mod delivery; // outages, retries, holds, order, on a clock stepped by hand
mod durability; // kill -9, again and again, and nothing acknowledged is lost
mod first_minute; // the README's examples
mod hostile; // requests that want to hurt
mod import; // the vendor's own middleware, protocol by protocol
mod reload; // routes.yaml changes under load
mod senders; // each request form of each sender, as the vendor's own programs write it
mod tidy; // what compilers and linters do not check
