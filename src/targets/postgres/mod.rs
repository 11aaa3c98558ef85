//! Gives rows to a PostgreSQL server over a few kept connections.
//!
//! A connection lives beside nothing: it is driven only while one of its statements runs, and lies idle otherwise. A server
//! that closed it meanwhile is found out by the next statement, which then goes over a new connection.

mod tls;
mod value;

use std::pin::Pin;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::ClientConfig;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::time::timeout;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, Error, Statement};

use super::http::Tls;
use super::http::failure::reasons;
use super::{Mistakes, Report, Target};
use crate::event::DeliveryId;
use crate::fate::Verdict;
use crate::payload::{Payload, Row};
use crate::units::Span;

use tls::Connector;
use value::Bound;

/// How a database is reached.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// The database: `postgres://user:password@host:5432/database`. TLS is used where the server has it; with
    /// `?sslmode=require` or `tls` nothing is sent without, with `?sslmode=disable` it is not asked for.
    pub(crate) url: String,
    /// How long one row may take, connecting included. Default `30s`.
    #[serde(default)]
    pub(crate) timeout: Option<Span>,
    /// Whom to trust (`ca`, `pin`), and who camhook is (`cert`, `key`). The system's authorities unless set.
    #[serde(default)]
    pub(crate) tls: Option<Tls>,
}

const TIMEOUT: Duration = Duration::from_secs(30);
/// No setting makes an attempt longer.
const TIMEOUT_MAX: Duration = Duration::from_secs(60 * 60);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Kept while there is nothing to send.
const IDLE_MAX: usize = 4;

/// One database.
pub(crate) struct PostgresTarget {
    config: Config,
    connector: Connector,
    timeout: Duration,
    idle: Mutex<Vec<Kept>>,
}

/// One connection with the statement that it has prepared.
struct Kept {
    client: Client,
    driver: Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>,
    statement: Statement,
    sql: String,
}

/// Why a row is not in the database.
enum Failure {
    /// The driver, or the server through it.
    Told(Error),
    Unfit(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Told(error)
    }
}

impl PostgresTarget {
    pub(crate) fn new(settings: &Settings, tls: Arc<ClientConfig>) -> Result<Self, Mistakes> {
        let wrong = |message: &str| Err(vec![(vec!["url".to_owned()], message.to_owned())]);
        let expected = "expected such as `postgres://user:password@10.0.0.5:5432/database`";
        // Certificates are always looked at, so the stricter modes of other programs are nothing else here.
        let url = settings
            .url
            .replace("sslmode=verify-full", "sslmode=require");
        let url = url.replace("sslmode=verify-ca", "sslmode=require");
        if !["postgres://", "postgresql://"]
            .iter()
            .any(|way| url.starts_with(way))
        {
            return wrong(expected);
        }
        let Ok(mut config) = Config::from_str(&url) else {
            return wrong(&format!(
                "this is no address of a database ({expected}; `%40` for an `@` in a password)"
            ));
        };
        if config.get_hosts().is_empty() {
            return wrong(expected);
        }
        if config.get_user().is_none() {
            return wrong("the address names no user: `postgres://user@host/database`");
        }
        if settings.tls.is_some() {
            if config.get_ssl_mode() == SslMode::Disable {
                return wrong("`sslmode=disable` beside `tls`: remove one of them");
            }
            config.ssl_mode(SslMode::Require);
        }
        if config.get_application_name().is_none() {
            config.application_name("camhook");
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        Ok(Self {
            config,
            connector: Connector(tls),
            timeout: settings
                .timeout
                .map_or(TIMEOUT, |span| span.0.min(TIMEOUT_MAX)),
            idle: Mutex::default(),
        })
    }

    /// Host and port of the first server, unless it is a socket.
    pub(crate) fn address(&self) -> Option<(String, u16)> {
        let port = self.config.get_ports().first().copied().unwrap_or(5432);
        match self.config.get_hosts().first()? {
            Host::Tcp(host) => Some((host.clone(), port)),
            #[cfg(unix)]
            Host::Unix(_) => None,
        }
    }

    fn take_idle(&self, sql: &str) -> Option<Kept> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        std::iter::from_fn(|| idle.pop()).find(|kept| kept.sql == sql && !kept.client.is_closed())
    }

    /// Unless what was told may be the connection's fault: whoever kept that one would be told the same again and again.
    fn keep_after(&self, kept: Kept, done: &Result<u64, Failure>) {
        let is_sound = match done {
            Ok(_) | Err(Failure::Unfit(_)) => true,
            Err(Failure::Told(error)) => error.code().is_some_and(|code| is_of_row(code.code())),
        };
        if !is_sound {
            return;
        }
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_MAX && !kept.client.is_closed() {
            idle.push(kept);
        }
    }

    /// The number of rows that were written.
    async fn write(&self, row: &Row) -> Result<u64, Failure> {
        let bound: Vec<Bound> = row.values.iter().cloned().map(Bound).collect();
        if let Some(mut kept) = self.take_idle(&row.sql) {
            match kept.execute(&bound).await {
                // The server may have gone while the connection lay idle: that tells nothing about the row. Should the
                // row be there all the same, the statement is the one to say what a second one is.
                Err(Failure::Told(error)) if is_lost(&error) => {
                    let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
                    idle.clear();
                }
                done => {
                    self.keep_after(kept, &done);
                    return done;
                }
            }
        }
        let mut kept = self.open(&row.sql).await?;
        let done = kept.execute(&bound).await;
        self.keep_after(kept, &done);
        done
    }

    #[expect(
        clippy::redundant_async_block,
        reason = "the block drops the connection when it ends, by which the client knows that it is closed"
    )]
    async fn open(&self, sql: &str) -> Result<Kept, Failure> {
        let (client, connection) = self.config.connect(self.connector.clone()).await?;
        let mut driver: Pin<Box<dyn Future<Output = _> + Send>> =
            Box::pin(async move { connection.await });
        let statement = driven(&mut driver, client.prepare(sql)).await?;
        Ok(Kept {
            client,
            driver,
            statement,
            sql: sql.to_owned(),
        })
    }
}

impl Kept {
    async fn execute(&mut self, values: &[Bound]) -> Result<u64, Failure> {
        let wanted = self.statement.params().len();
        if wanted != values.len() {
            let given = values.len();
            return Err(Failure::Unfit(format!(
                "the statement wants {wanted} values, and `values` has {given}"
            )));
        }
        let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| value as _).collect();
        let running = self.client.execute(&self.statement, &values);
        Ok(driven(&mut self.driver, running).await?)
    }
}

/// Drives the connection until `work` is done.
async fn driven<T>(
    driver: &mut Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let mut work = std::pin::pin!(work);
    tokio::select! {
        biased;
        done = &mut work => done,
        ended = driver => match ended {
            Err(error) => Err(error),
            Ok(()) => work.await, // the connection is closed, and that is what it tells
        },
    }
}

/// Whether the connection is at fault, not the row.
fn is_lost(error: &Error) -> bool {
    match error.code() {
        Some(code) => {
            let code = code.code();
            code.starts_with("57P") || code.starts_with("08") || is_of_statement_name(code)
        }
        None => error.is_closed() || reasons(error).contains("communicating"),
    }
}

/// What is prepared is not there, or another is: a pooler gave the connection to another server process.
fn is_of_statement_name(code: &str) -> bool {
    ["26000", "42P05"].contains(&code)
}

/// Whether it is what cannot be stored: the next try would end the same.
fn is_of_row(code: &str) -> bool {
    code.starts_with("22") || code.starts_with("23")
}

/// By the class of the server's answer (Appendix A of PostgreSQL's manual, read 2026-11-21).
fn verdict(code: &str) -> Verdict {
    match code.get(..2).unwrap_or_default() {
        _ if is_of_row(code) => Verdict::Dead,
        _ if is_of_statement_name(code) => Verdict::TryAgain { pause: None },
        // the credentials, the database's name, and the statement, which is the same for every event
        "28" | "3D" | "42" => Verdict::Hold,
        // 08 53 57P 40001 40P01 55P03: outages, full disks, deadlocks and locks pass
        _ => Verdict::TryAgain { pause: None },
    }
}

fn report(failure: &Failure) -> Report {
    let error = match failure {
        Failure::Unfit(reason) => return Report::failed(Verdict::Dead, reason.clone()),
        Failure::Told(error) => error,
    };
    let Some(told) = error.as_db_error() else {
        let text = reasons(error);
        // a value that its column cannot take
        return match text.starts_with("error serializing parameter") {
            true => Report::failed(Verdict::Dead, text),
            false => Report::try_again(text),
        };
    };
    let code = told.code().code();
    let verdict = verdict(code);
    let mut text = format!("{} (SQLSTATE {code})", told.message());
    if matches!(verdict, Verdict::Hold) {
        text.push_str(": nothing more is sent until this is mended");
    }
    Report::failed(verdict, text)
}

impl Target for PostgresTarget {
    fn send(
        &self,
        _: DeliveryId,
        payload: Payload,
    ) -> Pin<Box<dyn Future<Output = Report> + Send + '_>> {
        Box::pin(async move {
            let Payload::Row(row) = payload else {
                return Report::misrouted("postgres");
            };
            match timeout(self.timeout, self.write(&row)).await {
                Ok(Ok(rows)) => Report {
                    excerpt: Some(match rows {
                        0 => "0 rows: it was there already".to_owned(),
                        1 => "1 row".to_owned(),
                        more => format!("{more} rows"),
                    }),
                    ..Report::delivered()
                },
                Ok(Err(failure)) => report(&failure),
                Err(_) => {
                    let seconds = self.timeout.as_secs_f64();
                    Report::try_again(format!("the database did not answer within {seconds} s"))
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_is_tried_again_and_what_does_not_is_dead() {
        for code in [
            "08006", "26000", "42P05", "53300", "57P01", "57P03", "40001", "40P01", "55P03",
            "XX000",
        ] {
            assert!(matches!(verdict(code), Verdict::TryAgain { .. }), "{code}");
        }
        for code in ["28P01", "28000", "3D000", "42P01", "42501"] {
            assert_eq!(verdict(code), Verdict::Hold, "{code}");
        }
        for code in ["22P02", "23502"] {
            assert_eq!(verdict(code), Verdict::Dead, "{code}");
        }
    }
}
