//! Where a camera posts to: the slots as it tells them, and what must be written so that one of them is ours.
//!
//! Newer firmware has `httpPostV2` with a list of at most three addresses, older only `httpPost` with one. Firmwares name
//! some things differently, and a name that a camera does not know is ignored or refused. So a slot is never written from
//! scratch where the camera shows one: ours is changed in place, or copied from a neighbour, and everything else goes back
//! as it came. Facts: the vendor's reference of `SetHttpPostConfig`, read on 2026-11-21.

use super::receiver::Receiver;
use super::words::Words;
use super::xml::Element;

/// Addresses that a camera can hold unless it says otherwise.
const SLOTS_MAX: usize = 3;
/// Seconds between heartbeats, where neither the user nor the camera says.
const HEARTBEAT_SECS: u8 = 90;
const DATA_DEFAULT: [&str; 3] = ["smartData", "sourceImage", "targetImage"];
const EVENTS_DEFAULT: [&str; 1] = ["ALL"];

/// The list of data types, by firmware: API up to 2.0 (the misspelling is the real name), and 2.1.
const DATA_NAMES: [&str; 3] = ["subscribeDateType", "subDataType", "subscribeDataType"];
const EVENTS_NAMES: [&str; 1] = ["subscriptionEvents"];
const BEAT_NAMES: [&str; 2] = ["heatBeatSwitch", "heartBeatSwitch"];
/// From the root to the list of slots.
pub(super) const URL_LIST: [&str; 3] = ["httpPostV2", "postUrlConf", "urlList"];

/// What the user wants of a slot; what is not said stays as it is.
pub(super) struct Wish {
    pub(super) receiver: Receiver,
    pub(super) words: Words,
    pub(super) heartbeat_secs: Option<u8>,
    /// The slot to take, instead of ours or a free one.
    pub(super) slot: Option<u8>,
    /// Whether another's address may be overwritten.
    pub(super) may_replace: bool,
    /// Whether the camera's API is 2.1 or newer, for the names where it shows none.
    pub(super) is_api_21: bool,
}

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

/// What would be written.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) id: Option<u8>,
    pub(super) before: Option<Element>,
    pub(super) after: Element,
    /// For `SetHttpPostConfig`: the changed block, whole.
    pub(super) document: Element,
}

/// Why nothing can be written.
#[derive(Debug, thiserror::Error)]
pub(super) enum Obstacle {
    #[error(
        "this device shows no HTTP POST settings over its API; set it up in its web page (recorders can be set up only there)"
    )]
    NoSlots,
    #[error(
        "all {0} addresses of this camera are taken, and none is camhook's; remove one in its web page, or choose which one to \
         overwrite with `--slot N --replace`"
    )]
    Full(usize),
    #[error("slot {0} posts to {1}; add --replace to overwrite that")]
    SlotTaken(u8, String),
    #[error(
        "this camera can post to one address only, and that is {0}{1}; add --replace to overwrite it"
    )]
    OnlyOneTaken(String, &'static str),
    #[error("this camera has the slots 1 to {0}")]
    NoSuchSlot(usize),
    #[error("this camera can post to one address only, so leave out --slot")]
    OnlyOne,
    #[error("this camera cannot post to https://, give camhook's http:// address")]
    NoHttps,
}

impl Slot {
    fn of_list(item: &Element) -> Self {
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

/// Finds the slot to use, and changes nothing but that.
pub(super) fn plan(answer: &Element, wish: &Wish) -> Result<Plan, Obstacle> {
    // The documented answer is 1.7 where the documented request is 1.0; newer firmware has one number for both.
    let version = answer
        .get("version")
        .filter(|version| !version.starts_with("1."))
        .unwrap_or("1.0");
    let config = Element::config(version);
    if answer.child("httpPostV2").is_some() {
        let (id, before, after, block) = plan_list(answer, wish)?;
        return Ok(Plan {
            id: Some(id),
            before,
            after,
            document: config.with(block),
        });
    }
    let Some(before) = answer.child("httpPost") else {
        return Err(Obstacle::NoSlots);
    };
    let after = plan_single(before, wish)?;
    Ok(Plan {
        id: None,
        before: Some(before.clone()),
        after: after.clone(),
        document: config.with(after),
    })
}

type Planned = (u8, Option<Element>, Element, Element);

fn plan_list(answer: &Element, wish: &Wish) -> Result<Planned, Obstacle> {
    let Some(mut block) = answer.child("httpPostV2").cloned() else {
        return Err(Obstacle::NoSlots);
    };
    let data_name = data_name(answer, wish);
    let list = ensure(ensure(&mut block, "postUrlConf"), "urlList");
    if list.attributes.is_empty() {
        list.put("type", "list");
    }
    let slots_max = list.get("maxCount").and_then(|max| max.parse().ok());
    let slots_max = slots_max.unwrap_or(SLOTS_MAX).clamp(1, 9);
    let at = choose(list, wish, slots_max)?;
    let (id, before) = match at {
        Place::Known(id, at) => (id, list.children.get(at).cloned()),
        Place::New(id) => (id, None),
    };
    let is_ours = before
        .as_ref()
        .is_some_and(|before| is_of(before, &wish.receiver));
    let neighbour = list.items().next().cloned();
    let mut after = match (&before, is_ours) {
        (Some(before), true) => before.clone(),
        (Some(_), false) | (None, _) => blank(before.clone().or(neighbour), &data_name),
    };
    fill(&mut after, id, wish, is_ours);
    match at {
        Place::Known(_, at) => {
            if let Some(known) = list.children.get_mut(at) {
                *known = after.clone();
            }
        }
        Place::New(_) => list.children.push(after.clone()),
    }
    let count = list.items().count().to_string();
    list.put("count", &count);
    Ok((id, before, after, block))
}

enum Place {
    /// The slot with this number is this child of the list.
    Known(u8, usize),
    New(u8),
}

/// Ours; else one that is empty; else a number that is not in the list.
fn choose(list: &Element, wish: &Wish, slots_max: usize) -> Result<Place, Obstacle> {
    let items = list.children.iter().enumerate();
    let items: Vec<(u8, usize, &Element)> = items
        .filter(|(_, child)| child.is("item"))
        .zip(1..)
        .map(|((at, item), n)| {
            let id = item.text("urlId").and_then(|id| id.parse().ok());
            (id.unwrap_or(n), at, item)
        })
        .collect();
    let is_empty = |item: &Element| item.child("url").and_then(Receiver::of_list).is_none();
    if let Some(id) = wish.slot {
        if id == 0 || usize::from(id) > slots_max {
            return Err(Obstacle::NoSuchSlot(slots_max));
        }
        let Some((_, at, item)) = items.iter().find(|(known, ..)| *known == id) else {
            return Ok(Place::New(id));
        };
        if !wish.may_replace && !is_empty(item) && !is_of(item, &wish.receiver) {
            return Err(Obstacle::SlotTaken(id, Slot::of_list(item).url));
        }
        return Ok(Place::Known(id, *at));
    }
    let ours = items
        .iter()
        .find(|(.., item)| is_of(item, &wish.receiver))
        .or_else(|| items.iter().find(|(.., item)| is_empty(item)));
    if let Some((id, at, _)) = ours {
        return Ok(Place::Known(*id, *at));
    }
    (1..=u8::MAX)
        .take(slots_max)
        .find(|id| items.len() < slots_max && items.iter().all(|(known, ..)| known != id))
        .map(Place::New)
        .ok_or(Obstacle::Full(items.len()))
}

/// A slot without an address, in the form of another; what it says of a login is left out.
fn blank(like: Option<Element>, data_name: &str) -> Element {
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
fn fill(item: &mut Element, id: u8, wish: &Wish, is_ours: bool) {
    ensure(item, "urlId").say(&id.to_string());
    ensure(item, "switch").say("true");
    if !is_ours {
        wish.receiver.put_into(ensure(item, "url"));
    }
    let beat = named(item, &BEAT_NAMES);
    if !is_ours || wish.heartbeat_secs.is_some() {
        ensure(item, &beat).say("true");
        let secs = wish.heartbeat_secs.unwrap_or(HEARTBEAT_SECS);
        ensure(item, "keepaliveTimeval").say(&secs.to_string());
    }
    let lists = [
        (&DATA_NAMES[..], &wish.words.data, &DATA_DEFAULT[..]),
        (&EVENTS_NAMES[..], &wish.words.events, &EVENTS_DEFAULT[..]),
    ];
    for (names, wished, default) in lists {
        let name = named(item, names);
        let list = ensure(item, &name);
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

fn plan_single(before: &Element, wish: &Wish) -> Result<Element, Obstacle> {
    if wish.slot.is_some() {
        return Err(Obstacle::OnlyOne);
    }
    if wish.receiver.is_https {
        return Err(Obstacle::NoHttps);
    }
    let known = Receiver::of_single(before);
    let is_ours = known.as_ref() == Some(&wish.receiver);
    if let Some(known) = known
        && !is_ours
        && !wish.may_replace
    {
        let state = if is_true(before.text("bSwitch")) {
            ""
        } else {
            " (switched off)"
        };
        return Err(Obstacle::OnlyOneTaken(known.to_string(), state));
    }
    let mut after = before.clone();
    after.children.retain(|child| !child.is("onlineStatus")); // can only be read
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
    Ok(after)
}

/// Whether a slot posts to this receiver.
fn is_of(item: &Element, receiver: &Receiver) -> bool {
    item.child("url").and_then(Receiver::of_list).as_ref() == Some(receiver)
}

fn is_true(text: Option<&str>) -> bool {
    text.is_some_and(|text| text.eq_ignore_ascii_case("true") || text == "1")
}

fn find<'e>(item: &'e Element, names: &[&str]) -> Option<&'e Element> {
    names.iter().find_map(|name| item.child(name))
}

/// The name that the slot uses, else the first.
fn named(item: &Element, names: &[&str]) -> String {
    find(item, names).map_or_else(|| names[0].to_owned(), |element| element.name.clone())
}

/// The name of the list of data types: as in any slot, else as in anything the camera shows, else by its API.
fn data_name(answer: &Element, wish: &Wish) -> String {
    let all = answer.all();
    let shown = DATA_NAMES
        .iter()
        .find_map(|name| all.iter().find(|element| element.is(name)));
    match shown {
        Some(element) => element.name.clone(),
        None if wish.is_api_21 => DATA_NAMES[1].to_owned(),
        None => DATA_NAMES[0].to_owned(),
    }
}

fn words_of(list: Option<&Element>) -> Vec<String> {
    let items = list.into_iter().flat_map(Element::items);
    items.map(|item| item.said().to_owned()).collect()
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

fn ensure<'e>(parent: &'e mut Element, name: &str) -> &'e mut Element {
    let at = match parent.children.iter().position(|child| child.is(name)) {
        Some(at) => at,
        None => {
            parent.children.push(Element::new(name));
            parent.children.len() - 1
        }
    };
    &mut parent.children[at]
}
