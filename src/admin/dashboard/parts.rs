//! What several pages show alike: times, fates, plates, buttons.

use jiff::Timestamp;
use maud::{Markup, html};

use crate::admin::gate::CSRF_FIELD;
use crate::admin::table::Ask;
use crate::fate::Fate;

/// A moment, in UTC; the script writes it in the browser's own zone.
pub(super) fn time(at: Timestamp) -> Markup {
    let whole = at.round(jiff::Unit::Second).unwrap_or(at);
    html! { time datetime=(at) { (whole.strftime("%Y-%m-%d %H:%M:%S UTC")) } }
}

/// What became of a delivery, as a word with a colour.
pub(super) fn fate(fate: Fate) -> Markup {
    html! { span class={ "fate " (fate.as_str()) } { (fate.as_str()) } }
}

/// A plate's text.
pub(super) fn plate(text: &str) -> Markup {
    html! { span.plate translate="no" { bdi { (text) } } }
}

/// The hidden field that shows that a form is of our own pages.
pub(super) fn token(ask: &Ask<'_>) -> Markup {
    html! {
        @if let Some((_, session)) = &ask.visitor.session {
            input type="hidden" name=(CSRF_FIELD) value=(session.csrf);
        }
    }
}

/// A button that posts to a path, with fields that nobody sees.
pub(super) fn button(ask: &Ask<'_>, path: &str, label: &str, fields: &[(&str, &str)]) -> Markup {
    html! {
        form.inline method="post" action=(path) {
            (token(ask))
            @for (name, value) in fields { input type="hidden" name=(name) value=(value); }
            button { (label) }
        }
    }
}

/// Where a list would be, if there were anything in it.
pub(super) fn nothing(title: &str, told: &str) -> Markup {
    html! { div.nothing { p { strong { (title) } } p { (told) } } }
}
