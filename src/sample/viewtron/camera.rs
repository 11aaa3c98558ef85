//! What a camera posts for itself.

use super::{MAC, encoded, escaped, in_cdata, share};
use crate::event::Pixels;
use crate::sample::scene::{PAINT, SIZE};
use crate::sample::{Chance, Drawn, Request, Told};

const TYPE: &str = "application/xml; charset=utf-8";
const SERIAL: &str = "SAMPLE000001";

/// A plate: an item with the overview, then one with the plate.
pub(super) fn plate(drawn: &Drawn, told: &Told<'_>) -> Request {
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
<sn type="string">{SERIAL}</sn>
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
        overview = picture(&drawn.one_car.frame, SIZE.width, SIZE.height, ""),
        id = 1 + chance.below(999),
        plate = escaped(told.plate),
        letters = told.plate.chars().count(),
        corners = corners.concat(),
        confidence = 8_500 + chance.below(1_500),
        color = PAINT[0].1,
        crop = picture(&car.plate_picture, width, height, "car"),
    );
    Request::post(TYPE, text)
}

/// A face: the frame, and one item with its crop.
pub(super) fn face(drawn: &Drawn, told: &Told<'_>) -> Request {
    let walker = &drawn.walker;
    let item = target(told, walker.face, &walker.face_picture, 1);
    smart("VFD", "", &walker.frame, &item, told)
}

/// Somebody enters a zone.
pub(super) fn intrusion(drawn: &Drawn, told: &Told<'_>) -> Request {
    let walker = &drawn.walker;
    let zone = [(1_000, 4_200), (9_000, 4_200), (9_600, 9_800), (400, 9_800)].map(|(x, y)| {
        format!("<item><point><x type=\"uint32\">{x}</x><y type=\"uint32\">{y}</y></point></item>")
    });
    let rule = format!(
        "<perimeter><perInfo type=\"list\" count=\"1\"><item>{}<boundary type=\"list\" count=\"4\">{}</boundary>{}</item></perInfo></perimeter>\n",
        beginning(told),
        zone.concat(),
        rect(walker.body),
    );
    let item = target(told, walker.body, &walker.body_picture, 1);
    smart("PEA", &rule, &walker.frame, &item, told)
}

/// A car crosses a line: the same code as for a zone, under another element.
pub(super) fn line(drawn: &Drawn, told: &Told<'_>) -> Request {
    let car = drawn.car();
    let point = |name: &str, x: u32| {
        format!("<{name}><x type=\"uint32\">{x}</x><y type=\"uint32\">7500</y></{name}>")
    };
    let rule = format!(
        "<tripwire><tripInfo type=\"list\" count=\"1\"><item>{}<line>{}{}</line>{}</item></tripInfo></tripwire>\n",
        beginning(told),
        point("startPoint", 1_500),
        point("endPoint", 8_500),
        rect(car.vehicle),
    );
    let item = target(told, car.vehicle, &car.vehicle_picture, 2);
    smart("PEA", &rule, &drawn.one_car.frame, &item, told)
}

/// An alarm begins. Its time is the camera's wall clock.
pub(super) fn alarm(_: &Drawn, told: &Told<'_>) -> Request {
    let time = told.at.strftime("%Y-%m-%d %H:%M:%S");
    let text = format!(
        r#"<?xml version="1.0" encoding="UTF-8" ?>
<config version="1.7" xmlns="http://www.ipc.com/ver10">
<alarmStatusInfo><perimeterAlarm type="boolean" id="1">true</perimeterAlarm></alarmStatusInfo>
<dataTime><![CDATA[{time}]]></dataTime>
<deviceInfo><deviceName><![CDATA[{camera}]]></deviceName><deviceNo.><![CDATA[1]]></deviceNo.><sn><![CDATA[{SERIAL}]]></sn><ipAddress><![CDATA[192.0.2.17]]></ipAddress><macAddress><![CDATA[{MAC}]]></macAddress></deviceInfo>
</config>
"#,
        camera = in_cdata(told.camera),
    );
    Request::post(TYPE, text)
}

/// Where a car is at the moment.
pub(super) fn track(drawn: &Drawn, told: &Told<'_>) -> Request {
    let text = format!(
        r#"<?xml version="1.0" encoding="UTF-8" ?>
<config version="1.7" xmlns="http://www.ipc.com/ver10">
{ident}<traject type="list" count="1"><item><targetId type="uint32">{id}</targetId><point><x type="uint32">0</x><y type="uint32">0</y></point>{rect}<velocity type="uint32">0</velocity><direction type="uint32">0</direction><targetType type="targetType">car</targetType><trajectlength type="list" count="0"></trajectlength></item></traject>
</config>
"#,
        ident = ident(told),
        id = id(told),
        rect = rect(drawn.car().vehicle),
    );
    Request::post(TYPE, text)
}

/// An event of analytics: a rule's block, the frame, and one target.
fn smart(code: &str, rule: &str, frame: &[u8], item: &str, told: &Told<'_>) -> Request {
    let text = format!(
        r#"<?xml version="1.0" encoding="UTF-8" ?>
<config version="1.7" xmlns="http://www.ipc.com/ver10">
<smartType type="openAlarmObj">{code}</smartType>
<subscribeOption type="subscribeRelationV1">FEATURE_RESULT</subscribeOption>
{ident}{rule}<sourceDataInfo><dataType type="uint32">0</dataType><width type="uint32">{width}</width><height type="uint32">{height}</height>{frame}</sourceDataInfo>
<listInfo type="list" count="1">{item}</listInfo>
</config>
"#,
        ident = ident(told),
        width = SIZE.width,
        height = SIZE.height,
        frame = encoded("source", frame, " type=\"string\""),
    );
    Request::post(TYPE, text)
}

/// Who and when.
fn ident(told: &Told<'_>) -> String {
    format!(
        r#"<currentTime type="tint64">{time}</currentTime>
<mac type="string">{MAC}</mac>
<sn type="string">{SERIAL}</sn>
<deviceName type="string">{camera}</deviceName>
<channelId type="uint32">1</channelId>
"#,
        time = told.at.as_microsecond(),
        camera = escaped(told.camera),
    )
}

fn id(told: &Told<'_>) -> u32 {
    1 + Chance(told.seed).below(999)
}

fn beginning(told: &Told<'_>) -> String {
    format!(
        "<eventId type=\"uint32\">{id}</eventId><targetId type=\"uint32\">{id}</targetId><status type=\"smartStatus\">SMART_START</status>",
        id = id(told)
    )
}

/// The crop of a target, with the number of its class.
fn target(told: &Told<'_>, of: Pixels, jpeg: &[u8], class: u8) -> String {
    let id = id(told);
    let class = class.to_string();
    let picture = picture(jpeg, of.width, of.height, &class);
    let rect = rect(of);
    format!("<item><targetId type=\"uint32\">{id}</targetId>{rect}{picture}</item>")
}

fn rect(of: Pixels) -> String {
    let Pixels {
        x,
        y,
        width,
        height,
    } = share(of, SIZE);
    format!(
        "<rect><x1 type=\"uint32\">{x}</x1><y1 type=\"uint32\">{y}</y1><x2 type=\"uint32\">{}</x2><y2 type=\"uint32\">{}</y2></rect>",
        x + width,
        y + height
    )
}

fn picture(jpeg: &[u8], width: u32, height: u32, target: &str) -> String {
    format!(
        "<targetImageData><dataType type=\"uint32\">0</dataType><targetType type=\"targetType\">{target}</targetType>\
         <width type=\"uint32\">{width}</width><height type=\"uint32\">{height}</height>{}</targetImageData>",
        encoded("target", jpeg, " type=\"string\"")
    )
}
