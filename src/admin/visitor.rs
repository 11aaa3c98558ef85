//! Who is at the gate, and what they may do.

use std::net::IpAddr;

use super::sessions::Session;
use super::settings::Scope;
use super::table::Access;
use crate::name::Name;

/// At the other end of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller {
    pub(super) address: IpAddr,
    pub(super) tls: bool,
}

/// Somebody at the gate, and what they may do.
pub(super) struct Visitor {
    pub(super) who: Who,
    pub(super) scopes: Vec<Scope>,
    /// Set for who is logged in with a browser: the session's id, and the session.
    pub(super) session: Option<(String, Session)>,
    /// Set for a program that logged in with a name and password: the token it was given, and its login.
    pub(super) bearer: Option<(String, Session)>,
    /// The session's token must still be found in the form.
    pub(super) form_token_due: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Who {
    /// There is no login, or what was asked for needs none.
    Anybody,
    /// The command line of this machine.
    Local,
    Token(Name),
    User(Name),
}

impl std::fmt::Display for Who {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Anybody => f.write_str("anybody"),
            Self::Local => f.write_str("the command line of this machine"),
            Self::Token(name) => write!(f, "the token {name}"),
            Self::User(name) => write!(f, "the user {name}"),
        }
    }
}

impl Who {
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Anybody => "anybody",
            Self::Local => "local",
            Self::Token(_) => "token",
            Self::User(_) => "user",
        }
    }

    pub(super) fn name(&self) -> Option<&Name> {
        match self {
            Self::Anybody | Self::Local => None,
            Self::Token(name) | Self::User(name) => Some(name),
        }
    }
}

impl Visitor {
    pub(super) fn new(who: Who, scopes: Vec<Scope>) -> Self {
        Self {
            who,
            scopes,
            session: None,
            bearer: None,
            form_token_due: false,
        }
    }

    /// Who works on the store without a listener in between.
    pub(super) fn of_this_process() -> Self {
        Self::new(Who::Local, vec![Scope::Admin])
    }

    pub(super) fn may(&self, needed: Scope) -> bool {
        self.scopes.iter().any(|scope| scope.covers(needed))
    }

    /// Whether a link to what asks for that leads anywhere, for somebody who is let in at all.
    pub(super) fn passes(&self, access: Access) -> bool {
        match access {
            Access::Needs(scope) => self.may(scope),
            Access::Always | Access::Open | Access::Numbers | Access::Someone => true,
        }
    }
}
