//! Why a request got no answer, in words.

use std::error::Error;
use std::io;

use rustls::CertificateError;

use crate::reach::Refused;

/// One line: what failed, and the causes that reqwest and hyper know. The address is not told, it may hold a token.
pub(crate) fn told(error: &reqwest::Error, host: &str) -> String {
    let what = if error.is_dns() {
        format!("could not find the address of {host}")
    } else if error.is_connect() && error.is_timeout() {
        return format!("could not connect to {host} in time");
    } else if error.is_connect() {
        format!("could not connect to {host}")
    } else {
        format!("{host} gave no whole answer")
    };
    let causes = match distrust(error) {
        Some(distrust) => distrust,
        None => error.source().map(chain).unwrap_or_default(),
    };
    if causes.is_empty() {
        what
    } else {
        format!("{what}: {causes}")
    }
}

/// That the host's addresses are not to be connected to, if that is the reason.
pub(crate) fn refused<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e Refused> {
    match error.downcast_ref() {
        Some(refused) => Some(refused),
        None => refused(error.source()?),
    }
}

/// The texts of an error and its causes, those left out that only say that there is a cause.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut texts: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        let known = texts.iter().any(|known| known.contains(&text));
        if !known && !text.starts_with("client error (") {
            texts.push(text);
        }
        next = error.source();
    }
    texts.join(": ")
}

/// [`chain`], or what is wrong with the server's certificate if that is the reason.
pub(crate) fn reasons(error: &(dyn Error + 'static)) -> String {
    distrust(error).unwrap_or_else(|| chain(error))
}

/// What we said ourselves about the server's certificate; rustls would print it as a debug text.
fn distrust(error: &(dyn Error + 'static)) -> Option<String> {
    if let Some(rustls::Error::InvalidCertificate(CertificateError::Other(other))) =
        error.downcast_ref()
    {
        return Some(other.0.to_string());
    }
    let wrapped = error
        .downcast_ref::<io::Error>()
        .and_then(io::Error::get_ref); // hidden from `source`
    match wrapped {
        Some(wrapped) => distrust(wrapped),
        None => distrust(error.source()?),
    }
}
