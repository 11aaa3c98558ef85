//! The words for what a camera posts: which data, of which events.

use super::xml::Element;

/// Data types that the vendor documents.
const DATA: [&str; 5] = [
    "alarmStatus",
    "traject",
    "smartData",
    "sourceImage",
    "targetImage",
];

/// Events that the vendor documents; a camera knows some of them.
const EVENTS: [&str; 16] = [
    "ALL",
    "MOTION",
    "SENSOR",
    "PERIMETER",
    "TRIPWIRE",
    "OSC",
    "AVD",
    "AOIENTRY",
    "AOILEAVE",
    "PASSLINECOUNT",
    "TRAFFIC",
    "VSD",
    "PVD",
    "LOITER",
    "ASD",
    "VEHICLE",
];

/// What the user wants to be posted; nothing said is "as it is".
#[derive(Debug, Default, PartialEq)]
pub(super) struct Words {
    pub(super) data: Option<Vec<String>>,
    pub(super) events: Option<Vec<String>>,
}

impl Words {
    /// Puts words into the camera's spelling. One is known if the vendor documents it, or if the camera itself uses it.
    pub(super) fn parse(
        data: &[String],
        events: &[String],
        answer: &Element,
    ) -> Result<Self, String> {
        Ok(Self {
            data: known(data, &DATA, answer, "--data")?,
            events: known(events, &EVENTS, answer, "--events")?,
        })
    }

    /// What the user should know about the wish.
    pub(super) fn notes(&self) -> Vec<&'static str> {
        let has = |word: &str| {
            let data = self.data.iter().flatten();
            data.into_iter().any(|known| known == word)
        };
        let mut notes = Vec::new();
        if (has("sourceImage") || has("targetImage")) && !has("smartData") {
            notes.push("pictures come inside of smartData, and send nothing without it");
        }
        if has("traject") {
            notes.push(
                "traject posts positions several times a second; some firmware sends it only when \"Smart track data\" is \
                 ticked in the web page, too",
            );
        }
        notes
    }
}

fn known(
    words: &[String],
    documented: &[&str],
    answer: &Element,
    flag: &str,
) -> Result<Option<Vec<String>>, String> {
    let all = answer.all();
    let mut found: Vec<String> = Vec::new();
    for word in words.iter().map(|word| word.trim()) {
        let as_documented = documented
            .iter()
            .copied()
            .find(|known| known.eq_ignore_ascii_case(word));
        let as_used = || {
            let said = all.iter().map(|element| element.said());
            said.into_iter()
                .find(|said| said.eq_ignore_ascii_case(word))
        };
        let Some(spelled) = as_documented
            .or_else(as_used)
            .filter(|word| !word.is_empty())
        else {
            return Err(format!(
                "{flag}: neither the vendor's documents nor this camera know `{word}`; there are {}",
                documented.join(", ")
            ));
        };
        if !found.iter().any(|known| known == spelled) {
            found.push(spelled.to_owned());
        }
    }
    Ok((!found.is_empty()).then_some(found))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(words: &[&str]) -> Vec<String> {
        words.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn words_are_put_into_the_cameras_spelling() {
        let answer =
            Element::read(b"<config><types><enum>THERMAL</enum></types></config>").unwrap();
        let words = Words::parse(
            &list(&["smartdata", "SourceImage", "smartData"]),
            &list(&["all", "thermal"]),
            &answer,
        );
        let expected = Words {
            data: Some(list(&["smartData", "sourceImage"])),
            events: Some(list(&["ALL", "THERMAL"])),
        };
        assert_eq!(words, Ok(expected));
        let nothing = Words::parse(&[], &[], &answer).unwrap();
        assert_eq!(nothing, Words::default());
        let mistake = Words::parse(&list(&["picture"]), &[], &answer).unwrap_err();
        assert!(
            mistake.contains("`picture`") && mistake.contains("targetImage"),
            "{mistake}"
        );
        assert!(Words::parse(&list(&[""]), &[], &answer).is_err());
    }
}
