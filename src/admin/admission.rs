//! That somebody who was let in still may stay: for answers that go on for hours.

use std::sync::Arc;

use jiff::Timestamp;

use super::gate::Gate;
use super::rules::Rules;
use super::settings::Scope;
use super::table::Ask;
use super::visitor::Who;
use crate::name::Name;

/// How somebody got in, and what for.
pub(super) struct Admission {
    gate: Arc<Gate>,
    how: How,
    needed: Scope,
    changes: tokio::sync::watch::Receiver<()>,
}

enum How {
    /// There is no login.
    Open,
    Local,
    Token([u8; 32]),
    /// By a password with this request; the proof is of the password.
    Password(Name, [u8; 32]),
    Session(String),
    /// By a token that was given for a password.
    Bearer(String),
}

/// Why somebody may not stay.
pub(super) const OVER: &str = "the login or the token has ended: log in again";

impl Admission {
    /// Of a request that the gate has just let in. None without a gate.
    pub(super) fn of(ask: &Ask<'_>, needed: Scope) -> Option<Self> {
        let (gate, _) = ask.gate?;
        let rules = gate.rules();
        let visitor = ask.visitor;
        let how = match (&visitor.session, &visitor.bearer, &visitor.who) {
            (Some((id, _)), _, _) => How::Session(id.clone()),
            (None, Some((id, _)), _) => How::Bearer(id.clone()),
            (None, None, Who::Anybody) => How::Open,
            (None, None, Who::Local) => How::Local,
            (None, None, Who::Token(name)) => How::Token(*rules.pass_named(name)?.digest()),
            (None, None, Who::User(name)) => {
                How::Password(name.clone(), rules.person(name.as_str())?.proof)
            }
        };
        Some(Self {
            gate: gate.clone(),
            how,
            needed,
            changes: gate.changes(),
        })
    }

    /// Whether it still holds, and until when if that is known.
    ///
    /// # Errors
    /// When it does not.
    pub(super) fn lasts(&self) -> Result<Option<Timestamp>, &'static str> {
        let (rules, now) = (self.gate.rules(), self.gate.clock.now());
        let until = self.found(&rules, now).ok_or(OVER)?;
        match until {
            Some(until) if until <= now => Err(OVER),
            until => Ok(until),
        }
    }

    fn found(&self, rules: &Rules, now: Timestamp) -> Option<Option<Timestamp>> {
        let covers = |scopes: &[Scope]| scopes.iter().any(|scope| scope.covers(self.needed));
        match &self.how {
            How::Open => (!rules.login).then_some(None),
            How::Local => Some(None),
            How::Token(digest) => {
                let pass = rules.pass_of(digest)?;
                covers(&pass.scopes).then_some(pass.expires)
            }
            How::Password(name, proof) => {
                let person = rules.person(name.as_str())?;
                (person.proof == *proof && covers(&person.scopes)).then_some(None)
            }
            How::Session(id) => {
                let visitor = self.gate.by_session(rules, id, now)?;
                let (_, session) = visitor.session.as_ref()?;
                covers(&visitor.scopes).then_some(Some(session.expires))
            }
            How::Bearer(id) => {
                let visitor = self.gate.by_login(rules, id, now)?;
                let (_, login) = visitor.bearer.as_ref()?;
                covers(&visitor.scopes).then_some(Some(login.expires))
            }
        }
    }

    /// Ends when somebody logged out, or the config changed: then it must be asked again whether it lasts.
    pub(super) async fn changed(&mut self) {
        if self.changes.changed().await.is_err() {
            std::future::pending().await // the gate is gone
        }
    }
}
