//! Where a list comes from: one GET, or one for each page, at one host.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use reqwest::{Client, Response, Url};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::settings::{Auth, Format, Http};
use crate::lists::{self, Columns, ListError, Shape, Table};
use crate::secret::Blot;
use crate::targets::Mistakes;
use crate::targets::http::{Clients, failure};
use crate::units::ByteSize;

const REDIRECTS_MAX: usize = 3;
/// Pages of one list.
const PAGES_MAX: usize = 1_000;
/// Characters of a failure: a server may have filled it.
const TOLD_MAX: usize = 500;

/// How a list is asked for and read.
pub(crate) struct Origin {
    client: Client,
    url: Url,
    headers: HeaderMap,
    format: Format,
    shape: Shape,
    columns: Columns,
    timeout: Duration,
    max: ByteSize,
    blot: Blot,
    pub(super) every: Duration,
    /// Tells apart what the rows depend on: address and reading. A copy with another one is not of this list.
    pub(super) identity: String,
    /// Tells apart all settings, secrets included; never shown or kept.
    pub(super) settings: [u8; 32],
}

/// What a server tells to be asked "anything newer than this?".
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Validators {
    etag: Option<String>,
    last_modified: Option<String>,
}

/// A list as its server gave it.
pub(crate) struct Fresh {
    pub(crate) table: Table,
    pub(super) pages: Vec<Bytes>,
    pub(super) validators: Validators,
}

/// One answer that is neither a redirect nor an error.
enum Answered {
    Page(Bytes, Validators),
    NotModified,
}

impl Origin {
    /// `folder` is the config's, which the files of `tls` count from. `blot` knows every secret of the config.
    pub(crate) fn new(
        settings: &Http,
        folder: &Path,
        clients: &Clients,
        blot: Blot,
    ) -> Result<Self, Mistakes> {
        let mut mistakes: Mistakes = Vec::new();
        let mut wrong = |way: &[&str], message: &str| {
            let way = way.iter().map(|key| (*key).to_owned()).collect();
            mistakes.push((way, message.to_owned()));
        };
        let url = address(&settings.url).map_err(|message| wrong(&["url"], &message));
        for (key, is_zero) in [
            ("every", settings.every().is_zero()),
            ("timeout", settings.timeout().is_zero()),
            ("max_size", settings.max_size().0 == 0),
        ] {
            if is_zero {
                wrong(&[key], "must be more than nothing");
            }
        }
        let is_csv = settings.format == Format::Csv;
        for (key, pointer) in [
            ("rows", Some(settings.rows.as_str())),
            ("next", settings.next.as_deref()),
        ] {
            let Some(pointer) = pointer.filter(|pointer| !pointer.is_empty()) else {
                continue;
            };
            if is_csv {
                wrong(&[key], "this is for `format: json`");
            } else if !pointer.starts_with('/') {
                let message =
                    format!("`{pointer}` is no JSON Pointer: expected such as `/{pointer}`");
                wrong(&[key], &message);
            }
        }
        let columns = settings.columns();
        if is_csv && columns.key.is_empty() {
            wrong(&[], "`key` is missing: the column that holds the plates");
        }
        let mut headers = HeaderMap::new();
        let accept = match settings.format {
            Format::Json => "application/json",
            Format::Csv => "text/csv, text/plain;q=0.5",
        };
        headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
        match settings.auth.as_ref().map(authorization) {
            Some(Ok(value)) => drop(headers.insert(header::AUTHORIZATION, value)),
            Some(Err(())) => wrong(&["auth"], "this cannot be sent in an HTTP header"),
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
                None => wrong(&["headers", name], "this is no HTTP header"),
            }
        }
        let client = clients.fetching(settings.tls.as_ref(), folder);
        let client = client.map_err(|more| mistakes.extend(more));
        let (Ok(client), Ok(url), true) = (client, url, mistakes.is_empty()) else {
            return Err(mistakes);
        };
        let shape = Shape {
            rows: settings.rows.clone(),
            next: settings.next.clone().filter(|next| !next.is_empty()),
            only: settings.only.clone(),
        };
        let Columns {
            key,
            valid_from,
            valid_until,
            zone,
        } = &columns;
        let zone = zone.iana_name();
        let identity = format!(
            "{url} {:?} {shape:?} {key:?} {valid_from:?} {valid_until:?} {zone:?}",
            settings.format
        );
        let timeout = settings.timeout();
        let (every, max) = (settings.every(), settings.max_size());
        let mut all = Sha256::new_with_prefix(&identity);
        all.update(format!("{every:?} {timeout:?} {max:?} {:?}", settings.tls));
        for (name, value) in &headers {
            all.update(name.as_str());
            all.update(value.as_bytes());
        }
        Ok(Self {
            client,
            headers,
            format: settings.format,
            shape,
            columns,
            timeout,
            max,
            blot,
            every,
            identity: data_encoding::HEXLOWER.encode(&Sha256::digest(&identity)),
            settings: all.finalize().into(),
            url,
        })
    }

    /// Asks once, and goes through all pages; `None` when the server still has what it had. The error has no secrets.
    pub(super) async fn fetch(
        self: &Arc<Self>,
        known: &Validators,
    ) -> Result<Option<Fresh>, String> {
        let fetched = match self.pages(known).await {
            Ok(Some((pages, validators))) => self.fresh(pages, validators).await.map(Some),
            Ok(None) => Ok(None),
            Err(why) => Err(why),
        };
        fetched.map_err(|why| self.blot.out(&why).chars().take(TOLD_MAX).collect())
    }

    /// Asks for all of it, as if nothing were known.
    pub(crate) async fn fetch_anew(self: &Arc<Self>) -> Result<Fresh, String> {
        let fresh = self.fetch(&Validators::default()).await?;
        fresh.ok_or_else(|| format!("{} answered 304 unasked", told(&self.url)))
    }

    /// Host and port, for messages.
    pub(crate) fn host(&self) -> String {
        told(&self.url)
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

    async fn pages(&self, known: &Validators) -> Result<Option<(Vec<Bytes>, Validators)>, String> {
        let (mut pages, mut left) = (Vec::new(), self.max.0);
        let (mut url, mut seen) = (self.url.clone(), HashSet::new());
        let none = Validators::default();
        loop {
            let known = if pages.is_empty() { known } else { &none };
            let host = told(&url);
            let asked = tokio::time::timeout(self.timeout, self.ask(&url, known, left)).await;
            let asked = asked.map_err(|_| {
                let seconds = self.timeout.as_secs_f64();
                format!("{host} took longer than {seconds} s")
            })?;
            let Answered::Page(page, validators) = asked? else {
                return Ok(None);
            };
            left -= page.len() as u64;
            let next = match &self.shape.next {
                Some(pointer) => lists::next_page(&page, pointer),
                None => Ok(None),
            };
            pages.push(page);
            let Some(next) = next.map_err(|error| failure::chain(&error))? else {
                // What a server says of the first page tells nothing of the others.
                let validators = if pages.len() == 1 { validators } else { none };
                return Ok(Some((pages, validators)));
            };
            if pages.len() == PAGES_MAX {
                return Err(format!("{host} has more than {PAGES_MAX} pages"));
            }
            let next = self.page(&url, &next)?;
            seen.insert(url);
            if seen.contains(&next) {
                return Err(format!("{host} leads from its last page to an earlier one"));
            }
            url = next;
        }
    }

    /// The next page, always at the list's own host: servers behind a proxy often name another scheme or port.
    fn page(&self, here: &Url, next: &str) -> Result<Url, String> {
        let host = told(here);
        let next = here.join(next.trim());
        let next = next.map_err(|_| format!("{host} names a next page that is no address"))?;
        if next.host_str() != self.url.host_str() {
            return Err(format!(
                "{host} names a next page at another host, {}",
                told(&next)
            ));
        }
        let mut url = self.url.clone();
        url.set_path(next.path());
        url.set_query(next.query());
        Ok(url)
    }

    async fn ask(&self, url: &Url, known: &Validators, left: u64) -> Result<Answered, String> {
        let mut url = url.clone();
        for _ in 0..=REDIRECTS_MAX {
            let host = told(&url);
            let mut request = self.client.get(url.clone()).headers(self.headers.clone());
            for (name, value) in [
                (header::IF_NONE_MATCH, &known.etag),
                (header::IF_MODIFIED_SINCE, &known.last_modified),
            ] {
                if let Some(value) = value {
                    request = request.header(name, value);
                }
            }
            let answer = request.send().await;
            let answer = answer.map_err(|error| failure::told(&error.without_url(), &host))?;
            match answer.status() {
                StatusCode::OK => {
                    let validators = Validators::of(answer.headers());
                    let page = self.body(answer, &host, left).await?;
                    return Ok(Answered::Page(page, validators));
                }
                StatusCode::NOT_MODIFIED if *known != Validators::default() => {
                    return Ok(Answered::NotModified);
                }
                status if status.is_redirection() => {
                    let next = answer.headers().get(header::LOCATION);
                    let next = next.and_then(|next| url.join(next.to_str().ok()?).ok());
                    let next =
                        next.ok_or_else(|| format!("{host} answered {status} and not where to"))?;
                    if next.origin() != self.url.origin() {
                        return Err(format!(
                            "{host} redirects to {}://{}, which is not followed: write the right address into `url`",
                            next.scheme(),
                            told(&next)
                        ));
                    }
                    url = next;
                }
                status => return Err(format!("{host} answered {status}")),
            }
        }
        Err(format!(
            "{} redirects more than {REDIRECTS_MAX} times",
            told(&url)
        ))
    }

    /// Never more than the limit is read, whatever the answer announces.
    async fn body(&self, mut answer: Response, host: &str, left: u64) -> Result<Bytes, String> {
        let too_large = || format!("{host} gives more than `max_size`, {}", self.max);
        let announced = answer.content_length().unwrap_or(0);
        if announced > left {
            return Err(too_large());
        }
        let mut bytes = BytesMut::with_capacity(usize::try_from(announced).unwrap_or(0));
        loop {
            let chunk = answer.chunk().await;
            let chunk = chunk.map_err(|error| failure::told(&error.without_url(), host))?;
            let Some(chunk) = chunk else {
                return Ok(bytes.freeze());
            };
            if bytes.len() as u64 + chunk.len() as u64 > left {
                return Err(too_large());
            }
            bytes.extend_from_slice(&chunk);
        }
    }
}

impl Validators {
    fn of(headers: &HeaderMap) -> Self {
        let text = |name| headers.get(name)?.to_str().ok().map(str::to_owned);
        Self {
            etag: text(header::ETAG),
            last_modified: text(header::LAST_MODIFIED),
        }
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

/// The host with its port; the rest of an address may hold a token.
fn told(url: &Url) -> String {
    let host = url.host_str().unwrap_or("nowhere");
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}
