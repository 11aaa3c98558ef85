//! What users can set of the admin listener: its address, who may log in, and what each may do.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de};

use super::hosts::Host;
use super::passwords;
use crate::name::Name;
use crate::secret::Secret;
use crate::units::Span;
use crate::webhooks;

/// Fewer characters can be guessed.
const TOKEN_MIN: usize = 16;
const PASSWORD_MIN: usize = 8;
const SESSION_MIN: Duration = Duration::from_secs(60);
/// Longer ones are no passwords, and are refused before they are hashed.
pub(super) const PASSWORD_MAX: usize = 1024;

/// Where people and programs look in, and who may.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "AdminSettings")]
pub(crate) struct Settings {
    /// Address of the API, `/metrics`, `/healthz` and `/readyz` (127.0.0.1:9001). Any other than this machine's own needs
    /// `users` or `tokens`.
    pub(crate) listen: SocketAddr,
    /// HTTPS: `{ cert, key }`. Default: plain HTTP.
    pub(crate) tls: Option<Tls>,
    /// People who log in, by name. Default: none, and with no `tokens` either there is no login.
    pub(crate) users: BTreeMap<Name, User>,
    /// Programs that send `Authorization: Bearer …`, by a name that the log calls them by. Default: none.
    pub(crate) tokens: BTreeMap<Name, Token>,
    /// Further names that camhook is looked at by, such as `camhook.example.com`, or with a port, `gate:8443`. Default: its
    /// addresses, `localhost` and the machine's own name.
    pub(crate) hosts: Vec<Host>,
    /// Whether `/metrics` and `/readyz` need a login, too. Default `open`.
    pub(crate) metrics: Visibility,
    /// How long a login in a browser lasts. Default `12h`.
    pub(crate) session: Span,
    /// `true` lets everybody who reaches the address see and steer everything, without a login: for a network of your own,
    /// or behind a proxy that asks. Default `false`.
    pub(crate) open: bool,
    /// Lets clients of FindFace Lite log in here and make webhooks: `{ hosts: [client.example] }`. Default: off.
    pub(crate) findface: Option<webhooks::Settings>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: ([127, 0, 0, 1], 9001).into(),
            tls: None,
            users: BTreeMap::new(),
            tokens: BTreeMap::new(),
            hosts: Vec::new(),
            metrics: Visibility::Open,
            session: Span(Duration::from_secs(12 * 3600)),
            open: false,
            findface: None,
        }
    }
}

/// HTTPS on the admin listener. The files are read again when they change.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "AdminTls")]
pub(crate) struct Tls {
    /// A PEM file with the certificate, and after it those between it and its authority. Counted from this file's folder.
    pub(crate) cert: String,
    /// A PEM file with the certificate's key, without a password. Default: it lies in the file `cert` too.
    #[serde(default)]
    pub(crate) key: Option<String>,
}

/// Somebody who logs in with a password.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "AdminUser")]
pub(crate) struct User {
    /// The hash that `camhook password` prints, or the password itself from outside: `${NAME}` or `${file:PATH}`.
    pub(crate) password: Secret,
    /// What the user may do: `read`, `steer`, `admin`. Default `[read]`.
    #[serde(default = "reading")]
    pub(crate) scopes: Vec<Scope>,
}

/// A program that shows a token.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "AdminToken")]
pub(crate) struct Token {
    /// The token, at least 16 characters; `camhook password --new-token` makes one.
    pub(crate) token: Secret,
    /// What it is good for: `metrics`, `read`, `steer`, `admin`. Default `[read]`.
    #[serde(default = "reading")]
    pub(crate) scopes: Vec<Scope>,
    /// The moment from which it is refused: a day such as `2027-01-31` (it begins at midnight UTC), or a time such as
    /// `2027-01-31T18:00:00+01:00`. Default: never.
    pub(crate) expires: Option<Expiry>,
}

fn reading() -> Vec<Scope> {
    vec![Scope::Read]
}

/// What somebody may do here.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "AdminScope")]
pub(crate) enum Scope {
    /// Numbers alone: `/metrics` and `/readyz`.
    Metrics,
    /// See events, pictures, deliveries, lists, and the numbers.
    Read,
    /// Retry, replay, purge, pause and resume.
    Steer,
    /// Everything, the config among it.
    Admin,
}

impl Scope {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Metrics => "metrics",
            Self::Read => "read",
            Self::Steer => "steer",
            Self::Admin => "admin",
        }
    }

    /// Whether who has this may do what needs `needed`.
    pub(crate) fn covers(self, needed: Self) -> bool {
        match self {
            Self::Admin => true,
            Self::Read => matches!(needed, Self::Read | Self::Metrics),
            Self::Steer | Self::Metrics => self == needed,
        }
    }
}

/// Who may see something that tells of no event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "AdminVisibility")]
pub(crate) enum Visibility {
    /// Everybody who reaches the address.
    Open,
    /// Who is logged in, or has a token with the scope `metrics` or `read`.
    Login,
}

/// The moment from which a token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Expiry(pub(crate) Timestamp);

impl<'de> Deserialize<'de> for Expiry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let day = |text: &str| {
            let day: Date = text.parse().ok()?;
            Some(day.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
        };
        let moment = text.parse().ok().or_else(|| day(&text));
        moment.map(Self).ok_or_else(|| {
            de::Error::custom(format!(
                "`{text}` is no moment: expected such as `2027-01-31` or `2027-01-31T18:00:00Z`"
            ))
        })
    }
}

impl JsonSchema for Expiry {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Expiry".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": "a day such as `2027-01-31`, or a time such as `2027-01-31T18:00:00Z`" })
    }
}

/// Something that cannot be run: the way to it, what is wrong, and what to write.
pub(crate) struct Wrong {
    pub(crate) path: Vec<String>,
    pub(crate) message: String,
    pub(crate) help: String,
}

impl Settings {
    /// Whether anybody has to show who they are.
    pub(crate) fn has_login(&self) -> bool {
        !self.users.is_empty() || !self.tokens.is_empty()
    }

    /// Whether anybody who reaches that address may do everything, though nobody said so.
    pub(crate) fn is_for_everybody(&self, address: IpAddr) -> bool {
        !address.to_canonical().is_loopback() && !self.has_login() && !self.open
    }

    /// What reading the settings one by one could not tell. `from_outside` tells whether the value at the end of a way comes
    /// from the environment or a file.
    pub(crate) fn mistakes(&self, from_outside: impl Fn(&[String]) -> bool) -> Vec<Wrong> {
        let mut found = Vec::new();
        let mut wrong = |path: &[&str], message: String, help: &str| {
            found.push(Wrong {
                path: path.iter().map(|step| (*step).to_owned()).collect(),
                message,
                help: help.to_owned(),
            });
        };
        if self.is_for_everybody(self.listen.ip()) {
            let message = format!(
                "whoever reaches {} could see and steer everything: there is no login",
                self.listen
            );
            wrong(
                &["listen"],
                message,
                "add `users: { NAME: { password: \"…\", scopes: [admin] } }` under `admin` (`camhook password` makes the hash), \
                 or `tokens`; listen on 127.0.0.1; or say `open: true` where that is what you want",
            );
        }
        if self.session.0 < SESSION_MIN {
            let message = "a login must last a minute at least".to_owned();
            wrong(&["session"], message, "such as `12h`");
        }
        if self.open && self.has_login() {
            let message = "with `users` or `tokens` it is not open".to_owned();
            wrong(&["open"], message, "leave one of them out");
        }
        for (name, user) in &self.users {
            let name = name.as_str();
            let path = ["users", name, "password"];
            if name.contains(':') {
                let message = "the name of a user must not hold a `:`".to_owned();
                wrong(&["users", name], message, "HTTP Basic ends the name there");
            }
            let text = user.password.expose();
            if passwords::looks_hashed(text) {
                if let Err(message) = passwords::Stored::read(text) {
                    let help = "`camhook password` makes the hash to write here";
                    wrong(&path, message, help);
                }
                continue;
            }
            let outside = from_outside(&path.map(str::to_owned));
            if !outside {
                let message = "a password must not stand in the file as it is".to_owned();
                let help = "write the hash that `camhook password` prints, or `${NAME}` for an environment variable";
                wrong(&path, message, help);
            } else if text.chars().count() < PASSWORD_MIN {
                let message = format!("this password has fewer than {PASSWORD_MIN} characters");
                wrong(&path, message, "choose a longer one");
            } else if text.len() > PASSWORD_MAX {
                let message = format!("this password has more than {PASSWORD_MAX} bytes");
                wrong(&path, message, "choose a shorter one");
            }
        }
        let findface = self.findface.iter().flat_map(webhooks::Settings::mistakes);
        for (way, message) in findface {
            let way: Vec<&str> = way.iter().map(String::as_str).collect();
            let way = [&["findface"], &way[..]].concat();
            wrong(&way, message, "see docs/findface.md");
        }
        let mut seen: Vec<(&str, &Name)> = Vec::new();
        for (name, token) in &self.tokens {
            let text = token.token.expose();
            let path = ["tokens", name.as_str(), "token"];
            let help = "`camhook password --new-token` makes one";
            if text.chars().count() < TOKEN_MIN {
                let message = format!("this token has fewer than {TOKEN_MIN} characters");
                wrong(&path, message, help);
            } else if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
                let message = "a token in a header has no blanks and only ASCII".to_owned();
                wrong(&path, message, help);
            } else if let Some((_, other)) = seen.iter().find(|(seen, _)| *seen == text) {
                let message = format!("this is the token of `{other}`, too");
                wrong(
                    &path,
                    message,
                    "give each its own, or the log cannot tell who it was",
                );
            } else {
                seen.push((text, name));
            }
        }
        found
    }
}
