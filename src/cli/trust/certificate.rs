//! What a certificate says of itself, in words.

use std::net::{Ipv4Addr, Ipv6Addr};

use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;

use crate::cli::show::clean;

/// Names of one certificate that are told; a few have hundreds.
const NAMES_MAX: usize = 20;

/// One certificate that a server showed.
pub(super) struct Certificate {
    /// SHA-256 of the whole, in hex.
    pub(super) fingerprint: String,
    /// What it says, unless it cannot be read.
    told: Result<Told, String>,
}

struct Told {
    subject: String,
    issuer: String,
    /// Of hosts, as texts.
    names: Vec<String>,
    not_before: Option<Timestamp>,
    not_after: Option<Timestamp>,
    key: String,
    is_authority: bool,
    is_own_issuer: bool,
}

impl Certificate {
    /// Appliances show certificates that bend the standard: what cannot be read still has its fingerprint.
    pub(super) fn read(der: &[u8]) -> Self {
        let told = match X509Certificate::from_der(der) {
            Ok((_, certificate)) => Ok(Told::of(&certificate)),
            Err(error) => Err(format!("it cannot be read: {error}")),
        };
        Self {
            fingerprint: data_encoding::HEXLOWER.encode(&Sha256::digest(der)),
            told,
        }
    }

    /// What `tls.pin` takes.
    pub(super) fn pin(&self) -> String {
        format!("sha256:{}", self.fingerprint)
    }

    pub(super) fn lines(&self, now: Timestamp) -> Vec<(&'static str, String)> {
        let mut lines = match &self.told {
            Ok(told) => told.lines(now),
            Err(error) => vec![("note", clean(error))],
        };
        lines.push(("sha256", self.fingerprint.clone()));
        lines
    }

    pub(super) fn to_json(&self, now: Timestamp) -> Value {
        match &self.told {
            Ok(told) => json!({
                "subject": told.subject, "issuer": told.issuer, "names": told.names,
                "not_before": told.not_before, "not_after": told.not_after, "expired": told.is_over(now),
                "self_issued": told.is_own_issuer, "authority": told.is_authority, "key": told.key,
                "sha256": self.fingerprint,
            }),
            Err(error) => json!({ "error": error, "sha256": self.fingerprint }),
        }
    }
}

impl Told {
    fn of(certificate: &X509Certificate<'_>) -> Self {
        let moment = |seconds| Timestamp::from_second(seconds).ok();
        let validity = certificate.validity();
        let names = certificate.subject_alternative_name().ok().flatten();
        let names = names.map_or(Vec::new(), |names| {
            names.value.general_names.iter().filter_map(name).collect()
        });
        Self {
            subject: certificate.subject().to_string(),
            issuer: certificate.issuer().to_string(),
            names,
            not_before: moment(validity.not_before.timestamp()),
            not_after: moment(validity.not_after.timestamp()),
            key: key(certificate),
            is_authority: certificate.is_ca(),
            is_own_issuer: certificate.subject().as_raw() == certificate.issuer().as_raw(),
        }
    }

    fn is_over(&self, now: Timestamp) -> bool {
        self.not_after.is_some_and(|end| end < now)
    }

    fn lines(&self, now: Timestamp) -> Vec<(&'static str, String)> {
        let moment = |at: Option<Timestamp>| {
            at.map_or_else(
                || "unknown".to_owned(),
                |at| at.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
            )
        };
        let state = if self.is_over(now) {
            "  EXPIRED"
        } else if self.not_before.is_some_and(|start| start > now) {
            "  NOT VALID YET"
        } else {
            ""
        };
        let own = if self.is_own_issuer { "  (itself)" } else { "" };
        let mut names: Vec<String> = self
            .names
            .iter()
            .take(NAMES_MAX)
            .map(|name| clean(name))
            .collect();
        if self.names.len() > NAMES_MAX {
            names.push(format!("and {} more", self.names.len() - NAMES_MAX));
        }
        let names = match names.is_empty() {
            true => "(it names no host)".to_owned(),
            false => names.join(", "),
        };
        let mut lines = vec![
            ("subject", clean(&self.subject)),
            ("issuer", format!("{}{own}", clean(&self.issuer))),
        ];
        if !(self.is_authority && self.names.is_empty()) {
            lines.push(("for", names));
        }
        lines.push(("valid from", moment(self.not_before)));
        lines.push(("until", format!("{}{state}", moment(self.not_after))));
        lines.push(("key", self.key.clone()));
        lines
    }
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) | GeneralName::URI(name) | GeneralName::RFC822Name(name) => {
            Some((*name).to_owned())
        }
        GeneralName::IPAddress(bytes) => {
            let four = <[u8; 4]>::try_from(*bytes).map(|four| Ipv4Addr::from(four).to_string());
            let sixteen =
                <[u8; 16]>::try_from(*bytes).map(|bytes| Ipv6Addr::from(bytes).to_string());
            four.or(sixteen).ok()
        }
        _ => None,
    }
}

fn key(certificate: &X509Certificate<'_>) -> String {
    let key = certificate.public_key();
    let parameters = key.algorithm.parameters.as_ref();
    let curve = parameters.and_then(|curve| curve.as_oid().ok());
    let curve = curve.map(|curve| curve.to_id_string());
    match key.parsed() {
        Ok(PublicKey::RSA(rsa)) => format!("RSA, {} bits", rsa.key_size()),
        Ok(PublicKey::EC(point)) => match curve.as_deref() {
            Some("1.2.840.10045.3.1.7") => "EC, P-256".to_owned(),
            Some("1.3.132.0.34") => "EC, P-384".to_owned(),
            Some("1.3.132.0.35") => "EC, P-521".to_owned(),
            _ => format!("EC, {} bits", point.key_size()),
        },
        Ok(PublicKey::DSA(_)) => "DSA".to_owned(),
        _ if key.algorithm.algorithm.to_id_string() == "1.3.101.112" => "Ed25519".to_owned(),
        _ => format!("of the kind {}", key.algorithm.algorithm),
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair, SanType};

    use super::*;

    fn now() -> Timestamp {
        "2026-11-21T00:00:00Z".parse().unwrap()
    }

    #[test]
    fn tells_what_a_certificate_says() {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["nx.local".to_owned()]).unwrap();
        params
            .subject_alt_names
            .push(SanType::IpAddress("fe80::1".parse().unwrap()));
        params
            .distinguished_name
            .push(DnType::CommonName, "nx\u{1b}[2J");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.not_before = rcgen::date_time_ymd(2001, 1, 1);
        params.not_after = rcgen::date_time_ymd(2002, 1, 1);
        let der = params.self_signed(&key).unwrap();
        let certificate = Certificate::read(der.der());
        assert_eq!(certificate.fingerprint.len(), 64);
        let lines: Vec<String> = certificate
            .lines(now())
            .into_iter()
            .map(|(word, text)| format!("{word}: {text}"))
            .collect();
        assert!(
            lines[0].starts_with("subject: ") && lines[0].contains("nx·[2J"),
            "{lines:?}"
        );
        assert!(lines[1].ends_with("  (itself)"), "{lines:?}");
        assert_eq!(
            lines[2..6],
            [
                "for: nx.local, fe80::1",
                "valid from: 2001-01-01 00:00:00Z",
                "until: 2002-01-01 00:00:00Z  EXPIRED",
                "key: EC, P-256",
            ]
        );
        let json = certificate.to_json(now());
        assert_eq!(json["expired"], true);
        assert_eq!(json["authority"], true);
        assert_eq!(json["not_after"], "2002-01-01T00:00:00Z");
    }

    #[test]
    fn what_cannot_be_read_has_a_fingerprint_all_the_same() {
        let certificate = Certificate::read(b"no certificate");
        let lines = certificate.lines(now());
        assert_eq!(lines[0].0, "note");
        assert_eq!(lines[1].1, certificate.fingerprint);
    }
}
