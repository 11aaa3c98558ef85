//! Requests as Hikvision's cameras post them to an alarm host. After the vendor's guides named in the decoder; values are
//! invented.

use super::multipart::{File, multipart};
use super::{Chance, Drawn, Request, Sample, Told};
use crate::event::Pixels;

pub(super) const SAMPLES: [Sample; 4] = [
    Sample {
        name: "hikvision plate",
        about: "a plate as a Hikvision camera posts it, with plate and frame",
        make: plate,
    },
    Sample {
        name: "hikvision motion",
        about: "motion, with the frame",
        make: motion,
    },
    Sample {
        name: "hikvision line",
        about: "a line that somebody crossed, XML alone",
        make: line,
    },
    Sample {
        name: "hikvision heartbeat",
        about: "a sign of life of a Hikvision camera",
        make: heartbeat,
    },
];

/// From the ranges that are reserved for documentation.
const MAC: &str = "00:00:5e:00:53:21";
const IP: &str = "192.0.2.61";

const BOUNDARY: &str = "boundary";

fn plate(drawn: &Drawn, told: &Told<'_>) -> Request {
    let mut chance = Chance(told.seed);
    let car = &drawn.one_car.cars[0];
    let Pixels {
        x,
        y,
        width,
        height,
    } = car.plate;
    let details = format!(
        "<ANPR>\n<country>0</country>\n<licensePlate>{plate}</licensePlate>\n<line>1</line>\n<direction>reverse</direction>\n\
         <confidenceLevel>{confidence}</confidenceLevel>\n<plateColor>white</plateColor>\n<vehicleType>vehicle</vehicleType>\n\
         <vehicleInfo><index>1</index><color>blue</color></vehicleInfo>\n<pictureInfoList>\n\
         <pictureInfo><fileName>licensePlatePicture.jpg</fileName><type>licensePlatePicture</type></pictureInfo>\n\
         <pictureInfo><fileName>detectionPicture.jpg</fileName><type>detectionPicture</type>\
         <plateRect><X>{x}</X><Y>{y}</Y><width>{width}</width><height>{height}</height></plateRect></pictureInfo>\n\
         </pictureInfoList>\n<vehicleListName>otherList</vehicleListName>\n</ANPR>\n<UUID>{uuid}</UUID>\n<picNum>2</picNum>\n",
        plate = escaped(told.plate),
        confidence = 80 + chance.below(20),
        uuid = chance.hex(),
    );
    let text = alert(told, "ANPR", "active", &details);
    let files = [
        File {
            name: "anpr.xml",
            filename: "anpr.xml",
            content_type: "text/xml; charset=\"UTF-8\"",
            bytes: text.as_bytes(),
        },
        jpeg("licensePlatePicture.jpg", &car.plate_picture),
        jpeg("detectionPicture.jpg", &drawn.one_car.frame),
    ];
    in_parts(&files)
}

fn motion(drawn: &Drawn, told: &Told<'_>) -> Request {
    let text = alert(told, "VMD", "active", "");
    let files = [
        File {
            name: "MoveDetection.xml",
            filename: "MoveDetection.xml",
            content_type: "application/xml",
            bytes: text.as_bytes(),
        },
        jpeg("MoveDetection.jpg", &drawn.no_car.frame),
    ];
    in_parts(&files)
}

fn line(_: &Drawn, told: &Told<'_>) -> Request {
    let details = "<DetectionRegionList>\n<DetectionRegionEntry><regionID>1</regionID><sensitivityLevel>50</sensitivityLevel>\
         <detectionTarget>human</detectionTarget></DetectionRegionEntry>\n</DetectionRegionList>\n";
    bare(alert(told, "linedetection", "active", details))
}

fn heartbeat(_: &Drawn, told: &Told<'_>) -> Request {
    bare(alert(told, "videoloss", "inactive", ""))
}

fn alert(told: &Told<'_>, event: &str, state: &str, details: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <EventNotificationAlert version=\"2.0\" xmlns=\"http://www.hikvision.com/ver20/XMLSchema\">\n\
         <ipAddress>{IP}</ipAddress>\n<portNo>80</portNo>\n<protocol>HTTP</protocol>\n<macAddress>{MAC}</macAddress>\n\
         <channelID>1</channelID>\n<dateTime>{time}+00:00</dateTime>\n<activePostCount>1</activePostCount>\n\
         <eventType>{event}</eventType>\n<eventState>{state}</eventState>\n<eventDescription>{event} alarm</eventDescription>\n\
         <channelName>{camera}</channelName>\n{details}</EventNotificationAlert>\n",
        time = told.at.strftime("%Y-%m-%dT%H:%M:%S"),
        camera = escaped(told.camera),
    )
}

fn jpeg<'a>(name: &'a str, bytes: &'a [u8]) -> File<'a> {
    File {
        name,
        filename: name,
        content_type: "image/jpeg",
        bytes,
    }
}

fn in_parts(files: &[File<'_>]) -> Request {
    Request::post(
        format!("multipart/form-data; boundary={BOUNDARY}"),
        multipart(BOUNDARY, files),
    )
}

fn bare(text: String) -> Request {
    Request::post("application/xml; charset=\"UTF-8\"", text)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
