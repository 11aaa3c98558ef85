//! What both dialects must hold, whatever the firmware.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

/// A camera's plate: overview, plate and crop, with pictures that differ.
fn plate_post() -> String {
    let picture = |fill: u8| STANDARD.encode([&[0xff, 0xd8, 0xff], [fill; 90].as_slice()].concat());
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\" ?>\n<config version=\"1.7\" xmlns=\"http://www.ipc.com/ver10\">\
         <types><openAlramObj><enum>PEA</enum></openAlramObj></types><smartType type=\"openAlramObj\">VEHICE</smartType>\
         <currentTime type=\"tint64\">1767225600123456</currentTime><mac>AA:BB:CC:00:11:22</mac><sn><![CDATA[SN1]]></sn>\
         <listInfo type=\"list\" count=\"2\"><item><plateNumber/><targetImageData><targetBase64Data>{}</targetBase64Data></targetImageData></item>\
         <item><vehiceId>7</vehiceId><plateNumber><![CDATA[AB123CD]]></plateNumber><targetImageData><targetBase64Data>{}</targetBase64Data></targetImageData></item>\
         </listInfo></config>",
        picture(1),
        picture(2)
    )
}

fn decode(body: impl Into<Bytes>) -> Result<Vec<Event>, Undecodable> {
    let request = Original {
        body: body.into(),
        remote: Some([192, 0, 2, 1].into()),
        received_at: "2026-01-02T03:04:05Z".parse().unwrap(),
        ..Original::default()
    };
    let source = Name::new("gate").unwrap();
    Viewtron.decode(&source, &DecodeSettings::default(), &Arc::new(request))
}

#[test]
fn an_empty_post_is_a_heartbeat_of_whoever_sent_it() {
    for body in ["", "\u{feff}", " \r\n"] {
        let events = decode(body).unwrap();
        assert_eq!(events[0].kind, Kind::Heartbeat);
        assert_eq!(events[0].camera.id.as_deref(), Some("192.0.2.1"));
        assert!(events[0].repaired.is_empty());
    }
}

#[test]
fn what_is_none_of_theirs_is_refused_with_the_reason() {
    for (body, reason) in [
        ("hello", "no XML element"),
        ("<alert/>", "root is `alert`"),
        ("<!DOCTYPE config><config/>", "DOCTYPE"),
        ("<config><types><enum>VEHICE", "before it says anything"),
        ("{\"a\": 1}", "no XML element"),
    ] {
        let error = decode(body).unwrap_err();
        assert!(error.reason.contains(reason), "{body}: {error}");
    }
}

#[test]
fn a_plate_is_told_whole() {
    let event = decode(plate_post()).unwrap().remove(0);
    assert_eq!(
        event.vendor_id.as_deref(),
        Some("SN1/VEHICE/1767225600123456/7")
    );
    assert_eq!(event.occurred_at.to_string(), "2026-01-01T00:00:00.123456Z");
    assert_eq!(event.camera.mac.as_deref(), Some("aa:bb:cc:00:11:22"));
    assert_eq!(event.images.len(), 2);
    assert!(event.repaired.is_empty());
}

#[test]
fn an_alarm_post_with_thousands_of_alarms_stays_bounded() {
    let many = "<a id='1'>true</a>".repeat(5_000);
    let events = decode(format!(
        "<config><alarmStatusInfo>{many}</alarmStatusInfo></config>"
    ))
    .unwrap();
    assert_eq!(events.len(), status::ALARMS_MAX);
    assert!(events[0].repaired[0].contains("only the first"));
}

proptest! {
    #[test]
    fn a_post_cut_anywhere_never_tells_what_was_not_sent(at in any::<Index>()) {
        let post = plate_post();
        let at = at.index(post.trim_end_matches('>').len());
        let whole = decode(post.clone()).unwrap().remove(0);
        if let Ok(events) = decode(post.as_bytes()[..at].to_vec()) {
            let [event] = &events[..] else { panic!("one post, one event") };
            prop_assert!(at == 0 || !event.repaired.is_empty() || event.kind == Kind::Heartbeat);
            for plate in &event.plates {
                prop_assert_eq!(&plate.text, &whole.plates[0].text);
            }
            for picture in &event.images {
                prop_assert!(whole.images.iter().any(|sent| sent.bytes() == picture.bytes()));
            }
        }
    }
}
