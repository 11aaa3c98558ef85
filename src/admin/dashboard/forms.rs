//! Forms of pages: what they sent, and where the browser goes on afterwards.

use std::collections::BTreeMap;

use crate::admin::Refusal;
pub(super) use crate::admin::pages::see;
use crate::admin::table::Ask;

/// The fields of a form, as far as something stands in them.
pub(super) fn fields(ask: &Ask<'_>) -> BTreeMap<String, String> {
    let pairs = form_urlencoded::parse(ask.request.body()).into_owned();
    pairs
        .filter(|(_, value)| !value.trim().is_empty())
        .collect()
}

/// One of them.
pub(super) fn field(ask: &Ask<'_>, name: &str) -> Option<String> {
    fields(ask).remove(name)
}

/// A part of a path.
pub(super) fn part(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// An address with these parameters; those without a value are left out.
pub(super) fn address(path: &str, parameters: &[(&str, &str)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    let told = parameters.iter().filter(|(_, value)| !value.is_empty());
    query.extend_pairs(told);
    match query.finish() {
        query if query.is_empty() => path.to_owned(),
        query => format!("{path}?{query}"),
    }
}

/// The value of a parameter of the page itself.
pub(super) fn parameter(ask: &Ask<'_>, wanted: &str) -> Option<String> {
    let query = ask.request.uri().query().unwrap_or_default();
    let found = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == wanted);
    found.map(|(_, value)| value.into_owned())
}

/// Why it could not be done, told on the page that it was asked on; what is not the asker's own doing stays a refusal.
pub(super) fn or_told<T>(done: Result<T, Refusal>) -> Result<Result<T, String>, Refusal> {
    match done {
        Ok(done) => Ok(Ok(done)),
        Err(refusal) if refusal.status.is_client_error() => Ok(Err(refusal.reason)),
        Err(refusal) => Err(refusal),
    }
}
