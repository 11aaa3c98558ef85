//! Other YAML files of ours, read with the same care as the config: every mistake with its place and advice.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use super::Report;
use super::check::Checker;
use super::load::place;
use super::mistake::Mistake;
use super::parse;

/// Reads a file that has one form.
///
/// # Errors
/// All mistakes that were found.
pub(crate) fn sheet<T: DeserializeOwned + JsonSchema>(file: &str, text: &str) -> Result<T, Report> {
    let mut mistakes = Vec::new();
    let refused = |mistakes| Report::new(file.to_owned(), text.to_owned(), mistakes);
    let Some(node) = parse::parse(text, &mut mistakes) else {
        return Err(refused(mistakes));
    };
    let schema = schemars::schema_for!(T).to_value();
    let mut checker = Checker::new(&schema);
    let value = checker.check(&node, &schema, &(0..0));
    mistakes.append(&mut checker.mistakes);
    let (Some(value), true) = (value, mistakes.is_empty()) else {
        return Err(refused(mistakes));
    };
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path: Vec<String> = error.path().iter().map(ToString::to_string).collect();
        let at = place(&node, &checker.written(&node, &path));
        refused(vec![Mistake::new(at, error.inner().to_string())])
    })
}
