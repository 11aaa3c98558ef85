//! Why there is no TLS with a sender, in words that say what to do.

use std::io;
use std::time::Duration;

use rustls::{AlertDescription, Error};

#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    /// Health checks and port scanners; not worth a line.
    #[error("it said nothing")]
    Silent,
    #[error("it does not speak TLS; give it an address that begins with https://")]
    Plain,
    #[error("what it sends is neither TLS nor HTTP; SSL before TLS 1.0 is not spoken here")]
    Foreign,
    #[error("the handshake took longer than {} s", .0.as_secs_f64())]
    Slow(Duration),
    #[error("{0}")]
    Handshake(String),
}

impl Refused {
    pub(super) fn of(error: io::Error) -> Self {
        let tls = error.get_ref().and_then(|inner| inner.downcast_ref());
        match tls.map(words) {
            Some(words) => Self::Handshake(words),
            None if error.kind() == io::ErrorKind::UnexpectedEof => Self::Handshake(
                "it hung up in the middle of the handshake; it may not trust this certificate"
                    .to_owned(),
            ),
            None => Self::Handshake(error.to_string()),
        }
    }
}

fn words(error: &Error) -> String {
    match error {
        Error::AlertReceived(
            alert @ (AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateExpired
            | AlertDescription::UnsupportedCertificate),
        ) => format!(
            "it does not trust this certificate ({alert:?}); give it the certificate's authority, or let it trust without looking"
        ),
        Error::PeerIncompatible(why) => format!(
            "its TLS is too old ({why:?}): TLS 1.2 with ECDHE and AES-GCM or ChaCha20 is the least; an older sender needs plain HTTP"
        ),
        Error::NoCertificatesPresented => {
            "it shows no certificate, and `client_ca` asks for one (`client_certs: optional` lets it in without)"
                .to_owned()
        }
        Error::InvalidCertificate(why) => {
            format!("the certificate that it shows is not accepted ({why}); `client_ca` must have issued it, for clients")
        }
        other => other.to_string(),
    }
}
