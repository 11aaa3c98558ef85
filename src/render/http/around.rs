//! What has to happen around a request, written from its settings.

use http::HeaderName;

use super::Writer as RequestWriter;
use super::settings::{Call, Find, First, Lifetime, Session, Settings};
use crate::event::{Event, Item};
use crate::payload::around::{self, Around};
use crate::render::Building;
use crate::template::{Condition, RenderError, Scope};

/// Compiled parts of [`Settings`] that are not the request itself.
pub(super) struct Writer {
    session: Option<SessionWriter>,
    first: Vec<FirstWriter>,
    retry_without_pictures: bool,
}

struct SessionWriter {
    login: Box<RequestWriter>,
    token: around::Find,
    lifetime: around::Lifetime,
    logout: Option<Box<RequestWriter>>,
}

struct FirstWriter {
    when: Option<Condition>,
    request: Box<RequestWriter>,
    capture: Vec<(String, around::Find)>,
}

impl Writer {
    /// `None` when nothing has to happen, or when there were mistakes.
    pub(super) fn new(building: &mut Building<'_>, settings: &Settings) -> Option<Self> {
        let session = match &settings.session {
            Some(session) => Some(SessionWriter::new(building, session)?),
            None => None,
        };
        let firsts = settings.first.iter().enumerate();
        let first: Vec<_> = firsts
            .map(|(n, first)| FirstWriter::new(building, n, first))
            .collect();
        let first: Vec<_> = first.into_iter().collect::<Option<_>>()?;
        let retry_without_pictures = settings.retry_without_pictures;
        let needed = session.is_some() || !first.is_empty() || retry_without_pictures;
        needed.then_some(Self {
            session,
            first,
            retry_without_pictures,
        })
    }

    pub(super) fn write(
        &self,
        main: &RequestWriter,
        event: &Event,
        item: Option<Item>,
        scope: &Scope,
    ) -> Result<Around, RenderError> {
        let first = |first: &FirstWriter| -> Result<_, RenderError> {
            Ok(around::First {
                request: first.request.write(event, item, scope)?,
                capture: first.capture.clone(),
            })
        };
        let smaller = if self.retry_without_pictures {
            let smaller = main.write_bare(event, item, &scope.without_pictures())?;
            Some(Box::new(smaller))
        } else {
            None
        };
        Ok(Around {
            expects: Vec::new(),
            call: None,
            session: self.session(event, scope)?,
            first: self
                .first
                .iter()
                .filter(|first| first.when.as_ref().is_none_or(|when| when.holds(scope)))
                .map(first)
                .collect::<Result<_, _>>()?,
            sign: None,
            smaller,
        })
    }

    pub(super) fn session(
        &self,
        event: &Event,
        scope: &Scope,
    ) -> Result<Option<around::Session>, RenderError> {
        let Some(session) = &self.session else {
            return Ok(None);
        };
        let logout = match &session.logout {
            Some(logout) => Some(logout.write(event, None, scope)?),
            None => None,
        };
        Ok(Some(around::Session {
            login: session.login.write(event, None, scope)?,
            token: session.token.clone(),
            lifetime: session.lifetime.clone(),
            logout,
        }))
    }
}

impl SessionWriter {
    fn new(building: &mut Building<'_>, session: &Session) -> Option<Self> {
        let login = call(building, &["session", "login"], &session.login);
        let logout = match &session.logout {
            Some(logout) => call(building, &["session", "logout"], logout).map(Some),
            None => Some(None),
        };
        let token = find(building, &["session", "token"], &session.token);
        let lifetime = match &session.lifetime {
            None => Some(around::Lifetime::Unknown),
            Some(Lifetime::Fixed(span)) => Some(around::Lifetime::Fixed(span.0)),
            Some(Lifetime::Told(told)) => {
                find(building, &["session", "lifetime"], told).map(around::Lifetime::Told)
            }
        };
        Some(Self {
            login: Box::new(login?),
            token: token?,
            lifetime: lifetime?,
            logout: logout?.map(Box::new),
        })
    }
}

impl FirstWriter {
    fn new(building: &mut Building<'_>, n: usize, first: &First) -> Option<Self> {
        let n = n.to_string();
        let when = match &first.when {
            Some(when) => building.condition(&["first", &n, "when"], when).map(Some),
            None => Some(None),
        };
        let request = call(building, &["first", &n, "request"], &first.request);
        let capture: Vec<_> = (first.capture.iter())
            .map(|(name, place)| {
                let found = find(building, &["first", &n, "capture", name], place);
                found.map(|found| (name.clone(), found))
            })
            .collect();
        Some(Self {
            when: when?,
            request: Box::new(request?),
            capture: capture.into_iter().collect::<Option<_>>()?,
        })
    }
}

/// A small request; its mistakes are told at `at`.
pub(super) fn call(building: &mut Building<'_>, at: &[&str], call: &Call) -> Option<RequestWriter> {
    match RequestWriter::new(&call.whole(), building.engine, building.names) {
        Ok(writer) => Some(writer),
        Err(mistakes) => {
            for (path, mistake) in mistakes {
                let way = at.iter().map(|key| (*key).to_owned()).chain(path);
                building.mistakes.push((way.collect(), mistake));
            }
            None
        }
    }
}

fn find(building: &mut Building<'_>, at: &[&str], find: &Find) -> Option<around::Find> {
    match find {
        Find::Json(pointer) if pointer.is_empty() || pointer.starts_with('/') => {
            Some(around::Find::Json(pointer.clone()))
        }
        Find::Json(pointer) => {
            let help = format!("a JSON pointer begins with a slash: `/{pointer}`");
            let message = format!("`{pointer}` is no JSON pointer");
            building.wrong(&[at, &["json"]].concat(), message, Some(&help));
            None
        }
        Find::Xml(name) => Some(around::Find::Xml(name.clone())),
        Find::Cookie(name) => Some(around::Find::Cookie(name.clone())),
        Find::Header(name) => match HeaderName::from_bytes(name.as_bytes()) {
            Ok(name) => Some(around::Find::Header(name)),
            Err(_) => {
                let message = format!("`{name}` is no name of a header");
                building.wrong(&[at, &["header"]].concat(), message, None);
                None
            }
        },
    }
}
