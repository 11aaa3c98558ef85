//! The `rename` step: gives values another place in the event, above all keys of the vendor's document another name.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::draft::Draft;
use super::field::{self, Field, Hop};
use super::{Flow, Mistakes, Step, StepError, Work};
use crate::event::Event;
use crate::template::Mistake;

pub(super) const NAME: &str = "rename";

/// Moves values, for the targets of this route: from one path to another, `raw.data.results.*.plate: raw.data.results.*.number`,
/// `raw.data.site: camera.name`, `plates.user_data: plates.owner`. Each `*` stands for the same items in both. Where nothing is,
/// nothing is moved; what stood at the new place is gone. In their order, each after the one before. Of a `pair` in both halves.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(rename = "Rename")]
pub(crate) struct Settings(Map<String, Value>);

pub(super) struct Rename(Vec<Move>);

struct Move {
    from: Field,
    to: Field,
    /// How many hops both begin with, through the last `*`.
    shared: usize,
}

impl Rename {
    pub(super) fn new(settings: &Settings) -> Result<Self, Mistakes> {
        let (mut moves, mut mistakes) = (Vec::new(), Mistakes::new());
        for (from, to) in &settings.0 {
            match Move::new(from, to) {
                Ok(one) => moves.push(one),
                Err(mistake) => mistakes.push((vec![from.clone()], mistake)),
            }
        }
        if settings.0.is_empty() {
            let help = "such as `rename: { raw.data.site: camera.name }`";
            mistakes.push(super::nothing_to_do(help));
        }
        if mistakes.is_empty() {
            Ok(Self(moves))
        } else {
            Err(mistakes)
        }
    }

    fn changed(&self, work: &Work) -> Result<Event, String> {
        let fields = self.0.iter().flat_map(|one| [&one.from, &one.to]);
        let mut draft = Draft::open(&work.event, fields);
        for one in &self.0 {
            let told = |why| format!("`{}` to `{}`: {why}", one.from.told, one.to.told);
            one.carry_out(draft.sheet()).map_err(told)?;
        }
        draft.close()
    }
}

impl Move {
    fn new(from_text: &str, to: &Value) -> Result<Self, Mistake> {
        let to_text = to.as_str().unwrap_or_default();
        let wrong = |message: String, help: &str| Mistake {
            message,
            help: Some(help.to_owned()),
            range: 0..to_text.len(),
            path: Vec::new(),
            others: Vec::new(),
        };
        let from = Field::to_take(from_text).map_err(|mistake| Mistake {
            range: Mistake::KEY,
            ..mistake
        })?;
        if !to.is_string() {
            return Err(wrong(
                "expected the path of a field".to_owned(),
                "such as `camera.name`",
            ));
        }
        let to = Field::to_put(to_text)?;
        let through = |field: &Field| {
            field
                .hops()
                .iter()
                .rposition(|hop| *hop == Hop::Each)
                .map_or(0, |at| at + 1)
        };
        let shared = through(&from);
        if shared != through(&to) || from.hops()[..shared] != to.hops()[..shared] {
            return Err(wrong(
                format!(
                    "`{}` and `{}` are not of the same items",
                    from.told, to.told
                ),
                "each list on the way must be the same in both",
            ));
        }
        if shared == from.hops().len() || shared == to.hops().len() {
            return Err(wrong(
                "items have no names".to_owned(),
                "the last of a path is a name, not `*`",
            ));
        }
        Ok(Self { from, to, shared })
    }

    fn carry_out(&self, sheet: &mut Value) -> Result<(), String> {
        let (way, from) = self.from.hops().split_at(self.shared);
        let to = &self.to.hops()[self.shared..];
        let mut outcome = Ok(());
        field::each(sheet, way, &mut |value| {
            if let ([Hop::Name(old)], [Hop::Name(new)], Value::Object(map)) =
                (from, to, &mut *value)
                && map.get(old).is_some_and(|value| !value.is_null())
            {
                // Under its new name it keeps its place.
                let entries = std::mem::take(map)
                    .into_iter()
                    .filter(|(name, _)| name != new || new == old);
                *map = entries
                    .map(|(name, value)| {
                        if name == *old {
                            (new.clone(), value)
                        } else {
                            (name, value)
                        }
                    })
                    .collect();
            } else {
                let mut taken = None;
                field::take(value, from, &mut |value| taken = Some(value));
                let put = taken.map_or(Ok(()), |taken| field::put(value, to, &taken));
                outcome = std::mem::replace(&mut outcome, Ok(())).and(put);
            }
            let fits = self.fit(value, to);
            outcome = std::mem::replace(&mut outcome, Ok(())).and(fits);
        });
        outcome
    }

    /// Checks what stands at the new place now.
    fn fit(&self, value: &mut Value, to: &[Hop]) -> Result<(), String> {
        let mut outcome = Ok(());
        field::each(
            value,
            to,
            &mut |value| match self.to.fitting(value.take()) {
                Ok(fitting) => *value = fitting,
                Err(why) => outcome = Err(why),
            },
        );
        outcome
    }
}

impl Step for Rename {
    fn name(&self) -> &'static str {
        NAME
    }

    fn take(&self, work: &mut Work) -> Result<Flow, StepError> {
        let failed = |reason| StepError { step: NAME, reason };
        work.change(|work| self.changed(work)).map_err(failed)?;
        Ok(Flow::Continue)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn mistake(settings: Value) -> String {
        let mistakes = Rename::new(&serde_json::from_value(settings).unwrap())
            .err()
            .unwrap();
        mistakes[0].1.message.clone()
    }

    #[test]
    fn every_case_comes_out_as_expected() {
        crate::steps::fixtures::every_case("rename");
    }

    #[test]
    fn a_move_from_one_item_to_another_is_refused() {
        for (settings, said) in [
            (
                json!({ "plates.owner": "camera.name" }),
                "not of the same items",
            ),
            (
                json!({ "plates.owner": "faces.person.name" }),
                "not of the same items",
            ),
            (json!({ "raw.a.*.b": "raw.c.*.b" }), "not of the same items"),
            (json!({ "raw.a.*": "raw.a.*" }), "no names"),
            (json!({ "camera.id": 7 }), "expected the path"),
            (json!({ "camera.id": "camera.nmae" }), "no field `nmae`"),
            (json!({ "id": "camera.name" }), "no event without"),
            (json!({}), "nothing"),
        ] {
            let told = mistake(settings.clone());
            assert!(told.contains(said), "{settings}: {told}");
        }
    }
}
