//! Who sends, as far as the connection and the proxies in between tell.

use std::net::IpAddr;
use std::sync::Arc;

use crate::tls::Client;

/// Who sends.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    pub(super) address: IpAddr,
    /// By the certificate that it showed.
    pub(super) certificate: Option<Arc<Client>>,
}
