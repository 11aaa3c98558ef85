//! What stands around every page: its head, the menu, who is logged in.

use http::{Response, StatusCode};
use maud::{DOCTYPE, Markup, html};

use super::assets::{SCRIPT_URL, STYLE_URL};
use super::{alerts, parts};
use crate::admin::Refusal;
use crate::admin::body::Body;
use crate::admin::pages;
use crate::admin::settings::Scope;
use crate::admin::table::{Ask, ROUTES};
use crate::admin::visitor::Who;

/// A page of the menu.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::admin) enum Tab {
    Undelivered,
    Live,
    Search,
    Targets,
    Sources,
    Alerts,
    Config,
    Api,
}

impl Tab {
    /// In the menu's order: what needs somebody comes first.
    const ALL: [Self; 8] = [
        Self::Undelivered,
        Self::Live,
        Self::Search,
        Self::Targets,
        Self::Sources,
        Self::Alerts,
        Self::Config,
        Self::Api,
    ];

    fn path(self) -> &'static str {
        match self {
            Self::Undelivered => "/undelivered",
            Self::Live => "/live",
            Self::Search => "/search",
            Self::Targets => "/targets",
            Self::Sources => "/sources",
            Self::Alerts => alerts::PATH,
            Self::Config => "/config",
            Self::Api => "/api/v1/docs",
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::Undelivered => "Not delivered",
            Self::Live => "Live",
            Self::Search => "Search",
            Self::Targets => "Targets",
            Self::Sources => "Sources",
            Self::Alerts => "Alerts",
            Self::Config => "Config",
            Self::Api => "API",
        }
    }
}

/// A page with the menu around it.
///
/// # Errors
/// When the store cannot be asked what the menu tells.
pub(in crate::admin) async fn page(
    ask: &Ask<'_>,
    tab: Option<Tab>,
    title: &str,
    main: Markup,
) -> Result<Response<Body>, Refusal> {
    let (waiting, wrong) = match ask.visitor.may(Scope::Read) {
        true => (undelivered(ask).await?, ask.admin.planner.alerts().len()),
        false => (0, 0),
    };
    let body = html! {
        header.top {
            a.skip href="#main" { "Skip to the content" }
            a.brand href="/" { "camhook" }
            nav aria-label="Pages" {
                ul {
                    @for one in Tab::ALL.into_iter().filter(|one| may_see(ask, one.path())) {
                        li {
                            a href=(one.path()) aria-current=[(tab == Some(one)).then_some("page")] {
                                (one.label())
                                @if one == Tab::Undelivered && waiting > 0 { " " span.count { (waiting) } }
                                @if one == Tab::Alerts && wrong > 0 { " " span.count { (wrong) } }
                            }
                        }
                    }
                }
            }
            @if let Who::User(name) = &ask.visitor.who {
                div.who { (parts::button(ask, "/logout", "Log out", &[])) span { (name) } }
            }
        }
        main id="main" tabindex="-1" { (main) }
    };
    Ok(pages::html(StatusCode::OK, around(title, &body, true)))
}

/// A page of its own without a script, before there is anybody to show a menu to.
pub(in crate::admin) fn plain(status: StatusCode, title: &str, main: &Markup) -> Response<Body> {
    let body = html! { main.narrow id="main" { (main) } };
    pages::html(status, around(title, &body, false))
}

/// Whether there is such a page, and for this visitor.
fn may_see(ask: &Ask<'_>, path: &str) -> bool {
    let mut routes = ROUTES.iter();
    routes.any(|route| route.path == path && ask.visitor.passes(route.access))
}

/// How many deliveries wait for somebody: dead, and held.
async fn undelivered(ask: &Ask<'_>) -> Result<u64, Refusal> {
    Ok(ask.admin.store.undelivered_count().await?)
}

fn around(title: &str, body: &Markup, moves: bool) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · camhook" }
                link rel="stylesheet" href=(*STYLE_URL);
                link rel="icon" href="/assets/icon.svg" type="image/svg+xml";
                @if moves { script src=(*SCRIPT_URL) defer {} }
            }
            body { (body) }
        }
    };
    page.into_string()
}
