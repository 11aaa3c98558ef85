//! Asking a camhook: the running one over HTTP, or, when none runs, its store through the same code in this process.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, LINK};
use http::{Method, Request};
use serde_json::Value;

use super::{Common, Failure};
use crate::admin::Admin;
use crate::app;
use crate::config::Config;

const LONG: std::time::Duration = std::time::Duration::from_secs(3_600);

/// Whom to ask.
pub(super) enum Camhook {
    Running {
        client: reqwest::Client,
        base: String,
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
        let client = app::http_client()?;
        if let Some(base) = &common.admin {
            let base = base.trim_end_matches('/').to_owned();
            return Ok(Self::Running { client, base });
        }
        let config =
            Config::load(&common.config).map_err(|report| Failure::Config(Box::new(report)))?;
        let base = format!("http://{}", app::reachable(config.admin.listen));
        match client.get(format!("{base}/healthz")).send().await {
            Ok(_) => Ok(Self::Running { client, base }),
            Err(error) if error.is_connect() => {
                Ok(Self::Stopped(Box::new(app::look_into(config)?)))
            }
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

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer, Failure> {
        let body = body.map(ToString::to_string).unwrap_or_default();
        let (status, headers, body) = match self {
            Self::Running { client, base } => {
                let mut request = client
                    .request(method, format!("{base}{path}"))
                    .header(CONTENT_TYPE, "application/json");
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
        };
        if !status.is_success() {
            let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
            let reason = answer["reason"]
                .as_str()
                .map_or_else(|| format!("answered {status}"), str::to_owned);
            return Err(Failure::Said(reason));
        }
        let link = headers.get(LINK).and_then(|link| link.to_str().ok());
        let next =
            link.and_then(|link| Some(link.strip_prefix('<')?.split_once('>')?.0.to_owned()));
        Ok(Answer { body, next })
    }

    /// Lets go of the store, if it was opened here.
    pub(super) async fn done(self) {
        if let Self::Stopped(admin) = self {
            admin.store.close().await;
        }
    }
}
