//! What steps did to an event, so that whoever writes it another way than field by field keeps to it.
//!
//! Most of what targets are sent is written from the event's fields and pictures, and so follows every change by itself.
//! Two things do not: the request as it came, byte for byte, and a vendor's own document that goes on to a system which
//! knows that vendor. What was taken out of the event cannot be cut out of a request whose form is the vendor's, so such
//! an event does not have its request any more: nobody can forward what is not there.

use std::sync::Arc;

use super::{Event, Original, Raw, Role};

/// What became of an event's fields on the way to a target.
#[derive(Debug, Clone, Default)]
pub(crate) enum Altered {
    /// It is as it came.
    #[default]
    No,
    /// Fields have other values than when it came; what it was then.
    Fields { before: Arc<Event> },
    /// A step took out what nobody is to see.
    Withheld {
        /// Its word in `routes.yaml`.
        step: &'static str,
        /// The request as it came is gone.
        request: bool,
        /// Fields have other values than the vendor's document tells, and what it was before is not known any more.
        stale: bool,
    },
}

/// Which pictures the event's boxes count in.
#[derive(Debug, Clone, Default)]
pub(crate) enum Boxes {
    /// Those that were sent.
    #[default]
    AsSent,
    /// Those that stand in their place now; what the boxes were before.
    Retold { sent: Arc<Event> },
    /// One that a step chose, in its pixels.
    In(Role),
}

/// What goes besides the fields and pictures that a step takes out itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Withholding {
    /// The request as it came, but for its clip.
    pub(crate) request: bool,
    /// The vendor's document, and with the request also its headers and the query of its path.
    pub(crate) raw: bool,
}

impl Event {
    /// Lets go of what else tells of what a step took out. A clip stays, for it is a thing of its own within the body:
    /// who is not to see it takes `video` out before.
    pub(crate) fn withhold(&mut self, step: &'static str, how: Withholding) {
        if how.request {
            let clip = self.clip();
            if let Some(video) = &mut self.video {
                video.range = clip.as_ref().map(|clip| (0, clip.len()));
            }
            let mut original = Original {
                body: clip.unwrap_or_default(),
                ..Original::clone(&self.original)
            };
            if how.raw {
                original.headers.clear();
                if let Some(query) = original.path.find('?') {
                    original.path.truncate(query);
                }
            }
            self.original = Arc::new(original);
        }
        if how.raw {
            self.raw = Raw::default();
        }
        let (gone, stale) = match &self.altered {
            Altered::No => (false, false),
            Altered::Fields { .. } => (false, true), // what it was before must not come back
            Altered::Withheld { request, stale, .. } => (*request, *stale),
        };
        self.altered = Altered::Withheld {
            step,
            request: how.request || gone,
            stale,
        };
    }

    /// Remembers what it was `before` a step gave its fields other values.
    pub(crate) fn changed_from(&mut self, before: &Arc<Self>) {
        self.altered = match &before.altered {
            Altered::No => Altered::Fields {
                before: Arc::clone(before),
            },
            Altered::Fields { before } => Altered::Fields {
                before: Arc::clone(before),
            },
            Altered::Withheld { step, request, .. } => Altered::Withheld {
                step,
                request: *request,
                stale: true,
            },
        };
    }

    /// The step that withholds the request this event came in, if one does.
    pub(crate) fn withheld_by(&self) -> Option<&'static str> {
        match self.altered {
            Altered::Withheld { step, request, .. } => request.then_some(step),
            Altered::No | Altered::Fields { .. } => None,
        }
    }

    /// The rule by which the store has removed its pictures and the request it came in, if it has.
    pub(crate) fn removed_by(&self) -> Option<&'static str> {
        // A step's word is one word.
        self.withheld_by().filter(|rule| rule.contains(['.', ' ']))
    }

    /// Whether what goes on as the vendor's own document is to be written anew from the event's fields.
    pub(crate) fn is_stale(&self) -> bool {
        matches!(self.altered, Altered::Withheld { stale: true, .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Kind, Video};
    use crate::name::Name;
    use bytes::Bytes;

    const ALL: Withholding = Withholding {
        request: true,
        raw: true,
    };

    fn event() -> Event {
        let original = Original {
            path: "/hook?plate=AB1".to_owned(),
            headers: vec![("X-Plate".to_owned(), "AB1".to_owned())],
            body: Bytes::from_static(b"AB1 clip AB1"),
            ..Original::default()
        };
        let source = Name::new("gate").unwrap();
        Event {
            raw: Raw::from_text(Bytes::from_static(b"{\"plate\":\"AB1\"}")),
            ..Event::new(source, "generic", Kind::Plate, Arc::new(original))
        }
    }

    #[test]
    fn nothing_of_the_request_is_left_but_its_clip() {
        let mut event = event();
        event.video = Some(Video {
            range: Some((4, 8)),
            ..Video::default()
        });
        event.withhold("strip", ALL);
        assert_eq!(event.withheld_by(), Some("strip"));
        assert_eq!(event.clip().as_deref(), Some(&b"clip"[..]));
        assert_eq!(&event.original.body[..], b"clip");
        assert!(!format!("{event:?}").contains("AB1"), "{event:?}");
    }

    #[test]
    fn what_it_was_before_a_change_does_not_outlive_a_step_that_withholds() {
        let little = Withholding {
            request: false,
            raw: false,
        };
        let before = Arc::new(event());
        let mut changed = Event::clone(&before);
        changed.raw = Raw::default();
        changed.changed_from(&before);
        assert!(!changed.is_stale() && changed.withheld_by().is_none());
        changed.withhold("strip", little);
        assert!(changed.is_stale() && changed.withheld_by().is_none());
        changed.withhold("hash", ALL);
        changed.withhold("strip", little);
        assert!(changed.is_stale() && changed.withheld_by() == Some("strip"));
        assert!(!format!("{changed:?}").contains("AB1"), "{changed:?}");
    }
}
