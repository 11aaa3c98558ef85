//! Which templates name events that they are not about: the other half of a pair, reads that were the same.

use std::ops::Range;

use minijinja::machinery::{parse, parse_expr};

use super::check::Check;
use super::syntax::syntax;
use super::{Known, Names, source};

/// A name that reads of other events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) what: Others,
    /// As it is written, such as `images.rear_frame`.
    pub(crate) told: String,
    /// Bytes of the text.
    pub(crate) range: Range<usize>,
}

/// Which events those are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Others {
    /// `pair`, and the pictures of both halves.
    Pair,
    /// `delivery.merged` and their number.
    Merged,
}

/// The names of other events in a template, in the order of the text; in what cannot be compiled, none.
pub(crate) fn others_named(text: &str) -> Vec<Named> {
    if !["{{", "{%"].iter().any(|mark| text.contains(mark)) || source::endless_tag(text).is_some() {
        return Vec::new();
    }
    let known = Known::default();
    let mut check = Check::new(Names::Wrapping, &known);
    match parse(text, "template", syntax()) {
        Ok(tree) => check.statement(&tree),
        Err(_) => return Vec::new(),
    }
    check.others_named()
}

/// The same for an expression that stands by itself, such as that of `when`.
pub(crate) fn others_named_by(expression: &str) -> Vec<Named> {
    if source::is_endless(expression) {
        return Vec::new();
    }
    let known = Known::default();
    let mut check = Check::new(Names::Wrapping, &known);
    match parse_expr(expression) {
        Ok(tree) => drop(check.expression(&tree)),
        Err(_) => return Vec::new(),
    }
    check.others_named()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Vec<(Others, String, &str)> {
        let named = others_named(text).into_iter();
        named
            .map(|named| (named.what, named.told, &text[named.range]))
            .collect()
    }

    #[test]
    fn finds_every_name_that_reads_of_other_events() {
        use Others::{Merged, Pair};
        for (text, names) in [
            ("{{ pair.front.camera.id }}", vec![(Pair, "pair", "pair")]),
            (
                "{% if pair %}{{ delivery.merged_count }}{% endif %}",
                vec![
                    (Pair, "pair", "pair"),
                    (Merged, "delivery.merged_count", "merged_count"),
                ],
            ),
            (
                "{% for part in delivery.merged %}{{ part.text }}{% endfor %}",
                vec![(Merged, "delivery.merged", "merged")],
            ),
            (
                "{{ images.rear_frame }}",
                vec![(Pair, "images.rear_frame", "rear_frame")],
            ),
        ] {
            let names: Vec<_> = names
                .into_iter()
                .map(|(what, told, text)| (what, told.to_owned(), text))
                .collect();
            assert_eq!(told(text), names, "{text}");
        }
        assert_eq!(others_named_by("pair.front.id == 7").len(), 1);
    }

    #[test]
    fn leaves_alone_what_only_looks_so() {
        for text in [
            "pair",
            "{{ event.raw.pair }}",
            "{% set pair = 1 %}{{ pair }}",
            "{% for pair in event.plates %}{{ pair.text }}{% endfor %}",
            "{{ delivery.id }} {{ images.frame }} {{ event.raw.delivery.merged }}",
            "{{ 'pair' }} {# pair #}",
            "{{ pair",
        ] {
            assert_eq!(told(text), [], "{text}");
        }
    }
}
