//! Which addresses are taken, by how they are written and by what a name turns out to be.

use super::*;

const WORDS: Words = Words {
    hosts: "hosts",
    networks: "networks",
};

fn texts(all: &[&str]) -> Vec<String> {
    all.iter().map(|text| (*text).to_owned()).collect()
}

fn reach(hosts: &[&str], networks: &[&str]) -> Reach {
    Reach::new(&texts(hosts), &texts(networks), WORDS).unwrap()
}

fn allows(reach: &Reach, url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| reach.check(&url).is_ok())
}

/// What a name that has this address comes to.
fn connects(reach: &Reach, name: &str, address: &str) -> bool {
    let address = SocketAddr::new(address.parse().unwrap(), 0);
    reach.permitted(name, [address]).is_ok()
}

#[test]
fn only_listed_hosts_and_ports_are_taken() {
    let reach = reach(
        &[
            "ff.example",
            "10.0.0.5:8443",
            "[fd00::5]:80",
            "a.example:443",
            "*.cams.example",
            "*.dvr.example:8080",
            "10.1.0.0/16",
            "10.2.0.0/16:8080",
            "fd01::/16",
            "[fd02::/16]:8080",
            "bücher.example",
            "0x7f.1:81",
        ],
        &[],
    );
    for url in [
        "http://ff.example/a.jpg",
        "https://FF.example/a.jpg?x=1",
        "http://ff.example:80/",
        "https://10.0.0.5:8443/",
        "http://0xa.5:8443/",
        "http://167772165:8443/",
        "http://012.0.0.05:8443/",
        "http://[::ffff:10.0.0.5]:8443/",
        "http://[fd00:0::5]/",
        "https://a.example/",
        "http://x.cams.example/",
        "http://y.x.cams.example/",
        "http://x.dvr.example:8080/",
        "http://10.1.255.255/",
        "http://10.2.0.1:8080/",
        "http://[fd01::1]/",
        "http://[fd02::1]:8080/",
        "http://xn--bcher-kva.example/",
        "http://127.1:81/",
    ] {
        assert!(allows(&reach, url), "{url}");
    }
    for url in [
        "http://ff.example:8080/",
        "http://x.ff.example/",
        "http://ff.example.evil/",
        "http://ff.example./",
        "http://ff.example@evil/",
        "http://evil/ff.example",
        "http://evil?ff.example",
        "http://evil#@ff.example/",
        "http://evil\\@ff.example/",
        "http://10.0.0.5/",
        "http://a.example/",
        "http://cams.example/",
        "http://xcams.example/",
        "http://.cams.example/",
        "http://cams.example.evil/",
        "http://x.dvr.example/",
        "http://10.2.0.1/",
        "http://10.3.0.1/",
        "http://[fd02::1]/",
        "http://[fd03::1]/",
        "ftp://ff.example/",
        "file:///etc/passwd",
        "gopher://ff.example/",
        "http://",
    ] {
        assert!(!allows(&reach, url), "{url}");
    }
}

#[test]
fn a_name_is_connected_to_at_public_addresses_only() {
    let bare = reach(&["cam.example", "*.cams.example", "10.1.0.0/16"], &[]);
    for address in [
        "8.8.8.8",
        "172.15.0.1",
        "172.32.0.1",
        "100.63.0.1",
        "100.128.0.1",
        "2606:4700::1111",
        "::ffff:8.8.8.8",
        "64:ff9b::808:808",
    ] {
        assert!(connects(&bare, "cam.example", address), "{address}");
    }
    for address in [
        "0.0.0.0",
        "0.1.2.3",
        "10.1.2.3", // listed as an address, not for names
        "10.0.0.1",
        "100.64.0.1",
        "100.100.100.200",
        "127.0.0.1",
        "127.8.8.8",
        "168.63.129.16",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.192",
        "192.168.1.1",
        "198.18.0.1",
        "203.0.113.9",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:0:10.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "3fff::1",
        "4000::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fec0::1",
        "ff02::1",
    ] {
        assert!(!connects(&bare, "cam.example", address), "{address}");
        let everything = reach(&["cam.example"], &["0.0.0.0/0", "::/0"]);
        assert!(connects(&everything, "cam.example", address), "{address}");
    }
}

#[test]
fn private_networks_are_permitted_one_by_one() {
    let one = reach(&["cam.example"], &["10.0.0.0/8", "fd00::7"]);
    for (address, permitted) in [
        ("10.200.0.1", true),
        ("::ffff:10.200.0.1", true),
        ("fd00::7", true),
        ("fd00::8", false),
        ("192.168.0.1", false),
        ("169.254.169.254", false),
    ] {
        assert_eq!(
            connects(&one, "cam.example", address),
            permitted,
            "{address}"
        );
    }
    let local = reach(&["localhost:81", "127.0.0.1"], &[]);
    assert!(!connects(&local, "localhost", "127.0.0.1"));
    // A host that the config names outside of the list.
    let named = reach(&[], &[]).and_named(Url::parse("https://vms.lan/api").ok().as_ref());
    assert!(connects(&named, "vms.lan", "10.0.0.1"));
    assert!(!connects(&named, "cam.lan", "10.0.0.1"));
}

#[test]
fn of_several_addresses_the_permitted_ones_are_left() {
    let reach = reach(&["cam.example"], &[]);
    let found = |all: &[&str]| -> Vec<SocketAddr> {
        let all = all.iter().map(|text| text.parse().unwrap());
        all.map(|address| SocketAddr::new(address, 0)).collect()
    };
    let mixed = found(&["10.0.0.1", "8.8.8.8", "::1"]);
    assert_eq!(
        reach.permitted("cam.example", mixed).unwrap(),
        found(&["8.8.8.8"])
    );
    let refused = reach.permitted("cam.example", found(&["::ffff:169.254.169.254"]));
    let refused = refused.unwrap_err().to_string();
    assert_eq!(
        refused,
        "the host cam.example has the address 169.254.169.254, which is link-local, where clouds tell secrets to their machines; \
         if it may be connected to, add `\"169.254.169.254\"` or its network to `networks`"
    );
    assert!(reach.permitted("cam.example", []).unwrap().is_empty());
}

#[test]
fn entries_that_are_no_hosts_are_refused() {
    for text in [
        "",
        "https://ff.example",
        "ff.example/x",
        "*",
        "*.",
        "*.*.example",
        "x.*.example",
        "*.10.0.0.5",
        "u@h",
        "a b",
        "h:99999",
        "10.0.0.0/33",
        "10.0.0.0/8:99999",
        "fd00::/8:80",
        "[10.0.0.0/8]:80",
        "%31.example",
    ] {
        assert!(Place::parse(text).is_err(), "{text}");
    }
    let wrong = Reach::new(
        &texts(&["ok.example", "*"]),
        &texts(&["10.0.0.0/99"]),
        WORDS,
    );
    let places: Vec<_> = wrong.unwrap_err().into_iter().map(|w| (w.0, w.1)).collect();
    assert_eq!(places, [(false, 1), (true, 0)]);
}
