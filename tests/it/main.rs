//! The whole of camhook, from outside and from within; a contents page.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]
#![expect(
    clippy::print_stdout,
    reason = "a long run tells its seed, and a test what it had to leave out"
)]

mod harness;

mod alerts; // what is wrong is told, once, and when it is over
mod api; // the API against its own description
mod borders; // values that want out of their place in a path, url, topic, header, mail or statement
mod bounds; // memory, open files and the log stay within their limits
mod camera; // `camhook camera` against cameras
mod cli; // the commands, as a user types them
mod cloud; // Amazon's Lambda and S3, signatures checked
mod dashboard; // what people see, in a real browser
mod deciders; // what is decided once, killed again and again
mod delivery; // outages, retries, holds, order, on a clock stepped by hand
mod doors; // who may send: every kind of auth, right and wrong in every way, and real clients
mod durability; // kill -9, again and again, and nothing acknowledged is lost
mod egress; // where camhook connects to when somebody else names the place
mod feed; // what happens, told as it happens: nothing twice, nothing left out, to nobody who may not
mod fetch; // pictures known by address, allowed hosts, servers that are down
mod findface; // clients of FindFace: login, webhooks, their filters, kill -9
mod finding; // searches, cameras, targets at a glance, test events
mod first_minute; // the README's examples
mod forget; // what is forgotten on request is nowhere any more
mod fuzz; // inputs that fuzzing found worth keeping, fed again
mod hostile; // requests that want to hurt
mod https; // both listeners inside of TLS: certificates that change, end, or are asked of senders
mod import; // the vendor's own middleware, protocol by protocol
mod kipod; // every method, broken documents, and what is mended later
mod leaks; // a secret in every place that can hold one, and a search through all that was written
mod lists; // lists that servers give: outages, restarts, reloads, rows with their times
mod login; // who may look and steer: every admin route by everybody
mod monitoring; // the rules and the dashboard that come along, against a running camhook
mod mqtt; // brokers, as a source and as a target
mod nats; // messages to a NATS server, once each in a stream
mod otlp; // traces and metrics at a collector that reads them
mod presets; // each shipped preset against a system that checks and answers as the real one does
mod readers; // other vendors' plate readers: their boxes, and signed webhooks
mod reload; // routes.yaml changes under load
mod senders; // each request form of each sender, as the vendor's own programs write it
mod sinks; // databases, mail servers, Home Assistant over MQTT
mod store; // `camhook store`: checked, damaged, copied under load
mod tidy; // what compilers and linters do not check
mod trust; // `camhook trust`: certificates, and pins in routes.yaml
mod undelivered; // what did not arrive, found, sent again, given up, planned anew
mod user_tests; // `camhook test`
mod viewtron; // TVT cameras and recorders over connections as their firmware opens them
mod vms; // presets against systems that behave as the real ones do
