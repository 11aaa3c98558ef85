//! The presets that come with camhook, and the event that their examples are made from.

/// Each by its name, with its file.
pub(super) const SHIPPED: &[(&str, &str)] = &[
    (
        "aws-lambda",
        include_str!("../../../presets/aws-lambda.yaml"),
    ),
    ("blue-iris", include_str!("../../../presets/blue-iris.yaml")),
    (
        "cloudevents",
        include_str!("../../../presets/cloudevents.yaml"),
    ),
    ("csv", include_str!("../../../presets/csv.yaml")),
    ("discord", include_str!("../../../presets/discord.yaml")),
    ("genetec", include_str!("../../../presets/genetec.yaml")),
    (
        "home-assistant",
        include_str!("../../../presets/home-assistant.yaml"),
    ),
    (
        "home-assistant-mqtt",
        include_str!("../../../presets/home-assistant-mqtt.yaml"),
    ),
    ("jsonl", include_str!("../../../presets/jsonl.yaml")),
    ("milestone", include_str!("../../../presets/milestone.yaml")),
    ("mqtt", include_str!("../../../presets/mqtt.yaml")),
    ("ntfy", include_str!("../../../presets/ntfy.yaml")),
    ("openeye", include_str!("../../../presets/openeye.yaml")),
    ("parkpow", include_str!("../../../presets/parkpow.yaml")),
    (
        "platerecognizer",
        include_str!("../../../presets/platerecognizer.yaml"),
    ),
    ("postgres", include_str!("../../../presets/postgres.yaml")),
    ("slack", include_str!("../../../presets/slack.yaml")),
    ("smtp", include_str!("../../../presets/smtp.yaml")),
    ("soap", include_str!("../../../presets/soap.yaml")),
    ("synology", include_str!("../../../presets/synology.yaml")),
    ("telegram", include_str!("../../../presets/telegram.yaml")),
    ("zatpark", include_str!("../../../presets/zatpark.yaml")),
];

/// An event in neutral form. Its pictures are texts, so that a request with pictures can be read.
pub(super) const EXAMPLE_EVENT: &str = include_str!("../../../presets/example-event.json");
