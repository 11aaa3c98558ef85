//! The `remove` step: takes fields out of the event, for receivers that do not want them. What nobody is to see is for
//! [`super::strip`].

use schemars::JsonSchema;
use serde::Deserialize;

use super::draft::Draft;
use super::field::Field;
use super::{Flow, Mistakes, Step, StepError, Work};

pub(super) const NAME: &str = "remove";

/// Takes fields out of the event, for the targets of this route: paths such as `camera.address`, `plates.candidates` (of every
/// plate) or `raw.data.usage`; of a `pair` out of both halves. What else tells the same (the vendor's document, the request as it came) keeps it: for
/// privacy, use `strip`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(rename = "Remove")]
pub(crate) struct Settings(Vec<String>);

pub(super) struct Remove(Vec<Field>);

impl Remove {
    pub(super) fn new(settings: &Settings) -> Result<Self, Mistakes> {
        let (mut fields, mut mistakes) = (Vec::new(), Mistakes::new());
        for (n, text) in settings.0.iter().enumerate() {
            match Field::to_take(text) {
                Ok(field) => fields.push(field),
                Err(mistake) => mistakes.push((vec![n.to_string()], mistake)),
            }
        }
        if settings.0.is_empty() {
            mistakes.push(super::nothing_to_do(
                "such as `remove: [plates.candidates]`",
            ));
        }
        if mistakes.is_empty() {
            Ok(Self(fields))
        } else {
            Err(mistakes)
        }
    }
}

impl Step for Remove {
    fn name(&self) -> &'static str {
        NAME
    }

    fn take(&self, work: &mut Work) -> Result<Flow, StepError> {
        let failed = |reason| StepError { step: NAME, reason };
        let changed = |work: &Work| {
            let mut draft = Draft::open(&work.event, &self.0);
            for field in &self.0 {
                draft.take(field, &mut drop);
            }
            draft.close()
        };
        work.change(changed).map_err(failed)?;
        Ok(Flow::Continue)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_case_comes_out_as_expected() {
        crate::steps::fixtures::every_case("remove");
    }
}
