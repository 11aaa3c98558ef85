//! The presets that come with camhook, and the event that their examples are made from.

/// Each by its name, with its file.
pub(super) const SHIPPED: &[(&str, &str)] = &[
    (
        "aws-lambda",
        include_str!("../../../presets/aws-lambda.yaml"),
    ),
    (
        "axis-virtual-input",
        include_str!("../../../presets/axis-virtual-input.yaml"),
    ),
    ("blue-iris", include_str!("../../../presets/blue-iris.yaml")),
    (
        "cloudevents",
        include_str!("../../../presets/cloudevents.yaml"),
    ),
    ("csv", include_str!("../../../presets/csv.yaml")),
    ("discord", include_str!("../../../presets/discord.yaml")),
    ("findface", include_str!("../../../presets/findface.yaml")),
    ("frigate", include_str!("../../../presets/frigate.yaml")),
    (
        "frigate-internal",
        include_str!("../../../presets/frigate-internal.yaml"),
    ),
    ("genetec", include_str!("../../../presets/genetec.yaml")),
    (
        "hikvision-gate",
        include_str!("../../../presets/hikvision-gate.yaml"),
    ),
    (
        "home-assistant",
        include_str!("../../../presets/home-assistant.yaml"),
    ),
    (
        "home-assistant-mqtt",
        include_str!("../../../presets/home-assistant-mqtt.yaml"),
    ),
    ("jsonl", include_str!("../../../presets/jsonl.yaml")),
    ("kafka", include_str!("../../../presets/kafka.yaml")),
    ("milestone", include_str!("../../../presets/milestone.yaml")),
    ("mqtt", include_str!("../../../presets/mqtt.yaml")),
    ("nats", include_str!("../../../presets/nats.yaml")),
    ("ntfy", include_str!("../../../presets/ntfy.yaml")),
    (
        "nx-witness",
        include_str!("../../../presets/nx-witness.yaml"),
    ),
    (
        "nx-witness-4",
        include_str!("../../../presets/nx-witness-4.yaml"),
    ),
    ("openeye", include_str!("../../../presets/openeye.yaml")),
    ("parkpow", include_str!("../../../presets/parkpow.yaml")),
    (
        "platerecognizer",
        include_str!("../../../presets/platerecognizer.yaml"),
    ),
    ("postgres", include_str!("../../../presets/postgres.yaml")),
    ("s3", include_str!("../../../presets/s3.yaml")),
    ("salient", include_str!("../../../presets/salient.yaml")),
    ("slack", include_str!("../../../presets/slack.yaml")),
    ("smtp", include_str!("../../../presets/smtp.yaml")),
    ("soap", include_str!("../../../presets/soap.yaml")),
    ("synology", include_str!("../../../presets/synology.yaml")),
    ("telegram", include_str!("../../../presets/telegram.yaml")),
    (
        "viewtron-plates",
        include_str!("../../../presets/viewtron-plates.yaml"),
    ),
    ("zatpark", include_str!("../../../presets/zatpark.yaml")),
    (
        "zoneminder",
        include_str!("../../../presets/zoneminder.yaml"),
    ),
];

/// An event in neutral form. Its pictures are texts, so that a request with pictures can be read.
pub(super) const EXAMPLE_EVENT: &str = include_str!("../../../presets/example-event.json");
