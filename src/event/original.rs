//! The request as it came.

use std::net::IpAddr;

use bytes::Bytes;
use jiff::Timestamp;

/// One request of a camera, kept whole: its body byte for byte, its head without the sender's credentials.
#[derive(Debug, Clone)]
pub(crate) struct Original {
    pub(crate) method: String,
    /// Path and query, credentials masked.
    pub(crate) path: String,
    /// In the order they came, credentials masked.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) remote: Option<IpAddr>,
    /// When the body was complete.
    pub(crate) received_at: Timestamp,
    pub(crate) body: Bytes,
}

impl Original {
    /// The first header of that name, in any case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn content_type(&self) -> Option<&str> {
        self.header("content-type")
    }
}

impl Default for Original {
    /// Stands in while an event is read back, until its request is put beside it.
    fn default() -> Self {
        Self {
            method: "POST".to_owned(),
            path: "/".to_owned(),
            headers: Vec::new(),
            remote: None,
            received_at: Timestamp::UNIX_EPOCH,
            body: Bytes::new(),
        }
    }
}
