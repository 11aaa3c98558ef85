//! What Plate Recognizer's Stream and Snapshot send, listed; `platerecognizer` writes it.

use super::Sample;
use super::platerecognizer::{
    Pictures, snapshot, stream, stream_dwell, stream_vehicle_format, stream_video,
    stream_without_image,
};

pub(super) const STREAM: [Sample; 9] = [
    Sample {
        name: "stream recognition",
        about: "a plate with the picture of its vehicle, as Stream sends by default",
        make: |drawn, told| stream(drawn, told, Pictures::Vehicle),
    },
    Sample {
        name: "stream original",
        about: "a plate with the full frame (image_type = original)",
        make: |drawn, told| stream(drawn, told, Pictures::Original),
    },
    Sample {
        name: "stream both",
        about: "a plate with frame and vehicle (image_type = original, vehicle)",
        make: |drawn, told| stream(drawn, told, Pictures::Both),
    },
    Sample {
        name: "stream plate",
        about: "a plate with vehicle and plate pictures (image_type = vehicle, plate)",
        make: |drawn, told| stream(drawn, told, Pictures::VehicleAndPlate),
    },
    Sample {
        name: "stream vehicle",
        about: "a plate in the vehicle format (detection_mode = vehicle)",
        make: |drawn, told| stream_vehicle_format(drawn, told, true),
    },
    Sample {
        name: "stream noplate",
        about: "a vehicle whose plate was not found (detection_mode = vehicle)",
        make: |drawn, told| stream_vehicle_format(drawn, told, false),
    },
    Sample {
        name: "stream noimage",
        about: "a plate without a picture, as a form (image = no)",
        make: stream_without_image,
    },
    Sample {
        name: "stream dwell",
        about: "how long a vehicle stayed, as a form",
        make: stream_dwell,
    },
    Sample {
        name: "stream video",
        about: "a video clip that follows a plate (video = file)",
        make: stream_video,
    },
];

pub(super) const SNAPSHOT: [Sample; 4] = [
    Sample {
        name: "snapshot image",
        about: "a plate with the picture that was posted to Snapshot",
        make: |drawn, told| snapshot(&drawn.one_car, told, true),
    },
    Sample {
        name: "snapshot two",
        about: "two cars in one picture",
        make: |drawn, told| snapshot(&drawn.two_cars, told, true),
    },
    Sample {
        name: "snapshot noplate",
        about: "a picture without any plate",
        make: |drawn, told| snapshot(&drawn.no_car, told, true),
    },
    Sample {
        name: "snapshot data",
        about: "a plate as bare JSON (Data Only)",
        make: |drawn, told| snapshot(&drawn.one_car, told, false),
    },
];
