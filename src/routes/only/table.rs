//! The table of words: each with its name, what it is about, and where its value is found.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::bounds::Bounds;
use super::filter::Entry;
use super::open::{Attribute, Told, best};
use super::settings::{FaceWords, FullPlate, ObjectWords, Settings, VehicleWords};
use super::texts::{Asked, Sure, Texts};
use super::word::{About, ByBounds, BySure, ByTexts, GetNumber, GetSure, GetTexts, Of, Word};
use super::words::{
    At, Heads, InList, IsKind, LooksLike, Matched, OnList, Shows, Tagged, Tells, Whose, Within,
    text, told,
};
use crate::event::{Score, Vehicle};

/// The words that a route has, in the order they are asked: the cheap and usual ones first.
pub(super) fn entries(settings: Settings) -> Vec<Entry> {
    let mut table = Table(Vec::new());
    table.event(&settings);
    table.items(&settings);
    table.plate(settings.plate.unwrap_or_default().0);
    table.vehicle(settings.vehicle);
    table.face(settings.face);
    table.object(settings.object);
    table.0
}

struct Table(Vec<Entry>);

impl Table {
    fn word(&mut self, name: &str, about: About, word: Option<impl Word + 'static>) {
        self.0.extend(word.map(|word| Entry {
            name: name.into(),
            about,
            word: Arc::new(word),
        }));
    }

    fn texts<A: Asked + Send + Sync + 'static>(
        &mut self,
        name: &str,
        about: About,
        texts: &Option<Texts<A>>,
        get: GetTexts,
    ) {
        self.word(name, about, texts.clone().map(|texts| ByTexts(texts, get)));
    }

    fn bounds(&mut self, name: &str, about: About, bounds: Option<Bounds>, get: GetNumber) {
        self.word(name, about, bounds.map(|bounds| ByBounds(bounds, get)));
    }

    fn sure(&mut self, name: &str, about: About, sure: &Option<Sure>, get: GetSure) {
        self.word(name, about, sure.clone().map(|sure| BySure(sure, get)));
    }

    fn attributes(&mut self, place: &str, about: About, whose: Whose, all: BTreeMap<String, Told>) {
        for (name, told) in all {
            let full = format!("{place}attributes.{name}");
            self.word(&full, about, Some(Tells { whose, name, told }));
        }
    }

    fn event(&mut self, words: &Settings) {
        let on = About::EVENT;
        let all = |kinds: &super::forms::List<_>| kinds.0.clone();
        self.word("kind", on, words.kind.as_ref().map(all).map(IsKind));
        let subjects = words.about.as_ref();
        self.word("about", on, subjects.map(|all| Shows(all.0.clone())));
        self.texts("vendor", on, &words.vendor, |of| {
            [Some(&of.event.vendor), None]
        });
        self.texts("vendor_kind", on, &words.vendor_kind, |of| {
            [told(&of.event.vendor_kind), None]
        });
        self.texts("camera", on, &words.camera, |of| {
            [told(&of.event.camera.id), told(&of.event.camera.name)]
        });
        self.word("tag", on, words.tag.clone().map(Tagged));
        self.texts("shot", on, &words.shot, |of| {
            let shot = |name: &str| of.event.attributes.get(name)?.as_str();
            [shot("bs_type"), shot("shot")]
        });
        self.word("time", on, words.time.clone().map(At));
        self.attributes("", on, Whose::Event, words.attributes.clone());
    }

    /// What is said beside the maps of each kind.
    fn items(&mut self, words: &Settings) {
        let plate = About::PLATE;
        self.texts("region", plate, &words.region, |of| match of.plate() {
            Some(plate) => [told(&plate.region), told(&plate.country)],
            None => [None, None],
        });
        self.word("list", plate, words.list.clone().map(InList));
        self.sure("orientation", plate, &words.orientation, |of| {
            best(of.plate().map_or(&[], |plate| &plate.orientation))
        });
        self.texts("heading", plate, &words.heading, |of| {
            [of.plate().and_then(|plate| told(&plate.heading)), None]
        });
        self.bounds("speed", plate, words.speed, |of| of.plate()?.speed);
        let moving = plate.or(About::OBJECT);
        self.word("direction", moving, words.direction.clone().map(Heads));
        self.word("zone", About::ANY, words.zone.clone().map(Within));
        self.word("matched", About::ANY, words.matched.map(Matched));
        self.texts("card", About::ANY, &words.card, card);
        self.word("listed", About::ANY, words.listed.clone().map(OnList));
        self.bounds("similarity", About::ANY, words.similarity, similarity);
    }

    fn plate(&mut self, words: FullPlate) {
        let on = About::PLATE;
        self.texts("plate.like", on, &words.like, |of| [text(of), None]);
        self.word("plate.similar", on, words.similar.map(LooksLike));
        self.bounds("plate.score", on, words.score, |of| {
            fraction(of.plate()?.score)
        });
        let detected = words.detection_score;
        self.bounds("plate.detection_score", on, detected, |of| {
            fraction(of.plate()?.detection_score)
        });
        self.sure("plate.visibility", on, &words.visibility, |of| {
            attribute(Whose::Plate.find(of, &["license_plate_visibility", "visibility"]))
        });
        self.attributes("plate.", on, Whose::Plate, words.attributes);
    }

    fn vehicle(&mut self, words: VehicleWords) {
        let on = About::PLATE;
        self.texts("vehicle.type", on, &words.kind, |of| {
            [vehicle(of).and_then(|vehicle| told(&vehicle.kind)), None]
        });
        self.texts("vehicle.make", on, &words.make, |of| {
            [vehicle(of).and_then(|vehicle| told(&vehicle.make)), None]
        });
        self.texts("vehicle.model", on, &words.model, |of| {
            [vehicle(of).and_then(|vehicle| told(&vehicle.model)), None]
        });
        self.sure("vehicle.color", on, &words.color, |of| {
            let Some(vehicle) = vehicle(of) else {
                return (None, None);
            };
            match best(&vehicle.colors) {
                (None, _) => (told(&vehicle.color).map(Cow::Borrowed), None),
                best => best,
            }
        });
        self.sure("vehicle.special", on, &words.special, |of| {
            let names = ["special_type", "special_vehicle_type", "special"];
            attribute(Whose::Plate.find(of, &names))
        });
        self.bounds("vehicle.score", on, words.score, |of| {
            fraction(vehicle(of)?.score)
        });
    }

    fn face(&mut self, words: FaceWords) {
        let on = About::FACE;
        self.word("face.matched", on, words.matched.map(Matched));
        self.texts("face.person", on, &words.person, card);
        self.bounds("face.similarity", on, words.similarity, similarity);
        self.bounds("face.yaw", on, words.yaw, |of| {
            number(of, &["headpose_yaw", "yaw"])
        });
        self.bounds("face.pitch", on, words.pitch, |of| {
            number(of, &["headpose_pitch", "pitch"])
        });
        self.bounds("face.roll", on, words.roll, |of| {
            number(of, &["headpose_roll", "roll"])
        });
        self.bounds("face.liveness", on, words.liveness, |of| {
            let told = Whose::Face.find(of, &["liveness"])?;
            match told.text().as_deref() {
                Some("real") => Some(1.0),
                Some("fake") => Some(0.0),
                _ => told.number(),
            }
        });
        self.sure("face.mask", on, &words.mask, |of| {
            attribute(Whose::Face.find(of, &["medmask", "mask"]))
        });
        self.bounds("face.age", on, words.age, |of| number(of, &["age"]));
        self.attributes("face.", on, Whose::Face, words.attributes);
    }

    fn object(&mut self, words: ObjectWords) {
        let on = About::OBJECT;
        self.texts("object.class", on, &words.class, |of| {
            [of.object().and_then(|object| told(&object.class)), None]
        });
        self.bounds("object.score", on, words.score, |of| {
            fraction(of.object()?.score)
        });
    }
}

fn fraction(score: Option<Score>) -> Option<f64> {
    score.map(Score::fraction)
}

fn vehicle<'a>(of: &Of<'a>) -> Option<&'a Vehicle> {
    of.plate()?.vehicle.as_ref()
}

fn attribute(told: Option<Attribute<'_>>) -> (Option<Cow<'_, str>>, Option<f64>) {
    let text = told.and_then(Attribute::text);
    (text, told.and_then(Attribute::score))
}

fn number(of: &Of<'_>, names: &[&str]) -> Option<f64> {
    Whose::Face.find(of, names)?.number()
}

/// Of a face its person; of a vehicle the card that it was matched with.
fn card<'a>(of: &Of<'a>) -> [Option<&'a str>; 2] {
    if let Some(person) = of.face().and_then(|face| face.person.as_ref()) {
        return [told(&person.id), told(&person.name)];
    }
    let Some(plate) = of.plate() else {
        return [None, None];
    };
    ["card_id", "card_name"].map(|name| plate.attributes.get(name)?.as_str())
}

fn similarity(of: &Of<'_>) -> Option<f64> {
    if let Some(face) = of.face() {
        return fraction(face.similarity);
    }
    of.plate()?.attributes.get("similarity")?.as_f64()
}
