//! What was chosen of what is not delivered: on its way through addresses and forms, and in words.

use maud::{Markup, html};

use super::undelivered::PATH;
use crate::admin::jobs::Wanted;
use crate::store::{Group, Selection};

/// The fields that say what was chosen, on their way through a form.
pub(super) struct Choice(pub(super) Vec<(&'static str, String)>);

impl Choice {
    pub(super) fn of(wanted: &Wanted) -> Self {
        let mut fields: Vec<(&'static str, String)> = Vec::new();
        let texts = [
            ("target", &wanted.target),
            ("reason", &wanted.reason),
            ("fate", &wanted.fate),
            ("camera", &wanted.camera),
            ("source", &wanted.source),
            ("route", &wanted.route),
            ("plate", &wanted.plate),
            ("rate", &wanted.rate),
        ];
        for (name, value) in texts {
            fields.extend(value.clone().map(|value| (name, value)));
        }
        for (name, value) in [("since", wanted.since), ("until", wanted.until)] {
            fields.extend(value.map(|value| (name, value.to_string())));
        }
        fields.extend(wanted.ids.iter().map(|id| ("id", id.clone())));
        if wanted.all {
            fields.push(("all", "1".to_owned()));
        }
        Self(fields)
    }

    pub(super) fn of_selection(which: &Selection) -> Self {
        Self::of(&Wanted {
            target: which.target.clone(),
            reason: which.reason.clone(),
            fate: which.fates.first().map(|fate| fate.as_str().to_owned()),
            camera: which.camera.clone(),
            source: which.source.clone(),
            route: which.route.clone(),
            plate: which.plate.clone(),
            since: which.since,
            until: which.until,
            ..Wanted::default()
        })
    }

    pub(super) fn of_group(group: &Group) -> Self {
        Self(vec![
            ("target", group.target.to_string()),
            ("fate", group.fate.as_str().to_owned()),
            ("reason", group.reason.clone()),
        ])
    }

    pub(super) fn address(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(format!("{PATH}?"));
        query.extend_pairs(&self.0);
        query.finish()
    }

    pub(super) fn hidden(&self, but: &str) -> Markup {
        html! {
            @for (name, value) in self.0.iter().filter(|(name, _)| *name != but) {
                input type="hidden" name=(name) value=(value);
            }
        }
    }
}

pub(super) fn in_words(which: &Selection) -> String {
    let fate = which.fates.first().map(|fate| fate.as_str().to_owned());
    let words = [
        ("", fate),
        ("to ", which.target.clone()),
        ("because ", which.reason.clone()),
        ("with a plate like ", which.plate.clone()),
        ("of camera ", which.camera.clone()),
        ("from ", which.source.clone()),
        ("by route ", which.route.clone()),
        ("since ", which.since.map(|at| at.to_string())),
        ("until ", which.until.map(|at| at.to_string())),
    ];
    let words = words
        .into_iter()
        .filter_map(|(what, value)| value.map(|value| format!("{what}{value}")));
    words.collect::<Vec<_>>().join(", ")
}
