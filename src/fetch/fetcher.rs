//! One source's way to its pictures: one GET, its redirects followed only where they are allowed, and a look at the bytes.

use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use reqwest::{Client, Response, Url};
use tokio::sync::Semaphore;

use super::address::{self, Allowed};
use super::settings::{Settings, WORDS};
use super::silent::{Asker, Silence, Silent};
use crate::event::sniff;
use crate::reach::{Reach, told};
use crate::secret::Blot;
use crate::targets::Mistakes;
use crate::targets::http::{Clients, failure};

const REDIRECTS_MAX: usize = 3;
/// Events of one source whose pictures are fetched at the same moment.
const AT_ONCE: usize = 4;

/// Fetches a source's pictures.
pub(crate) struct Fetcher {
    client: Client,
    allowed: Allowed,
    headers: HeaderMap,
    max: u64,
    timeout: Duration,
    blot: Blot,
    pub(super) attempts: u32,
    pub(super) give_up_after: Duration,
    pub(super) turns: Semaphore,
    /// KiB of pictures that may be in memory.
    pub(super) memory: Semaphore,
    pub(super) silent: Silent,
}

/// Why there is no picture.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) why: String,
    pub(super) lasts: Lasts,
}

/// Whether it may go better later, and what it says of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lasts {
    /// Another try would end the same.
    ForGood,
    ForNow,
    /// No connection to its host was made.
    Unreachable,
    /// It did not come in time, or the host that it is redirected to is unreachable.
    Slow,
}

impl Failure {
    pub(super) fn for_good(why: impl Into<String>) -> Self {
        Self::that(Lasts::ForGood, why)
    }

    pub(super) fn for_now(why: impl Into<String>) -> Self {
        Self::that(Lasts::ForNow, why)
    }

    fn that(lasts: Lasts, why: impl Into<String>) -> Self {
        let why = why.into();
        Self { why, lasts }
    }

    pub(super) fn is_worth_another(&self) -> bool {
        self.lasts != Lasts::ForGood
    }
}

impl Fetcher {
    /// `folder` is the config's, which the files of `tls` count from. `blot` knows every secret of the config.
    pub(crate) fn new(
        settings: &Settings,
        folder: &Path,
        clients: &Clients,
        blot: Blot,
    ) -> Result<Self, Mistakes> {
        let mut mistakes: Mistakes = Vec::new();
        let mut wrong = |way: &[&str], message: String| {
            mistakes.push((way.iter().map(|key| (*key).to_owned()).collect(), message));
        };
        let reach = Reach::new(&settings.hosts, &settings.networks, WORDS);
        let reach = reach.map_err(|all| {
            for (in_networks, n, message) in all {
                let key = if in_networks { "networks" } else { "hosts" };
                wrong(&[key, &n.to_string()], message);
            }
        });
        let base = settings
            .base
            .as_deref()
            .map(address::base)
            .transpose()
            .unwrap_or_else(|message| {
                wrong(&["base"], message);
                None
            });
        if settings.hosts.is_empty() && settings.base.is_none() {
            let message = "say from which `hosts` pictures may be fetched, or a `base`";
            wrong(&[], message.to_owned());
        }
        for (key, is_zero) in [
            ("max", settings.max.0 == 0),
            ("timeout", settings.timeout.0.is_zero()),
        ] {
            if is_zero {
                wrong(&[key], "must be more than nothing".to_owned());
            }
        }
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static("image/*"));
        for (name, value) in &settings.headers {
            let parsed = HeaderName::from_bytes(name.as_bytes()).ok().zip(
                // Never told what is wrong with it: it is a secret.
                HeaderValue::from_str(value.expose()).ok(),
            );
            match parsed {
                Some((name, mut value)) => {
                    value.set_sensitive(true);
                    headers.insert(name, value);
                }
                None => wrong(&["headers", name], "this is no HTTP header".to_owned()),
            }
        }
        let Ok(reach) = reach.map(|reach| reach.and_named(base.as_ref())) else {
            return Err(mistakes);
        };
        let client = clients.reaching(settings.tls.as_ref(), folder, &reach);
        let client = client.map_err(|more| mistakes.extend(more));
        match client {
            Ok(client) if mistakes.is_empty() => Ok(Self {
                client,
                allowed: Allowed { reach, base },
                headers,
                max: settings.max.0,
                timeout: settings.timeout.0,
                blot,
                attempts: settings.attempts.get(),
                give_up_after: settings.give_up_after.0,
                turns: Semaphore::new(AT_ONCE),
                memory: Semaphore::new(super::MEMORY_KIB as usize),
                silent: Silent::default(),
            }),
            _ => Err(mistakes),
        }
    }

    pub(super) fn kib_max(&self) -> u64 {
        self.max.div_ceil(1024)
    }

    /// The picture at that address, with its content type, if it has no more than `left` bytes. A host that has just been
    /// silent is not always asked.
    pub(super) async fn get(
        &self,
        address: &str,
        left: u64,
        asker: Asker,
    ) -> Result<(&'static str, Bytes), Failure> {
        let got = async {
            let url = self.allowed.resolve(address).map_err(Failure::for_good)?;
            let host = told(&url);
            if let Some(failure) = self.silent.refuses(&host, asker) {
                return Err(failure);
            }
            let got = match tokio::time::timeout(self.timeout, self.follow(url, left)).await {
                Ok(got) => got,
                Err(_) => Err(Failure::that(
                    Lasts::Slow,
                    format!("{host} took longer than {} s", self.timeout.as_secs_f64()),
                )),
            };
            let lasts = got.as_ref().err().map(|failure| failure.lasts);
            let silent = matches!(lasts, Some(Lasts::Unreachable | Lasts::Slow));
            let silence = silent.then(|| Silence {
                since: Instant::now(),
                unreachable: lasts == Some(Lasts::Unreachable),
            });
            self.silent.note(host, silence);
            got
        };
        got.await.map_err(|failure| Failure {
            why: self.blot.out(&failure.why),
            ..failure
        })
    }

    async fn follow(&self, mut url: Url, left: u64) -> Result<(&'static str, Bytes), Failure> {
        for redirects in 0..=REDIRECTS_MAX {
            let host = told(&url);
            let request = self.client.get(url.clone()).headers(self.headers.clone());
            let answer = request
                .send()
                .await
                .map_err(|error| match failure::refused(&error) {
                    Some(refused) => Failure::for_good(refused.to_string()),
                    None => {
                        let lasts = match (error.is_connect(), redirects) {
                            (true, 0) => Lasts::Unreachable,
                            (true, _) => Lasts::Slow,
                            (false, _) => Lasts::ForNow,
                        };
                        Failure::that(lasts, failure::told(&error.without_url(), &host))
                    }
                })?;
            let status = answer.status();
            if status.is_success() {
                let bytes = self.read(answer, &host, left).await?;
                return match sniff(&bytes) {
                    Some(content_type) => Ok((content_type, bytes)),
                    None => Err(Failure::for_good(format!(
                        "{host} answered with no picture"
                    ))),
                };
            }
            if !status.is_redirection() {
                // A picture may be there a moment later, a token be mended: any status is worth another try.
                return Err(Failure::for_now(format!("{host} answered {status}")));
            }
            let next = answer.headers().get(header::LOCATION);
            let next = next.and_then(|next| url.join(next.to_str().ok()?).ok());
            let next = next.ok_or_else(|| {
                Failure::for_good(format!("{host} answered {status} and not where to"))
            })?;
            let redirected = |why| Failure::for_good(format!("{host} redirects: {why}"));
            self.allowed.check(&next).map_err(redirected)?;
            if url.scheme() == "https" && next.scheme() == "http" {
                return Err(redirected("from https to http".to_owned()));
            }
            url = next;
        }
        Err(Failure::for_good(format!(
            "it is behind more than {REDIRECTS_MAX} redirects"
        )))
    }

    /// Never more than the limit is read, whatever the answer announces.
    async fn read(&self, mut answer: Response, host: &str, left: u64) -> Result<Bytes, Failure> {
        let max = self.max.min(left);
        let too_large = || {
            Failure::for_good(if left < self.max {
                "the event's pictures together are larger than one event may have of `server.budget`".to_owned()
            } else {
                format!("it is larger than `fetch: {{ max }}`, {} bytes", self.max)
            })
        };
        let announced = answer.content_length().unwrap_or(0);
        if announced > max {
            return Err(too_large());
        }
        let mut bytes = BytesMut::with_capacity(usize::try_from(announced).unwrap_or(0));
        loop {
            let chunk = answer.chunk().await.map_err(|error| {
                let cause = error.without_url();
                let cause = cause.source().map(failure::chain).unwrap_or_default();
                Failure::for_now(format!("{host} gave no whole answer: {cause}"))
            })?;
            let Some(chunk) = chunk else {
                return Ok(bytes.freeze());
            };
            if bytes.len() as u64 + chunk.len() as u64 > max {
                return Err(too_large());
            }
            bytes.extend_from_slice(&chunk);
        }
    }
}
