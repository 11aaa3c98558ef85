//! Logging in and out with a browser: plain pages without a script, for small screens and large ones.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue, ORIGIN, REFERER, RETRY_AFTER, SET_COOKIE};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{Request, Response, StatusCode, Uri};
use jiff::Timestamp;
use maud::html;
use schemars::JsonSchema;
use serde::Serialize;

use super::Refusal;
use super::answers::Json;
use super::api::{Answer, Told};
use super::body::Body;
use super::dashboard::{first, shell};
use super::front::wants_page;
use super::gate::{CSRF_FIELD, Gate, same};
use super::pages::{self, see};
use super::random;
use super::settings::Scope;
use super::table::{Ask, ROUTES};
use super::visitor::Caller;
use crate::name::Name;

/// A longer way back is forgotten.
const WAY_MAX: usize = 2000;

/// Told to who pressed a button too late.
const ENDED: &str =
    "Your login had ended, so what you pressed was not done. Log in, and press it again.";

/// What the login form sends.
#[derive(Default)]
struct Form {
    username: String,
    password: String,
    csrf: String,
    next: String,
}

/// The login page, and where to go from it.
pub(super) fn way_back(asked: Option<&PathAndQuery>) -> String {
    match asked.map(PathAndQuery::as_str) {
        None | Some("/") => "/login".to_owned(),
        Some(way) => {
            let mut query = form_urlencoded::Serializer::new(String::new());
            format!("/login?{}", query.append_pair("next", way).finish())
        }
    }
}

/// To the login page from a button that was pressed after the login had ended, and from there back to the button's page.
pub(super) fn after_an_end(head: &Parts) -> Response<Body> {
    let came = head.headers.get(REFERER);
    let came = came.and_then(|came| came.to_str().ok()?.parse::<Uri>().ok());
    let way = came.as_ref().and_then(|came| came.path_and_query());
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("next", way.map_or("/", PathAndQuery::as_str));
    query.append_pair("ended", "");
    see(&format!("/login?{}", query.finish()))
}

/// Somewhere on this camhook, never elsewhere.
fn own_way(next: &str) -> &str {
    let fine = next.starts_with('/')
        && !next.starts_with("//")
        && next.len() <= WAY_MAX
        && next
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if fine { next } else { "/" }
}

pub(super) async fn page(ask: Ask<'_>) -> Answer {
    let (gate, caller) = the_gate(&ask)?;
    let rules = gate.rules();
    let query = ask.request.uri().query().unwrap_or_default();
    let next = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "next");
    let next = next.map_or_else(String::new, |(_, next)| next.into_owned());
    let now = gate.clock.now();
    let mut sessions = gate.cookies.sessions(ask.request.headers());
    if !rules.login || sessions.any(|id| gate.by_session(&rules, id, now).is_some()) {
        return Ok(see(own_way(&next)));
    }
    if !rules.has_users() {
        return Err(Refusal::missing(
            "nobody logs in here with a password: `admin.users` is empty. Programs send `Authorization: Bearer TOKEN`",
        ));
    }
    let ended = form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == "ended");
    let told = if ended { ENDED } else { "" };
    Ok(form(gate, caller, ask.request, StatusCode::OK, &next, told))
}

/// The form, tied to this browser by a cookie, so that no other page can have it sent with a name of its own choice.
fn form(
    gate: &Gate,
    caller: Caller,
    request: &Request<Bytes>,
    status: StatusCode,
    next: &str,
    told: &str,
) -> Response<Body> {
    let known = gate.cookies.form(request.headers());
    let is_one = |token: &&str| {
        let is_of_it = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        token.len() == 43 && token.bytes().all(is_of_it)
    };
    let token = known
        .filter(is_one)
        .map_or_else(random::token, str::to_owned);
    let main = html! {
        h1 { "camhook" }
        @if !told.is_empty() { p.told role="alert" { (told) } }
        form method="post" action="/login" {
            input type="hidden" name=(CSRF_FIELD) value=(token);
            input type="hidden" name="next" value=(own_way(next));
            label for="username" { "Name" }
            input id="username" name="username" autocomplete="username" autocapitalize="none" required autofocus;
            label for="password" { "Password" }
            input id="password" name="password" type="password" autocomplete="current-password" required;
            button { "Log in" }
        }
    };
    let mut response = shell::plain(status, "Log in", &main);
    let cookie = gate.cookies.set_form(&token, is_secure(caller, request));
    response.headers_mut().append(SET_COOKIE, cookie);
    response
}

pub(super) async fn log_in(ask: Ask<'_>) -> Answer {
    let (gate, caller) = the_gate(&ask)?;
    let rules = gate.rules();
    if !rules.login {
        return Ok(see("/"));
    }
    let kind = ask.request.headers().get(CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.starts_with("application/x-www-form-urlencoded") {
        return Err(Refusal::bad(
            "send the form of /login; programs send `Authorization` with each request",
        ));
    }
    let Form {
        username,
        password,
        csrf,
        next,
    } = read_form(ask.request.body());
    let again = |status, told: &str| form(gate, caller, ask.request, status, &next, told);
    let tied = gate.cookies.form(ask.request.headers());
    if !tied.is_some_and(|tied| same(tied, &csrf)) {
        let told = "This form was too old, or cookies are off: please try again.";
        return Ok(again(StatusCode::FORBIDDEN, told));
    }
    let user = match gate
        .verify(&rules, caller, &username, &password, "form")
        .await
    {
        Ok(user) => user,
        Err(refusal) => {
            let told = match refusal.retry_after {
                Some(seconds) => format!("Too many logins failed: please wait {seconds} s."),
                None => "Wrong name or password.".to_owned(),
            };
            let mut response = again(refusal.status, &told);
            if let Some(seconds) = refusal.retry_after {
                response.headers_mut().insert(RETRY_AFTER, seconds.into());
            }
            return Ok(response);
        }
    };
    for old in gate.cookies.sessions(ask.request.headers()) {
        gate.end(old);
    }
    let proof = rules.person(user.as_str()).map(|person| person.proof);
    tracing::info!(%user, from = %caller.address, "logged in");
    let id = gate.sessions.begin(
        user,
        proof.unwrap_or_default(),
        rules.session,
        gate.clock.now(),
    );
    let mut response = see(own_way(&next));
    let secure = is_secure(caller, ask.request);
    let cookie = gate
        .cookies
        .set_session(&id, secure, rules.session.as_secs());
    response.headers_mut().append(SET_COOKIE, cookie);
    Ok(response)
}

pub(super) async fn log_out(ask: Ask<'_>) -> Answer {
    let (gate, caller) = the_gate(&ask)?;
    let mut response = see("/login");
    if let Some((id, session)) = &ask.visitor.session {
        gate.end(id);
        tracing::info!(user = %session.user, from = %caller.address, "logged out");
    }
    for gone in gate.cookies.clear() {
        response.headers_mut().append(SET_COOKIE, gone);
    }
    // Pictures that the browser kept for its user are not for the next one.
    let kept = HeaderValue::from_static("\"cache\"");
    response.headers_mut().insert("clear-site-data", kept);
    Ok(response)
}

/// Who asks, and what they may.
#[derive(Serialize, JsonSchema)]
pub(super) struct Me {
    /// `local` is the command line of this machine, `anybody` whoever asks where there is no login.
    #[schemars(extend("enum" = ["user", "token", "local", "anybody"]))]
    kind: &'static str,
    /// Of the user or token.
    name: Option<Name>,
    scopes: Vec<Scope>,
    /// What a browser's login sends along when it changes something.
    csrf: Option<String>,
    /// When a browser's login ends.
    expires: Option<Timestamp>,
}

pub(super) async fn me(ask: Ask<'_>, (): ()) -> Told<Json<Me>> {
    let visitor = ask.visitor;
    let session = visitor.session.as_ref().map(|(_, session)| session);
    Ok(Json(Me {
        kind: visitor.who.kind(),
        name: visitor.who.name().cloned(),
        scopes: visitor.scopes.clone(),
        csrf: session.map(|session| session.csrf.clone()),
        expires: session.map(|session| session.expires),
    }))
}

/// What there is to see: a page for browsers, a text for others.
pub(super) async fn index(ask: Ask<'_>) -> Answer {
    let has_findface = ask
        .gate
        .is_some_and(|(gate, _)| gate.rules().findface.is_some());
    let listed = ROUTES.iter().filter(|route| {
        let own = matches!(route.path, "/" | "/login") || route.path.starts_with("/assets/");
        let there = !route.is_findface() || has_findface;
        let may = there && ask.visitor.passes(route.access);
        may && !own && !route.changes() && !route.path.contains('{')
    });
    let (head, ()) = {
        let mut request = Request::new(());
        *request.method_mut() = ask.request.method().clone();
        *request.headers_mut() = ask.request.headers().clone();
        request.into_parts()
    };
    if !wants_page(&head) {
        let lines = listed.map(|route| format!("  {:<20} {}\n", route.path, route.what));
        let lines: String = lines.collect();
        let body = format!(
            "camhook is running. Look at:\n{lines}\
             or use the command line: camhook events, deliveries, targets, sources, lists, quarantine\n"
        );
        return Ok(pages::text(
            StatusCode::OK,
            "text/plain; charset=utf-8",
            body,
        ));
    }
    if ask.visitor.may(Scope::Read) {
        return first::start(ask).await;
    }
    let main = html! {
        h1 { "camhook is running" }
        ul.links { @for route in listed { li { a href=(route.path) { (route.path) } ": " (route.what) } } }
    };
    shell::page(&ask, None, "camhook", main).await
}

fn read_form(body: &Bytes) -> Form {
    let mut form = Form::default();
    for (name, value) in form_urlencoded::parse(body) {
        let field = match &*name {
            "username" => &mut form.username,
            "password" => &mut form.password,
            CSRF_FIELD => &mut form.csrf,
            "next" => &mut form.next,
            _ => continue,
        };
        *field = value.into_owned();
    }
    form
}

/// Whether the browser sees HTTPS. Behind a proxy only the browser and the proxy tell; who lies here has a cookie of their own
/// refused.
fn is_secure(caller: Caller, request: &Request<Bytes>) -> bool {
    let tells = |name: &str, begins: &str| {
        let value = request
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok());
        value.is_some_and(|value| value.starts_with(begins))
    };
    caller.tls || tells(ORIGIN.as_str(), "https://") || tells("x-forwarded-proto", "https")
}

fn the_gate<'a>(ask: &Ask<'a>) -> Result<(&'a Arc<Gate>, Caller), Refusal> {
    ask.gate
        .ok_or_else(|| Refusal::missing("there is no login without a listener"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leads_back_to_its_own_pages_only() {
        for fine in ["/", "/api/v1/events?plate=AB1*", "/x#y"] {
            assert_eq!(own_way(fine), fine);
        }
        let long = format!("/{}", "x".repeat(WAY_MAX));
        for wrong in [
            "",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "javascript:alert(1)",
            "/a\r\nb: c",
            "/é",
            &long,
        ] {
            assert_eq!(own_way(wrong), "/", "{wrong}");
        }
        assert_eq!(
            way_back(Some(&"/a?b=c".parse().unwrap())),
            "/login?next=%2Fa%3Fb%3Dc"
        );
    }
}
