//! Plate lists of API 2.1: groups, whose numbers only the camera knows.

use super::{New, Plate, names, plain};
use crate::cli::Failure;
use crate::cli::camera::device::{Device, DeviceError};
use crate::cli::camera::refusal::Refusal;
use crate::cli::camera::xml::Element;

/// Plates asked for at once.
const PAGE: usize = 50;
/// More than any camera holds: one that never ends its list is left.
const PLATES_MAX: usize = 100_000;
const VERSION: &str = "2.1.0";

pub(super) struct Groups(Vec<Group>);

struct Group {
    id: String,
    name: String,
}

impl Groups {
    pub(super) async fn of(device: &mut Device) -> Result<Self, DeviceError> {
        let answer = match device.get("GetLicensePlateGroups").await {
            Err(failed) if failed.code() == Some(Refusal::NOTHING_THERE) => {
                return Ok(Self(Vec::new()));
            }
            answer => answer?,
        };
        let list = answer.child("licensePlateGroups");
        let groups = list
            .into_iter()
            .flat_map(Element::items)
            .filter_map(|item| {
                let id = item.text("groupId")?.to_owned();
                let name = item.text("groupName").unwrap_or(&id).to_owned();
                Some(Group { id, name })
            });
        Ok(Self(groups.collect()))
    }

    /// By the name as it stands in the camera, by what it usually is called, or by number.
    fn find(&self, list: &str) -> Result<&Group, Failure> {
        let named = |wished: &str| self.0.iter().find(|group| plain(&group.name) == wished);
        named(&plain(list))
            .or_else(|| names(list).iter().find_map(|name| named(name)))
            .or_else(|| self.0.iter().find(|group| group.id == list))
            .ok_or_else(|| {
                let known: Vec<String> = self
                    .0
                    .iter()
                    .map(|group| format!("{} (number {})", group.name, group.id))
                    .collect();
                Failure::Said(format!(
                    "this camera has no list `{list}`; it has {}",
                    if known.is_empty() {
                        "none".to_owned()
                    } else {
                        known.join(", ")
                    }
                ))
            })
    }

    fn chosen(&self, list: Option<&str>) -> Result<Vec<&Group>, Failure> {
        match list {
            Some(list) => Ok(vec![self.find(list)?]),
            None => Ok(self.0.iter().collect()),
        }
    }

    pub(super) async fn plates(
        &self,
        device: &mut Device,
        list: Option<&str>,
    ) -> Result<Vec<Plate>, Failure> {
        let mut plates = Vec::new();
        for group in self.chosen(list)? {
            plates.extend(group.plates(device).await?);
        }
        Ok(plates)
    }

    pub(super) async fn add(
        &self,
        device: &mut Device,
        list: &str,
        new: &New<'_>,
    ) -> Result<String, Failure> {
        let group = self.find(list)?;
        let details = details(new);
        let is_new = match group.add(device, new.text).await {
            Ok(()) => true,
            // What is there already can still be changed.
            Err(failed)
                if failed.code() == Some(Refusal::PLATE_IS_THERE) && !details.is_empty() =>
            {
                false
            }
            Err(failed) => return Err(failed.into()),
        };
        if details.is_empty() {
            return Ok(format!("{} is in {} now.", new.text, group.name));
        }
        let changed = group.change(device, new.text, &details).await;
        match (is_new, changed) {
            (true, Ok(())) => Ok(format!("{} is in {} now.", new.text, group.name)),
            (false, Ok(())) => Ok(format!(
                "{} was in {} already; its dates or its owner were changed.",
                new.text, group.name
            )),
            (true, Err(failed)) => Err(Failure::Said(format!(
                "{} is in {} now, but without its dates and owner: {failed}",
                new.text, group.name
            ))),
            (false, Err(failed)) => Err(Failure::Said(format!(
                "{} is in the camera's lists already, and could not be changed in {}: {failed}",
                new.text, group.name
            ))),
        }
    }

    /// From one list, or from all that have it.
    pub(super) async fn remove(
        &self,
        device: &mut Device,
        plate: &str,
        list: Option<&str>,
    ) -> Result<Vec<String>, Failure> {
        let mut done = Vec::new();
        for group in self.chosen(list)? {
            let known = group.plates(device).await?;
            let known = known
                .iter()
                .find(|known| known.text.eq_ignore_ascii_case(plate));
            if let Some(known) = known {
                group.remove(device, &known.text).await?;
                done.push(format!("{} is no more in {}.", known.text, group.name));
            }
        }
        if done.is_empty() {
            let place = list.map_or("any list of this camera", |_| "that list");
            return Err(Failure::Said(format!("{plate} is not in {place}")));
        }
        Ok(done)
    }
}

impl Group {
    async fn plates(&self, device: &mut Device) -> Result<Vec<Plate>, DeviceError> {
        let mut plates: Vec<Plate> = Vec::new();
        loop {
            let filter = Element::new("searchFilter")
                .with(Element::new("maxResult").plain(&PAGE.to_string()))
                .with(Element::new("resultOffset").plain(&(plates.len() + 1).to_string()))
                .with(Element::new("groupId").cdata(&self.id));
            let answer = device
                .post("GetLicensePlates", &Element::config(VERSION).with(filter))
                .await;
            let answer = match answer {
                Err(failed) if failed.is_beyond(!plates.is_empty()) => break,
                answer => answer?,
            };
            let Some(list) = answer.child("licensePlates") else {
                break;
            };
            let page: Vec<Plate> = list.items().filter_map(|item| self.plate(item)).collect();
            // A camera that does not turn pages would tell the first one for ever.
            if page.is_empty() || page.first() == plates.first() {
                break;
            }
            plates.extend(page);
            let total: Option<usize> = list.get("total").and_then(|total| total.parse().ok());
            if total.is_some_and(|total| plates.len() >= total) || plates.len() >= PLATES_MAX {
                break;
            }
        }
        Ok(plates)
    }

    fn plate(&self, item: &Element) -> Option<Plate> {
        let text = |name: &str| item.text(name).unwrap_or_default().to_owned();
        Some(Plate {
            text: item.text("licensePlateNumber")?.to_owned(),
            list: self.name.clone(),
            from: text("beginTime"),
            until: text("endTime"),
            owner: text("carOwner"),
        })
    }

    async fn add(&self, device: &mut Device, plate: &str) -> Result<(), DeviceError> {
        let item = Element::new("item")
            .with(Element::new("index").plain("1"))
            .with(Element::new("licensePlateNumber").cdata(plate))
            .with(Element::new("groupId").cdata(&self.id));
        let list = Element::new("licensePlates")
            .attribute("type", "list")
            .attribute("maxCount", "100")
            .attribute("count", "1")
            .with(item);
        let answer = device
            .post("AddLicensePlates", &Element::config(VERSION).with(list))
            .await?;
        // The answer as a whole may be a success where that of the plate is none.
        let all = answer.all();
        let codes = all.iter().filter(|element| element.is("errorCode"));
        let refused = codes
            .filter_map(|code| code.said().parse().ok())
            .find(|code| *code != 0);
        match refused {
            Some(code) => Err(Refusal::of_code(code).into()),
            None => Ok(()),
        }
    }

    async fn change(
        &self,
        device: &mut Device,
        plate: &str,
        details: &[Element],
    ) -> Result<(), DeviceError> {
        let mut changed = self.named("licensePlate", plate);
        changed.children.extend_from_slice(details);
        device
            .post(
                "ModifyLicensePlate",
                &Element::config(VERSION).with(changed),
            )
            .await?;
        Ok(())
    }

    async fn remove(&self, device: &mut Device, plate: &str) -> Result<(), DeviceError> {
        let removed = self.named("deleteAction", plate);
        let done = device
            .post(
                "DeleteLicensePlate",
                &Element::config(VERSION).with(removed),
            )
            .await;
        match done {
            // Gone is gone.
            Err(failed) if failed.code() == Some(Refusal::PLATE_IS_NOT_THERE) => Ok(()),
            done => done.map(drop),
        }
    }

    fn named(&self, name: &str, plate: &str) -> Element {
        Element::new(name)
            .with(Element::new("licensePlateNumber").cdata(plate))
            .with(Element::new("groupId").cdata(&self.id))
    }
}

/// What `AddLicensePlates` cannot say. Without its type a camera takes a field for out of range.
fn details(new: &New<'_>) -> Vec<Element> {
    let time = |moment: jiff::civil::DateTime| moment.strftime("%Y-%m-%d %H:%M:%S").to_string();
    let fields = [
        ("beginTime", new.from.map(time)),
        ("endTime", new.until.map(time)),
        ("carOwner", new.owner.map(str::to_owned)),
    ];
    let fields = fields
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)));
    fields
        .map(|(name, value)| Element::new(name).attribute("type", "string").cdata(&value))
        .collect()
}
