//! Paths of files: templates whose literal text may hold strftime codes, in the event's local time.

use jiff::Zoned;
use jiff::fmt::strtime::{BrokenDownTime, Config};

use super::{Building, mistake};
use crate::event::Event;
use crate::template::{Mistake, RenderError, Scope, Template};

/// File systems take no longer name.
const NAME_BYTES_MAX: usize = 255;

pub(super) struct Path(Template);

impl Path {
    pub(super) fn new(building: &mut Building<'_>, at: &[&str], source: &str) -> Option<Self> {
        let checked = check_codes(source);
        let checked = building.keep(at, checked);
        let built = building.engine.path(source, building.names);
        let built = building.keep(at, built);
        checked.and(built).map(Self)
    }

    pub(super) fn text(&self, event: &Event, scope: &Scope) -> Result<String, RenderError> {
        dated(&self.0.text(scope)?, &event.occurred_at.local())
    }
}

/// Fills in the codes. `%f` is six digits, as in Stream's own paths.
fn dated(path: &str, local: &Zoned) -> Result<String, RenderError> {
    let path = BrokenDownTime::from(local)
        .to_string_with_config(&Config::new().lenient(true), six_digits(path))
        .map_err(|error| RenderError(format!("the path `{path}` has no date: {error}")))?;
    if path.trim().is_empty() || path.ends_with('/') {
        return Err(RenderError(format!("the path `{path}` names no file")));
    }
    match path.split('/').find(|name| name.len() > NAME_BYTES_MAX) {
        Some(name) => Err(RenderError(format!(
            "`{name}` has {} bytes, a file's name has at most {NAME_BYTES_MAX}",
            name.len()
        ))),
        None => Ok(path),
    }
}

fn six_digits(path: &str) -> String {
    let mut pieces = path.split("%%").map(|piece| piece.replace("%f", "%6f"));
    let first = pieces.next().unwrap_or_default();
    pieces.fold(first, |path, piece| path + "%%" + &piece)
}

/// Refuses codes that strftime does not know, in the text outside of `{{ … }}`, `{% … %}` and `{# … #}`.
fn check_codes(source: &str) -> Result<(), Mistake> {
    let epoch = jiff::Timestamp::UNIX_EPOCH.to_zoned(jiff::tz::TimeZone::UTC);
    let literal = literal(source);
    if literal.trim().is_empty() && source.trim().is_empty() {
        return Err(mistake("a path must not be empty".to_owned(), None));
    }
    let unknown = match BrokenDownTime::from(&epoch).to_string(six_digits(&literal)) {
        Ok(_) => codes(&literal)
            .find(|code| code.ends_with('Q'))
            .map(|code| format!("strftime has no `{code}`")),
        Err(error) => Some(error.to_string()),
    };
    match unknown {
        None => Ok(()),
        Some(why) => Err(Mistake {
            range: 0..source.len(),
            ..mistake(
                format!("the path's date codes are wrong: {why}"),
                Some("codes are those of strftime, such as %Y-%m-%d; a plain % is written %%"),
            )
        }),
    }
}

/// The codes of a text, with their flags and width. `%Q` is not one of strftime's but the date library's own: the name
/// of a time zone, whose `/` would make a folder.
fn codes(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let code = &rest[rest.find('%')?..];
        let flag = |c: char| c.is_ascii_digit() || "-_0^#:.".contains(c);
        let letter = code[1..].find(|c| !flag(c)).map_or(code.len(), |at| at + 1);
        let end = code[letter..]
            .chars()
            .next()
            .map_or(letter, |c| letter + c.len_utf8());
        let (code, after) = code.split_at(end);
        rest = after;
        Some(code)
    })
}

/// The text outside of `{{ … }}`, `{% … %}` and `{# … #}`.
pub(super) fn literal(source: &str) -> String {
    outline(source, "")
}

/// The same with this text in the place of each value.
pub(super) fn outline(source: &str, value: &str) -> String {
    let mut literal = String::new();
    let mut rest = source;
    while let Some(start) = rest
        .find("{{")
        .into_iter()
        .chain(rest.find("{%"))
        .chain(rest.find("{#"))
        .min()
    {
        literal.push_str(&rest[..start]);
        let end = match rest.as_bytes().get(start + 1) {
            Some(b'{') => {
                literal.push_str(value);
                "}}"
            }
            Some(b'%') => "%}",
            _ => "#}",
        };
        rest = rest[start + 2..]
            .split_once(end)
            .map_or("", |(_, after)| after);
    }
    literal + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::safe_segment;

    fn local() -> Zoned {
        "2025-03-04T10:11:12.131415+01:00[+01:00]".parse().unwrap()
    }

    #[test]
    fn codes_stand_for_the_events_local_time() {
        let path = dated("gate-1_screenshots/%y-%m-%d/%H-%M-%S.%f.jpg", &local()).unwrap();
        assert_eq!(path, "gate-1_screenshots/25-03-04/10-11-12.131415.jpg");
        let whole: Zoned = "2025-03-04T10:11:12+01:00[+01:00]".parse().unwrap();
        assert_eq!(dated("%S.%f", &whole).unwrap(), "12.000000");
    }

    #[test]
    fn codes_in_a_value_are_no_codes() {
        let value = safe_segment("100%f%Y%%");
        assert_eq!(
            dated(&format!("%Y/{value}.jpg"), &local()).unwrap(),
            "2025/100%f%Y%%.jpg"
        );
    }

    #[test]
    fn a_path_that_no_file_can_have_is_refused() {
        assert!(dated(&format!("data/{}.jpg", "x".repeat(252)), &local()).is_err());
        assert!(dated("data/", &local()).is_err());
        assert!(dated("", &local()).is_err());
    }

    #[test]
    fn wrong_codes_are_told_when_the_file_is_loaded() {
        assert!(
            check_codes("data/%Y/{{ event.camera.id }}/{% if true %}x{% endif %}%f.jpg").is_ok()
        );
        assert!(check_codes("{{ '%!' }}{# 100%! #}50%%.csv").is_ok());
        assert!(check_codes("data/%!.csv").is_err());
        assert!(check_codes("data/%Q.jpg").is_err() && check_codes("data/%:Q.jpg").is_err());
        assert!(check_codes("data/%%Q-%d%%Q.jpg").is_ok());
        assert!(check_codes("100%").is_err());
        assert!(check_codes(" ").is_err());
    }
}
