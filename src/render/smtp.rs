//! Writes mails.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::{Building, Mistakes};
use crate::event::Picture;
use crate::payload::{Attachment, Mail};
use crate::template::{Engine, Names, Output, RenderError, Scope, Template};

/// What a mail says.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// The subject, on one line: what breaks a line in a value becomes a blank. Default: the plate and the camera.
    #[serde(default = "subject")]
    pub(crate) subject: String,
    /// The mail as plain text. Default: plate, camera and time.
    #[serde(default = "text")]
    pub(crate) text: String,
    /// The same as HTML, for programs that show it. Values are texts: write `{{ value | xml }}`.
    #[serde(default)]
    pub(crate) html: Option<String>,
    /// Pictures that go with it, such as `["{{ images.frame }}", "{{ images.plate }}"]`. Those that an event does not have
    /// are left out.
    #[serde(default)]
    pub(crate) attach: Vec<String>,
}

fn subject() -> String {
    "{{ (plate or event.plates[0]).text | upper }} {{ event.camera.name or event.camera.id }}"
        .to_owned()
}

fn text() -> String {
    "Plate: {{ (plate or event.plates[0]).text | upper }}\nCamera: {{ event.camera.name or event.camera.id }}\nTime: {{ event.occurred_at }}\n"
        .to_owned()
}

/// The compiled [`Settings`].
pub(crate) struct Writer {
    subject: Template,
    text: Template,
    html: Option<Template>,
    attach: Vec<Template>,
    address: Option<(String, u16)>,
}

impl Writer {
    pub(super) fn new(
        settings: &Settings,
        engine: &Engine,
        names: Names,
        address: Option<(String, u16)>,
    ) -> Result<Self, Mistakes> {
        let mut building = Building::new(engine, names);
        let subject = building.template(&["subject"], &settings.subject);
        let text = building.template(&["text"], &settings.text);
        let html = settings.html.as_deref();
        let html = html.map(|html| building.template(&["html"], html));
        let mut attach = Vec::new();
        for (index, source) in settings.attach.iter().enumerate() {
            attach.extend(building.template(&["attach", &index.to_string()], source));
        }
        let built = subject.zip(text).map(|(subject, text)| Self {
            subject,
            text,
            html: html.flatten(),
            attach,
            address,
        });
        building.done(built)
    }

    pub(super) fn address(&self) -> Option<(String, u16)> {
        self.address.clone()
    }

    pub(super) fn write(&self, scope: &Scope) -> Result<Mail, RenderError> {
        let mut attachments = Vec::new();
        for template in &self.attach {
            match template.output(scope)? {
                Output::Picture(picture) => attach(&picture, &mut attachments)?,
                Output::Pictures(pictures) => {
                    for picture in &pictures {
                        attach(picture, &mut attachments)?;
                    }
                }
                Output::Json(Value::Null) => {}
                Output::Json(_) => {
                    let reason = format!("`{}` is no picture", template.source().trim());
                    return Err(RenderError(reason));
                }
            }
        }
        Ok(Mail {
            subject: line(&self.subject.text(scope)?),
            text: self.text.text(scope)?,
            html: match &self.html {
                Some(html) => Some(html.text(scope)?),
                None => None,
            },
            attachments,
        })
    }
}

/// A line of a mail ends after 998 bytes (RFC 5321, 4.5.3.1.6), and where a text has no blanks it cannot be folded.
const SUBJECT_CHARS_MAX: usize = 300;

/// What would end a header, or is no text at all, becomes a blank. The rest of a long one is left out.
fn line(text: &str) -> String {
    let clean = |c: char| match c {
        '\u{2028}' | '\u{2029}' => ' ',
        c if c.is_control() => ' ',
        c => c,
    };
    text.trim()
        .chars()
        .take(SUBJECT_CHARS_MAX)
        .map(clean)
        .collect::<String>()
        .trim()
        .to_owned()
}

fn attach(picture: &Picture, attachments: &mut Vec<Attachment>) -> Result<(), RenderError> {
    let bytes = picture.bytes().cloned().ok_or_else(|| {
        let reason = "the picture is known only by its address: fetch it in a step before";
        RenderError(reason.to_owned())
    })?;
    let ending = match picture.content_type.as_str() {
        "image/png" => "png",
        "image/webp" => "webp",
        "image/gif" => "gif",
        "image/bmp" => "bmp",
        _ => "jpg",
    };
    let number = attachments.len() + 1;
    attachments.push(Attachment {
        name: format!("{number}-{}.{ending}", picture.role),
        content_type: picture.content_type.clone(),
        bytes,
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_one_line() {
        assert_eq!(line(&"x".repeat(5_000)).len(), SUBJECT_CHARS_MAX);
        assert_eq!(
            line("AB 1\r\nBcc: all@example.com\0"),
            "AB 1  Bcc: all@example.com"
        );
        assert_eq!(line(" a\u{2028}b\n"), "a b");
    }
}
