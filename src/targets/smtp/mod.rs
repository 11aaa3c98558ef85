//! Hands mails to a mail server, one connection for each.
//!
//! When the connection breaks after the last byte of a mail nobody knows whether it was taken: it is sent again, under the
//! same `Message-ID`, by which many mailboxes drop the second.

mod session;

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use lettre::message::header::ContentType;
use lettre::message::{Attachment, Mailbox, Mailboxes, Message, MultiPart, SinglePart};
use percent_encoding::percent_decode_str;
use rustls::ClientConfig;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::time::timeout;
use url::Url;

use super::http::Tls;
use super::http::failure::reasons;
use super::{Mistakes, Report, Target};
use crate::clock::Clock;
use crate::event::DeliveryId;
use crate::fate::Verdict;
use crate::payload::{Mail, Payload};
use crate::secret::Secret;
use crate::units::Span;

use session::{Fault, Reply, Session};

/// Through which server a mail goes, and to whom.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// The mail server: `smtp://user:password@host:587`, which goes on under TLS when the server offers it (STARTTLS), or
    /// `smtps://user:password@host:465` with TLS from the start. A `%40` stands for an `@` in a name or password.
    pub(crate) url: String,
    /// Who camhook is to the server.
    #[serde(default)]
    pub(crate) username: Option<String>,
    /// Best as `${NAME}` or `${file:PATH}`.
    #[serde(default)]
    pub(crate) password: Option<Secret>,
    /// The sender, such as `gate@example.com` or `North gate <gate@example.com>`. No template.
    pub(crate) from: String,
    /// Whom it is for; several are separated by commas. No template.
    pub(crate) to: String,
    /// With `smtp://`: `required` sends nothing without TLS, `offered` does when the server has none. Default: `required`
    /// when there is a password, `offered` without.
    #[serde(default)]
    pub(crate) starttls: Option<StartTls>,
    /// How long one mail may take, connecting included. Default `60s`.
    #[serde(default)]
    pub(crate) timeout: Option<Span>,
    /// Whom to trust (`ca`, `pin`), and who camhook is (`cert`, `key`). The system's authorities unless set.
    #[serde(default)]
    pub(crate) tls: Option<Tls>,
}

/// When a connection that began without TLS goes on with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StartTls {
    Required,
    Offered,
}

const TIMEOUT: Duration = Duration::from_secs(60);
/// No setting makes an attempt longer.
const TIMEOUT_MAX: Duration = Duration::from_secs(60 * 60);

/// One mail server.
pub(crate) struct SmtpTarget {
    host: String,
    port: u16,
    /// From the start.
    is_tls: bool,
    starttls: StartTls,
    login: Option<(String, Secret)>,
    from: Mailbox,
    to: Vec<Mailbox>,
    tls: Arc<ClientConfig>,
    timeout: Duration,
    clock: Clock,
}

impl SmtpTarget {
    pub(crate) fn new(
        settings: &Settings,
        tls: Arc<ClientConfig>,
        clock: &Clock,
    ) -> Result<Self, Mistakes> {
        let mut mistakes = Mistakes::new();
        let mut wrong = |key: &str, message: String| mistakes.push((vec![key.to_owned()], message));
        let url = address(&settings.url).map_err(|error| wrong("url", error));
        let from = settings.from.parse::<Mailbox>();
        let from = from
            .map_err(|error| error.to_string())
            .and_then(plain)
            .map_err(|error| wrong("from", format!("this is no sender's address: {error}")));
        let to: Result<Mailboxes, _> = settings.to.parse();
        let to: Result<Vec<Mailbox>, String> = to
            .map_err(|error| error.to_string())
            .and_then(|to| to.into_iter().map(plain).collect());
        let to = match to {
            Ok(to) if to.is_empty() => {
                wrong("to", "nobody to send it to".to_owned());
                Err(())
            }
            Ok(to) => Ok(to),
            Err(error) => {
                wrong("to", format!("this is no list of addresses: {error}"));
                Err(())
            }
        };
        let mut login = None;
        if let Ok((url, _)) = &url {
            let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
            let in_url = Some(url.username()).filter(|name| !name.is_empty());
            let username = settings.username.clone().or_else(|| in_url.map(decoded));
            let password = settings.password.clone();
            let password =
                password.or_else(|| url.password().map(|text| Secret::new(&decoded(text))));
            match (username, password) {
                (Some(username), Some(password)) => login = Some((username, password)),
                (None, None) => {}
                (Some(_), None) => {
                    wrong("url", "a username needs a `password` beside it".to_owned())
                }
                (None, Some(_)) => {
                    wrong("url", "a password needs a `username` beside it".to_owned())
                }
            }
        }
        let (Ok((url, is_tls)), Ok(from), Ok(to), true) = (url, from, to, mistakes.is_empty())
        else {
            return Err(mistakes);
        };
        Ok(Self {
            host: url
                .host_str()
                .unwrap_or_default()
                .trim_matches(['[', ']'])
                .to_owned(),
            port: url.port().unwrap_or(if is_tls { 465 } else { 587 }),
            is_tls,
            starttls: settings.starttls.unwrap_or(match login {
                Some(_) => StartTls::Required,
                None => StartTls::Offered,
            }),
            login,
            from,
            to,
            tls,
            timeout: settings
                .timeout
                .map_or(TIMEOUT, |span| span.0.min(TIMEOUT_MAX)),
            clock: clock.clone(),
        })
    }

    /// Host and port.
    pub(crate) fn address(&self) -> (String, u16) {
        (self.host.clone(), self.port)
    }

    fn message(&self, delivery: DeliveryId, mail: Mail) -> Result<Vec<u8>, String> {
        let domain = self.from.email.domain();
        let mut message = Message::builder()
            .message_id(Some(format!("<{delivery}@{domain}>")))
            .date(SystemTime::from(self.clock.now()))
            .from(self.from.clone())
            .subject(mail.subject);
        for to in &self.to {
            message = message.to(to.clone());
        }
        let text = SinglePart::plain(mail.text);
        let alternatives = mail.html.map(|html| {
            MultiPart::alternative()
                .singlepart(text.clone())
                .singlepart(SinglePart::html(html))
        });
        let built = if mail.attachments.is_empty() {
            match alternatives {
                Some(alternatives) => message.multipart(alternatives),
                None => message.singlepart(text),
            }
        } else {
            let mut parts = match alternatives {
                Some(alternatives) => MultiPart::mixed().multipart(alternatives),
                None => MultiPart::mixed().singlepart(text),
            };
            for part in mail.attachments {
                let kind = ContentType::parse(&part.content_type)
                    .or_else(|_| ContentType::parse("application/octet-stream"));
                let kind = kind.map_err(|error| error.to_string())?;
                parts =
                    parts.singlepart(Attachment::new(part.name).body(part.bytes.to_vec(), kind));
            }
            message.multipart(parts)
        };
        built
            .map(|message| message.formatted())
            .map_err(|error| error.to_string())
    }

    async fn hand_over(&self, message: &[u8]) -> Result<Reply, Fault> {
        let at_once = self.is_tls.then(|| self.tls.clone());
        let mut session = Session::open(&self.host, self.port, at_once).await?;
        let mut able = session.hello().await?;
        if !session.is_secured() {
            if able.iter().any(|line| line == "STARTTLS") {
                session = session.start_tls(&self.host, self.tls.clone()).await?;
                able = session.hello().await?;
            } else if self.starttls == StartTls::Required {
                return Err(Fault::Insecure(
                    "the mail server offers no STARTTLS, and a password must not go over the network in the clear: take `smtps://`, or set `starttls: offered`",
                ));
            }
        }
        if let Some((username, password)) = &self.login {
            session.login(&able, username, password.expose()).await?;
        }
        let from = self.from.email.to_string();
        let to: Vec<String> = self.to.iter().map(|to| to.email.to_string()).collect();
        let reply = session.mail(&from, &to, message).await?;
        session.quit().await;
        Ok(reply)
    }
}

/// With whether TLS comes first.
fn address(text: &str) -> Result<(Url, bool), String> {
    let expected = "expected such as `smtp://user:password@mail.example.com:587`, or `smtps://` with TLS from the start";
    let url =
        Url::parse(text).map_err(|error| format!("this is no address ({error}): {expected}"))?;
    let is_tls = match url.scheme() {
        "smtp" => false,
        "smtps" => true,
        other => {
            return Err(format!(
                "`{other}://` is no way to a mail server: {expected}"
            ));
        }
    };
    if url.host_str().is_none_or(str::is_empty) {
        return Err(format!("the address names no host: {expected}"));
    }
    if !matches!(url.path(), "" | "/") || url.query().is_some() {
        return Err("a mail server's address ends with its port".to_owned());
    }
    Ok((url, is_tls))
}

/// Only few servers take other letters in addresses (SMTPUTF8).
fn plain(mailbox: Mailbox) -> Result<Mailbox, String> {
    match mailbox.email.to_string().is_ascii() {
        true => Ok(mailbox),
        false => Err(format!("`{}` has letters outside of ASCII", mailbox.email)),
    }
}

fn report(fault: &Fault) -> Report {
    let text = match fault {
        Fault::Refused { .. } => fault.to_string(),
        fault => reasons(fault),
    };
    let hold = |text: String| {
        Report::failed(
            Verdict::Hold,
            format!("{text}: nothing more is sent until this is mended"),
        )
    };
    let mut report = match fault {
        Fault::Insecure(_) => hold(text),
        Fault::Refused { to, reply } => match (reply.code, *to) {
            (400..500, _) => Report::try_again(text),
            // 530 authentication required, 534 and 538 not in this way, 535 refused, 5xx to AUTH all the same
            (530 | 534 | 535 | 538, _) | (500..600, "AUTH") => hold(text),
            (500..600, _) => Report::failed(Verdict::Dead, text),
            _ => Report::try_again(text),
        },
        _ => Report::try_again(text),
    };
    if let Fault::Refused { reply, .. } = fault {
        report.status = Some(reply.code);
    }
    report
}

impl Target for SmtpTarget {
    fn send(
        &self,
        delivery: DeliveryId,
        payload: Payload,
    ) -> Pin<Box<dyn Future<Output = Report> + Send + '_>> {
        Box::pin(async move {
            let Payload::Mail(mail) = payload else {
                return Report::misrouted("smtp");
            };
            let message = match self.message(delivery, mail) {
                Ok(message) => message,
                Err(error) => return Report::failed(Verdict::Dead, error),
            };
            match timeout(self.timeout, self.hand_over(&message)).await {
                Ok(Ok(reply)) => Report {
                    status: Some(reply.code),
                    excerpt: Some(reply.text),
                    ..Report::delivered()
                },
                Ok(Err(fault)) => report(&fault),
                Err(_) => {
                    let seconds = self.timeout.as_secs_f64();
                    Report::try_again(format!("the mail server took longer than {seconds} s"))
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(code: u16, to: &'static str) -> Verdict {
        let text = String::new();
        let reply = Reply { code, text };
        report(&Fault::Refused { to, reply }).verdict
    }

    #[test]
    fn what_passes_is_tried_again_and_a_wrong_password_holds() {
        assert_eq!(verdict(421, "DATA"), Verdict::TryAgain { pause: None });
        assert_eq!(verdict(451, "the mail"), Verdict::TryAgain { pause: None });
        assert_eq!(verdict(454, "AUTH"), Verdict::TryAgain { pause: None });
        assert_eq!(verdict(550, "RCPT TO"), Verdict::Dead);
        assert_eq!(verdict(552, "the mail"), Verdict::Dead);
        assert_eq!(verdict(535, "AUTH"), Verdict::Hold);
        assert_eq!(verdict(530, "MAIL FROM"), Verdict::Hold);
    }
}
