//! `camhook trust`: shows the certificates of a server, and what to write into `routes.yaml` to trust it.

mod certificate;
mod file;

use std::net::IpAddr;

use serde_json::json;
use url::Url;

use super::show::{clean, error, line};
use super::{Common, Failure};
use crate::clock::Clock;
use crate::targets::http::shown::{Begin, Shown, look};
use crate::units::Span;

use certificate::Certificate;
use file::Edited;

#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub(super) struct Arguments {
    /// The server: `HOST`, `HOST:PORT` or `https://HOST[:PORT]/…`; the port is 443 if not given. With `mqtts://`, `smtps://`,
    /// `smtp://` and `postgres://` it is theirs; the last two are asked to begin TLS.
    #[arg(value_name = "HOST:PORT")]
    server: String,
    /// Put the pin into this target of the config; without --write the change is only shown.
    #[arg(long, value_name = "TARGET")]
    target: Option<String>,
    /// Write it. All else in the file stays as it is, byte for byte.
    #[arg(long, requires = "target")]
    write: bool,
    /// How long to wait for the server: to connect, and then for TLS.
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = patience)]
    timeout: Span,
}

const AFTER: &str = "Example:
  camhook trust 10.0.0.5:7001                          what is shown there
  camhook trust 10.0.0.5:7001 --target vms             what would be written
  camhook trust 10.0.0.5:7001 --target vms --write     writes it";

fn patience(text: &str) -> Result<Span, String> {
    match Span::parse(text)? {
        span if span.0.is_zero() => Err("must be longer than nothing".to_owned()),
        span => Ok(span),
    }
}

pub(super) async fn trust(common: &Common, arguments: Arguments) -> Result<(), Failure> {
    let (host, port, begin) = address(&arguments.server).map_err(Failure::Said)?;
    let now = Clock::system().now();
    let shown = look(&host, port, begin, arguments.timeout.0, now).await?;
    let chain: Vec<Certificate> = shown
        .chain
        .iter()
        .map(|der| Certificate::read(der))
        .collect();
    let Some(own) = chain.first() else {
        return Err(Failure::Said(format!("{host} showed no certificate")));
    };
    let (pin, to_write) = (own.pin(), format!("tls: {{ pin: \"{}\" }}", own.pin()));
    if !common.json {
        line(&format!(
            "{host} at port {port} shows {}{}:",
            match chain.len() {
                1 => "a certificate".to_owned(),
                n => format!("{n} certificates"),
            },
            shown
                .version
                .map_or_else(String::new, |version| format!(" in TLS {version}")),
        ));
        for (n, certificate) in chain.iter().enumerate() {
            line("");
            line(if n == 0 {
                "  its own"
            } else {
                "  of an issuer"
            });
            for (word, text) in certificate.lines(now) {
                line(&format!("    {word:<12}{text}"));
            }
        }
        line("");
        judge(&shown, &to_write);
    }
    let edited = match &arguments.target {
        Some(target) => Some((target, file::edit(common, target, &pin)?)),
        None => None,
    };
    let mut notes: Vec<String> = Vec::new();
    let mut written = false;
    if let Some((target, edited)) = &edited {
        notes.extend(elsewhere(target, edited, &host, port));
        if arguments.write && edited.changes() {
            edited.write()?;
            written = true;
        }
    }
    if common.json {
        let certificates: Vec<_> = chain.iter().map(|known| known.to_json(now)).collect();
        let difference = edited.as_ref().map(|(_, edited)| &edited.difference);
        line(&json!({
            "host": host, "port": port, "tls": shown.version, "certificates": certificates,
            "trusted": shown.doubts.is_empty(), "doubts": shown.doubts, "failed": shown.failed,
            "pin": pin, "write": to_write, "target": arguments.target, "difference": difference, "written": written,
            "notes": notes,
        }).to_string());
        return Ok(());
    }
    if let Some((target, edited)) = &edited {
        conclude(common, target, edited, written);
    }
    for note in &notes {
        error(&format!("note: {}", clean(note)));
    }
    Ok(())
}

/// Whether it is trusted, and what to write.
fn judge(shown: &Shown, to_write: &str) {
    if shown.doubts.is_empty() {
        line(
            "This machine trusts it: nothing has to be written. To trust this one certificate alone, and to change the pin",
        );
        line("whenever it is renewed:");
    } else {
        line("This machine does not trust it:");
        for doubt in &shown.doubts {
            line(&format!("  - {}", clean(doubt)));
        }
        line("");
        line(
            "If that fingerprint is the one that the server shows in its own settings (look there, not over this network),",
        );
        line(
            "say so in the target's `http`, or beside its `preset`; then neither issuer nor name nor dates matter:",
        );
    }
    line("");
    line(&format!("    {to_write}"));
    if let Some(failed) = &shown.failed {
        line("");
        line(&format!(
            "But the connection failed after that, which trust does not help against: {}",
            clean(failed)
        ));
        line(
            "(A server may ask for a certificate of camhook: `cert` and `key` in the same `tls`.)",
        );
    }
}

fn conclude(common: &Common, target: &str, edited: &Edited, written: bool) {
    let path = common.config.display();
    line("");
    if !edited.changes() {
        line(&format!(
            "Target `{target}` of {path} has this pin already."
        ));
        return;
    }
    line(&format!("In target `{target}` of {path}:"));
    for text in &edited.difference {
        line(&format!("  {}", clean(text)));
    }
    line(match written {
        true => "Written, and checked; a running camhook loads it by itself.",
        false => "Nothing was written. Add --write to do it.",
    });
}

/// A pin of another server would stop the target.
fn elsewhere(target: &str, edited: &Edited, host: &str, port: u16) -> Option<String> {
    let (known, known_port) = edited.address.as_ref()?;
    let known = known.trim_matches(['[', ']']);
    let differs = !known.eq_ignore_ascii_case(host) || *known_port != port;
    differs.then(|| {
        format!("target `{target}` sends to {known} at port {known_port}: is it the server that showed this certificate?")
    })
}

/// Host and port of what people paste, and how TLS begins there.
fn address(text: &str) -> Result<(String, u16, Begin), String> {
    let told = |why: &dyn std::fmt::Display| {
        format!("`{text}` is no server ({why}); expected HOST:PORT or https://…")
    };
    let text = text.trim();
    if let Ok(ip) = text.trim_matches(['[', ']']).parse::<IpAddr>() {
        return Ok((ip.to_string(), 443, Begin::Directly));
    }
    let url = match text.contains("://") {
        true => text.to_owned(),
        false => format!("https://{text}"),
    };
    let url = Url::parse(&url).map_err(|error| told(&error))?;
    let (usual, begin) = match url.scheme() {
        "https" | "wss" => (443, Begin::Directly),
        "mqtts" | "ssl" => (8883, Begin::Directly),
        "smtps" => (465, Begin::Directly),
        "smtp" => (587, Begin::Smtp),
        "postgres" | "postgresql" => (5432, Begin::Postgres),
        other => {
            let why = format!("there is no TLS in `{other}://`");
            return Err(told(&why));
        }
    };
    // Of schemes that browsers do not know, the host is kept as it is written.
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    if host.is_empty() {
        return Err(told(&"it names no host"));
    }
    Ok((host.to_owned(), url.port().unwrap_or(usual), begin))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_read_as_people_paste_it() {
        for (text, host, port) in [
            ("10.0.0.5:7001", "10.0.0.5", 7001),
            ("10.0.0.5", "10.0.0.5", 443),
            ("nx.local", "nx.local", 443),
            ("fe80::1", "fe80::1", 443),
            ("[::1]:8443", "::1", 8443),
            ("https://nx.local:7001/#/settings", "nx.local", 7001),
            ("https://user:secret@nx.local/", "nx.local", 443),
            ("mqtts://broker", "broker", 8883),
            ("https://bücher.example", "xn--bcher-kva.example", 443),
        ] {
            let expected = (host.to_owned(), port, Begin::Directly);
            assert_eq!(address(text).unwrap(), expected, "{text}");
        }
        let mail = address("smtp://gate:secret@mail.local").unwrap();
        assert_eq!(mail, ("mail.local".to_owned(), 587, Begin::Smtp));
        let database = address("postgres://u:p@[::1]/gate").unwrap();
        assert_eq!(database, ("::1".to_owned(), 5432, Begin::Postgres));
        for text in ["", "http://nx.local", "nx.local:99999", "https://", "a b"] {
            assert!(address(text).is_err(), "{text}");
        }
    }
}
