//! What is put into a slot to make it ours.
//!
//! A name that a camera does not know is ignored or refused. So a slot is never written from scratch where the camera shows
//! one: ours is changed in place, or copied from a neighbour.

use super::plan::Wish;
use super::slots::{DATA_NAMES, EVENTS_NAMES, find, words_of};
use super::xml::Element;

/// Seconds between heartbeats, where neither the user nor the camera says.
const HEARTBEAT_SECS: u8 = 90;
pub(super) const DATA_DEFAULT: [&str; 3] = ["smartData", "sourceImage", "targetImage"];
pub(super) const EVENTS_DEFAULT: [&str; 1] = ["ALL"];

const BEAT_NAMES: [&str; 2] = ["heatBeatSwitch", "heartBeatSwitch"];

/// A slot without an address, in the form of another; what it says of a login is left out.
pub(super) fn blank(like: Option<Element>, data_name: &str) -> Element {
    let list = |name: &str| Element::new(name).attribute("type", "list");
    let Some(mut item) = like else {
        return Element::new("item")
            .with(Element::new("urlId"))
            .with(Element::new("switch"))
            .with(Element::new("url"))
            .with(Element::new("heatBeatSwitch"))
            .with(Element::new("keepaliveTimeval"))
            .with(list(data_name))
            .with(list("subscriptionEvents"));
    };
    let is_of_login = |name: &str| {
        let name = name.to_ascii_lowercase();
        name.contains("user") || name.contains("pass")
    };
    item.children.retain(|child| !is_of_login(&child.name));
    if let Some(url) = item.child_mut("url") {
        url.children.retain(|child| !is_of_login(&child.name));
        if let Some(authentication) = url.child_mut("authentication") {
            authentication.say("none");
        }
    }
    item
}

/// Puts into a slot what is wished. One that is ours already keeps what is not.
pub(super) fn fill(item: &mut Element, id: u8, wish: &Wish, data_name: &str, is_ours: bool) {
    ensure(item, "urlId").say(&id.to_string());
    ensure(item, "switch").say("true");
    if !is_ours {
        wish.receiver.put_into(ensure(item, "url"));
    }
    let beat = named(item, &BEAT_NAMES, BEAT_NAMES[0]);
    if !is_ours || wish.heartbeat_secs.is_some() {
        ensure(item, &beat).say("true");
        let secs = wish.heartbeat_secs.unwrap_or(HEARTBEAT_SECS);
        ensure(item, "keepaliveTimeval").say(&secs.to_string());
    }
    let lists = [
        (
            named(item, &DATA_NAMES, data_name),
            &wish.words.data,
            &DATA_DEFAULT[..],
        ),
        (
            named(item, &EVENTS_NAMES, EVENTS_NAMES[0]),
            &wish.words.events,
            &EVENTS_DEFAULT[..],
        ),
    ];
    for (name, wished, default) in lists {
        let list = ensure(item, &name);
        if list.attributes.is_empty() {
            list.put("type", "list");
        }
        let keeps = is_ours && list.items().next().is_some();
        match wished {
            Some(words) => put_words(list, words),
            None if keeps => {}
            None => put_words(
                list,
                &default.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ),
        }
    }
}

/// The name that the slot uses, else the usual one.
fn named(item: &Element, names: &[&str], usual: &str) -> String {
    find(item, names).map_or_else(|| usual.to_owned(), |element| element.name.clone())
}

/// New items, in the form of the old.
fn put_words(list: &mut Element, words: &[String]) {
    if words_of(Some(list)) == words {
        return;
    }
    let form = list.items().next().cloned();
    let form = form.unwrap_or_else(|| Element::new("item"));
    list.children.retain(|child| !child.is("item"));
    for word in words {
        let mut item = form.clone();
        item.say(word);
        list.children.push(item);
    }
    list.put("count", &words.len().to_string());
}

/// `httpPost`, as it shall be.
pub(super) fn fill_single(before: &Element, wish: &Wish, is_ours: bool) -> Element {
    let mut after = before.clone();
    ensure(&mut after, "bSwitch").say("true");
    if let Some(protocol) = after.child_mut("protocolType") {
        protocol.say("API");
    }
    if !is_ours {
        wish.receiver.put_into_single(&mut after);
    }
    if !is_ours || wish.heartbeat_secs.is_some() {
        let secs = wish.heartbeat_secs.unwrap_or(HEARTBEAT_SECS);
        ensure(&mut after, "keepaliveTimeval").say(&secs.to_string());
    }
    after
}

/// The child of this name, made if it is not there.
pub(super) fn ensure<'e>(parent: &'e mut Element, name: &str) -> &'e mut Element {
    let at = match parent.children.iter().position(|child| child.is(name)) {
        Some(at) => at,
        None => {
            parent.children.push(Element::new(name));
            parent.children.len() - 1
        }
    };
    &mut parent.children[at]
}
