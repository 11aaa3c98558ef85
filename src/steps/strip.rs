//! The `strip` step: takes out what a target must not see, wherever the target might see it.
//!
//! Taking a field out of the event is the small half. The vendor's document tells it again in the vendor's words, the
//! headers and the path may, and the request as it came tells all of it; so these go as well, unless the settings say
//! that they do not tell it. What is left holds nothing of it: no renderer needs to know.

use std::collections::HashSet;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use super::chosen::Chosen;
use super::draft::Draft;
use super::field::Field;
use super::places::{Places, What, place_of};
use super::plates::Plates;
use super::{Flow, Mistakes, Step, StepError, Work};
use crate::event::{Event, Role, Unit, Withholding};
use crate::template::Engine;

pub(super) const NAME: &str = "strip";

/// Takes fields and pictures out of the event, for the targets of this route: out of its fields, out of the vendor's own
/// document (`raw`), and so that the request as it came cannot be forwarded (`original: true` is refused). The store keeps
/// the whole event.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Strip")]
pub(crate) struct Settings {
    /// Fields by their paths, such as `camera.latitude`, `plates.owner` (of every plate), `headers`, or below the vendor's
    /// document `raw.data.results.*.plate` (`*`: each of a list or map). `plates.text` goes with its candidates and with
    /// all other texts that repeat it.
    fields: Vec<String>,
    /// Pictures: `all`, a list of roles such as `[frame, face]` (`video` is the clip), or `{ all_but: [plate] }`. Those that
    /// earlier steps made count too, also those known only by their address. Default: none.
    pictures: Chosen,
    /// Whether the vendor's document, the headers and the query of the path are taken out as well. Default: true, but
    /// false when only fields within them are named. With false you say that they do not tell what is taken out.
    raw: Option<bool>,
    /// Whether the request as it came is taken out as well (true). With false you say that it does not tell what is taken
    /// out; its headers and path then stay too.
    original: Option<bool>,
}

impl Settings {
    /// Whether the request as it came is withheld.
    pub(super) fn withholds(&self) -> bool {
        self.original.unwrap_or(true)
    }
}

pub(super) struct Strip {
    /// As they were named, for the note.
    named: Vec<String>,
    fields: Vec<Field>,
    pictures: Chosen,
    how: Withholding,
}

impl Strip {
    pub(super) fn new(settings: &Settings, engine: &Engine) -> Result<Self, Mistakes> {
        let mut mistakes = settings.pictures.mistakes(engine, "pictures");
        let mut fields = Vec::new();
        for (n, text) in settings.fields.iter().enumerate() {
            match Field::to_take(text) {
                Ok(field) => fields.push(field),
                Err(mistake) => mistakes.push((vec!["fields".to_owned(), n.to_string()], mistake)),
            }
        }
        if settings.fields.is_empty() && settings.pictures.is_none() && settings.raw != Some(true) {
            let help = "such as `strip: { fields: [plates.owner], pictures: [frame] }`";
            mistakes.push(super::nothing_to_do(help));
        }
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let named = fields.iter().map(|field| field.told.clone()).collect();
        if fields.iter().any(|field| field.told == "plates.text") {
            fields.extend(Field::to_take("plates.candidates"));
        }
        let within = fields.iter().all(Field::is_of_request);
        Ok(Self {
            named,
            how: Withholding {
                request: settings.withholds(),
                raw: settings
                    .raw
                    .unwrap_or(!within || !settings.pictures.is_none()),
            },
            fields,
            pictures: settings.pictures.clone(),
        })
    }

    fn cut(&self, work: &Work) -> Result<Event, String> {
        let framed = self
            .pictures
            .has(Role::FRAME.as_str())
            .then(|| in_pixels(work));
        let event = framed.as_ref().unwrap_or(&work.event);
        let mut draft = Draft::open(event, &self.fields);
        let mut plates = Plates::default();
        for field in &self.fields {
            draft.take(field, &mut |value| plates.note(field, &value));
        }
        let plates = plates.ready(HashSet::new())?;
        plates.scrub(draft.sheet());
        let mut event = draft.close()?;
        event.images.retain(|picture| {
            !self.pictures.has(picture.role.as_str()) && !plates.are_told_by(picture)
        });
        if self.pictures.has("video") {
            event.video = None;
        }
        Ok(event)
    }
}

/// With boxes told in parts of the frame told in its pixels, for nobody can measure a frame that is gone.
fn in_pixels(work: &Work) -> Arc<Event> {
    let frame = Places::of(&work.event, u64::MAX, &work.opened).frame();
    let mut told = Arc::clone(&work.event);
    for thing in What::ALL.iter().flat_map(|what| what.of(&work.event)) {
        let parts = thing
            .area
            .filter(|area| area.unit == Unit::TenThousandths && area.image == Role::FRAME);
        if let Some(area) = parts.and_then(|area| area.told_in(&Role::FRAME, frame, None))
            && let Some(place) = place_of(Arc::make_mut(&mut told), &thing)
        {
            *place = Some(area);
        }
    }
    told
}

impl Step for Strip {
    fn name(&self) -> &'static str {
        NAME
    }

    fn take(&self, work: &mut Work) -> Result<Flow, StepError> {
        let failed = |reason| StepError { step: NAME, reason };
        let mut event = self.cut(work).map_err(failed)?;
        let came = Arc::clone(&work.event);
        let count = work.pictures.len();
        work.pictures.retain(|picture| {
            let chosen = self.pictures.has(picture.role.as_str());
            !chosen && (!picture.came_with(&came) || picture.came_with(&event)) // a step may have made it
        });
        let mut gone: Vec<String> = self
            .named
            .iter()
            .map(|field| format!("`{field}`"))
            .collect();
        match count - work.pictures.len() {
            0 => {}
            1 => gone.push("1 picture".to_owned()),
            n => gone.push(format!("{n} pictures")),
        }
        let gone = if gone.is_empty() {
            "nothing".to_owned()
        } else {
            gone.join(", ")
        };
        work.notes.push(format!("strip: took out {gone}"));
        event.withhold(NAME, self.how);
        work.event = Arc::new(event);
        Ok(Flow::Continue)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::event::{Original, Picture, PictureData, Plate, Video};
    use crate::steps::fixtures::{Drawing, Written, event, sent, work};

    fn strip(settings: Value) -> Result<Strip, Mistakes> {
        Strip::new(
            &serde_json::from_value(settings).unwrap(),
            &Engine::new(&[]),
        )
    }

    fn plate(text: &str) -> Plate {
        Plate {
            text: Some(text.to_owned()),
            ..Plate::default()
        }
    }

    #[test]
    fn every_case_comes_out_as_expected() {
        crate::steps::fixtures::every_case("strip");
    }

    #[test]
    fn what_cannot_be_is_refused_when_the_file_is_loaded() {
        for (settings, way, said) in [
            (json!({}), "", "nothing to do"),
            (
                json!({ "fields": ["plates.text", "plate.owners"] }),
                "fields/1",
                "no field `owners`",
            ),
            (
                json!({ "fields": ["kind"] }),
                "fields/0",
                "no event without",
            ),
            (json!({ "fields": ["images"] }), "fields/0", "no fields"),
        ] {
            let (path, mistake) = strip(settings.clone()).err().unwrap().remove(0);
            assert_eq!(path.join("/"), way);
            assert!(
                mistake.message.contains(said),
                "{settings}: {}",
                mistake.message
            );
        }
    }

    #[test]
    fn pictures_known_by_their_address_go_too_and_so_does_one_whose_address_tells_the_plate() {
        let by_address = |role: Role, url: &str| Picture {
            data: PictureData::Url(url.to_owned()),
            ..sent(role, None, Vec::new())
        };
        let pictures = vec![
            by_address(Role::FRAME, "http://cam/1.jpg"),
            by_address(Role::VEHICLE, "http://cam/ab-12-cd.jpg"),
            by_address(Role::FACE, "http://cam/2.jpg"),
        ];
        let mut work = work(event(vec![plate("AB12CD")]), pictures);
        strip(json!({ "pictures": ["frame"], "fields": ["plates"] }))
            .unwrap()
            .take(&mut work)
            .unwrap();
        let left: Vec<&str> = work
            .pictures
            .iter()
            .map(|picture| picture.role.as_str())
            .collect();
        assert_eq!(left, ["face"]);
        assert_eq!(work.event.images.len(), 1);
    }

    #[test]
    fn pictures_that_steps_made_are_chosen_by_their_role() {
        let drawn = || Drawing::of(8, 6).written(Written::Png);
        let mut work = work(
            event(vec![plate("AB12CD")]),
            vec![sent(Role::FRAME, None, drawn())],
        );
        work.pictures.push(sent(Role::PLATE, None, drawn()));
        work.pictures
            .push(sent(Role::named("blurred"), None, drawn()));
        strip(json!({ "pictures": { "all_but": ["blurred"] } }))
            .unwrap()
            .take(&mut work)
            .unwrap();
        assert_eq!(work.pictures.len(), 1);
        assert!(work.event.images.is_empty());
    }

    #[test]
    fn a_clip_stays_unless_it_is_named() {
        let clip = || {
            let mut event = event(Vec::new());
            let body = bytes::Bytes::from_static(b"head clip tail");
            event.original = Arc::new(Original {
                body,
                ..Original::default()
            });
            event.video = Some(Video {
                range: Some((5, 9)),
                ..Video::default()
            });
            work(event, Vec::new())
        };
        let (mut kept, mut gone) = (clip(), clip());
        strip(json!({ "pictures": ["frame"] }))
            .unwrap()
            .take(&mut kept)
            .unwrap();
        strip(json!({ "pictures": "all" }))
            .unwrap()
            .take(&mut gone)
            .unwrap();
        assert_eq!(kept.event.clip().as_deref(), Some(&b"clip"[..]));
        assert!(gone.event.video.is_none() && gone.event.original.body.is_empty());
    }
}
