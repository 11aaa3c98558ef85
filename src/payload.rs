//! What goes out: a request, a line or files, rendered and ready to send.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method};

/// One thing to hand to a target.
#[derive(Debug, Clone)]
pub(crate) enum Payload {
    Http(Request),
    /// One line for a file; `header` is written first when the file is new.
    Line {
        path: String,
        header: Option<String>,
        line: String,
    },
    Files(Vec<File>),
    Log {
        text: String,
    },
}

#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: Method,
    /// Absolute, query included.
    pub(crate) url: String,
    /// `Authorization` and the body's `Content-Type` included.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: Body,
}

/// A body in pieces, so that pictures are sent from where they lie.
#[derive(Debug, Clone, Default)]
pub(crate) struct Body(pub(crate) Vec<Bytes>);

impl Body {
    pub(crate) fn len(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn to_vec(&self) -> Vec<u8> {
        self.0.concat()
    }
}

/// A file to be written whole.
#[derive(Debug, Clone)]
pub(crate) struct File {
    /// Below the config's folder unless absolute; every part that came from an event is one safe segment.
    pub(crate) path: String,
    pub(crate) bytes: Bytes,
}
