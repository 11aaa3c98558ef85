//! Everything that is answered here: method, path, who may, what for, and the function that does it.
//!
//! There is no other way in: the gate asks this table who may, the index page and the API's 404 tell it, and the tests walk it,
//! so that a new line is guarded, told and tested.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request};

use super::api::{self, Answer};
use super::dashboard::{
    self, assets, config, event, first, live, reference, search, sources, targets,
};
use super::dashboard::{undelivered, works};
use super::gate::Gate;
use super::operation::{Look, Operation, Schemas, Steer, Told};
use super::question::Parameters;
use super::settings::Scope;
use super::visitor::{Caller, Visitor};
use super::{Admin, Promise, Refusal};
use super::{
    alerts, document, feed, findface, glances, health, jobs, lists, login, overview, steer,
};
use crate::tasks::Tasks;

/// Who may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Everybody, by whatever name: for what watches whether camhook is alive.
    Always,
    /// Everybody who uses one of camhook's own names.
    Open,
    /// The same, unless `admin.metrics` asks for a login; then the scope `metrics`.
    Numbers,
    /// Whoever is logged in.
    Someone,
    /// Who has this scope. Without any login, everybody.
    Needs(Scope),
}

type Handler = for<'a> fn(Ask<'a>) -> Promise<'a, Answer>;

pub(crate) struct Route {
    pub(crate) method: Method,
    /// `{name}` stands for one part of the path.
    pub(crate) path: &'static str,
    pub(crate) access: Access,
    pub(super) what: &'static str,
    does: Does,
}

/// What a line does.
enum Does {
    /// Something that the document does not tell of: a page, a form.
    Page(Handler),
    Api(&'static dyn Operation),
}

/// One request on its way to its handler.
#[derive(Clone, Copy)]
pub(super) struct Ask<'a> {
    pub(super) admin: &'a Admin,
    /// None when the command line works on the store itself.
    pub(super) gate: Option<(&'a Arc<Gate>, Caller)>,
    /// Streams end when these stop. None as above.
    pub(super) tasks: Option<&'a Tasks>,
    pub(super) visitor: &'a Visitor,
    pub(super) request: &'a Request<Bytes>,
    /// What stands in the path for `{…}`, as it was sent.
    pub(super) parts: &'a [String],
}

impl Ask<'_> {
    pub(super) fn parameters(&self) -> Parameters {
        Parameters::of(self.request.uri().query())
    }

    /// The nth `{…}`.
    pub(super) fn part(&self, n: usize) -> &str {
        self.parts.get(n).map_or("", String::as_str)
    }
}

/// A page, or what belongs to one.
const fn get(path: &'static str, access: Access, what: &'static str, handler: Handler) -> Route {
    Route {
        method: Method::GET,
        path,
        access,
        what,
        does: Does::Page(handler),
    }
}

/// A form of a page.
const fn post(path: &'static str, access: Access, what: &'static str, handler: Handler) -> Route {
    Route {
        method: Method::POST,
        path,
        access,
        what,
        does: Does::Page(handler),
    }
}

/// The API looks: what it is asked and what it gives are types.
const fn look(
    path: &'static str,
    access: Access,
    what: &'static str,
    does: &'static dyn Operation,
) -> Route {
    Route {
        method: Method::GET,
        path,
        access,
        what,
        does: Does::Api(does),
    }
}

/// The API changes something.
const fn steer(
    path: &'static str,
    access: Access,
    what: &'static str,
    does: &'static dyn Operation,
) -> Route {
    Route {
        method: Method::POST,
        path,
        access,
        what,
        does: Does::Api(does),
    }
}

/// Short for the table.
const fn other(
    method: Method,
    path: &'static str,
    access: Access,
    what: &'static str,
    handler: Handler,
) -> Route {
    Route {
        method,
        path,
        access,
        what,
        does: Does::Page(handler),
    }
}

const READ: Access = Access::Needs(Scope::Read);
const STEER: Access = Access::Needs(Scope::Steer);
const ADMIN: Access = Access::Needs(Scope::Admin);

/// Asks to forget a plate, which must not be told to the log either.
pub(super) const FORGET: &str = "/api/v1/forget";

#[rustfmt::skip] // a table is read by its columns
pub(crate) static ROUTES: &[Route] = &[
    look("/healthz", Access::Always, "alive", &Look(|ask, asked| Box::pin(health::alive(ask, asked)))),
    look("/readyz", Access::Numbers, "accepting", &Look(|ask, asked| Box::pin(health::ready(ask, asked)))),
    look("/metrics", Access::Numbers, "numbers for Prometheus", &Look(|ask, asked| Box::pin(health::metrics(ask, asked)))),

    get("/login", Access::Open, "the page to log in", |ask| Box::pin(login::page(ask))),
    post("/login", Access::Open, "logs in: a form with `username`, `password`, `csrf`", |ask| Box::pin(login::log_in(ask))),
    get("/assets/dashboard.css", Access::Open, "how pages look", |ask| Box::pin(assets::style(ask))),
    get("/assets/dashboard.js", Access::Open, "what moves on them", |ask| Box::pin(assets::script(ask))),
    get("/assets/icon.svg", Access::Open, "the picture in the browser's tab", |ask| Box::pin(assets::icon(ask))),
    post("/logout", Access::Someone, "logs out", |ask| Box::pin(login::log_out(ask))),
    get("/", Access::Someone, "this page", |ask| Box::pin(login::index(ask))),
    get("/undelivered", READ, "what is not delivered", |ask| Box::pin(undelivered::page(ask))),
    post("/undelivered", STEER, "sends it again, or gives it up: a form", |ask| Box::pin(undelivered::act(ask))),
    get("/jobs/{id}", READ, "how far a job is", |ask| Box::pin(works::page(ask))),
    post("/jobs/{id}/cancel", STEER, "ends it: a form", |ask| Box::pin(works::cancel(ask))),
    look("/api/v1/openapi.json", Access::Someone, "what can be asked here, for programs (OpenAPI 3.1)", &Look(|ask, asked| Box::pin(document::openapi(ask, asked)))),
    get("/api/v1/docs", Access::Someone, "the same to read", |ask| Box::pin(reference::page(ask))),
    look("/api/v1/me", Access::Someone, "who you are here, and what you may do", &Look(|ask, asked| Box::pin(login::me(ask, asked)))),

    get("/live", READ, "what comes in, as it comes", |ask| Box::pin(live::page(ask))),
    get("/live/rows", READ, "its rows, as they change", |ask| Box::pin(live::stream(ask))),
    get("/events/{id}", READ, "one event, for people", |ask| Box::pin(event::page(ask))),
    post("/events/{id}/retry", STEER, "makes due again what failed of it: a form with `delivery`, or all", |ask| Box::pin(event::retry(ask))),
    post("/events/{id}/replay", STEER, "plans it anew: a form with `to`, or everywhere", |ask| Box::pin(event::replay(ask))),
    get("/first", READ, "where cameras post to", |ask| Box::pin(first::page(ask))),
    post("/first/sample", STEER, "sends a sample: a form with `source`", |ask| Box::pin(first::sample(ask))),
    get("/search", READ, "finds events", |ask| Box::pin(search::page(ask))),
    get("/search.csv", READ, "what was found, as CSV", |ask| Box::pin(search::csv(ask))),
    get("/sources", READ, "who sends, and what was not understood", |ask| Box::pin(sources::page(ask))),
    get("/sources/{name}", READ, "the cameras of one source", |ask| Box::pin(sources::one(ask))),
    get("/quarantine/{id}", READ, "a request that was not understood", |ask| Box::pin(sources::quarantined(ask))),
    post("/quarantine/{id}/decode", STEER, "decodes it anew", |ask| Box::pin(sources::decode(ask))),
    get("/alerts", READ, "what is wrong now, for people", |ask| Box::pin(dashboard::alerts::page(ask))),
    get("/targets", READ, "where it goes, and how that goes", |ask| Box::pin(targets::page(ask))),
    get("/targets/{name}", READ, "one target", |ask| Box::pin(targets::one(ask))),
    post("/targets/{name}/pause", STEER, "sends nothing to it", |ask| Box::pin(targets::pause(ask))),
    post("/targets/{name}/resume", STEER, "sends to it again", |ask| Box::pin(targets::resume(ask))),
    post("/targets/{name}/test", STEER, "sends a sample event to it", |ask| Box::pin(targets::test(ask))),

    look("/api/v1/events", READ, "what came in", &Look(|ask, asked| Box::pin(api::events(ask, asked)))),
    look("/api/v1/events/{id}", READ, "one event", &Look(|ask, asked| Box::pin(api::event(ask, asked)))),
    look("/api/v1/events/{id}/original", READ, "its request's body", &Look(|ask, asked| Box::pin(api::original(ask, asked)))),
    look("/api/v1/events/{id}/images/{n}", READ, "one of its pictures", &Look(|ask, asked| Box::pin(api::image(ask, asked)))),
    look("/api/v1/events/{id}/thumbnail", READ, "what it is known by, small", &Look(|ask, asked| Box::pin(glances::thumbnail(ask, asked)))),
    look("/api/v1/events/{id}/crops/{n}", READ, "a plate, face or object of it, small", &Look(|ask, asked| Box::pin(glances::crop(ask, asked)))),
    look("/api/v1/events/{id}/joined", READ, "what became a part of it, or what it became a part of", &Look(|ask, asked| Box::pin(api::joined(ask, asked)))),
    look("/api/v1/deliveries", READ, "what became of it (?fate=dead)", &Look(|ask, asked| Box::pin(api::deliveries(ask, asked)))),
    look("/api/v1/feed", READ, "both as they happen", &Look(|ask, asked| Box::pin(feed::feed(ask, asked)))),
    look("/api/v1/targets", READ, "where it goes", &Look(|ask, asked| Box::pin(api::targets(ask, asked)))),
    look("/api/v1/sources", READ, "who sends", &Look(|ask, asked| Box::pin(api::sources(ask, asked)))),
    look("/api/v1/cameras", READ, "which cameras, and which are silent", &Look(|ask, asked| Box::pin(overview::cameras(ask, asked)))),
    look("/api/v1/alerts", READ, "what is wrong now", &Look(|ask, asked| Box::pin(alerts::alerts(ask, asked)))),
    look("/api/v1/lists", READ, "what plates are looked up in", &Look(|ask, asked| Box::pin(lists::lists(ask, asked)))),
    look("/api/v1/lists/{name}", READ, "one list (?plate=AB123)", &Look(|ask, asked| Box::pin(lists::list(ask, asked)))),
    look("/api/v1/quarantine", READ, "what was not understood", &Look(|ask, asked| Box::pin(api::quarantine(ask, asked)))),
    look("/api/v1/quarantine/{id}/original", READ, "its body", &Look(|ask, asked| Box::pin(api::quarantined(ask, asked)))),
    look("/api/v1/forgotten", READ, "what was forgotten on request, without the plates", &Look(|ask, asked| Box::pin(api::forgotten(ask, asked)))),
    look("/api/v1/undelivered", READ, "what is not delivered, by target and reason", &Look(|ask, asked| Box::pin(jobs::groups(ask, asked)))),
    look("/api/v1/undelivered/deliveries", READ, "the same one by one (?plate=AB123)", &Look(|ask, asked| Box::pin(jobs::undelivered(ask, asked)))),
    look("/api/v1/jobs", READ, "work on many deliveries or events", &Look(|ask, asked| Box::pin(jobs::list(ask, asked)))),
    look("/api/v1/jobs/{id}", READ, "one job and how far it is", &Look(|ask, asked| Box::pin(jobs::read(ask, asked)))),

    steer("/api/v1/jobs", STEER, "tries again, gives up or plans anew many", &Steer(|ask, sent| Box::pin(jobs::create(ask, sent)))),
    steer("/api/v1/jobs/{id}/cancel", STEER, "ends a job; what is done stays", &Steer(|ask, sent| Box::pin(jobs::cancel(ask, sent)))),

    steer("/api/v1/retry", STEER, "makes dead and held deliveries due again", &Steer(|ask, sent| Box::pin(steer::retry(ask, sent)))),
    steer("/api/v1/replay", STEER, "plans events anew", &Steer(|ask, sent| Box::pin(steer::replay(ask, sent)))),
    steer("/api/v1/purge", STEER, "removes old events", &Steer(|ask, sent| Box::pin(steer::purge(ask, sent)))),
    steer("/api/v1/targets/{name}/pause", STEER, "sends nothing to a target", &Steer(|ask, sent| Box::pin(steer::pause(ask, sent)))),
    steer("/api/v1/targets/{name}/resume", STEER, "sends to it again", &Steer(|ask, sent| Box::pin(steer::resume(ask, sent)))),

    steer("/api/v1/targets/{name}/test", STEER, "sends a sample event to it", &Steer(|ask, sent| Box::pin(overview::test(ask, sent)))),

    steer(FORGET, ADMIN, "takes a plate out of all that is kept", &Steer(|ask, sent| Box::pin(steer::forget(ask, sent)))),
    look("/api/v1/config", ADMIN, "routes.yaml as it is in use, without its secrets", &Look(|ask, asked| Box::pin(api::config(ask, asked)))),
    look("/api/v1/config/check", ADMIN, "whether the file on disk may be loaded, and what became of the last loads", &Look(|ask, asked| Box::pin(config::check(ask, asked)))),
    steer("/api/v1/config/reload", ADMIN, "loads the file on disk", &Steer(|ask, sent| Box::pin(config::reload(ask, sent)))),
    get("/config", ADMIN, "the page of the config", |ask| Box::pin(config::page(ask))),
    post("/config", ADMIN, "loads the file on disk; the page's button", |ask| Box::pin(config::load(ask))),

    post("/v1/auth/login", Access::Open, "logs a client of FindFace in: `username`, `password`", |ask| Box::pin(findface::log_in(ask))),
    get("/v1/webhooks", READ, "webhooks of clients of FindFace", |ask| Box::pin(findface::list(ask))),
    post("/v1/webhooks", ADMIN, "makes a webhook", |ask| Box::pin(findface::make(ask))),
    get("/v1/webhooks/{id}", READ, "one webhook", |ask| Box::pin(findface::one(ask))),
    other(Method::PUT, "/v1/webhooks/{id}", ADMIN, "replaces it", |ask| Box::pin(findface::replace(ask))),
    other(Method::PATCH, "/v1/webhooks/{id}", ADMIN, "changes some of it", |ask| Box::pin(findface::alter(ask))),
    other(Method::DELETE, "/v1/webhooks/{id}", ADMIN, "deletes it", |ask| Box::pin(findface::remove(ask))),
];

impl Route {
    /// Whether it may change something.
    pub(crate) fn changes(&self) -> bool {
        self.method != Method::GET
    }

    /// Whether it is there only where `admin.findface` is.
    pub(super) fn is_findface(&self) -> bool {
        self.path.starts_with(findface::ROOT)
    }

    pub(super) async fn answer(&self, ask: Ask<'_>) -> Answer {
        match self.does {
            Does::Page(handler) => handler(ask).await,
            Does::Api(operation) => operation.answer(ask).await,
        }
    }

    /// What the document tells of it; None of pages.
    pub(super) fn told(&self, schemas: &mut Schemas) -> Option<Told> {
        match self.does {
            Does::Page(_) => None,
            Does::Api(operation) => Some(operation.told(schemas)),
        }
    }

    /// The parts of the path that stand for `{…}`, if it is this route's.
    fn parts(&self, path: &str) -> Option<Vec<String>> {
        let (mut pattern, mut path) = (self.path.split('/'), path.split('/'));
        let mut parts = Vec::new();
        loop {
            match (pattern.next(), path.next()) {
                (None, None) => return Some(parts),
                (Some(name), Some(part)) if name.starts_with('{') && !part.is_empty() => {
                    parts.push(part.to_owned());
                }
                (Some(word), Some(part)) if word == part => {}
                _ => return None,
            }
        }
    }
}

/// The route of a request, with what stands for its `{…}`.
///
/// # Errors
/// When there is none for the path, or none for the method.
pub(super) fn find(method: &Method, path: &str) -> Result<(&'static Route, Vec<String>), Refusal> {
    let path = match path.trim_end_matches('/') {
        "" => "/",
        path => path,
    };
    let wanted = if method == Method::HEAD {
        &Method::GET
    } else {
        method
    };
    let mut others = Vec::new();
    for route in ROUTES {
        match route.parts(path) {
            Some(parts) if route.method == *wanted => return Ok((route, parts)),
            Some(_) => others.push(&route.method),
            None => {}
        }
    }
    Err(match others.is_empty() {
        false => Refusal::method(&others),
        true => Refusal::missing(format!(
            "nothing lives here; there are: {}",
            tops().join(", ")
        )),
    })
}

/// The paths that one may begin with.
fn tops() -> Vec<&'static str> {
    let paths = ROUTES.iter().map(|route| route.path);
    paths
        .filter(|path| !path.contains('{') && *path != "/" && !path.starts_with("/assets/"))
        .filter(|path| !path.starts_with(findface::ROOT))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(method: Method, path: &str) -> Result<(&'static str, Vec<String>), http::StatusCode> {
        find(&method, path)
            .map(|(route, parts)| (route.path, parts))
            .map_err(|refusal| refusal.status)
    }

    #[test]
    fn finds_the_route_of_a_path() {
        let part = |text: &str| vec![text.to_owned()];
        assert_eq!(found(Method::GET, "/"), Ok(("/", vec![])));
        assert_eq!(
            found(Method::HEAD, "/api/v1/events//"),
            Ok(("/api/v1/events", vec![]))
        );
        assert_eq!(
            found(Method::GET, "/api/v1/events/x"),
            Ok(("/api/v1/events/{id}", part("x")))
        );
        let pause = "/api/v1/targets/a%2Fb/pause";
        assert_eq!(
            found(Method::POST, pause),
            Ok(("/api/v1/targets/{name}/pause", part("a%2Fb")))
        );
        for nowhere in [
            "//",
            "//api/v1/events",
            "/api/v1//images/0",
            "/api/v1/events/x/y",
            "/API/v1/events",
            "/api/v1/%65vents",
        ] {
            let there = found(Method::GET, nowhere);
            assert!(
                there == Err(http::StatusCode::NOT_FOUND) || nowhere == "//",
                "{nowhere} {there:?}"
            );
        }
        for (method, path) in [
            (Method::POST, "/metrics"),
            (Method::GET, "/logout"),
            (Method::PUT, "/api/v1/retry"),
        ] {
            assert_eq!(
                found(method, path),
                Err(http::StatusCode::METHOD_NOT_ALLOWED),
                "{path}"
            );
        }
    }

    #[test]
    fn what_changes_something_needs_the_right_to_and_nothing_stands_there_twice() {
        for (n, route) in ROUTES.iter().enumerate() {
            let own = matches!(route.path, "/login" | "/logout" | "/v1/auth/login");
            assert!(
                own || !route.changes()
                    || matches!(route.access, Access::Needs(scope) if scope >= Scope::Steer),
                "{}",
                route.path
            );
            let again = |other: &Route| other.path == route.path && other.method == route.method;
            assert!(!ROUTES[n + 1..].iter().any(again), "{}", route.path);
        }
    }

    #[test]
    fn the_document_tells_every_line_of_the_api() {
        let mut schemas = Schemas::new();
        for route in ROUTES {
            let is_page = !route.path.starts_with("/api/v1/") || route.path == "/api/v1/docs";
            let is_told = route.told(&mut schemas).is_some();
            assert!(
                is_page || is_told,
                "{}: make it a line of `look` or `steer`",
                route.path
            );
        }
    }

    #[test]
    fn the_page_about_the_api_tells_every_route() {
        let page = include_str!("../../docs/api.md");
        let assets = |route: &&Route| route.path.starts_with("/assets/");
        for route in ROUTES.iter().filter(|route| !assets(route)) {
            let told = route
                .path
                .replace("{id}", "ID")
                .replace("{n}", "N")
                .replace("{name}", "NAME");
            let told = told.replace("NAME/resume", "NAME/pause");
            assert!(
                page.contains(&format!("`{told}`")),
                "docs/api.md does not tell of {told}"
            );
        }
    }
}
