//! Sessions: one login serves every request until its token ends.
//!
//! Systems limit logins: per user, per minute, or by locking the account. So a token is shared by all requests with the
//! same login, at most one login is under way at a time, a login that was refused is not repeated for a while, and what
//! was opened is closed when camhook stops.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use reqwest::Client;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::answer::Answer;
use super::{HttpTarget, Report, failure, judge};
use crate::fate::Verdict;
use crate::payload::Request;
use crate::payload::around::{Lifetime, Session, TOKEN};

/// How long after a refused login no other is tried; it doubles with each refusal.
const GUARD: Duration = Duration::from_secs(30);
const GUARD_MAX: Duration = Duration::from_secs(60 * 60);
/// How long all logouts together may take.
const LOGOUT_TIMEOUT: Duration = Duration::from_secs(5);
/// Logins of one config; beyond it nothing is remembered of the oldest, which only costs logins.
const SESSIONS_MAX: usize = 1_000;

/// All sessions of a camhook. They outlive a reload of the config. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Sessions(Arc<Mutex<HashMap<Key, Arc<tokio::sync::Mutex<Slot>>>>>);

/// The digest of a login request: equal logins share a session.
type Key = [u8; 32];

#[derive(Default)]
struct Slot {
    token: Option<Token>,
    logins: u64,
    refused: Option<Refused>,
    logout: Option<(Client, Request)>,
}

/// A token, and which login it came of.
#[derive(Clone)]
pub(super) struct Token {
    pub(super) value: String,
    login: u64,
    until: Option<Timestamp>,
}

struct Refused {
    times: u32,
    since: Timestamp,
    until: Timestamp,
    why: String,
}

impl Sessions {
    fn slot(&self, login: &Request) -> Arc<tokio::sync::Mutex<Slot>> {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= SESSIONS_MAX {
            slots.clear();
        }
        slots.entry(key(login)).or_default().clone()
    }

    /// Ends what was begun, as far as the systems answer in time.
    pub(crate) async fn log_out(&self) {
        let slots: Vec<_> = {
            let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            slots.drain().map(|(_, slot)| slot).collect()
        };
        let all = async {
            for slot in slots {
                let mut slot = slot.lock().await;
                let (Some(token), Some((client, logout))) = (slot.token.take(), slot.logout.take())
                else {
                    continue;
                };
                let Ok(logout) = logout.filled(&[(TOKEN.to_owned(), token.value)]) else {
                    continue;
                };
                let mut request = client.request(logout.method, logout.url);
                for (name, value) in logout.headers {
                    request = request.header(name, value);
                }
                let sent = request.body(logout.body.to_vec()).send().await;
                if let Err(error) = sent {
                    tracing::debug!(
                        error = failure::chain(&error.without_url()),
                        "a logout failed"
                    );
                }
            }
        };
        if tokio::time::timeout(LOGOUT_TIMEOUT, all).await.is_err() {
            tracing::warn!(
                "not every session could be ended in time; the others end by themselves"
            );
        }
    }
}

impl HttpTarget {
    /// The session's token: the one at hand, unless it is `refused`, the one that a system did not take; else by a login.
    pub(super) async fn token(
        &self,
        session: &Session,
        refused: Option<&Token>,
        deadline: Instant,
    ) -> Result<Token, Report> {
        let slot = self.sessions.slot(&session.login);
        let mut slot = slot.lock().await; // whoever waits here waits for the login of another
        let now = self.clock.now();
        let good = |token: &&Token| {
            refused.is_none_or(|refused| refused.login != token.login)
                && token.until.is_none_or(|until| now < until)
        };
        if let Some(token) = slot.token.as_ref().filter(good) {
            return Ok(token.clone());
        }
        slot.token = None;
        // Where `since` is yet to come, the clock was set back, and the wait is over too: its length is not known any more.
        let guards = |guard: &&Refused| (guard.since..guard.until).contains(&now);
        if let Some(guard) = slot.refused.as_ref().filter(guards) {
            let error = format!(
                "{}; no other login is tried before {}, so that the account is not locked",
                guard.why, guard.until
            );
            return Err(Report::failed(Verdict::Hold, error));
        }
        let answer = self.exchange(None, session.login.clone(), deadline).await?;
        match self.logged_in(session, &answer, slot.logins + 1, now) {
            Ok(token) => {
                slot.logins = token.login;
                slot.refused = None;
                slot.logout = (session.logout.clone()).map(|logout| (self.client.clone(), logout));
                slot.token = Some(token.clone());
                Ok(token)
            }
            Err(report) => {
                if report.verdict == Verdict::Hold {
                    let times = slot.refused.as_ref().map_or(0, |guard| guard.times) + 1;
                    let wait = GUARD.saturating_mul(1 << times.min(10).saturating_sub(1));
                    slot.refused = Some(Refused {
                        times,
                        since: now,
                        until: after(now, wait.min(GUARD_MAX)),
                        why: report.error.clone().unwrap_or_default(),
                    });
                }
                Err(report)
            }
        }
    }

    fn logged_in(
        &self,
        session: &Session,
        answer: &Answer,
        login: u64,
        now: Timestamp,
    ) -> Result<Token, Report> {
        let pause = judge::pause(&answer.headers, now);
        let verdict = match judge::Judge::default().ruling(answer, pause).verdict {
            Verdict::Delivered => match answer.find(&session.token) {
                Some(value) if !value.is_empty() => {
                    let until = lifetime(&session.lifetime, answer).map(|span| after(now, span));
                    return Ok(Token {
                        value,
                        login,
                        until,
                    });
                }
                _ if !answer.is_whole() => Verdict::TryAgain { pause },
                _ => Verdict::Hold,
            },
            Verdict::Dead => Verdict::Hold, // no delivery is at fault
            other => other,
        };
        let error = if answer.status.is_success() && !answer.is_whole() {
            "the answer to the login broke off before its token".to_owned()
        } else if answer.status.is_success() {
            "the answer to the login holds no token: are the credentials right?".to_owned()
        } else {
            format!("the login was answered with {}", answer.status)
        };
        Err(Report {
            verdict,
            status: Some(answer.status.as_u16()),
            error: Some(error),
            // What a login is answered with when it succeeds may be the token itself, at a place where it was not awaited.
            excerpt: (!answer.status.is_success())
                .then(|| self.excerpt(&answer.body, None))
                .flatten(),
        })
    }
}

/// A token is renewed after four fifths of its life, before it can be refused.
fn lifetime(lifetime: &Lifetime, answer: &Answer) -> Option<Duration> {
    let whole = match lifetime {
        Lifetime::Unknown => return None,
        Lifetime::Fixed(span) => *span,
        Lifetime::Told(find) => {
            let seconds: f64 = answer.find(find)?.trim().parse().ok()?;
            Duration::try_from_secs_f64(seconds).ok()?
        }
    };
    Some(whole / 5 * 4)
}

fn after(moment: Timestamp, span: Duration) -> Timestamp {
    SignedDuration::try_from(span)
        .ok()
        .and_then(|span| moment.saturating_add(span).ok())
        .unwrap_or(Timestamp::MAX)
}

fn key(login: &Request) -> Key {
    let mut digest = Sha256::new();
    let mut add = |piece: &[u8]| {
        digest.update(piece.len().to_le_bytes());
        digest.update(piece);
    };
    add(login.method.as_str().as_bytes());
    add(login.url.as_bytes());
    for (name, value) in &login.headers {
        add(name.as_str().as_bytes());
        add(value.as_bytes());
    }
    add(&login.body.to_vec());
    digest.finalize().into()
}
