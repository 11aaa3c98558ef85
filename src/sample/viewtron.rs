//! Requests as Viewtron (TVT) cameras and recorders make them.
//!
//! Two dialects of one XML: a camera counts a plate's corners in ten-thousandths of the frame, a recorder in pixels. After
//! the vendor's HTTP post examples of both, read in November 2026; all values are invented.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::scene::{Car, PAINT, SIZE};
use super::{Chance, Drawn, Request, Sample, Told};
use crate::event::Pixels;

pub(super) const SAMPLES: [Sample; 3] = [
    Sample {
        name: "viewtron camera",
        about: "a plate as a Viewtron camera posts it",
        make: camera_plate,
    },
    Sample {
        name: "viewtron recorder",
        about: "a plate as a Viewtron recorder posts it for its camera",
        make: recorder_plate,
    },
    Sample {
        name: "viewtron heartbeat",
        about: "a sign of life of a Viewtron recorder",
        make: heartbeat,
    },
];

/// From the range that is reserved for documentation.
const MAC: &str = "00:00:5e:00:53:17";
const IP: &str = "192.0.2.60";

/// A plate as a camera posts it: an item with the overview, then one with the plate.
fn camera_plate(drawn: &Drawn, told: &Told<'_>) -> Request {
    let mut chance = Chance(told.seed);
    let car = drawn.car();
    let Pixels {
        x,
        y,
        width,
        height,
    } = car.plate;
    let across = |pixels: u32| (pixels * 10_000 + SIZE.width / 2) / SIZE.width;
    let down = |pixels: u32| (pixels * 10_000 + SIZE.height / 2) / SIZE.height;
    let corner = |name: &str, x: u32, y: u32| {
        format!(
            "<{name}><x type=\"uint32\">{}</x><y type=\"uint32\">{}</y></{name}>",
            across(x),
            down(y)
        )
    };
    let corners = [
        corner("leftTop", x, y),
        corner("rightTop", x + width, y),
        corner("leftBottom", x, y + height),
        corner("rightBottom", x + width, y + height),
    ];
    let source = format!(
        "<SourceImageWidth type=\"uint32\">{}</SourceImageWidth><SourceImageHeight type=\"uint32\">{}</SourceImageHeight>",
        SIZE.width, SIZE.height
    );
    let text = format!(
        r#"<?xml version="1.0" encoding="UTF-8" ?>
<config version="1.7" xmlns="http://www.ipc.com/ver10">
<smartType type="openAlarmObj">VEHICE</smartType>
<subscribeOption type="subscribeRelationV1">FEATURE_RESULT</subscribeOption>
<currentTime type="tint64">{time}</currentTime>
<mac type="string">{MAC}</mac>
<sn type="string">SAMPLE000001</sn>
<deviceName type="string">{camera}</deviceName>
<channelId type="uint32">1</channelId>
<plateCount type="uint32">1</plateCount>
<listInfo type="list" count="2">
<item><image type="uint32">0</image><vehiceId type="uint32">0</vehiceId><plateNumber type="string"></plateNumber>{source}{overview}</item>
<item><image type="uint32">1</image><vehiceId type="uint32">{id}</vehiceId><plateNumber type="string">{plate}</plateNumber><plateCharCount type="uint32">{letters}</plateCharCount><vehicleDirect type="vehicleDirectType">away</vehicleDirect><PlateWidth type="uint32">{width}</PlateWidth><PlateHeight type="uint32">{height}</PlateHeight>{source}{corners}<PlateConfidence type="uint32" count="{confidence}"/><carAttr><color type="vsdCarAttrColorType">{color}</color><type type="vsdCarAttrTypeType">saloon car</type></carAttr>{crop}</item>
</listInfo>
</config>
"#,
        time = told.at.as_microsecond(),
        camera = escaped(told.camera),
        overview = camera_picture(&drawn.one_car.frame, SIZE.width, SIZE.height, ""),
        id = 1 + chance.below(999),
        plate = escaped(told.plate),
        letters = told.plate.chars().count(),
        corners = corners.concat(),
        confidence = 8_500 + chance.below(1_500),
        color = PAINT[0].1,
        crop = camera_picture(&car.plate_picture, width, height, "car"),
    );
    Request::post("application/xml; charset=utf-8", text)
}

/// A plate as a recorder posts it for one of its cameras. The frame's size is told as 0 by 0, as real ones do.
fn recorder_plate(drawn: &Drawn, told: &Told<'_>) -> Request {
    let mut chance = Chance(told.seed);
    let car = drawn.car();
    let text = format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<config version="2.0.0" xmlns="http://www.ipc.com/ver10">
<messageType>alarmData</messageType>
<deviceInfo><deviceName><![CDATA[{camera}]]></deviceName><ip><![CDATA[{IP}]]></ip><mac><![CDATA[{MAC}]]></mac><channelId>2</channelId></deviceInfo>
<smartType>vehicle</smartType>
<currentTime>{time}</currentTime>
<sourceDataInfo><dataType>0</dataType><width>0</width><height>0</height>{frame}</sourceDataInfo>
<licensePlateListInfo><item><targetId>{id}</targetId><rect>{plate_box}</rect><licensePlateAttribute><licensePlateNumber><![CDATA[{plate}]]></licensePlateNumber><color>white</color></licensePlateAttribute><carRect>{car_box}</carRect><carAttribute><carType><![CDATA[sedan]]></carType><color><![CDATA[{color}]]></color></carAttribute><targetImageData><dataType>0</dataType><width>{width}</width><height>{height}</height>{crop}</targetImageData></item></licensePlateListInfo>
</config>
"#,
        camera = in_cdata(told.camera),
        time = told.at.as_microsecond(),
        frame = encoded("source", &drawn.one_car.frame, ""),
        id = 1 + chance.below(999),
        plate_box = corners(car.plate),
        plate = in_cdata(told.plate),
        car_box = corners(car.vehicle),
        color = PAINT[0].1,
        width = car.plate.width,
        height = car.plate.height,
        crop = encoded("target", &car.plate_picture, ""),
    );
    recorder(text)
}

/// What a recorder posts when nothing happens.
fn heartbeat(_: &Drawn, told: &Told<'_>) -> Request {
    recorder(format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<config version="2.0.0" xmlns="http://www.ipc.com/ver10">
<messageType>keepalive</messageType>
<deviceInfo><deviceName><![CDATA[{camera}]]></deviceName><ip><![CDATA[{IP}]]></ip><mac><![CDATA[{MAC}]]></mac></deviceInfo>
</config>
"#,
        camera = in_cdata(told.camera),
    ))
}

fn recorder(text: String) -> Request {
    // It says SOAP and is none.
    Request::post("application/soap+xml; charset=utf-8", text)
}

fn camera_picture(jpeg: &[u8], width: u32, height: u32, target: &str) -> String {
    format!(
        "<targetImageData><dataType type=\"uint32\">0</dataType><targetType type=\"targetType\">{target}</targetType>\
         <width type=\"uint32\">{width}</width><height type=\"uint32\">{height}</height>{}</targetImageData>",
        encoded("target", jpeg, " type=\"string\"")
    )
}

fn encoded(name: &str, jpeg: &[u8], attribute: &str) -> String {
    let data = STANDARD.encode(jpeg);
    let number = if attribute.is_empty() {
        ""
    } else {
        " type=\"uint32\""
    };
    format!(
        "<{name}Base64Length{number}>{}</{name}Base64Length><{name}Base64Data{attribute}>{data}</{name}Base64Data>",
        data.len()
    )
}

fn corners(
    Pixels {
        x,
        y,
        width,
        height,
    }: Pixels,
) -> String {
    format!(
        "<x1>{x}</x1><y1>{y}</y1><x2>{}</x2><y2>{}</y2>",
        x + width,
        y + height
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// The one thing that CDATA cannot hold is split between two.
fn in_cdata(text: &str) -> String {
    text.replace("]]>", "]]]]><![CDATA[>")
}

impl Drawn {
    fn car(&self) -> &Car {
        &self.one_car.cars[0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told<'a>() -> Told<'a> {
        Told {
            plate: "AB<1>3]]>D",
            second_plate: "",
            camera: "gate & yard",
            at: "2025-03-04T09:11:12.131415Z".parse().unwrap(),
            url: "http://proxy:8001/API",
            seed: 42,
        }
    }

    fn between<'a>(text: &'a str, start: &str, end: &str) -> Vec<&'a str> {
        text.split(start)
            .skip(1)
            .map(|rest| rest.split(end).next().unwrap())
            .collect()
    }

    #[test]
    fn both_dialects_carry_frame_and_plate() {
        let drawn = Drawn::new("AB123CD", "XY987ZT");
        let (frame, plate) = (&drawn.one_car.frame, &drawn.car().plate_picture);
        for (request, names) in [
            (
                camera_plate(&drawn, &told()),
                ["targetBase64Data", "targetBase64Data"],
            ),
            (
                recorder_plate(&drawn, &told()),
                ["sourceBase64Data", "targetBase64Data"],
            ),
        ] {
            let text = String::from_utf8(request.body).unwrap();
            let pictures: Vec<_> = names
                .iter()
                .flat_map(|name| between(&text, &format!("<{name}"), "</"))
                .map(|data| STANDARD.decode(data.split('>').nth(1).unwrap()).unwrap())
                .collect();
            assert!(pictures.iter().any(|picture| picture == frame));
            assert!(pictures.iter().any(|picture| picture == plate));
            assert!(text.contains("1741079472131415"));
        }
    }

    #[test]
    fn a_camera_counts_in_ten_thousandths() {
        let drawn = Drawn::new("AB123CD", "XY987ZT");
        let text = String::from_utf8(camera_plate(&drawn, &told()).body).unwrap();
        let corner = between(&text, "<rightBottom>", "</rightBottom>")[0];
        let sides: Vec<u32> = between(corner, "\">", "</")
            .into_iter()
            .map(|side| side.parse().unwrap())
            .collect();
        let plate = drawn.car().plate;
        let back = |part: u32, side: u32| (part * side + 5_000) / 10_000;
        assert_eq!(back(sides[0], SIZE.width), plate.x + plate.width);
        assert_eq!(back(sides[1], SIZE.height), plate.y + plate.height);
    }

    #[test]
    fn any_names_leave_the_document_whole() {
        let drawn = Drawn::new("AB123CD", "XY987ZT");
        let camera = String::from_utf8(camera_plate(&drawn, &told()).body).unwrap();
        assert!(camera.contains(">gate &amp; yard<") && camera.contains(">AB&lt;1&gt;3]]&gt;D<"));
        let recorder = String::from_utf8(recorder_plate(&drawn, &told()).body).unwrap();
        assert!(recorder.contains("<![CDATA[AB<1>3]]]]><![CDATA[>D]]>"));
        assert!(
            String::from_utf8(heartbeat(&Drawn::new("", ""), &told()).body)
                .unwrap()
                .contains("<![CDATA[gate & yard]]>")
        );
    }
}
