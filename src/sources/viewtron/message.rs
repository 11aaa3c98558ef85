//! What a document is, by the elements it has: versions are no guide, and every code is listed in every document.

use super::tree::Node;
use crate::event::Kind;

#[derive(Clone, Copy)]
pub(super) enum Message<'t> {
    /// With the vendor's word for it.
    Heartbeat(&'t str),
    /// The block of alarms.
    Alarms(Node<'t>),
    Track,
    /// With its code or word, which a document that was cut may have lost.
    Smart(Option<&'t str>),
    Other(Option<&'t str>),
}

/// How what it tells of is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    CameraPlates,
    RecorderPlates,
    Faces,
    Objects,
}

impl<'t> Message<'t> {
    /// `None` when the root is of another vendor.
    pub(super) fn of(root: Node<'t>) -> Option<Self> {
        if root.is("DeviceInfo") {
            return Some(Self::Heartbeat(root.name()));
        }
        if !root.is("config") {
            return None;
        }
        let word = root.value("messageType");
        let says = |expected: &str| word.is_some_and(|word| word.eq_ignore_ascii_case(expected));
        let alarms = root.child("alarmStatusInfo");
        Some(if let (true, Some(word)) = (says("keepalive"), word) {
            Self::Heartbeat(word)
        } else if let (true, Some(alarms)) = (says("alarmStatus"), alarms) {
            Self::Alarms(alarms)
        } else if let Some(code) = root.value("smartType") {
            Self::Smart(Some(code))
        } else if root.child("traject").is_some() {
            Self::Track
        } else if let Some(alarms) = alarms {
            Self::Alarms(alarms)
        } else if Layout::told(root).is_some() {
            Self::Smart(None)
        } else {
            Self::Other(word)
        })
    }
}

impl Layout {
    /// By the elements, else by the kind.
    pub(super) fn of(root: Node<'_>, kind: Kind) -> Self {
        Self::told(root).unwrap_or(match kind {
            Kind::Plate => Self::CameraPlates,
            Kind::Face => Self::Faces,
            _ => Self::Objects,
        })
    }

    fn told(root: Node<'_>) -> Option<Self> {
        if root.child("licensePlateListInfo").is_some() {
            Some(Self::RecorderPlates)
        } else if root.child("faceListInfo").is_some() {
            Some(Self::Faces)
        } else if root
            .items("listInfo")
            .any(|item| item.child("plateNumber").is_some())
        {
            Some(Self::CameraPlates)
        } else {
            None
        }
    }
}

/// What the code of a camera, or the word of a recorder, means.
pub(super) fn kind(code: Option<&str>, root: Node<'_>) -> Kind {
    let Some(code) = code else {
        return match Layout::told(root) {
            Some(Layout::CameraPlates | Layout::RecorderPlates) => Kind::Plate,
            Some(Layout::Faces) => Kind::Face,
            Some(Layout::Objects) | None => Kind::Other,
        };
    };
    match code.to_ascii_uppercase().as_str() {
        "VEHICE" | "VEHICLE" => Kind::Plate,
        "VFD" | "VFD_MATCH" | "VIDEOFACEDETECT" => Kind::Face,
        // One code for two rules; the block tells them apart.
        "PEA" if root.child("tripwire").is_some() => Kind::LineCrossing,
        "PEA" | "REGIONINTRUSION" => Kind::Intrusion,
        "TRIPWIRE" | "LINECROSSING" => Kind::LineCrossing,
        "AOIENTRY" => Kind::RegionEntry,
        "AOILEAVE" => Kind::RegionExit,
        "PASSLINECOUNT" | "TRAFFIC" | "CPC" => Kind::Counting,
        "TARGETCOUNTINGBYLINE" | "TARGETCOUNTINGBYAREA" => Kind::Counting,
        "VSD" | "SMD" | "VIDEOMETADATA" => Kind::Object,
        "LOITER" => Kind::Loitering,
        "PVD" => Kind::Parking,
        "MOTION" => Kind::Motion,
        _ => Kind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::Tree;
    use super::*;

    #[test]
    fn codes_are_heard_in_any_case_and_from_their_element_alone() {
        for (code, inner, expected) in [
            ("VEHICE", "", Kind::Plate),
            ("vehicle", "", Kind::Plate),
            ("Vfd", "", Kind::Face),
            ("VFD_MATCH", "", Kind::Face),
            ("PEA", "<perimeter/>", Kind::Intrusion),
            ("PEA", "<tripwire/>", Kind::LineCrossing),
            ("TRIPWIRE", "", Kind::LineCrossing),
            ("AOIENTRY", "", Kind::RegionEntry),
            ("AOILEAVE", "", Kind::RegionExit),
            ("PASSLINECOUNT", "", Kind::Counting),
            ("TRAFFIC", "", Kind::Counting),
            ("VSD", "", Kind::Object),
            ("LOITER", "", Kind::Loitering),
            ("PVD", "", Kind::Parking),
            ("MOTION", "", Kind::Motion),
            ("FIRE", "", Kind::Other),
            ("regionIntrusion", "", Kind::Intrusion),
            ("lineCrossing", "", Kind::LineCrossing),
            ("targetCountingByArea", "", Kind::Counting),
            ("videoMetadata", "", Kind::Object),
        ] {
            let text = format!(
                "<config><types><openAlramObj>VEHICE,PEA</openAlramObj></types><smartType>{code}</smartType>{inner}</config>"
            );
            let tree = Tree::read(&text).unwrap();
            let message = Message::of(tree.root()).unwrap();
            assert!(matches!(message, Message::Smart(Some(told)) if told == code));
            assert_eq!(kind(Some(code), tree.root()), expected, "{code}");
        }
        let text = "<config><types><enum>VEHICE</enum></types></config>";
        let tree = Tree::read(text).unwrap();
        assert!(matches!(
            Message::of(tree.root()),
            Some(Message::Other(None))
        ));
    }
}
