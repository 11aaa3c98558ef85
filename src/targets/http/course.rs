//! The course of one attempt: login, requests that come first, the request itself, and what is tried when it is
//! refused for a reason that can be mended at once.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use http::StatusCode;
use tokio::time::Instant;

use super::answer::Answer;
use super::session::Token;
use super::{HttpTarget, Report};
use crate::event::DeliveryId;
use crate::fate::Verdict;
use crate::payload::around::{Around, First, TOKEN};
use crate::payload::{Request, late};

/// Deliveries whose captured values are remembered.
const CAPTURED_MAX: usize = 1_000;

type Values = Vec<(String, String)>;

/// What first requests told, by delivery: another attempt goes on behind them instead of doing them again.
#[derive(Default)]
pub(super) struct Captured(Mutex<VecDeque<(DeliveryId, usize, Values)>>);

/// What came of going the course once.
enum Outcome {
    Settled(Report),
    /// The token was refused.
    SessionOver,
}

impl HttpTarget {
    pub(super) async fn attempt(&self, delivery: DeliveryId, mut request: Request) -> Report {
        let deadline = Instant::now() + self.timeout;
        let around = match request.around.take() {
            Some(around) if !around.is_only_signed() => around,
            signed => {
                request.around = signed;
                return match self.exchange(Some(delivery), request, deadline).await {
                    Ok(answer) => self.judged(&answer, None),
                    Err(report) => report,
                };
            }
        };
        let mut refused: Option<Token> = None;
        loop {
            let token = match &around.session {
                Some(session) => match self.token(session, refused.as_ref(), deadline).await {
                    Ok(token) => Some(token),
                    Err(report) => return report,
                },
                None => None,
            };
            let last = refused.is_some(); // a second refusal is told as it is
            let went = self.go(delivery, &around, &request, token.as_ref(), last, deadline);
            match went.await {
                Outcome::Settled(report) => return report,
                Outcome::SessionOver => refused = token,
            }
        }
    }

    /// Logs in where that is needed, and asks.
    pub(super) async fn asked(&self, mut request: Request) -> (Report, Option<Answer>) {
        let deadline = Instant::now() + self.timeout;
        let mut values = Vec::new();
        if let Some(session) = request
            .around
            .as_ref()
            .and_then(|around| around.session.clone())
        {
            match self.token(&session, None, deadline).await {
                Ok(token) => values.push((TOKEN.to_owned(), token.value)),
                Err(report) => return (report, None),
            }
        }
        request.around = request.around.and_then(|around| around.signed());
        match self.send(None, &request, &values, deadline).await {
            Ok(answer) => {
                let token = values.first().map(|(_, token)| token.as_str());
                (self.judged(&answer, token), Some(answer))
            }
            Err(report) => (report, None),
        }
    }

    async fn go(
        &self,
        delivery: DeliveryId,
        around: &Around,
        request: &Request,
        token: Option<&Token>,
        last: bool,
        deadline: Instant,
    ) -> Outcome {
        let secret = token.map(|token| token.value.as_str());
        let over = |answer: &Answer| token.is_some() && !last && self.ruling(answer).login_again;
        let (done, mut values) = self.captured.of(delivery);
        if let Some(token) = secret {
            values.push((TOKEN.to_owned(), token.to_owned()));
        }
        for (n, first) in around.first.iter().enumerate().skip(done) {
            let answer = match self.send(None, &first.request, &values, deadline).await {
                Ok(answer) => answer,
                Err(report) => return Outcome::Settled(ahead(report, n, around)),
            };
            if over(&answer) {
                return Outcome::SessionOver;
            }
            let report = self.judged(&answer, secret);
            if report.verdict != Verdict::Delivered {
                return Outcome::Settled(ahead(report, n, around));
            }
            match captured(first, &answer) {
                Ok(found) => {
                    values.extend(found.iter().cloned());
                    self.captured.keep(delivery, n + 1, found);
                }
                Err(error) => {
                    let (verdict, error) = match answer.is_whole() {
                        true => (Verdict::Dead, error),
                        // What it did is done all the same, and may be done twice then: better than never.
                        false => (
                            Verdict::TryAgain { pause: None },
                            format!("{error}: it broke off"),
                        ),
                    };
                    let report = Report {
                        verdict,
                        error: Some(error),
                        ..report
                    };
                    return Outcome::Settled(ahead(report, n, around));
                }
            }
        }
        let mut main = request.clone();
        main.around = around.signed();
        let sent = self.send(Some(delivery), &main, &values, deadline).await;
        let answer = match (sent, &around.smaller) {
            (Ok(answer), Some(smaller)) if answer.status == StatusCode::PAYLOAD_TOO_LARGE => {
                let mut smaller = (**smaller).clone();
                smaller.around = around.signed();
                self.send(Some(delivery), &smaller, &values, deadline).await
            }
            (sent, _) => sent,
        };
        let report = match answer {
            Ok(answer) if over(&answer) => return Outcome::SessionOver,
            Ok(answer) => self.judged(&answer, secret),
            Err(report) => report,
        };
        if matches!(report.verdict, Verdict::Delivered | Verdict::Dead) {
            self.captured.forget(delivery);
        }
        Outcome::Settled(report)
    }

    async fn send(
        &self,
        delivery: Option<DeliveryId>,
        request: &Request,
        values: &Values,
        deadline: Instant,
    ) -> Result<Answer, Report> {
        let dead = |error: String| Report::failed(Verdict::Dead, error);
        let filled = request.clone().filled(values);
        let filled = filled.map_err(|error| dead(error.to_string()))?;
        if let Some(name) = late::left(&filled) {
            return Err(dead(format!(
                "`{name}` has no value: nothing before this request tells it"
            )));
        }
        self.exchange(delivery, filled, deadline).await
    }
}

/// The report of a request that came before the one that matters.
fn ahead(report: Report, n: usize, around: &Around) -> Report {
    let (n, of) = (n + 1, around.first.len());
    Report {
        error: report
            .error
            .map(|error| format!("the request before it ({n} of {of}): {error}")),
        ..report
    }
}

fn captured(first: &First, answer: &Answer) -> Result<Values, String> {
    let value = |(name, find): &(String, _)| match answer.find(find) {
        Some(value) => Ok((format!("captured.{name}"), value)),
        None => Err(format!("its answer holds no `{name}`")),
    };
    first.capture.iter().map(value).collect()
}

impl Captured {
    fn of(&self, delivery: DeliveryId) -> (usize, Values) {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known
            .iter()
            .find(|(id, _, _)| *id == delivery)
            .map_or((0, Vec::new()), |(_, done, values)| (*done, values.clone()))
    }

    fn keep(&self, delivery: DeliveryId, done: usize, found: Values) {
        let (_, mut values) = self.of(delivery);
        values.extend(found);
        self.forget(delivery);
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() == CAPTURED_MAX {
            known.pop_front();
        }
        known.push_back((delivery, done, values));
    }

    fn forget(&self, delivery: DeliveryId) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|(id, _, _)| *id != delivery);
    }
}
