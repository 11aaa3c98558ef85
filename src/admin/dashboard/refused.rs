//! What a person sees who got no answer: what happened, and what to do next.

use http::{Response, StatusCode};
use maud::{Markup, html};

use super::shell;
use crate::admin::body::Body;
use crate::admin::{Refusal, pages};

/// A refusal as a page.
pub(in crate::admin) fn page(refusal: &Refusal) -> Response<Body> {
    let title = title(refusal);
    let response = shell::plain(
        refusal.status,
        title,
        &html! {
            h1 { (title) }
            p.told role="alert" { (sentence(&refusal.reason)) }
            p { (next(refusal)) }
            p { a href="/" { "To the first page" } }
        },
    );
    pages::refused(response, refusal)
}

fn title(refusal: &Refusal) -> &'static str {
    match (refusal.error, refusal.status) {
        ("csrf", _) => "That page was too old",
        ("foreign_host", _) => "camhook does not know this name",
        ("foreign_origin", _) => "That came from another page",
        (_, StatusCode::UNAUTHORIZED) => "Nobody is logged in",
        (_, StatusCode::FORBIDDEN) => "You may not do that",
        (_, StatusCode::NOT_FOUND) => "There is nothing here",
        (_, StatusCode::TOO_MANY_REQUESTS) => "Too many tries",
        (_, StatusCode::SERVICE_UNAVAILABLE) => "camhook cannot do that now",
        (_, status) if status.is_server_error() => "Something is wrong inside of camhook",
        (_, _) => "That did not work",
    }
}

fn next(refusal: &Refusal) -> Markup {
    match (refusal.error, refusal.status) {
        ("csrf", _) => html! {
            "Nothing was changed. Go back, reload the page and press the button again."
        },
        ("foreign_host", _) => html! {
            "Open camhook by a name or an address that it knows, or add this one to " code { "admin.hosts" } " in its config."
        },
        ("foreign_origin", _) => html! {
            "Nothing was changed. Open camhook itself and try there."
        },
        (_, StatusCode::UNAUTHORIZED) => html! {
            "This camhook has no users with passwords, only tokens for programs. To look with a browser, add somebody under "
            code { "admin.users" } " in its config."
        },
        (_, StatusCode::FORBIDDEN) => html! {
            "Nothing was changed. Log in as somebody who may, or have the scope added to your user under "
            code { "admin.users" } " in the config."
        },
        (_, StatusCode::NOT_FOUND) => html! {
            "The address may be mistyped, or what it showed is no longer kept: camhook removes what is older than "
            code { "store.keep" } "."
        },
        (_, StatusCode::TOO_MANY_REQUESTS) => html! { "Wait that long, then try again." },
        (_, StatusCode::SERVICE_UNAVAILABLE) => html! {
            "Try again in a moment. If it stays so, look at camhook's log and at the space on its disk: "
            code { "camhook store check" } " tells more."
        },
        (_, status) if status.is_server_error() => html! {
            "What cameras send is still taken, if it can be. camhook's log has more about this; "
            code { "camhook store check" } " looks through what is kept."
        },
        (_, _) => html! { "Nothing was changed. Go back, mend what it says and try again." },
    }
}

/// With a capital letter and a full stop, as people write.
fn sentence(reason: &str) -> String {
    let mut letters = reason.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string());
    let end = if reason.ends_with(['.', '!', '?']) {
        ""
    } else {
        "."
    };
    format!("{}{}{end}", first.unwrap_or_default(), letters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_as_a_sentence() {
        assert_eq!(sentence("use GET"), "Use GET.");
        assert_eq!(sentence("élan?"), "Élan?");
        assert_eq!(sentence(""), ".");
    }
}
