//! Where a camera posts to: the slots as it tells them.
//!
//! Newer firmware has `httpPostV2` with a list of at most three addresses, older only `httpPost` with one, and firmwares
//! name some things differently. Facts: the vendor's reference of `SetHttpPostConfig`, read on 2026-11-21.

use super::receiver::Receiver;
use super::xml::Element;

/// The list of data types, by firmware: API up to 2.0 (the misspelling is the real name), and 2.1.
pub(super) const DATA_NAMES: [&str; 3] = ["subscribeDateType", "subDataType", "subscribeDataType"];
pub(super) const EVENTS_NAMES: [&str; 1] = ["subscriptionEvents"];
/// From the root to the list of slots.
pub(super) const URL_LIST: [&str; 3] = ["httpPostV2", "postUrlConf", "urlList"];

/// A slot as it is shown.
#[derive(Debug, PartialEq)]
pub(super) struct Slot {
    /// Of `httpPostV2`; `httpPost` has one without a number.
    pub(super) id: Option<u8>,
    pub(super) is_on: bool,
    /// Without a login; empty if the slot is.
    pub(super) url: String,
    pub(super) data: Vec<String>,
    pub(super) events: Vec<String>,
}

impl Slot {
    pub(super) fn of_list(item: &Element) -> Self {
        let url = item.child("url").and_then(Receiver::of_list);
        Self {
            id: item.text("urlId").and_then(|id| id.parse().ok()),
            is_on: is_true(item.text("switch")),
            url: url.map_or_else(String::new, |url| url.to_string()),
            data: words_of(find(item, &DATA_NAMES)),
            events: words_of(find(item, &EVENTS_NAMES)),
        }
    }

    fn of_single(post: &Element) -> Self {
        Self {
            id: None,
            is_on: is_true(post.text("bSwitch")),
            url: Receiver::of_single(post).map_or_else(String::new, |url| url.to_string()),
            data: Vec::new(),
            events: Vec::new(),
        }
    }
}

/// All slots of an answer to `GetHttpPostConfig`.
pub(super) fn slots(answer: &Element) -> Vec<Slot> {
    if let Some(list) = answer.at(&URL_LIST) {
        return list.items().map(Slot::of_list).collect();
    }
    answer
        .child("httpPost")
        .map(Slot::of_single)
        .into_iter()
        .collect()
}

pub(super) fn is_true(text: Option<&str>) -> bool {
    text.is_some_and(|text| text.eq_ignore_ascii_case("true") || text == "1")
}

pub(super) fn find<'e>(item: &'e Element, names: &[&str]) -> Option<&'e Element> {
    names.iter().find_map(|name| item.child(name))
}

pub(super) fn words_of(list: Option<&Element>) -> Vec<String> {
    let items = list.into_iter().flat_map(Element::items);
    items.map(|item| item.said().to_owned()).collect()
}

/// Whether a slot posts to this receiver.
pub(super) fn is_of(item: &Element, receiver: &Receiver) -> bool {
    item.child("url").and_then(Receiver::of_list).as_ref() == Some(receiver)
}
