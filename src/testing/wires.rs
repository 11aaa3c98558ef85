//! What other systems say over a connection, into what reads it.

use http::{HeaderName, HeaderValue, Request};
use jiff::Timestamp;

use crate::event::Original;
use crate::{mqtt, server, targets};

fn wait<T>(what: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    runtime.expect("a runtime without IO").block_on(what)
}

/// What a broker sends.
pub(super) fn packets(bytes: &[u8]) -> bool {
    wait(mqtt::try_packets(bytes))
}

/// What a NATS server sends.
pub(super) fn nats(bytes: &[u8]) -> bool {
    wait(targets::nats::try_wire(bytes))
}

/// What a system answers: the request's path is its status (`GET /200`).
pub(super) fn answer(answer: &Original) -> bool {
    let status = answer.path.trim_start_matches('/').parse().unwrap_or(200);
    targets::http::try_answer(status, &answer.headers, &answer.body)
}

/// Credentials and signatures of a sender who has none.
pub(super) fn credentials(request: &Original) -> bool {
    let mut built = Request::new(());
    if let Ok(uri) = request.path.parse() {
        *built.uri_mut() = uri;
    }
    for (name, value) in &request.headers {
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value)) {
            built.headers_mut().append(name, value);
        }
    }
    let (parts, ()) = built.into_parts();
    server::try_credentials(&parts);
    server::try_signatures(&parts.headers, &request.body, Timestamp::UNIX_EPOCH);
    true
}
