//! What users can set of fetching: the `fetch` of a source.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::reach::Words;
use crate::secret::Secret;
use crate::targets::http::Tls;
use crate::units::{ByteSize, Span};

pub(super) const WORDS: Words = Words {
    hosts: "fetch: { hosts }",
    networks: "fetch: { networks }",
};

/// Fetching the pictures that the sender tells only by their address.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "FetchSettings")]
pub(crate) struct Settings {
    /// Where pictures may be fetched from: host names, addresses and networks, such as `ff.example`, `"10.0.0.5:8443"`,
    /// `*.cams.example` (every name below it) or `10.1.0.0/16`.
    /// Without a port: 80 for http, 443 for https. Nothing is ever fetched from another host, not by a redirect either.
    pub(crate) hosts: Vec<String>,
    /// Networks that are not public, in which the names among `hosts` may have their addresses, such as `10.0.0.0/8` or
    /// `10.0.0.5`. None if not given: a name of the LAN needs its address here. Addresses and networks among `hosts`
    /// permit themselves, not names; the host of `base` needs no permission.
    pub(crate) networks: Vec<String>,
    /// What relative addresses count from, such as `https://kipod.example`. Its host needs not be among `hosts`.
    pub(crate) base: Option<String>,
    /// Headers of each request, such as `Authorization: "Token ${FF_TOKEN}"`. They go to the allowed hosts only.
    pub(crate) headers: BTreeMap<String, Secret>,
    /// Bytes of one picture; a larger one is not taken. Default `10MiB`.
    pub(crate) max: ByteSize,
    /// How long one picture may take. Default `10s`.
    pub(crate) timeout: Span,
    /// How often it is tried, with pauses of 1 s, 2 s, 4 s and so on between. After that the event goes on without the
    /// picture and says so under `repaired`. Default 5.
    pub(crate) attempts: NonZeroU32,
    /// An event older than this is not tried again: its deliveries wait meanwhile. Default `2m`.
    pub(crate) give_up_after: Span,
    /// Whom to trust: `{ ca }`, `{ pin }`; and who camhook is: `{ cert, key }`.
    pub(crate) tls: Option<Tls>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            hosts: Vec::new(),
            networks: Vec::new(),
            base: None,
            headers: BTreeMap::new(),
            max: ByteSize(10 << 20),
            timeout: Span(Duration::from_secs(10)),
            attempts: NonZeroU32::new(5).expect("it is not zero"),
            give_up_after: Span(Duration::from_secs(120)),
            tls: None,
        }
    }
}
