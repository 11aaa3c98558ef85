//! Asking a camhook: the running one over HTTP, or, when none runs, its store through the same code in this process.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, LINK};
use http::{HeaderMap, Method, Request, StatusCode};
use serde_json::Value;

use super::{Common, Failure};
use crate::admin::{Admin, LocalKey};
use crate::app;
use crate::config::{Config, environment};
use crate::secret::Secret;

/// Where a token is looked for besides `--admin-token`.
const TOKEN_VARIABLE: &str = "CAMHOOK_ADMIN_TOKEN";
const HOW_TO_LOG_IN: &str = "\n  help: set CAMHOOK_ADMIN_TOKEN to a token of `admin.tokens`, or run this as the user of camhook and with its \
     config, where no token is needed";

const LONG: std::time::Duration = std::time::Duration::from_secs(3_600);

/// Whom to ask.
pub(super) enum Camhook {
    Running {
        client: reqwest::Client,
        base: String,
        token: Option<Secret>,
    },
    Stopped(Box<Admin>),
}

/// One answer: its body, and the path of the next page.
pub(super) struct Answer {
    pub(super) body: Bytes,
    pub(super) next: Option<String>,
}

impl Camhook {
    pub(super) async fn find(common: &Common) -> Result<Self, Failure> {
        let client = app::http_client(&common.config)?;
        if let Some(base) = &common.admin {
            let base = base.trim_end_matches('/').to_owned();
            let token = token(common, &base)?;
            return Ok(Self::Running {
                client,
                base,
                token,
            });
        }
        let config =
            Config::load(&common.config).map_err(|report| Failure::Config(Box::new(report)))?;
        let base = base_of(&config);
        match client.get(format!("{base}/healthz")).send().await {
            Ok(_) => Ok(Self::Running {
                client,
                token: given(common)?.or_else(|| local(&config, &base)),
                base,
            }),
            Err(error) if error.is_connect() => Ok(Self::Stopped(Box::new(app::look_into(
                &common.config,
                config,
            )?))),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) async fn get(&self, path: &str) -> Result<Answer, Failure> {
        self.ask(Method::GET, path, None).await
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        let answer = self.ask(Method::POST, path, Some(body)).await?;
        Ok(serde_json::from_slice(&answer.body)?)
    }

    /// Every row of a list, page by page, until `limit` were seen (0 is all).
    pub(super) async fn each(
        &self,
        path: &str,
        limit: usize,
        mut show: impl FnMut(Value),
    ) -> Result<(), Failure> {
        let mut left = if limit == 0 { usize::MAX } else { limit };
        let mut page = Some(path.to_owned());
        while let Some(path) = page.take() {
            let answer = self.get(&path).await?;
            let rows: Vec<Value> = serde_json::from_slice(&answer.body)?;
            for row in rows.into_iter().take(left) {
                left -= 1;
                show(row);
            }
            page = answer.next.filter(|_| left > 0);
        }
        Ok(())
    }

    /// Nothing when there is no such thing.
    pub(super) async fn find_at(&self, path: &str) -> Result<Option<Answer>, Failure> {
        let (status, headers, body) = self.send(Method::GET, path, None).await?;
        match status {
            StatusCode::NOT_FOUND => Ok(None),
            _ => answer(status, &headers, body).map(Some),
        }
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer, Failure> {
        let (status, headers, body) = self.send(method, path, body).await?;
        answer(status, &headers, body)
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(StatusCode, HeaderMap, Bytes), Failure> {
        let body = body.map(ToString::to_string).unwrap_or_default();
        Ok(match self {
            Self::Running {
                client,
                base,
                token,
            } => {
                let mut request = client
                    .request(method, format!("{base}{path}"))
                    .header(CONTENT_TYPE, "application/json");
                if let Some(token) = token {
                    request = request.bearer_auth(token.expose());
                }
                if path.ends_with("/forget") {
                    request = request.timeout(LONG); // a large store is written anew
                }
                let response = request.body(body).send().await?;
                (
                    response.status(),
                    response.headers().clone(),
                    response.bytes().await?,
                )
            }
            Self::Stopped(admin) => {
                let request = Request::builder()
                    .method(method)
                    .uri(path)
                    .header(CONTENT_TYPE, "application/json");
                let response = admin.answer(request.body(Bytes::from(body))?).await;
                admin.store.caught_up().await;
                let (head, body) = response.into_parts();
                (head.status, head.headers, body)
            }
        })
    }

    /// Lets go of the store, if it was opened here.
    pub(super) async fn done(self) {
        if let Self::Stopped(admin) = self {
            admin.store.close().await;
        }
    }
}

fn answer(status: StatusCode, headers: &HeaderMap, body: Bytes) -> Result<Answer, Failure> {
    if !status.is_success() {
        let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
        let reason = answer["reason"]
            .as_str()
            .map_or_else(|| format!("answered {status}"), str::to_owned);
        let how = match status {
            StatusCode::UNAUTHORIZED => HOW_TO_LOG_IN,
            _ => "",
        };
        return Err(Failure::Said(format!("{reason}{how}")));
    }
    let link = headers.get(LINK).and_then(|link| link.to_str().ok());
    let next = link.and_then(|link| Some(link.strip_prefix('<')?.split_once('>')?.0.to_owned()));
    Ok(Answer { body, next })
}

/// The token that the user gave, by the command line or the environment.
fn given(common: &Common) -> Result<Option<Secret>, Failure> {
    if let Some(token) = &common.admin_token {
        return Ok(Some(Secret::new(token)));
    }
    let found = environment(TOKEN_VARIABLE);
    let found = found.map_err(|error| Failure::Said(format!("{TOKEN_VARIABLE}: {error}")))?;
    let found = found.filter(|token| !token.is_empty());
    Ok(found.map(|token| Secret::new(&token)))
}

/// The same, or else the key that lies in the store of the config, should it be for the very camhook at `base`.
fn token(common: &Common, base: &str) -> Result<Option<Secret>, Failure> {
    if let Some(token) = given(common)? {
        return Ok(Some(token));
    }
    let config = common.config.exists().then(|| Config::load(&common.config));
    Ok(config
        .and_then(Result::ok)
        .and_then(|config| local(&config, base)))
}

/// A key is shown to the address that it was laid for, and to nobody else.
fn local(config: &Config, base: &str) -> Option<Secret> {
    let found = LocalKey::find(&config.store.path)?;
    let base = url::Url::parse(base).ok()?;
    let host = match base.host()? {
        url::Host::Ipv4(address) => address.into(),
        url::Host::Ipv6(address) => IpAddr::from(address),
        url::Host::Domain("localhost") => IpAddr::from([127, 0, 0, 1]),
        url::Host::Domain(_) => return None,
    };
    let asked = SocketAddr::new(host, base.port_or_known_default()?);
    (asked == app::reachable(found.address) || asked == found.address).then_some(found.token)
}

/// Where the config's camhook is looked at; with a port of the system's choice its key tells which.
fn base_of(config: &Config) -> String {
    let configured = config.admin.listen;
    let chosen = (configured.port() == 0).then(|| LocalKey::find(&config.store.path));
    let address = chosen.flatten().map_or(configured, |found| found.address);
    app::url(address, config.admin.tls.is_some())
}
