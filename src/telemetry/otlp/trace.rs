//! Which trace an event belongs to, and the ids of its spans: they follow from ids that are kept anyway.

use sha2::{Digest, Sha256};

pub(crate) type SpanId = [u8; 8];

/// The trace of one event. The same whenever and wherever it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Trace {
    pub(super) id: [u8; 16],
    /// The span of the event's arrival.
    pub(crate) root: SpanId,
    /// The sender's own span, if it told one.
    pub(crate) parent: Option<SpanId>,
}

impl Trace {
    /// Of the event with this id, whose request had this `traceparent`. None if the sender says that nobody records it.
    pub(crate) fn of(event: &[u8; 16], traceparent: Option<&str>) -> Option<Self> {
        let mut root = [0; 8];
        // The half of an id of version 7 that is random, and never all zeros.
        root.copy_from_slice(&event[8..]);
        match traceparent.and_then(read) {
            None => Some(Self {
                id: *event,
                root,
                parent: None,
            }),
            Some((_, _, false)) => None,
            Some((id, parent, true)) => Some(Self {
                id,
                root,
                parent: Some(parent),
            }),
        }
    }

    /// The id of a span below, which follows from what it is about.
    pub(crate) fn span(&self, about: &[u8], what: &str, n: u32) -> SpanId {
        let digest = Sha256::new()
            .chain_update(self.root)
            .chain_update(about)
            .chain_update(n.to_be_bytes())
            .chain_update(what);
        let digest = digest.finalize();
        let mut id = [0; 8];
        id.copy_from_slice(&digest[..8]);
        id[7] |= 1; // all zeros is no id
        id
    }

    /// What a request tells of the span it is made in.
    pub(crate) fn header(&self, span: SpanId) -> String {
        let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);
        format!("00-{}-{}-01", hex(&self.id), hex(&span))
    }
}

/// Trace, span, and whether it is recorded; None for what is no `traceparent`.
fn read(header: &str) -> Option<([u8; 16], SpanId, bool)> {
    let header = header.trim();
    let mut parts = header.split('-');
    let (version, trace, span, flags) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let known = version == "00";
    if version.len() != 2 || version == "ff" || (known && parts.next().is_some()) {
        return None;
    }
    let bytes = |text: &str| data_encoding::HEXLOWER.decode(text.as_bytes()).ok();
    bytes(version)?;
    let trace: [u8; 16] = bytes(trace)?.try_into().ok()?;
    let span: SpanId = bytes(span)?.try_into().ok()?;
    let [flags]: [u8; 1] = bytes(flags)?.try_into().ok()?;
    (trace != [0; 16] && span != [0; 8]).then_some((trace, span, flags & 1 == 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: [u8; 16] = [1, 2, 3, 4, 5, 6, 0x77, 8, 0x89, 10, 11, 12, 13, 14, 15, 16];
    const TOLD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_trace_is_the_events_own_or_the_senders() {
        let own = Trace::of(&EVENT, None).unwrap();
        assert_eq!((own.id, own.parent), (EVENT, None));
        let told = Trace::of(&EVENT, Some(TOLD)).unwrap();
        assert_eq!(told.header(told.parent.unwrap()), TOLD);
        assert_eq!(told.root, own.root);
        assert_eq!(Trace::of(&EVENT, Some(&TOLD.replace("-01", "-00"))), None);
        // A later version may tell more.
        let later = TOLD.replacen("00-", "cc-", 1) + "-more";
        assert_eq!(Trace::of(&EVENT, Some(&later)), Some(told));
    }

    #[test]
    fn what_is_no_traceparent_is_as_none() {
        let zeros = "0".repeat(32);
        for no in [
            "",
            "00",
            "hello",
            &TOLD.to_uppercase(),
            &TOLD.replacen("00-", "ff-", 1),
            &TOLD.replacen("00-", "0-", 1),
            &format!("{TOLD}-more"),
            &TOLD.replace("4bf92f3577b34da6a3ce929d0e0e4736", &zeros),
            &TOLD.replace("00f067aa0ba902b7", &zeros[..16]),
            &TOLD.replace("00f067aa0ba902b7", "00f067aa0ba902b"),
            &TOLD.replace("-01", "-1"),
        ] {
            assert_eq!(Trace::of(&EVENT, Some(no)), Trace::of(&EVENT, None), "{no}");
        }
    }

    #[test]
    fn spans_are_told_apart_and_always_have_the_same_ids() {
        let trace = Trace::of(&EVENT, None).unwrap();
        let one = trace.span(b"delivery", "attempt", 1);
        assert_eq!(one, trace.span(b"delivery", "attempt", 1));
        assert_ne!(one, trace.span(b"delivery", "attempt", 2));
        assert_ne!(one, trace.span(b"other", "attempt", 1));
        assert_ne!(one, trace.span(b"delivery", "send", 1));
    }
}
