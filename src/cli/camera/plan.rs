//! Which slot to take, and the document that makes it ours; everything else goes back as it came.

use super::fill::{blank, ensure, fill, fill_single};
use super::receiver::Receiver;
use super::slots::{DATA_NAMES, Slot, is_of, is_true};
use super::words::Words;
use super::xml::Element;

/// Addresses that a camera can hold unless it says otherwise.
const SLOTS_MAX: usize = 3;

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
    let mut before = before.clone();
    before.children.retain(|child| !child.is("onlineStatus")); // can only be read
    let after = plan_single(&before, wish)?;
    Ok(Plan {
        id: None,
        before: Some(before),
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
    fill(&mut after, id, wish, &data_name, is_ours);
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
        .enumerate()
        .map(|(n, (at, item))| {
            let id = item.text("urlId").and_then(|id| id.parse().ok());
            (
                id.unwrap_or_else(|| u8::try_from(n + 1).unwrap_or(u8::MAX)),
                at,
                item,
            )
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
    Ok(fill_single(before, wish, is_ours))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::camera::fill::{DATA_DEFAULT, EVENTS_DEFAULT};
    use crate::cli::camera::slots::{URL_LIST, slots};

    fn wish() -> Wish {
        Wish {
            receiver: Receiver::parse("http://10.0.0.2:8001/API").unwrap(),
            words: Words::default(),
            heartbeat_secs: None,
            slot: None,
            may_replace: false,
            is_api_21: false,
        }
    }

    fn answer(list: &str) -> Element {
        let text = format!(
            "<config version=\"1.7\"><httpPostV2><postUrlConf>{list}</postUrlConf></httpPostV2></config>"
        );
        Element::read(text.as_bytes()).unwrap()
    }

    #[test]
    fn an_empty_slot_is_filled_in_place() {
        let answer = answer(
            "<urlList type=\"list\" count=\"1\"><itemType type=\"slot\"/><item><urlId>2</urlId><switch type=\"boolean\">false</switch>\
             <url><protocol>http</protocol><domain></domain><port>80</port><path></path></url></item></urlList>",
        );
        let plan = plan(&answer, &wish()).unwrap();
        assert_eq!(plan.id, Some(2));
        let list = plan.document.at(&URL_LIST).unwrap();
        assert_eq!((list.items().count(), list.get("count")), (1, Some("1")));
        assert!(list.child("itemType").is_some());
        let switch = plan.after.child("switch").unwrap();
        assert_eq!(
            (switch.said(), switch.get("type")),
            ("true", Some("boolean"))
        );
        assert_eq!(Slot::of_list(&plan.after).url, "http://10.0.0.2:8001/API");
    }

    #[test]
    fn a_camera_without_any_slot_gets_its_first() {
        for list in ["<urlList type=\"list\" count=\"0\"/>", "<urlList/>", ""] {
            let plan = plan(&answer(list), &wish()).unwrap();
            assert_eq!((plan.id, &plan.before), (Some(1), &None));
            let slot = Slot::of_list(&plan.after);
            assert_eq!(slot.data, DATA_DEFAULT);
            assert_eq!(slot.events, EVENTS_DEFAULT);
            assert_eq!(plan.document.get("version"), Some("1.0"));
        }
    }

    #[test]
    fn an_empty_slot_without_lists_gets_them_by_its_neighbours_name() {
        let answer = answer(
            "<urlList><item><urlId>1</urlId></item>\
             <item><urlId>2</urlId><url><domain>a</domain></url><subDataType type=\"list\"><item>traject</item></subDataType></item></urlList>",
        );
        let plan = plan(&answer, &wish()).unwrap();
        assert_eq!(plan.id, Some(1));
        let names: Vec<&str> = plan
            .after
            .children
            .iter()
            .map(|child| child.name.as_str())
            .collect();
        assert!(
            names.contains(&"subDataType") && !names.contains(&"subscribeDateType"),
            "{names:?}"
        );
        assert_eq!(
            plan.after.child("subDataType").unwrap().get("type"),
            Some("list")
        );
    }

    #[test]
    fn a_camera_that_tells_hundreds_of_slots_is_full() {
        let answer = answer(&format!(
            "<urlList>{}</urlList>",
            "<item><url><domain>a</domain></url></item>".repeat(700)
        ));
        assert!(matches!(plan(&answer, &wish()), Err(Obstacle::Full(700))));
    }

    #[test]
    fn a_camera_may_have_fewer_places() {
        let taken = "<item><urlId>1</urlId><url><domain>a</domain></url></item>";
        let answer = answer(&format!("<urlList maxCount=\"1\">{taken}</urlList>"));
        assert!(matches!(plan(&answer, &wish()), Err(Obstacle::Full(1))));
    }

    #[test]
    fn what_has_no_slots_says_so() {
        let answer = Element::read(b"<config/>").unwrap();
        assert!(matches!(plan(&answer, &wish()), Err(Obstacle::NoSlots)));
        assert_eq!(slots(&answer), []);
    }

    #[test]
    fn one_address_cannot_be_https() {
        let answer = Element::read(b"<config><httpPost><serverIp/></httpPost></config>").unwrap();
        let mut wish = wish();
        assert!(plan(&answer, &wish).is_ok());
        wish.receiver = Receiver::parse("https://10.0.0.2/API").unwrap();
        assert!(matches!(plan(&answer, &wish), Err(Obstacle::NoHttps)));
    }
}
