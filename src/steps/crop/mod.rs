//! The `crop` step: cuts each plate, vehicle, face or object out of the best picture of the event.
//!
//! A box counts in one picture, but that picture may be missing, small or broken while another shows the same place;
//! [`sight`] looks for the best one. Whatever cannot be cut is told in a note and leaves the sender's own crop alone:
//! a wrong picture of a plate is worse than none.

mod pad;
mod settings;
mod sight;

use std::sync::Arc;

use super::album::Album;
use super::{Flow, Step, StepError, Work};
use crate::event::{Area, Event, Item, Picture, PictureData, Pixels, Role};
use settings::{Prefer, Region};
use sight::{Look, Sight};

pub(crate) use settings::Settings;

pub(super) const NAME: &str = "crop";

/// The step, ready to be taken.
pub(super) struct Crop {
    settings: Settings,
    role: Role,
}

/// One thing to cut out.
struct Subject<'a> {
    item: Item,
    area: Option<&'a Area>,
    /// The vehicle around it, which ties frame and vehicle picture together.
    vehicle: Option<&'a Area>,
    /// Whether the event has no other item of this kind, so that a picture without item must be of this one.
    only: bool,
}

/// What is there to show of a subject.
struct Finding<'a> {
    /// The sender's own crop.
    sent: Option<Picture>,
    /// Where it can be cut from; `None` when it has no box, or is not to be cut.
    look: Option<Look<'a>>,
}

impl Crop {
    pub(super) fn new(settings: Settings) -> Self {
        let role = match &settings.name {
            Some(name) => Role::named(&name.0),
            None => settings.region.role(),
        };
        Self { settings, role }
    }

    /// Looks for the subject, and tells the album which part of which picture is going to be cut.
    fn find<'a>(&self, subject: &Subject<'_>, event: &Event, album: &'a Album) -> Finding<'a> {
        let sent = self.sent(subject, album);
        if sent.is_some() && self.settings.prefer == Prefer::Sender {
            return Finding { sent, look: None };
        }
        let own_role = self.settings.region.role();
        let area = subject.area;
        let look = area.map(|area| sight::look(subject, area, &own_role, event, album));
        if let Some(best) = look.as_ref().and_then(|look| look.sights.first()) {
            best.photo.expect(self.pixels(best));
        }
        Finding { sent, look }
    }

    /// The picture to be seen under this step's name, or why there is none. The note is for the record either way.
    fn depict(&self, item: Item, found: &Finding<'_>) -> (Option<Picture>, String) {
        let sent = found.sent.as_ref();
        if let (Some(sent), Prefer::Sender) = (sent, self.settings.prefer) {
            return (
                Some(self.renamed(sent, item)),
                format!("{item}: kept the sender's own picture"),
            );
        }
        let (cut, note) = match &found.look {
            Some(look) => self.cut(item, look),
            None => (None, "no box".to_owned()),
        };
        match (cut, sent) {
            (Some(cut), _) => (Some(cut), format!("{item}: {note}")),
            (None, Some(sent)) => (
                Some(self.renamed(sent, item)),
                format!("{item}: {note}; kept the sender's own picture"),
            ),
            (None, None) => (None, format!("{item}: {note}")),
        }
    }

    fn cut(&self, item: Item, look: &Look<'_>) -> (Option<Picture>, String) {
        for sight in &look.sights {
            let pixels = self.pixels(sight);
            let Some(cut) = sight.photo.part(pixels) else {
                continue; // the album tells why
            };
            let from = format!(
                "{} {}x{}",
                sight.photo.picture.role, sight.size.width, sight.size.height
            );
            return match self.settings.format.write(&cut, self.settings.quality) {
                Ok(bytes) => {
                    let picture = Picture {
                        role: self.role.clone(),
                        item: Some(item),
                        content_type: self.settings.format.content_type().to_owned(),
                        data: PictureData::Bytes(bytes),
                    };
                    (
                        Some(picture),
                        format!("{}x{} from {from}", pixels.width, pixels.height),
                    )
                }
                Err(error) => (
                    None,
                    format!("the cut from {from} could not be written: {error}"),
                ),
            };
        }
        let undecodable = !look.sights.is_empty();
        let note = if undecodable {
            "no picture to cut from"
        } else {
            look.otherwise
        };
        (None, note.to_owned())
    }

    /// What is cut: the box, and the room around it.
    fn pixels(&self, sight: &Sight<'_>) -> Pixels {
        self.settings.pad.around(sight.pixels, sight.size)
    }

    /// The sender's own crop of the subject.
    fn sent(&self, subject: &Subject<'_>, album: &Album) -> Option<Picture> {
        let role = self.settings.region.role();
        let mut of_role = album
            .photos()
            .map(|photo| &photo.picture)
            .filter(|picture| picture.role == role);
        of_role.find(|picture| subject.is_in(picture)).cloned()
    }

    fn renamed(&self, picture: &Picture, item: Item) -> Picture {
        Picture {
            role: self.role.clone(),
            item: Some(item),
            ..picture.clone()
        }
    }

    /// Puts the picture where lookups find it: in place of the one it replaces, else among its role by item.
    fn put(&self, picture: Picture, subject: &Subject<'_>, pictures: &mut Vec<Picture>) {
        if let Some(old) = pictures
            .iter_mut()
            .find(|old| old.role == self.role && subject.is_in(old))
        {
            *old = picture;
            return;
        }
        let later = |other: &Picture| {
            other.role == self.role && other.item.is_none_or(|item| item > subject.item)
        };
        let earlier = |other: &Picture| other.role == self.role;
        let at = pictures
            .iter()
            .position(later)
            .or_else(|| pictures.iter().rposition(earlier).map(|last| last + 1))
            .unwrap_or(pictures.len());
        pictures.insert(at, picture);
    }

    fn lacks(&self, work: &Work) -> bool {
        let wanted = work.item.filter(|item| self.settings.region.lists(*item));
        !work.pictures.iter().any(|picture| {
            picture.role == self.role
                && (wanted.is_none() || picture.item.is_none() || picture.item == wanted)
        })
    }
}

impl Step for Crop {
    fn name(&self) -> &'static str {
        NAME
    }

    fn take(&self, work: &mut Work) -> Result<Flow, StepError> {
        let event = Arc::clone(&work.event);
        let album = Album::of(&work.pictures, self.settings.max_pixels);
        let subjects = self.settings.region.subjects(&event, work.item);
        let mut notes = Vec::new();
        // All of them are looked for before any is cut, so that each picture is decoded in one go.
        let find = |subject| self.find(subject, &event, &album);
        let found: Vec<_> = subjects.iter().map(find).collect();
        for (subject, found) in subjects.iter().zip(&found) {
            let (picture, note) = self.depict(subject.item, found);
            notes.push(note);
            if let Some(picture) = picture {
                self.put(picture, subject, &mut work.pictures);
            }
        }
        if subjects.is_empty() {
            notes.push(format!(
                "crop: the event has no {}",
                self.settings.region.word()
            ));
        }
        let said = work.notes.len();
        work.notes.extend(album.complaints());
        work.notes.extend(notes);
        if self.settings.required && self.lacks(work) {
            let why = work.notes[said..].join(", ");
            return Ok(Flow::Filtered {
                reason: format!("no {} picture: {why}", self.role),
            });
        }
        Ok(Flow::Continue)
    }
}

impl Subject<'_> {
    /// Whether a picture of its role shows this subject.
    fn is_in(&self, picture: &Picture) -> bool {
        picture.item == Some(self.item) || (picture.item.is_none() && self.only)
    }
}

impl Region {
    fn subjects(self, event: &Event, item: Option<Item>) -> Vec<Subject<'_>> {
        let mut subjects: Vec<_> = match self {
            Self::Plate => event
                .plates
                .iter()
                .enumerate()
                .map(|(n, plate)| {
                    let vehicle = plate
                        .vehicle
                        .as_ref()
                        .and_then(|vehicle| vehicle.area.as_ref());
                    Subject::new(Item::Plate(n), plate.area.as_ref(), vehicle)
                })
                .collect(),
            Self::Vehicle => event
                .plates
                .iter()
                .enumerate()
                .filter_map(|(n, plate)| {
                    let vehicle = plate.vehicle.as_ref()?.area.as_ref();
                    Some(Subject::new(Item::Plate(n), vehicle, vehicle))
                })
                .collect(),
            Self::Face => event
                .faces
                .iter()
                .enumerate()
                .map(|(n, face)| Subject::new(Item::Face(n), face.area.as_ref(), None))
                .collect(),
            Self::Object => event
                .objects
                .iter()
                .enumerate()
                .map(|(n, object)| Subject::new(Item::Object(n), object.area.as_ref(), None))
                .collect(),
        };
        let only = subjects.len() == 1;
        for subject in &mut subjects {
            subject.only = only;
        }
        if let Some(item) = item.filter(|item| self.lists(*item)) {
            subjects.retain(|subject| subject.item == item);
        }
        subjects
    }
}

impl<'a> Subject<'a> {
    fn new(item: Item, area: Option<&'a Area>, vehicle: Option<&'a Area>) -> Self {
        Self {
            item,
            area,
            vehicle,
            only: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::event::{Plate, Unit};
    use crate::steps::fixtures::{Drawing, Written, event, sent, work};

    fn crop(yaml: &str) -> Crop {
        Crop::new(serde_saphyr::from_str(yaml).unwrap())
    }

    #[test]
    fn every_case_comes_out_as_expected() {
        crate::steps::fixtures::every_case("crop");
    }

    #[test]
    fn a_picture_is_decoded_once_however_many_plates_it_shows() {
        let frame = sent(
            Role::FRAME,
            None,
            Drawing::of(64, 48).written(Written::Jpeg),
        );
        let album = Album::of(&[frame], 1_000_000);
        let photo = album.photos().next().unwrap();
        assert!(std::ptr::eq(photo.image().unwrap(), photo.image().unwrap()));
    }

    #[test]
    fn what_an_earlier_step_cut_is_not_taken_for_the_senders_picture() {
        let vehicle = Area {
            xmin: 10,
            ymin: 10,
            xmax: 50,
            ymax: 40,
            unit: Unit::Pixels,
            image: Role::FRAME,
        };
        let plate = Area {
            xmin: 5,
            ymin: 5,
            xmax: 15,
            ymax: 10,
            unit: Unit::Pixels,
            image: Role::VEHICLE,
        };
        let plate = Plate {
            area: Some(plate),
            vehicle: Some(crate::event::Vehicle {
                area: Some(vehicle),
                ..Default::default()
            }),
            ..Plate::default()
        };
        let drawing = Drawing::of(64, 48).with([15, 15, 25, 20], [200, 30, 30]);
        let mut work = work(
            event(vec![plate]),
            vec![sent(Role::FRAME, None, drawing.written(Written::Png))],
        );
        crop("{ region: vehicle, pad: 5px }")
            .take(&mut work)
            .unwrap();
        crop("{ format: png }").take(&mut work).unwrap();
        assert_eq!(
            work.notes,
            [
                "plates/0: 50x40 from frame 64x48",
                "plates/0: 10x5 from frame 64x48"
            ]
        );
    }

    fn side() -> impl Strategy<Value = i32> {
        prop_oneof![-10..80i32, any::<i32>()]
    }

    prop_compose! {
        fn area()(
            (xmin, ymin, xmax, ymax) in (side(), side(), side(), side()),
            e4: bool,
            image in prop_oneof![Just(Role::FRAME), Just(Role::VEHICLE), Just(Role::PLATE)],
        ) -> Area {
            let unit = if e4 { Unit::TenThousandths } else { Unit::Pixels };
            Area { xmin, ymin, xmax, ymax, unit, image }
        }
    }

    proptest! {
        #[test]
        fn no_box_panics(plate in area(), vehicle in area(), pad in prop_oneof![Just("0"), Just("10%"), Just("65535px")]) {
            let plate = Plate {
                area: Some(plate),
                vehicle: Some(crate::event::Vehicle { area: Some(vehicle), ..Default::default() }),
                ..Plate::default()
            };
            let frame = Drawing::of(64, 48).written(Written::Png);
            let close = Drawing::of(32, 24).written(Written::Png);
            let sent = vec![sent(Role::FRAME, None, frame), sent(Role::VEHICLE, None, close)];
            let mut work = work(event(vec![plate]), sent);
            crop(&format!("{{ pad: {pad}, format: png }}")).take(&mut work).unwrap();
            prop_assert_eq!(work.notes.len(), 1);
        }

        #[test]
        fn no_bytes_panic(
            written in prop_oneof![
                Just(Written::Jpeg), Just(Written::ProgressiveJpeg), Just(Written::Png), Just(Written::Webp)
            ],
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..20),
            keep in any::<prop::sample::Index>(),
            cut: bool,
        ) {
            let mut bytes = Drawing::of(40, 24).with([4, 4, 20, 12], [9, 200, 9]).written(written);
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            if cut {
                bytes.truncate(keep.index(bytes.len()));
            }
            let area = Area { xmin: 4, ymin: 4, xmax: 20, ymax: 12, unit: Unit::Pixels, image: Role::FRAME };
            let plate = Plate { area: Some(area), ..Plate::default() };
            let mut work = work(event(vec![plate]), vec![sent(Role::FRAME, None, bytes)]);
            crop("max_pixels: 100000").take(&mut work).unwrap();
            prop_assert!(!work.notes.is_empty());
        }
    }
}
