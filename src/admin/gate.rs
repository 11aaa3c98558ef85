//! The gate before the API: which name was asked, which page asks, who it is, and whether they may.
//!
//! All of it is decided by the head of a request and its route, before a byte of the body is read. Only the token of a
//! form lies in the body, and is looked at when that is there.

use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::request::Parts;
use jiff::Timestamp;
use subtle::ConstantTimeEq;
use tokio::sync::watch;

use super::Refusal;
use super::attempts::Attempts;
use super::cookies::Names;
use super::local::LocalKey;
use super::rules::Rules;
use super::sessions::Sessions;
use super::settings::{PASSWORD_MAX, Scope, Settings, Visibility};
use super::table::{Access, Route};
use super::visitor::{Caller, Visitor, Who};
use crate::clock::Clock;
use crate::name::Name;
use crate::reach::Proxies;

/// The header in which our own pages send the token of their session.
pub(super) const CSRF_HEADER: &str = "x-csrf-token";
/// The field of a form that holds it.
pub(super) const CSRF_FIELD: &str = "csrf";

/// Keeps the listener.
pub(crate) struct Gate {
    rules: ArcSwap<Rules>,
    bound: SocketAddr,
    local: LocalKey,
    pub(super) sessions: Sessions,
    /// Logins of programs, which send their id as `Bearer`.
    pub(super) bearers: Sessions,
    pub(super) attempts: Attempts,
    pub(super) cookies: Names,
    pub(super) clock: Clock,
    proxies: Proxies,
    /// Told when somebody logs out or the config changes.
    changes: watch::Sender<()>,
}

impl Gate {
    /// Before a listener that is bound to this address, behind these proxies; the key goes into the store's folder.
    pub(crate) fn new(
        settings: &Settings,
        proxies: Proxies,
        bound: SocketAddr,
        store: &std::path::Path,
        clock: Clock,
    ) -> Arc<Self> {
        Arc::new(Self {
            rules: ArcSwap::from_pointee(Rules::new(settings, bound, clock.now())),
            bound,
            local: LocalKey::lay(store, bound),
            sessions: Sessions::default(),
            bearers: Sessions::default(),
            attempts: Attempts::default(),
            cookies: Names::of_port(bound.port()),
            clock,
            proxies,
            changes: watch::Sender::new(()),
        })
    }

    /// Who calls, where a proxy that is trusted speaks for somebody: whoever guesses is slowed down, and not all behind it.
    pub(super) fn caller(&self, connected: Caller, head: &Parts) -> Caller {
        Caller {
            address: self.proxies.sender(connected.address, &head.headers),
            ..connected
        }
    }

    /// Another config: who is not in it any more is out at once. Unless that would let everybody in who reaches the address
    /// that is bound, which needs not be the one of the config: then all stays as it was, and the answer is no.
    #[must_use]
    pub(crate) fn replace(&self, settings: &Settings) -> bool {
        if settings.is_for_everybody(self.bound.ip()) {
            return false;
        }
        let rules = Rules::new(settings, self.bound, self.clock.now());
        self.rules.store(Arc::new(rules));
        self.changes.send_replace(());
        true
    }

    /// Ends a login at once, streams that it began too.
    pub(super) fn end(&self, session: &str) {
        self.sessions.end(session);
        self.changes.send_replace(());
    }

    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    pub(super) fn rules(&self) -> Arc<Rules> {
        self.rules.load_full()
    }

    /// # Errors
    /// When the request is for a name that is not ours.
    pub(super) fn check_host(&self, head: &Parts) -> Result<(), Refusal> {
        self.rules.load().hosts.check(head)
    }

    /// Lets in, or says why not.
    pub(super) async fn admit(
        &self,
        caller: Caller,
        head: &Parts,
        route: &Route,
    ) -> Result<Visitor, Refusal> {
        let rules = self.rules();
        if route.changes() {
            rules.hosts.check_origin(head)?;
        }
        let needed = match route.access {
            Access::Always | Access::Open => {
                return Ok(Visitor::new(Who::Anybody, Vec::new()));
            }
            Access::Numbers if rules.metrics == Visibility::Open => None,
            Access::Numbers => Some(Scope::Metrics),
            Access::Someone => None,
            Access::Needs(scope) => Some(scope),
        };
        if !rules.login {
            return Ok(Visitor::new(Who::Anybody, vec![Scope::Admin]));
        }
        let visitor = match self.recognise(&rules, caller, head, route).await {
            // Who is known is told more of the numbers; a wrong word is no reason to tell nothing.
            Err(_) if route.access == Access::Numbers && needed.is_none() => {
                return Ok(Visitor::new(Who::Anybody, Vec::new()));
            }
            recognised => recognised?,
        };
        match needed {
            Some(scope) if !visitor.may(scope) => Err(Refusal::forbidden(&visitor, scope)),
            _ => Ok(visitor),
        }
    }

    /// Who it is. An `Authorization` header counts before a cookie.
    async fn recognise(
        &self,
        rules: &Rules,
        caller: Caller,
        head: &Parts,
        route: &Route,
    ) -> Result<Visitor, Refusal> {
        let now = self.clock.now();
        let mut headers = head.headers.get_all(AUTHORIZATION).iter();
        if let Some(header) = headers.next() {
            if headers.next().is_some() {
                return Err(Refusal::bad("one Authorization header is enough"));
            }
            let (scheme, rest) = header
                .to_str()
                .unwrap_or_default()
                .split_once(' ')
                .unwrap_or_default();
            let rest = rest.trim();
            if scheme.eq_ignore_ascii_case("bearer") {
                return self.by_token(rules, caller, rest, now);
            }
            if scheme.eq_ignore_ascii_case("basic") {
                return self.by_password(rules, caller, rest).await;
            }
            let reason = "`Authorization` must be `Bearer TOKEN`, or `Basic` with a user's name and password";
            return Err(Refusal::unauthorized(reason));
        }
        for id in self.cookies.sessions(&head.headers) {
            if let Some(visitor) = self.by_session(rules, id, now) {
                return check_csrf(visitor, head, route);
            }
        }
        Err(Refusal::unauthorized(
            "log in at /login, or send `Authorization: Bearer TOKEN`, or a user's name and password by HTTP Basic",
        ))
    }

    fn by_token(
        &self,
        rules: &Rules,
        caller: Caller,
        token: &str,
        now: Timestamp,
    ) -> Result<Visitor, Refusal> {
        let digest: [u8; 32] = <sha2::Sha256 as sha2::Digest>::digest(token).into();
        let is_local = bool::from(self.local.digest().ct_eq(&digest));
        match rules.pass(token) {
            _ if is_local => Ok(Visitor::new(Who::Local, vec![Scope::Admin])),
            Some(pass) if pass.has_expired(now) => {
                tracing::warn!(token = %pass.name, from = %caller.address, "refused a token that has expired");
                let reason = format!("the token `{}` has expired", pass.name);
                Err(Refusal::unauthorized(reason))
            }
            Some(pass) => Ok(Visitor::new(
                Who::Token(pass.name.clone()),
                pass.scopes.clone(),
            )),
            None => match self.by_login(rules, token, now) {
                Some(visitor) => Ok(visitor),
                None => self.unknown(caller, now),
            },
        }
    }

    /// Whom a token was given that logged in with name and password.
    pub(super) fn by_login(&self, rules: &Rules, token: &str, now: Timestamp) -> Option<Visitor> {
        rules.findface?;
        let login = self.bearers.find(token, now)?;
        let person = rules.person(login.user.as_str());
        let Some(person) = person.filter(|person| person.proof == login.proof) else {
            self.bearers.end(token); // the password was changed
            return None;
        };
        let mut visitor = Visitor::new(Who::User(login.user.clone()), person.scopes.clone());
        visitor.bearer = Some((token.to_owned(), login));
        Some(visitor)
    }

    fn unknown(&self, caller: Caller, now: Timestamp) -> Result<Visitor, Refusal> {
        match self.attempts.begin(caller.address, None, now) {
            Ok(_failed) => {
                tracing::warn!(from = %caller.address, "refused a token that is not known");
                Err(Refusal::unauthorized("this token is not known"))
            }
            Err(wait) => Err(Refusal::too_many(wait)),
        }
    }

    async fn by_password(
        &self,
        rules: &Rules,
        caller: Caller,
        encoded: &str,
    ) -> Result<Visitor, Refusal> {
        let decoded = STANDARD.decode(encoded).ok();
        let text = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
        let Some((user, password)) = text.as_deref().and_then(|text| text.split_once(':')) else {
            return Err(Refusal::unauthorized("this is no HTTP Basic"));
        };
        let user = self.verify(rules, caller, user, password, "Basic").await?;
        let scopes = rules
            .person(user.as_str())
            .map(|person| person.scopes.clone());
        Ok(Visitor::new(Who::User(user), scopes.unwrap_or_default()))
    }

    /// The user with this name and password.
    ///
    /// # Errors
    /// When there is none, or too many tries failed.
    pub(super) async fn verify(
        &self,
        rules: &Rules,
        caller: Caller,
        user: &str,
        password: &str,
        how: &str,
    ) -> Result<Name, Refusal> {
        let now = self.clock.now();
        // Counted before it is looked at: many tries at once are as many.
        let attempt = self.attempts.begin(caller.address, Some(user), now);
        let attempt = attempt.map_err(|wait| {
            tracing::debug!(from = %caller.address, "too many failed logins");
            Refusal::too_many(wait)
        })?;
        let person = rules.person(user);
        let right = rules.has_seen(user, password)
            || password.len() <= PASSWORD_MAX && {
                let stored = person.map(|person| person.stored.clone());
                rules.desk.fits(stored, password.to_owned()).await
            };
        match Name::new(user) {
            Ok(name) if right && person.is_some() => {
                self.attempts.succeed(attempt, now);
                rules.remember(user, password);
                Ok(name)
            }
            _ => {
                // A name that is not known may be a password in the wrong field: it is not told.
                let user = if person.is_some() {
                    user
                } else {
                    "(not known)"
                };
                tracing::warn!(user, from = %caller.address, how, "refused a login");
                Err(Refusal::unauthorized("wrong name or password"))
            }
        }
    }

    pub(super) fn by_session(&self, rules: &Rules, id: &str, now: Timestamp) -> Option<Visitor> {
        let session = self.sessions.find(id, now)?;
        let person = rules.person(session.user.as_str())?;
        if person.proof != session.proof {
            self.sessions.end(id); // the password was changed
            return None;
        }
        let mut visitor = Visitor::new(Who::User(session.user.clone()), person.scopes.clone());
        visitor.session = Some((id.to_owned(), session));
        Some(visitor)
    }

    /// The rest of the check, with the body at hand.
    ///
    /// # Errors
    /// When the form lacks the session's token.
    pub(super) fn confirm(&self, visitor: &Visitor, body: &Bytes) -> Result<(), Refusal> {
        let Some((_, session)) = visitor.session.as_ref().filter(|_| visitor.form_token_due) else {
            return Ok(());
        };
        let found = form_urlencoded::parse(body).find(|(name, _)| name == CSRF_FIELD);
        let fits = found.is_some_and(|(_, token)| same(&session.csrf, &token));
        if fits { Ok(()) } else { Err(Refusal::csrf()) }
    }
}

/// A browser sends its cookie whoever made it ask. So what changes something must also show what only our pages know.
fn check_csrf(mut visitor: Visitor, head: &Parts, route: &Route) -> Result<Visitor, Refusal> {
    let Some((_, session)) = visitor.session.as_ref().filter(|_| route.changes()) else {
        return Ok(visitor);
    };
    let kind = head
        .headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    match head.headers.get(CSRF_HEADER) {
        Some(token) if same(&session.csrf, token.to_str().unwrap_or_default()) => Ok(visitor),
        Some(_) => Err(Refusal::csrf()),
        None if kind.is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded")) => {
            visitor.form_token_due = true;
            Ok(visitor)
        }
        None => Err(Refusal::csrf()),
    }
}

/// In constant time.
pub(super) fn same(known: &str, candidate: &str) -> bool {
    bool::from(known.as_bytes().ct_eq(candidate.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_config_opens_an_address_that_is_for_who_logs_in() {
        let folder = tempfile::tempdir().unwrap();
        let read = |yaml: &str| serde_saphyr::from_str::<Settings>(yaml).unwrap();
        let with_token = read("{ tokens: { a: { token: 0123456789abcdef } } }");
        let without = read("{ listen: 127.0.0.1:9001 }");
        let open = read("{ open: true }");
        for (bound, is_taken) in [("0.0.0.0:9001", false), ("127.0.0.1:9001", true)] {
            let (bound, clock) = (bound.parse().unwrap(), Clock::system());
            let gate = Gate::new(&with_token, Proxies::default(), bound, folder.path(), clock);
            assert_eq!(gate.replace(&without), is_taken, "{bound}");
            assert_eq!(gate.rules().login, !is_taken, "{bound}");
            assert!(gate.replace(&open), "{bound}: somebody said so");
        }
    }
}
