//! The HTTP client that talks to camhook's own listeners.

use std::path::Path;
use std::time::Duration;

use crate::{config, tls};

/// A client for the admin API and for `send`: no proxies, no redirects. It trusts the listeners' own certificates as the
/// config names them, for whichever name they are, and else whom the system trusts.
pub(crate) fn http_client(config: &Path) -> Result<reqwest::Client, ClientError> {
    let tls = tls::client_config(config::own_certificates(config))?;
    let builder = reqwest::Client::builder()
        .no_proxy()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none());
    let client = builder
        .connect_timeout(Duration::from_secs(5))
        .timeout(Duration::from_secs(60))
        .build()?;
    Ok(client)
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    #[error(transparent)]
    Tls(#[from] rustls::Error),
    #[error(transparent)]
    Http(#[from] reqwest::Error),
}
