//! Asks one server for the pages of a list: one GET for each, all at one host.

use std::collections::HashSet;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode, header};
use reqwest::{Client, Response, Url};
use serde::{Deserialize, Serialize};

use crate::lists;
use crate::targets::http::failure;
use crate::units::ByteSize;

const REDIRECTS_MAX: usize = 3;
/// Pages of one list.
const PAGES_MAX: usize = 1_000;

/// Where a list is, and how it may be asked for.
pub(super) struct Asker {
    pub(super) client: Client,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) timeout: Duration,
    pub(super) max: ByteSize,
    /// JSON Pointer to the address of the next page.
    pub(super) next: Option<String>,
}

/// What a server tells to be asked "anything newer than this?".
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Validators {
    etag: Option<String>,
    last_modified: Option<String>,
}

/// One answer that is neither a redirect nor an error.
enum Answered {
    Page(Bytes, Validators),
    NotModified,
}

impl Asker {
    /// All pages; `None` when the server still has what it had.
    pub(super) async fn pages(
        &self,
        known: &Validators,
    ) -> Result<Option<(Vec<Bytes>, Validators)>, String> {
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
            let next = match &self.next {
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

/// The host with its port; the rest of an address may hold a token.
pub(super) fn told(url: &Url) -> String {
    let host = url.host_str().unwrap_or("nowhere");
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}
