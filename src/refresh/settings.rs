//! What users can say of a list that comes from a server.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::lists::{Columns, Only, zone};
use crate::secret::Secret;
use crate::targets::Mistakes;
use crate::targets::http::Tls;
use crate::units::{ByteSize, Span, Timezone};

/// The servers that a list may come from.
#[derive(Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    /// A list that a server gives over HTTP, asked for again and again. The last good copy is kept on disk.
    pub(crate) http: Option<Http>,
    /// The vehicles of a ParkPow account that have a tag.
    pub(crate) parkpow: Option<ParkPow>,
}

/// A list that a server gives over HTTP.
#[derive(Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "HttpList")]
pub(crate) struct Http {
    /// Where it is, such as `https://tenants.example/api/plates`. Asked with GET.
    pub(crate) url: String,
    /// Headers of each request.
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, Secret>,
    /// How camhook shows who it is: `{ token }`, `{ bearer }` or `{ basic: { username, password } }`.
    #[serde(default)]
    pub(crate) auth: Option<Auth>,
    /// How often it is asked for; up to a tenth more, so that many do not ask at once. Default `5m`.
    #[serde(default)]
    pub(crate) every: Option<Span>,
    /// How long one request may take. Default `30s`.
    #[serde(default)]
    pub(crate) timeout: Option<Span>,
    /// What the answer is. Default `json`.
    #[serde(default)]
    pub(crate) format: Format,
    /// `json`: where the array of rows is, as a JSON Pointer such as `/data/vehicles`. Default: the answer is the array.
    #[serde(default)]
    pub(crate) rows: String,
    /// The column that holds the plates, or in `json` the field (`plate`, or `/vehicle/plate` for one within another). Not
    /// needed where the rows are nothing but plates. Case, blanks, dashes and dots in plates do not matter.
    #[serde(default)]
    pub(crate) key: Option<String>,
    /// The column that tells from when on a row counts: `2026-01-31`, `2026-01-31 18:00`; an empty cell is from ever.
    /// Default: all rows do.
    #[serde(default)]
    pub(crate) valid_from: Option<String>,
    /// The column that tells until when a row counts; a bare date is until the end of that day, an empty cell for ever.
    /// Default: all rows do.
    #[serde(default)]
    pub(crate) valid_until: Option<String>,
    /// The zone of dates that tell none, such as `Europe/Rome`. Default `UTC`.
    #[serde(default)]
    pub(crate) timezone: Option<Timezone>,
    /// `json`: where the address of the next page is, as a JSON Pointer such as `/next`; null there is the last page.
    /// Default: there is one page.
    #[serde(default)]
    pub(crate) next: Option<String>,
    /// Bytes of all pages together; a larger list is not taken. Default `16MiB`.
    #[serde(default)]
    pub(crate) max_size: Option<ByteSize>,
    /// Whom to trust: `{ ca }`, `{ pin }`; and who camhook is: `{ cert, key }`.
    #[serde(default)]
    pub(crate) tls: Option<Tls>,
    #[serde(skip)]
    pub(super) only: Option<Only>,
}

/// The vehicles of a ParkPow account that have a tag.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ParkPowList")]
pub(crate) struct ParkPow {
    /// The API of your own ParkPow server. Default `https://app.parkpow.com/api/v1/`.
    #[serde(default)]
    pub(crate) url: Option<String>,
    /// The API token of the account.
    pub(crate) token: Secret,
    /// The tag's name; its case does not matter.
    pub(crate) tag: String,
    /// How often ParkPow is asked; up to a tenth more. Default `5m`.
    #[serde(default)]
    pub(crate) every: Option<Span>,
    /// How long one request may take. Default `30s`.
    #[serde(default)]
    pub(crate) timeout: Option<Span>,
    /// Bytes of all pages together; a larger list is not taken. Default `16MiB`.
    #[serde(default)]
    pub(crate) max_size: Option<ByteSize>,
    /// Whom to trust: `{ ca }`, `{ pin }`; and who camhook is: `{ cert, key }`.
    #[serde(default)]
    pub(crate) tls: Option<Tls>,
}

/// How camhook shows who it is.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "ListAuth")]
pub(crate) enum Auth {
    /// `Authorization: Token TOKEN`.
    Token(Secret),
    /// `Authorization: Bearer TOKEN`.
    Bearer(Secret),
    /// `Authorization: Basic`, a username and a password.
    Basic(Basic),
}

#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ListBasic")]
pub(crate) struct Basic {
    pub(crate) username: String,
    pub(crate) password: Secret,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "ListFormat")]
pub(crate) enum Format {
    /// An array of objects, or of plates.
    #[default]
    Json,
    /// As a file: the first line names the columns.
    Csv,
}

const EVERY: Duration = Duration::from_secs(300);
const TIMEOUT: Duration = Duration::from_secs(30);
const MAX_SIZE: ByteSize = ByteSize(16 << 20);
const PARKPOW: &str = "https://app.parkpow.com/api/v1/";

impl Http {
    pub(super) fn every(&self) -> Duration {
        self.every.map_or(EVERY, |span| span.0)
    }

    pub(super) fn timeout(&self) -> Duration {
        self.timeout.map_or(TIMEOUT, |span| span.0)
    }

    pub(super) fn max_size(&self) -> ByteSize {
        self.max_size.unwrap_or(MAX_SIZE)
    }

    pub(super) fn next(&self) -> Option<&str> {
        self.next.as_deref().filter(|next| !next.is_empty())
    }

    /// What is wrong beyond what each value tells by itself.
    pub(super) fn mistakes(&self) -> Mistakes {
        let mut mistakes = Mistakes::new();
        let mut wrong = |key: &str, message: String| {
            let way = [key].into_iter().filter(|key| !key.is_empty());
            mistakes.push((way.map(str::to_owned).collect(), message));
        };
        for (key, is_zero) in [
            ("every", self.every().is_zero()),
            ("timeout", self.timeout().is_zero()),
            ("max_size", self.max_size().0 == 0),
        ] {
            if is_zero {
                wrong(key, "must be more than nothing".to_owned());
            }
        }
        let is_csv = self.format == Format::Csv;
        for (key, pointer) in [
            ("rows", self.rows.as_str()),
            ("next", self.next().unwrap_or_default()),
        ] {
            if pointer.is_empty() {
                continue;
            }
            if is_csv {
                wrong(key, "this is for `format: json`".to_owned());
            } else if !pointer.starts_with('/') {
                let message =
                    format!("`{pointer}` is no JSON Pointer: expected such as `/{pointer}`");
                wrong(key, message);
            }
        }
        if is_csv && self.key.as_deref().unwrap_or_default().is_empty() {
            let message = "`key` is missing: the column that holds the plates";
            wrong("", message.to_owned());
        }
        mistakes
    }

    pub(super) fn columns(&self) -> Columns {
        Columns {
            key: self.key.clone().unwrap_or_default(),
            valid_from: self.valid_from.clone(),
            valid_until: self.valid_until.clone(),
            zone: zone(self.timezone.as_ref()),
        }
    }
}

/// ParkPow told as a list over HTTP: its own middleware for Nx Witness asks in this way
/// (<https://github.com/parkpow/deep-license-plate-recognition>, read 2026-11-21). That there are pages with `next`, and a
/// vehicle's `tags`, is our own reading.
impl From<&ParkPow> for Http {
    fn from(parkpow: &ParkPow) -> Self {
        let base = parkpow.url.as_deref().unwrap_or(PARKPOW);
        let base = base.trim_end_matches('/').trim_end_matches("/vehicles");
        let tag: String = form_urlencoded::byte_serialize(parkpow.tag.as_bytes()).collect();
        Self {
            url: format!("{base}/vehicles/?tags={tag}"),
            auth: Some(Auth::Token(parkpow.token.clone())),
            every: parkpow.every,
            timeout: parkpow.timeout,
            rows: "/results".to_owned(),
            key: Some("license_plate".to_owned()),
            next: Some("/next".to_owned()),
            max_size: parkpow.max_size,
            tls: parkpow.tls.clone(),
            // A server that does not know `?tags=` would give all vehicles, and open the gate for all of them.
            only: Some(Only {
                field: "tags".to_owned(),
                word: parkpow.tag.clone(),
            }),
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parkpow_is_asked_for_a_tag_wherever_it_is() {
        for (url, asked) in [
            (
                None,
                "https://app.parkpow.com/api/v1/vehicles/?tags=night+shift",
            ),
            (
                Some("http://10.0.0.5/api/v1"),
                "http://10.0.0.5/api/v1/vehicles/?tags=night+shift",
            ),
            (
                Some("http://pp/api/v1/vehicles/"),
                "http://pp/api/v1/vehicles/?tags=night+shift",
            ),
        ] {
            let parkpow = ParkPow {
                url: url.map(str::to_owned),
                token: Secret::new("hunter22"),
                tag: "night shift".to_owned(),
                every: None,
                timeout: None,
                max_size: None,
                tls: None,
            };
            assert_eq!(Http::from(&parkpow).url, asked);
        }
    }
}
