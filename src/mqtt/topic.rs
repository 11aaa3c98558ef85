//! Topics, and the filters that choose among them.

/// The protocol tells a topic's length in two bytes.
const BYTES_MAX: usize = 65_535;

/// What is wrong with a filter, to subscribe by.
pub(crate) fn check_filter(filter: &str) -> Result<(), String> {
    check(filter)?;
    let levels: Vec<&str> = filter.split('/').collect();
    for (n, level) in levels.iter().enumerate() {
        if level.contains('#') && (*level != "#" || n + 1 != levels.len()) {
            return Err(format!(
                "`{filter}` is no topic filter: `#` stands alone as the last level"
            ));
        }
        if level.contains('+') && *level != "+" {
            return Err(format!(
                "`{filter}` is no topic filter: `+` stands for a whole level"
            ));
        }
    }
    Ok(())
}

/// What is wrong with a topic, to publish to.
pub(crate) fn check_topic(topic: &str) -> Result<(), String> {
    check(topic)?;
    if topic.contains(['+', '#']) {
        return Err(format!(
            "`{topic}` is no topic to publish to: `+` and `#` are for subscribing"
        ));
    }
    if topic.starts_with('$') {
        return Err(format!(
            "`{topic}` is no topic to publish to: `$` begins those of the broker itself"
        ));
    }
    Ok(())
}

fn check(topic: &str) -> Result<(), String> {
    if topic.is_empty() {
        return Err("a topic must not be empty".to_owned());
    }
    if topic.len() > BYTES_MAX {
        return Err(format!("a topic has at most {BYTES_MAX} bytes"));
    }
    if topic.contains(char::is_control) {
        return Err("a topic must not hold control characters".to_owned());
    }
    Ok(())
}

/// Whether the filter chooses the topic.
pub(crate) fn matches(filter: &str, topic: &str) -> bool {
    // A wildcard in front does not choose the broker's own topics.
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let mut levels = topic.split('/');
    for wanted in filter.split('/') {
        match (wanted, levels.next()) {
            ("#", _) => return true,
            ("+", Some(_)) => {}
            (wanted, Some(level)) if wanted == level => {}
            _ => return false,
        }
    }
    levels.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_choose_as_the_standard_says() {
        for (filter, topic, chosen) in [
            ("frigate/events", "frigate/events", true),
            ("frigate/events", "frigate/events/x", false),
            ("frigate/+/+/snapshot", "frigate/gate/car/snapshot", true),
            ("frigate/+/+/snapshot", "frigate/gate/snapshot", false),
            ("sport/#", "sport", true),
            ("sport/#", "sport/a/b", true),
            ("+", "a/b", false),
            ("+/+", "/a", true),
            ("#", "a/b", true),
            ("#", "$SYS/load", false),
            ("$SYS/#", "$SYS/load", true),
        ] {
            assert_eq!(matches(filter, topic), chosen, "{filter} {topic}");
        }
    }

    #[test]
    fn what_no_broker_takes_is_refused() {
        for wrong in ["", "a/#/b", "a#", "a/b+", "a\0b"] {
            assert!(check_filter(wrong).is_err(), "{wrong}");
        }
        for wrong in ["", "a/+", "#", "$SYS/x", "a\nb"] {
            assert!(check_topic(wrong).is_err(), "{wrong}");
        }
        assert!(check_filter("frigate/+/+/snapshot").is_ok() && check_filter("#").is_ok());
        assert!(check_topic("cameras/gate 1/plate").is_ok());
    }
}
