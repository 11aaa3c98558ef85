//! A camera's "no": the code that it gives, in words that say what to do.

use std::fmt::{self, Display, Formatter};

use super::xml::Element;
use crate::secret::Blot;

/// Characters of a camera's own words that are shown.
const SAID_MAX: usize = 200;

/// What a camera refused, whatever HTTP status it gave: some say it with 200, some with 400.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(super) struct Refusal {
    /// The number in `errorCode`.
    pub(super) code: Option<u32>,
    /// The camera's own words.
    said: String,
}

impl Refusal {
    /// The plate, or the resource, is not there.
    pub(super) const NOTHING_THERE: u32 = 20;
    pub(super) const OUT_OF_RANGE: u32 = 16;
    pub(super) const PLATE_IS_THERE: u32 = 203;
    pub(super) const PLATE_IS_NOT_THERE: u32 = 204;

    pub(super) fn of_code(code: u32) -> Self {
        Self {
            code: Some(code),
            said: String::new(),
        }
    }

    /// Reads `status="failed"` or an `errorCode` that is not 0: attributes of the root, or all that is in it.
    pub(super) fn of(answer: &Element, blot: &Blot) -> Option<Self> {
        let is_bare = answer.children.iter().all(|child| {
            ["status", "errorCode", "errorDesc"]
                .iter()
                .any(|name| child.is(name))
        });
        let told = |name: &str| {
            answer
                .get(name)
                .or_else(|| answer.text(name).filter(|_| is_bare))
        };
        let code = told("errorCode").filter(|code| *code != "0");
        let has_failed = told("status").is_some_and(|status| {
            status.eq_ignore_ascii_case("failed") || status.eq_ignore_ascii_case("fail")
        });
        if code.is_none() && !has_failed {
            return None;
        }
        let said = blot.out(told("errorDesc").unwrap_or_default());
        Some(Self {
            code: code.and_then(|code| code.parse().ok()),
            said: said
                .chars()
                .filter(|c| !c.is_control())
                .take(SAID_MAX)
                .collect(),
        })
    }

    /// Whether this firmware does not know the call at all.
    pub(super) fn is_unknown_call(&self) -> bool {
        matches!(self.code, Some(1 | 11))
    }
}

impl Display for Refusal {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("the camera refused")?;
        if let Some(words) = self.code.and_then(words) {
            write!(f, ": {words}")?;
        }
        match (self.code, self.said.as_str()) {
            (Some(code), "") => write!(f, " (error {code})"),
            (Some(code), said) => write!(f, " (error {code}, `{said}`)"),
            (None, "") => Ok(()),
            (None, said) => write!(f, ": `{said}`"),
        }
    }
}

/// The codes that the vendor documents.
fn words(code: u32) -> Option<&'static str> {
    Some(match code {
        1 => "it does not know this call; its firmware may be older or newer, or it is a recorder",
        2 => "it could not read the XML",
        3 => "it does not accept what the XML says",
        4 => "this user may not do that; use one with administrator's rights",
        5 => "its port is wrong or blocked",
        7 => "it is busy; try again in a minute",
        8 => "the password has expired; set a new one in its web page",
        9 => "the user name or the password is wrong",
        10 => {
            "the user is locked after too many wrong passwords; wait some minutes or restart the camera"
        }
        11 => "it does not support this",
        12 => "there is no such channel",
        14 => "it does not know this action",
        15 => "something that it needs was missing",
        16 => "a value is out of its range",
        17 => "the service is switched off in its web page",
        18 => "it would have to restart for that",
        19 => "this is more than it can hold",
        20 => "there is nothing of that kind in it",
        202 => "its plate lists are full; remove plates first",
        203 => "this plate is in its lists already; remove it first to move it to another list",
        204 => "this plate is not in the list",
        207 => "there is no such list",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<String> {
        let answer = Element::read(text.as_bytes()).unwrap();
        Refusal::of(&answer, &Blot::new(["hunter22".to_owned()])).map(|refusal| refusal.to_string())
    }

    #[test]
    fn codes_are_told_in_words() {
        let told = of(
            "<config version=\"2.1.0\" status=\"failed\" errorCode=\"203\" errorDesc=\"Duplicate\"/>",
        );
        let told = told.unwrap();
        assert!(
            told.contains("already") && told.contains("(error 203, `Duplicate`)"),
            "{told}"
        );
        let told =
            of("<config><status>failed</status><errorCode>999</errorCode></config>").unwrap();
        assert_eq!(told, "the camera refused (error 999)");
        assert!(of("<config status=\"failed\"/>").is_some());
    }

    #[test]
    fn an_answer_is_no_refusal() {
        assert_eq!(
            of("<config status=\"success\" errorCode=\"0\" errorDesc=\"No Error\"/>"),
            None
        );
        let inner = "<config><licensePlatesReply><item><errorCode>203</errorCode></item></licensePlatesReply></config>";
        assert_eq!(of(inner), None);
        assert_eq!(of("<config><status>failed</status><disk/></config>"), None);
    }

    #[test]
    fn a_camera_cannot_show_the_password() {
        let told =
            of("<config status=\"failed\" errorCode=\"9\" errorDesc=\"bad: hunter22\"/>").unwrap();
        assert!(told.contains("***") && !told.contains("hunter22"), "{told}");
    }
}
