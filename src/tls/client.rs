//! Who a sender is by the certificate that it showed, and that an authority of `client_ca` issued.

use std::net::{Ipv4Addr, Ipv6Addr};

use rustls::pki_types::CertificateDer;
use sha2::{Digest, Sha256};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

/// A verified certificate of a sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Client {
    /// Common names and alternative names, in lower case.
    names: Vec<String>,
    /// SHA-256 of the certificate, in lower-case hex.
    fingerprint: String,
}

impl Client {
    pub(super) fn read(der: &CertificateDer<'_>) -> Self {
        let names = X509Certificate::from_der(der).map_or(Vec::new(), |(_, read)| names(&read));
        Self {
            names,
            fingerprint: data_encoding::HEXLOWER.encode(&Sha256::digest(der)),
        }
    }

    /// Whether this is who `allowed` means: a name in any case, `*.` and the rest of a name, `*` for whoever has a
    /// certificate, or `sha256:` and a certificate's fingerprint.
    pub(crate) fn is(&self, allowed: &str) -> bool {
        let allowed = allowed.trim().to_lowercase();
        if let Some(fingerprint) = allowed.strip_prefix("sha256:") {
            let plain: String = fingerprint.chars().filter(|c| *c != ':').collect();
            return plain == self.fingerprint;
        }
        if allowed == "*" {
            return true;
        }
        self.names
            .iter()
            .any(|name| match allowed.strip_prefix("*.") {
                // One label, as certificates have it.
                Some(rest) => name
                    .split_once('.')
                    .is_some_and(|(label, parent)| !label.is_empty() && parent == rest),
                None => *name == allowed,
            })
    }

    /// For people: the first name, or the fingerprint of a certificate that has none.
    pub(crate) fn name(&self) -> &str {
        self.names.first().unwrap_or(&self.fingerprint)
    }
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let common = certificate.subject().iter_common_name();
    let mut names: Vec<String> = common
        .filter_map(|name| Some(name.as_str().ok()?.to_lowercase()))
        .collect();
    if let Ok(Some(others)) = certificate.subject_alternative_name() {
        let others = others.value.general_names.iter();
        names.extend(others.filter_map(|other| match other {
            GeneralName::DNSName(name) | GeneralName::URI(name) | GeneralName::RFC822Name(name) => {
                Some(name.to_lowercase())
            }
            GeneralName::IPAddress(bytes) => {
                let four = <[u8; 4]>::try_from(*bytes).map(|four| Ipv4Addr::from(four).to_string());
                let sixteen =
                    <[u8; 16]>::try_from(*bytes).map(|bytes| Ipv6Addr::from(bytes).to_string());
                four.or(sixteen).ok()
            }
            _ => None,
        }));
    }
    names
}
