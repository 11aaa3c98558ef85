//! Both halves of a pair, whose fields are changed alike: who names `pair.front` knows not which half came second.

use std::sync::Arc;

use super::Work;
use crate::event::{Altered, Event};
use crate::fate::Parts;

impl Work {
    /// Whether what else went into the delivery is withheld.
    pub(super) fn is_alone(&self) -> bool {
        self.alone || matches!(self.event.altered, Altered::Withheld { .. })
    }

    /// Gives the event what `changed` makes of its fields, and so the other half of a pair: which of the two is which
    /// depends on which camera was quicker. Each is changed as it is now, with the other as it is now.
    pub(super) fn change(
        &mut self,
        changed: impl Fn(&Self) -> Result<Event, String>,
    ) -> Result<(), String> {
        let mut event = changed(self)?;
        if let Some(half) = self.other_half() {
            let mut other = changed(&half)?;
            other.changed_from(&half.event);
            let parts = self.parts.as_mut().map(Arc::make_mut);
            if let Some(pair) = parts.and_then(|parts| parts.pair.as_mut()) {
                pair.other = Arc::new(other);
            }
        }
        event.changed_from(&self.event);
        self.event = Arc::new(event);
        Ok(())
    }

    /// The delivery as it would be of the other half of its pair.
    fn other_half(&self) -> Option<Self> {
        let parts = self.parts.as_ref().filter(|_| !self.is_alone())?;
        let pair = parts.pair.as_ref()?;
        let turned = pair.turned(&self.event, self.item);
        let (event, item) = (Arc::clone(&pair.other), pair.other_item);
        let mut half = Self::new(event, item, self.lists.clone(), self.now);
        half.pictures.extend(turned.pictures());
        half.parts = Some(Arc::new(Parts {
            pair: Some(turned),
            ..Parts::clone(parts)
        }));
        Some(half)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::event::{Item, Role};
    use crate::fate::{Pair, Part};
    use crate::steps::fixtures::{sent, work};
    use crate::steps::{Built, Settings};
    use crate::template::{Engine, Names};

    /// The rear half, with the front as its other.
    fn paired() -> Work {
        let half = |camera: &str, text: &str| {
            let json = json!({
                "camera": { "id": camera }, "plates": [{ "text": text, "owner": "somebody", "score": 0.9 }],
            });
            Event::from_json(json, jiff::Timestamp::UNIX_EPOCH).unwrap()
        };
        let mut front = half("lane-front", "AB12");
        front.images = vec![sent(Role::FRAME, None, b"\xff\xd8\xff front".to_vec())];
        let rear = half("lane-rear", "AB1Z");
        let merged = vec![Part::of(&rear, Some(Item::Plate(0)))];
        let pair = Pair {
            other: Arc::new(front),
            other_item: Some(Item::Plate(0)),
            other_is_front: true,
        };
        let mut work = work(
            rear,
            vec![sent(Role::FRAME, None, b"\xff\xd8\xff rear".to_vec())],
        );
        work.item = Some(Item::Plate(0));
        work.pictures.extend(pair.pictures());
        work.parts = Some(Arc::new(Parts {
            merged_count: merged.len(),
            merged,
            pair: Some(pair),
        }));
        work
    }

    fn take(work: &mut Work, step: Value) {
        let settings: Settings = serde_json::from_value(step).unwrap();
        let Ok(Built::OnDelivery(step)) = settings.build(&Engine::new(&[])) else {
            panic!("it is a step of deliveries");
        };
        step.take(work).unwrap();
    }

    /// What a template behind all steps makes of it.
    fn written(work: &Work, template: &str) -> String {
        let template = Engine::new(&[]).template(template, Names::Reshaping);
        template.unwrap().text(&work.scope()).unwrap()
    }

    #[test]
    fn what_is_taken_out_is_taken_out_of_both_halves() {
        let mut work = paired();
        take(&mut work, json!({ "remove": ["plates.owner"] }));
        let owners = "{{ event.plates[0].owner }}{{ pair.front.plates[0].owner }}{{ pair.rear.plates[0].owner }}";
        assert_eq!(written(&work, owners), "");
        let texts = "{{ pair.front.plates[0].text }} {{ pair.rear.plates[0].text }}";
        assert_eq!(written(&work, texts), "AB12 AB1Z");
    }

    #[test]
    fn each_half_is_given_values_of_its_own() {
        let mut work = paired();
        let values = json!({
            "camera.name": "{{ event.camera.id }}, {{ plate.text }}",
            "plates.owner": "{{ plate.text }} of {{ pair.front.plates[0].text }} and {{ pair.rear.plates[0].text }}",
            "vendor_id": "{{ images.frame.size }} {{ images.front_frame.size }} {{ images.rear_frame.size }}",
        });
        take(&mut work, json!({ "set": values }));
        for (template, text) in [
            ("{{ pair.front.camera.name }}", "lane-front, AB12"),
            ("{{ pair.rear.camera.name }}", "lane-rear, AB1Z"),
            ("{{ pair.front.plates[0].owner }}", "AB12 of AB12 and AB1Z"),
            ("{{ pair.rear.plates[0].owner }}", "AB1Z of AB12 and AB1Z"),
            ("{{ pair.front.vendor_id }}", "9 9 8"),
            ("{{ pair.rear.vendor_id }}", "8 9 8"),
        ] {
            assert_eq!(written(&work, template), text, "{template}");
        }
    }

    #[test]
    fn values_are_moved_in_both_halves() {
        let mut work = paired();
        take(
            &mut work,
            json!({ "rename": { "plates.owner": "plates.heading" } }),
        );
        let both = "{{ pair.front.plates[0].heading }} {{ pair.rear.plates[0].heading }}";
        assert_eq!(written(&work, both), "somebody somebody");
        assert_eq!(written(&work, "{{ pair.front.plates[0].owner }}"), "");
    }

    #[test]
    fn the_events_in_the_store_stay_as_they_are() {
        let mut work = paired();
        let parts = work.parts.clone().unwrap();
        take(&mut work, json!({ "remove": ["plates.owner"] }));
        let kept = &parts.pair.as_ref().unwrap().other;
        assert_eq!(kept.plates[0].owner.as_deref(), Some("somebody"));
    }

    #[test]
    fn behind_a_step_that_withholds_the_other_half_is_not_there_at_once() {
        for step in [
            json!({ "strip": { "fields": ["plates.owner"] } }),
            json!({ "hash": { "key": "0123456789abcdef" } }),
            json!({ "blur": {} }), // and nothing to make unreadable: there is no box
        ] {
            let mut work = paired();
            take(&mut work, step.clone());
            take(
                &mut work,
                json!({ "set": { "camera.name": "{{ pair.front.plates[0].text }}" } }),
            );
            assert_eq!(work.event.camera.name, None, "{step}");
            work.finish().unwrap();
            assert!(work.parts.is_none(), "{step}");
            let roles: Vec<&str> = work.pictures.iter().map(|one| one.role.as_str()).collect();
            assert!(!roles.contains(&"front_frame"), "{step}: {roles:?}");
        }
    }
}
