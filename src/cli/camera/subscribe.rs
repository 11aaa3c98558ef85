//! `camhook camera subscribe`: makes a camera post to camhook, and touches nothing else in it.

use clap::Args;
use serde_json::json;

use super::Vendor;
use super::access::Access;
use super::changes::Change;
use super::device::{Device, DeviceError};
use super::info::Info;
use super::plan::{self, Plan, Wish};
use super::receiver::Receiver;
use super::slots::{self, Slot};
use super::words::Words;
use super::xml::Element;
use crate::cli::show::{clean, error, line};
use crate::cli::{Common, Failure};

#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(super) struct Arguments {
    #[arg(value_enum, value_name = "VENDOR")]
    vendor: Vendor,
    #[command(flatten)]
    access: Access,
    /// Where the camera shall post: camhook as the camera sees it, with the path of its source.
    #[arg(long, value_name = "URL", help_heading = "What to post")]
    url: String,
    /// Which events; of a new slot ALL. The vendor documents ALL, MOTION, SENSOR, PERIMETER, TRIPWIRE, OSC, AVD, AOIENTRY,
    /// AOILEAVE, PASSLINECOUNT, TRAFFIC, VSD, PVD, LOITER, ASD; plate cameras have ALL, MOTION, SENSOR, AVD, VEHICLE.
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "EVENT,…",
        help_heading = "What to post"
    )]
    events: Vec<String>,
    /// Which data: alarmStatus, traject, smartData, sourceImage, targetImage; of a new slot smartData,sourceImage,targetImage.
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "DATA,…",
        help_heading = "What to post"
    )]
    data: Vec<String>,
    /// Seconds between heartbeats, 30 to 120; of a new slot 90.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u8).range(30..=120), help_heading = "What to post")]
    heartbeat: Option<u8>,
    /// The slot to use, instead of camhook's own or a free one.
    #[arg(long, value_name = "NUMBER", help_heading = "What to change")]
    slot: Option<u8>,
    /// Overwrite an address that is not camhook's: of the slot chosen with --slot, or of a camera that has only one.
    #[arg(long, help_heading = "What to change")]
    replace: bool,
    /// Write it, then read it again to see that it was taken.
    #[arg(long, help_heading = "What to change")]
    write: bool,
}

const AFTER: &str = "Example:
  CAM_PW=… camhook camera subscribe viewtron --camera http://10.0.0.5 --password-env CAM_PW \\
      --url http://10.0.0.2:8001/API --events ALL --data smartData,sourceImage,targetImage --write";

pub(super) async fn subscribe(common: &Common, arguments: Arguments) -> Result<(), Failure> {
    let Vendor::Viewtron = arguments.vendor;
    let receiver = Receiver::parse(&arguments.url).map_err(Failure::Said)?;
    let mut device = arguments.access.device()?;
    let (title, is_api_21) = introduce(&mut device).await?;
    let answer = read(&mut device).await?;
    let words = Words::parse(&arguments.data, &arguments.events, &answer).map_err(Failure::Said)?;
    let mut notes: Vec<String> = words.notes().into_iter().map(str::to_owned).collect();
    notes.extend(receiver.doubt());
    if answer.child("httpPostV2").is_none() && words != Words::default() {
        notes.push(
            "this camera can post alarms to one address only: --data and --events are left out"
                .to_owned(),
        );
    }
    let wish = Wish {
        receiver,
        words,
        heartbeat_secs: arguments.heartbeat,
        slot: arguments.slot,
        may_replace: arguments.replace,
        is_api_21,
    };
    let known = slots::slots(&answer);
    if !common.json {
        line(&format!("{title} at {}", device.address()));
        known.iter().for_each(show);
    }
    let plan = plan::plan(&answer, &wish)?;
    let changes = Change::between(plan.before.as_ref(), &plan.after);
    notes.extend(twins(&known, &plan, &wish));
    notes.extend(hidden_passwords(&answer, &plan));
    if !common.json {
        explain(&plan, &changes);
    }
    let writes = arguments.write && !changes.is_empty();
    if writes {
        device.post("SetHttpPostConfig", &plan.document).await?;
        let now = device.get("GetHttpPostConfig").await?;
        confirm(&answer, &now, &plan)?;
    }
    if common.json {
        let slots: Vec<_> = known.iter().map(to_json).collect();
        let changes: Vec<_> = changes.iter().map(Change::to_json).collect();
        line(&json!({
            "camera": title, "slots": slots, "slot": plan.id, "changes": changes, "written": writes, "notes": notes,
        }).to_string());
        return Ok(());
    }
    for note in &notes {
        error(&format!("note: {}", clean(note)));
    }
    conclude(&changes, writes);
    Ok(())
}

/// What the camera calls itself, and whether its API is 2.1 or newer. The oldest cannot say.
async fn introduce(device: &mut Device) -> Result<(String, bool), DeviceError> {
    match Info::of(device).await {
        Ok(info) => Ok((info.title(), info.is_api_21())),
        Err(failed) if failed.code().is_some() || failed.is_unknown_call() => {
            Ok(("a camera".to_owned(), false))
        }
        Err(failed) => Err(failed),
    }
}

async fn read(device: &mut Device) -> Result<Element, Failure> {
    let answer = device.get("GetHttpPostConfig").await;
    answer.map_err(|failed| match failed.is_unknown_call() {
        true => Failure::Said(format!(
            "{failed}; recorders are set up in their web page only"
        )),
        false => failed.into(),
    })
}

/// Other slots that post to the same address.
fn twins(known: &[Slot], plan: &Plan, wish: &Wish) -> Vec<String> {
    let url = wish.receiver.to_string();
    let twins = known
        .iter()
        .filter(|slot| slot.id != plan.id && slot.is_on && slot.url == url);
    let twins = twins.filter_map(|slot| slot.id);
    twins
        .map(|id| format!("slot {id} posts there, too: each event would come twice"))
        .collect()
}

fn conclude(changes: &[Change], writes: bool) {
    match (changes.is_empty(), writes) {
        (true, _) => line("Nothing to change: the camera posts there already."),
        (false, false) => line("Nothing was written. Add --write to do it."),
        (false, true) => {
            line("Written, and read again: it is as wished, and all else is as before.");
            line(
                "If nothing arrives in a few minutes, restart the camera (the first set-up usually needs it), and see in its",
            );
            line(
                "web page that the push protocol version is V1: V2 leaves pictures out on some firmware.",
            );
        }
    }
}

fn show(slot: &Slot) {
    let id = slot.id.map_or_else(|| "-".to_owned(), |id| id.to_string());
    let state = if slot.is_on { "on" } else { "off" };
    let url = if slot.url.is_empty() {
        "(free)"
    } else {
        &slot.url
    };
    let words = format!("{} {}", slot.data.join(","), slot.events.join(","));
    let text = format!("  {id}  {state:<3}  {url:<36}  {}", words.trim());
    line(clean(&text).trim_end());
}

fn to_json(slot: &Slot) -> serde_json::Value {
    json!({ "slot": slot.id, "on": slot.is_on, "url": slot.url, "data": slot.data, "events": slot.events })
}

fn explain(plan: &Plan, changes: &[Change]) {
    let place = plan
        .id
        .map_or_else(|| "the one address".to_owned(), |id| format!("slot {id}"));
    if !changes.is_empty() {
        line(&format!("Changes in {place}:"));
    }
    for text in changes.iter().flat_map(Change::lines) {
        line(&format!("  {}", clean(&text)));
    }
}

/// The whole list is written back, so a password that the camera does not tell could be lost on its way.
fn hidden_passwords(answer: &Element, plan: &Plan) -> Vec<String> {
    let items = answer
        .at(&slots::URL_LIST)
        .into_iter()
        .flat_map(Element::items);
    items
        .filter(|item| id_of(item) != plan.id)
        .filter(|item| {
            let all = item.all();
            let asks = all
                .iter()
                .any(|e| e.is("authentication") && !matches!(e.said(), "" | "none"));
            let is_told = |element: &&Element| {
                element.name.to_ascii_lowercase().contains("pass")
                    && !element.said().trim_matches('*').is_empty()
            };
            asks && !all.iter().any(is_told)
        })
        .map(|item| {
            format!(
                "slot {} logs in at its receiver, and the camera does not tell the password: see in the web page that it is \
                 still there afterwards",
                item.text("urlId").unwrap_or("?")
            )
        })
        .collect()
}

/// Whether the camera took it, and changed nothing else. It may add settings of its own to our slot.
fn confirm(before: &Element, now: &Element, plan: &Plan) -> Result<(), Failure> {
    let Some(told) = ours(now, plan) else {
        return Err(Failure::Said(
            "the camera said yes, but the slot is not there when read again; set it up in its web page".to_owned(),
        ));
    };
    // A camera may write the same address in its own way.
    let place = |slot: &Element| slot.child("url").and_then(Receiver::of_list);
    let is_same_place = place(told).is_some() && place(told) == place(&plan.after);
    let wrong: Vec<Change> = Change::between(Some(&plan.after), told)
        .into_iter()
        .filter(Change::is_of_known)
        .filter(|change| !(is_same_place && change.is_in("url")))
        .collect();
    if !wrong.is_empty() {
        for text in wrong.iter().flat_map(Change::lines) {
            error(&format!("  {}", clean(&text)));
        }
        return Err(Failure::Said(
            "the camera said yes, but took not all of it (above: wished with -, found with +); see its web page".to_owned(),
        ));
    }
    let others = |answer: &Element| others(answer, plan);
    let (before, now) = (others(before), others(now));
    let is_kept = before.len() == now.len() && before.iter().zip(&now).all(|(a, b)| a.means(b));
    if !is_kept {
        return Err(Failure::Said(
            "the camera took it, but something else in its HTTP POST settings is no more as it was; see its web page".to_owned(),
        ));
    }
    Ok(())
}

/// Our slot in a new answer.
fn ours<'e>(now: &'e Element, plan: &Plan) -> Option<&'e Element> {
    let Some(id) = plan.id else {
        return now.child("httpPost");
    };
    let mut items = now.at(&slots::URL_LIST)?.items();
    items.find(|item| id_of(item) == Some(id))
}

/// All places to post to that are not ours, in one order, without what only the camera sets.
fn others(answer: &Element, plan: &Plan) -> Vec<Element> {
    let items = answer
        .at(&slots::URL_LIST)
        .into_iter()
        .flat_map(Element::items);
    let mut found: Vec<Element> = items
        .filter(|item| plan.id.is_none() || id_of(item) != plan.id)
        .cloned()
        .collect();
    found.sort_by_key(id_of);
    if plan.id.is_some() {
        found.extend(answer.child("httpPost").cloned());
    }
    for element in &mut found {
        element.children.retain(|child| !child.is("onlineStatus"));
    }
    found
}

fn id_of(item: &Element) -> Option<u8> {
    item.text("urlId").and_then(|id| id.parse().ok())
}
