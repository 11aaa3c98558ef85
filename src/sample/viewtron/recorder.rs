//! What a recorder posts for its cameras. It says SOAP and is none.

use super::{IP, MAC, corners, encoded, in_cdata, share};
use crate::sample::scene::{PAINT, SIZE};
use crate::sample::{Chance, Drawn, Request, Told};

/// A plate. The frame's size is told as 0 by 0, as real ones do.
pub(super) fn plate(drawn: &Drawn, told: &Told<'_>) -> Request {
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

/// What it posts when nothing happens.
pub(super) fn heartbeat(_: &Drawn, told: &Told<'_>) -> Request {
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
    Request::post("application/soap+xml; charset=utf-8", text)
}

/// A face with its attributes, its box in pixels.
pub(super) fn face(drawn: &Drawn, told: &Told<'_>) -> Request {
    let walker = &drawn.walker;
    let found = format!(
        "<faceListInfo><item><targetId>{id}</targetId><rect>{rect}</rect><age>youth</age><sex>unknown</sex><glasses>no</glasses><mask>no</mask>{crop}</item></faceListInfo>",
        id = id(told),
        rect = corners(walker.face),
        crop = crop(walker.face.width, walker.face.height, &walker.face_picture),
    );
    data("videoFaceDetect", &walker.frame, &found, told)
}

/// Somebody enters a zone, the box in ten-thousandths of the frame.
pub(super) fn intrusion(drawn: &Drawn, told: &Told<'_>) -> Request {
    let walker = &drawn.walker;
    let id = id(told);
    let zone = [(1_000, 4_200), (9_000, 4_200), (9_600, 9_800), (400, 9_800)]
        .map(|(x, y)| format!("<item><x>{x}</x><y>{y}</y></item>"));
    let found = format!(
        "<eventInfo><item><eventId>{id}</eventId><targetId>{id}</targetId><boundary>area</boundary><pointGroup>{zone}</pointGroup><rect>{rect}</rect></item></eventInfo>\n\
         <targetListInfo><item><targetId>{id}</targetId><targetType>person</targetType>{crop}</item></targetListInfo>",
        zone = zone.concat(),
        rect = corners(share(walker.body, SIZE)),
        crop = crop(walker.body.width, walker.body.height, &walker.body_picture),
    );
    data("regionIntrusion", &walker.frame, &found, told)
}

fn id(told: &Told<'_>) -> u32 {
    1 + Chance(told.seed).below(999)
}

fn crop(width: u32, height: u32, jpeg: &[u8]) -> String {
    format!(
        "<targetImageData><dataType>0</dataType><width>{width}</width><height>{height}</height>{}</targetImageData>",
        encoded("target", jpeg, "")
    )
}

fn data(word: &str, frame: &[u8], found: &str, told: &Told<'_>) -> Request {
    recorder(format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<config version="2.0.0" xmlns="http://www.ipc.com/ver10">
<messageType>alarmData</messageType>
<deviceInfo><deviceName><![CDATA[{camera}]]></deviceName><ip><![CDATA[{IP}]]></ip><mac><![CDATA[{MAC}]]></mac><channelId>2</channelId></deviceInfo>
<smartType>{word}</smartType>
<currentTime>{time}</currentTime>
<sourceDataInfo><dataType>0</dataType><width>{width}</width><height>{height}</height>{frame}</sourceDataInfo>
{found}
</config>
"#,
        camera = in_cdata(told.camera),
        time = told.at.as_microsecond(),
        width = SIZE.width,
        height = SIZE.height,
        frame = encoded("source", frame, ""),
    ))
}
