//! The ranges of addresses that are not the public internet: IANA's special-purpose registries of IPv4 and IPv6 (read
//! 2026-11-21), and one address of a cloud.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An IPv4 address that stands in one of IPv6, by itself: systems connect to it. So the ways to write one over IPv6
/// (mapped, compatible, through NAT64) are no ways around.
pub(super) fn plain(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else {
        return address;
    };
    let [a, b, c, d, e, f, g, h] = v6.segments();
    let last = || {
        let [g1, g2] = g.to_be_bytes();
        let [h1, h2] = h.to_be_bytes();
        IpAddr::V4(Ipv4Addr::new(g1, g2, h1, h2))
    };
    match [a, b, c, d, e, f] {
        [0, 0, 0, 0, 0, 0xffff] | [0, 0, 0, 0, 0xffff, 0] => last(), // mapped, translated
        [0, 0, 0, 0, 0, 0] if v6 > Ipv6Addr::LOCALHOST => last(),    // compatible
        [0x64, 0xff9b, 0, 0, 0, 0] => last(),                        // NAT64
        _ => address,
    }
}

/// What kind of address it is, unless it is a public one. `address` is [`plain`].
pub(super) fn special(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(v4) => special_v4(v4.octets()),
        IpAddr::V6(v6) => special_v6(v6),
    }
}

fn special_v4(octets: [u8; 4]) -> Option<&'static str> {
    Some(match octets {
        [0, ..] => "which stands for this machine",
        [127, ..] => "which is this machine's own (loopback)",
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => "which is private",
        [100, 64..=127, ..] => "which is shared behind a carrier's NAT",
        [169, 254, ..] => "which is link-local, where clouds tell secrets to their machines",
        // Azure's host agent answers there, and machines trust it.
        [168, 63, 129, 16] => "which is the cloud's own host",
        [192, 0, 0, _] | [192, 88, 99, _] | [198, 18..=19, ..] => "which is reserved",
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => "which is for documentation",
        [224..=239, ..] => "which is multicast",
        [240..=255, ..] => "which is reserved",
        _ => return None,
    })
}

fn special_v6(address: Ipv6Addr) -> Option<&'static str> {
    let [a, b, c, ..] = address.segments();
    Some(match (a, b, c) {
        _ if address.is_unspecified() => "which stands for this machine",
        _ if address.is_loopback() => "which is this machine's own (loopback)",
        (0xfc00..=0xfdff, ..) | (0xfec0..=0xfeff, ..) => "which is private",
        (0xfe80..=0xfebf, ..) => "which is link-local",
        (0xff00..=0xffff, ..) => "which is multicast",
        (0x64, 0xff9b, _) => "which is private (NAT64)",
        // They carry an IPv4 address that nobody sees.
        (0x2002, ..) => "which is a tunnel (6to4)",
        (0x2001, 0, _) => "which is a tunnel (Teredo)",
        (0x2001, 0xdb8, _) | (0x3fff, 0..=0xfff, _) => "which is for documentation",
        (0x2001, 0..=0x1ff, _) => "which is reserved",
        (0x2000..=0x3fff, ..) => return None,
        _ => "which is reserved",
    })
}
