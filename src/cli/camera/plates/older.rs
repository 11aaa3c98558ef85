//! Plate lists of API 1 and 2.0: the lists are words, plates can be added and read, and nothing else is published.

use jiff::civil::DateTime;

use super::{FOREVER, New, Plate, names, plain};
use crate::cli::Failure;
use crate::cli::camera::device::{Device, DeviceError};
use crate::cli::camera::xml::Element;

const VERSION: &str = "1.0";
const LISTS: [&str; 3] = ["whiteList", "blackList", "strangerList"];
/// Plates asked for at once.
const PAGE: usize = 50;
/// More than any camera holds.
const PAGES_MAX: usize = 2_000;
/// A time that has begun in every camera's own clock.
const LONG_AGO: DateTime = DateTime::constant(2000, 1, 1, 0, 0, 0, 0);

/// How an answer may call a plate; the vendor shows the request only.
const PLATE_NAMES: [&str; 4] = [
    "carPlateNumber",
    "carPlateNum",
    "plateNumber",
    "licensePlateNumber",
];
const LIST_NAMES: [&str; 3] = ["plateItemType", "listType", "vehicleListType"];
const OWNER_NAMES: [&str; 2] = ["carOwner", "ownerName"];

pub(super) struct Older;

impl Older {
    pub(super) async fn plates(
        &self,
        device: &mut Device,
        list: Option<&str>,
    ) -> Result<Vec<Plate>, Failure> {
        let list = list.map(word).transpose()?;
        let mut plates: Vec<Plate> = Vec::new();
        for page in 0..PAGES_MAX {
            let told = match ask(device, page).await {
                Err(failed) if failed.is_beyond(!plates.is_empty()) => break,
                told => told.map_err(no_lists)?,
            };
            let Some(told) = told else {
                return Err(Failure::Said(
                    "the camera told its plates in a form that camhook does not know; see them in its web page".to_owned(),
                ));
            };
            // A camera that does not turn pages would tell the first one for ever.
            if told.is_empty() || told.first() == plates.first() {
                break;
            }
            plates.extend(told);
        }
        if let Some(list) = list {
            plates.retain(|plate| plate.list.eq_ignore_ascii_case(list));
        }
        Ok(plates)
    }

    pub(super) async fn add(
        &self,
        device: &mut Device,
        list: &str,
        new: &New<'_>,
    ) -> Result<String, Failure> {
        let list = word(list)?;
        let time = |moment: DateTime| moment.strftime("%Y/%m/%d %H:%M:%S").to_string();
        let item = Element::new("item")
            .with(Element::new("carPlateNumber").cdata(new.text))
            .with(Element::new("beginTime").cdata(&time(new.from.unwrap_or(LONG_AGO))))
            .with(Element::new("endTime").cdata(&time(new.until.unwrap_or(FOREVER))))
            .with(Element::new("carOwner").cdata(new.owner.unwrap_or_default()))
            .with(Element::new("plateItemType").plain(list));
        let plates = Element::new("vehiclePlates")
            .attribute("type", "list")
            .attribute("count", "1")
            .with(item);
        device
            .post("AddVehiclePlate", &Element::config(VERSION).with(plates))
            .await
            .map_err(no_lists)?;
        Ok(format!("{} is in {list} now.", new.text))
    }
}

fn no_lists(failed: DeviceError) -> Failure {
    match failed.is_unknown_call() {
        true => Failure::Said(format!(
            "this camera knows neither the old nor the new calls for plate lists; is it a plate camera? ({failed})"
        )),
        false => failed.into(),
    }
}

/// A page of plates; nothing if there are items, but none that names a plate.
async fn ask(device: &mut Device, page: usize) -> Result<Option<Vec<Plate>>, DeviceError> {
    let item = Element::new("item")
        .with(Element::new("pageIndex").plain(&page.to_string()))
        .with(Element::new("pageSize").plain(&PAGE.to_string()))
        .with(Element::new("listType").plain("allList"))
        .with(Element::new("carPlateNum").cdata(""));
    let filter = Element::new("searchFilter").with(item);
    let plates = Element::new("vehiclePlates").with(filter);
    let answer = device
        .post("GetVehiclePlate", &Element::config(VERSION).with(plates))
        .await?;
    let all = answer.all();
    let plates: Vec<Plate> = all.iter().copied().filter_map(plate).collect();
    let is_strange = plates.is_empty() && all.iter().any(|element| element.is("item"));
    Ok((!is_strange).then_some(plates))
}

/// An element that names a plate; what is around it is not published.
fn plate(element: &Element) -> Option<Plate> {
    let first = |names: &[&str]| names.iter().find_map(|name| element.text(name));
    let text = |names: &[&str]| first(names).unwrap_or_default().to_owned();
    Some(Plate {
        text: first(&PLATE_NAMES)?.to_owned(),
        list: text(&LIST_NAMES),
        from: text(&["beginTime"]),
        until: text(&["endTime"]),
        owner: text(&OWNER_NAMES),
    })
}

fn word(list: &str) -> Result<&'static str, Failure> {
    let wished = plain(list);
    let is_meant =
        |word: &str| wished == plain(word) || names(list).contains(&plain(word).as_str());
    let found = LISTS.into_iter().find(|word| is_meant(word));
    found.ok_or_else(|| {
        Failure::Said(format!(
            "this camera's API (before 2.1) has no list `{list}`; it has allow (whiteList), block (blackList) and strangerList"
        ))
    })
}
