//! Where a list comes from: whom to ask, and how the answer is read.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use reqwest::Url;
use sha2::{Digest, Sha256};

use super::asker::{Asker, Validators, told};
use super::settings::{Auth, Format, Http};
use crate::lists::{self, Columns, ListError, Shape, Table};
use crate::secret::Blot;
use crate::targets::Mistakes;
use crate::targets::http::{Clients, failure};

/// Characters of a failure: a server may have filled it.
const TOLD_MAX: usize = 500;

/// How a list is asked for and read.
pub(crate) struct Origin {
    asker: Asker,
    format: Format,
    shape: Shape,
    columns: Columns,
    blot: Blot,
    pub(super) every: Duration,
    /// Tells apart what the rows depend on: address and reading. A copy with another one is not of this list.
    pub(super) identity: String,
    /// Tells apart all settings, secrets included; never shown or kept.
    pub(super) settings: [u8; 32],
}

/// A list as its server gave it.
pub(crate) struct Fresh {
    pub(crate) table: Table,
    pub(super) pages: Vec<Bytes>,
    pub(super) validators: Validators,
}

impl Origin {
    /// `folder` is the config's, which the files of `tls` count from. `blot` knows every secret of the config.
    pub(crate) fn new(
        settings: &Http,
        folder: &Path,
        clients: &Clients,
        blot: Blot,
    ) -> Result<Self, Mistakes> {
        let mut mistakes = settings.mistakes();
        let mut wrong = |key: &str, message| mistakes.push((vec![key.to_owned()], message));
        let url = address(&settings.url).map_err(|message| wrong("url", message));
        let headers = headers(settings).map_err(|mut more| mistakes.append(&mut more));
        let client = clients.fetching(settings.tls.as_ref(), folder);
        let client = client.map_err(|mut more| mistakes.append(&mut more));
        let (Ok(client), Ok(url), Ok(headers), true) = (client, url, headers, mistakes.is_empty())
        else {
            return Err(mistakes);
        };
        let shape = Shape {
            rows: settings.rows.clone(),
            only: settings.only.clone(),
        };
        let (columns, next) = (settings.columns(), settings.next());
        let identity = identity(&url, settings.format, &shape, next, &columns);
        let asker = Asker {
            client,
            url,
            headers,
            timeout: settings.timeout(),
            max: settings.max_size(),
            next: next.map(str::to_owned),
        };
        let every = settings.every();
        let mut all = Sha256::new_with_prefix(&identity);
        let (timeout, max) = (asker.timeout, asker.max);
        all.update(format!("{every:?} {timeout:?} {max:?} {:?}", settings.tls));
        for (name, value) in &asker.headers {
            all.update(name.as_str());
            all.update(value.as_bytes());
        }
        Ok(Self {
            asker,
            format: settings.format,
            shape,
            columns,
            blot,
            every,
            identity,
            settings: all.finalize().into(),
        })
    }

    /// Asks once, and goes through all pages; `None` when the server still has what it had. The error has no secrets.
    pub(super) async fn fetch(
        self: &Arc<Self>,
        known: &Validators,
    ) -> Result<Option<Fresh>, String> {
        let fetched = match self.asker.pages(known).await {
            Ok(Some((pages, validators))) => self.fresh(pages, validators).await.map(Some),
            Ok(None) => Ok(None),
            Err(why) => Err(why),
        };
        fetched.map_err(|why| self.blot.out(&why).chars().take(TOLD_MAX).collect())
    }

    /// Asks for all of it, as if nothing were known.
    pub(crate) async fn fetch_anew(self: &Arc<Self>) -> Result<Fresh, String> {
        let fresh = self.fetch(&Validators::default()).await?;
        fresh.ok_or_else(|| format!("{} answered 304 unasked", told(&self.asker.url)))
    }

    /// Bytes that fetching it may take in memory.
    pub(super) fn weight(&self) -> usize {
        let bytes = self.asker.max.0.saturating_mul(2);
        usize::try_from(bytes).unwrap_or(usize::MAX)
    }

    /// Host and port, for messages.
    pub(crate) fn host(&self) -> String {
        told(&self.asker.url)
    }

    /// A column for dates in which no row has one, if all others could be read.
    pub(crate) fn undated<'a>(&'a self, table: &Table) -> Option<&'a str> {
        let column = self.columns.valid_until.as_deref();
        let column = column.or(self.columns.valid_from.as_deref());
        column.filter(|_| table.len() > 0 && table.dated() == 0)
    }

    /// Reading many rows takes a while.
    async fn fresh(
        self: &Arc<Self>,
        pages: Vec<Bytes>,
        validators: Validators,
    ) -> Result<Fresh, String> {
        let this = self.clone();
        let read = move || {
            let table = this.read(pages.iter().map(|page| &page[..]))?;
            Ok(Fresh {
                table,
                pages,
                validators,
            })
        };
        let read = tokio::task::spawn_blocking(read).await;
        let read: Result<Fresh, ListError> =
            read.map_err(|error| format!("a fault in camhook: {error}"))?;
        read.map_err(|error| failure::chain(&error))
    }

    /// Reads what was fetched, now or once before.
    pub(super) fn read<'a>(
        &self,
        mut pages: impl Iterator<Item = &'a [u8]>,
    ) -> Result<Table, ListError> {
        match self.format {
            Format::Json => lists::read_json(pages, &self.shape, &self.columns),
            Format::Csv => {
                let text = std::str::from_utf8(pages.next().unwrap_or_default());
                lists::read_csv(text.map_err(|_| ListError::NotText)?, &self.columns)
            }
        }
    }

    /// Rows by themselves, read as those of an answer.
    pub(super) fn told(&self, rows: &[serde_json::Value]) -> Result<Table, ListError> {
        let shape = Shape {
            only: self.shape.only.clone(),
            ..Shape::default()
        };
        let page = serde_json::to_vec(rows).map_err(|source| ListError::NotJson { source })?;
        lists::read_json([page.as_slice()], &shape, &self.columns)
    }
}

/// The same over restarts and versions, for it stands in the kept copy; a digest, since the address may hold a token.
fn identity(
    url: &Url,
    format: Format,
    shape: &Shape,
    next: Option<&str>,
    columns: &Columns,
) -> String {
    let Columns {
        key,
        valid_from,
        valid_until,
        zone,
    } = columns;
    let (Shape { rows, only }, zone) = (shape, zone.iana_name());
    let only = only.as_ref().map(|only| (&only.field, &only.word));
    let told = format!(
        "{url} {format:?} {rows:?} {next:?} {only:?} {key:?} {valid_from:?} {valid_until:?} {zone:?}"
    );
    data_encoding::HEXLOWER.encode(&Sha256::digest(told))
}

fn headers(settings: &Http) -> Result<HeaderMap, Mistakes> {
    let (mut headers, mut mistakes) = (HeaderMap::new(), Mistakes::new());
    let accept = match settings.format {
        Format::Json => "application/json",
        Format::Csv => "text/csv, text/plain;q=0.5",
    };
    headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
    match settings.auth.as_ref().map(authorization) {
        Some(Ok(value)) => drop(headers.insert(header::AUTHORIZATION, value)),
        Some(Err(())) => {
            let message = "this cannot be sent in an HTTP header".to_owned();
            mistakes.push((vec!["auth".to_owned()], message));
        }
        None => {}
    }
    for (name, value) in &settings.headers {
        // Never told what is wrong with it: it is a secret.
        let value = HeaderValue::from_str(value.expose()).ok();
        match HeaderName::from_bytes(name.as_bytes()).ok().zip(value) {
            Some((name, mut value)) => {
                value.set_sensitive(true);
                headers.insert(name, value);
            }
            None => {
                let way = vec!["headers".to_owned(), name.clone()];
                mistakes.push((way, "this is no HTTP header".to_owned()));
            }
        }
    }
    match mistakes.is_empty() {
        true => Ok(headers),
        false => Err(mistakes),
    }
}

fn address(text: &str) -> Result<Url, String> {
    let url = Url::parse(text.trim()).ok();
    let url = url.filter(|url| ["http", "https"].contains(&url.scheme()) && url.has_host());
    let Some(mut url) = url else {
        return Err(format!(
            "`{text}` is no address: expected such as `https://tenants.example/plates`"
        ));
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err("credentials do not belong into `url`: put them into `auth`".to_owned());
    }
    url.set_fragment(None);
    Ok(url)
}

fn authorization(auth: &Auth) -> Result<HeaderValue, ()> {
    let text = match auth {
        Auth::Token(token) => format!("Token {}", token.expose()),
        Auth::Bearer(token) => format!("Bearer {}", token.expose()),
        Auth::Basic(basic) => {
            let pair = format!("{}:{}", basic.username, basic.password.expose());
            format!("Basic {}", STANDARD.encode(pair))
        }
    };
    let mut value = HeaderValue::from_str(&text).map_err(drop)?;
    value.set_sensitive(true);
    Ok(value)
}
