//! Which camera speaks: a camera for itself, or a recorder for one of its channels.

use super::tree::Node;
use crate::event::{Camera, Original};

/// A camera tells its serial number or MAC address at the top (or beside its alarms under `deviceInfo`); a recorder tells
/// its own MAC address and the channel under `deviceInfo`. `speaks_for_itself`: a sign of life, which is of no channel.
pub(super) fn of(root: Node<'_>, request: &Original, speaks_for_itself: bool) -> Camera {
    let told_apart = root.child("deviceInfo");
    let device = told_apart.unwrap_or(root);
    let value = |names: &[&str]| {
        names
            .iter()
            .find_map(|name| device.value(name).or_else(|| root.value(name)))
    };
    let owned = |text: Option<&str>| text.map(str::to_owned);
    let serial = value(&["sn"]);
    let mac = value(&["mac", "macAddress"]).map(str::to_ascii_lowercase);
    let told_ip = value(&["ip", "ipAddress"]);
    let name = value(&["deviceName"]);
    let channel = value(&["channelId", "deviceNo."]);
    let remote = request.remote.map(|ip| ip.to_string());
    let own = match (serial, &mac) {
        (Some(serial), _) => Some(serial.to_owned()),
        (None, Some(mac)) => Some(mac.clone()),
        (None, None) => remote.clone().or_else(|| owned(told_ip)),
    };
    let id = match told_apart {
        Some(device) if serial.is_none() && !speaks_for_itself => {
            // Plate events of some recorders carry no channel that could be used.
            let channel = device.value("channelId").filter(|channel| *channel != "0");
            let place = match (channel, root.child("messageType")) {
                (Some(channel), _) => Some(channel),
                (None, Some(_)) => name,
                (None, None) => None,
            };
            own.map(|own| match place {
                Some(place) => format!("{own}/{place}"),
                None => own,
            })
        }
        _ => own,
    };
    let ip = owned(told_ip).or_else(|| remote.filter(|_| serial.is_none() && mac.is_none()));
    Camera {
        id,
        name: owned(name),
        channel: owned(channel),
        mac,
        serial: owned(serial),
        ip,
        ..Camera::default()
    }
}

/// A camera of which nothing is known but where its request came from.
pub(super) fn unnamed(request: &Original) -> Camera {
    let remote = request.remote.map(|ip| ip.to_string());
    Camera {
        id: remote.clone(),
        ip: remote,
        ..Camera::default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::Tree;
    use super::*;

    fn id(text: &str, speaks_for_itself: bool) -> String {
        let request = Original {
            remote: Some([192, 0, 2, 9].into()),
            ..Original::default()
        };
        let text = format!("<config>{text}</config>");
        let camera = of(
            Tree::read(&text).unwrap().root(),
            &request,
            speaks_for_itself,
        );
        camera.id.unwrap()
    }

    #[test]
    fn a_camera_is_known_by_serial_number_mac_or_address() {
        assert_eq!(
            id("<mac>AA:0B</mac><sn>S1</sn><channelId>1</channelId>", false),
            "S1"
        );
        assert_eq!(
            id("<mac>AA:0B</mac><sn/><channelId>1</channelId>", false),
            "aa:0b"
        );
        assert_eq!(id("<deviceName>Gate</deviceName>", false), "192.0.2.9");
        let alarm = "<deviceInfo><deviceNo.>1</deviceNo.><sn>S1</sn><macAddress>AA:0B</macAddress></deviceInfo>";
        assert_eq!(id(alarm, false), "S1");
    }

    #[test]
    fn a_recorders_camera_is_known_by_its_channel() {
        let of = |device: &str| {
            format!("<messageType>alarmData</messageType><deviceInfo>{device}</deviceInfo>")
        };
        let gate = of("<deviceName>Gate</deviceName><mac>AA:0B</mac><channelId>4</channelId>");
        assert_eq!(id(&gate, false), "aa:0b/4");
        let none = of("<deviceName>Gate</deviceName><mac>AA:0B</mac>");
        assert_eq!(id(&none, false), "aa:0b/Gate");
        assert_eq!(id(&none, true), "aa:0b");
    }
}
