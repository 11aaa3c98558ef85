//! `camhook camera`, against cameras that answer over real HTTP.

use crate::harness::camera::{Auth, Camera, PASSWORD, Plate};
use crate::harness::xml::{Node, parse};
use crate::harness::{Answer, Receiver, camhook_command};

/// What a command said.
struct Said {
    done: bool,
    out: String,
    err: String,
}

/// Runs a command; whatever it says, it may not say the password.
fn run(camera: &Camera, arguments: &[&str]) -> Said {
    run_as(camera, arguments, PASSWORD)
}

fn run_as(camera: &Camera, arguments: &[&str], password: &str) -> Said {
    let folder = tempfile::tempdir().unwrap();
    let output = camhook_command(folder.path())
        .arg("camera")
        .args(arguments)
        .args(["--camera", &camera.url, "--password-env", "CAM_PW"])
        .env("CAM_PW", password)
        .output()
        .unwrap();
    let (out, err) = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    );
    for text in [&out, &err] {
        assert!(
            !text.contains(password) && !text.contains("guard-pw"),
            "a password in:\n{text}"
        );
    }
    Said {
        done: output.status.success(),
        out,
        err,
    }
}

const URL: &str = "http://10.0.0.2:8001/API";

fn subscribe(camera: &Camera, more: &[&str]) -> Said {
    run(
        camera,
        &[&["subscribe", "viewtron", "--url", URL], more].concat(),
    )
}

const POST: &str = "<httpPost><bSwitch type=\"boolean\">true</bSwitch><protocolType><![CDATA[API]]></protocolType>\
    <serverIp><![CDATA[10.0.0.9]]></serverIp><serverPort>80</serverPort><keepaliveTimeval>60</keepaliveTimeval>\
    <onlineStatus type=\"boolean\">true</onlineStatus><URL><![CDATA[/alarms]]></URL></httpPost>";

/// A slot of somebody else, with things in it that camhook has never heard of.
fn other(id: u8, data_name: &str) -> String {
    format!(
        "<item>\n  <urlId type=\"uint32\">{id}</urlId><switch>true</switch><url><protocol>http</protocol>\
         <domain><![CDATA[guard{id}.example]]></domain><port>80</port><path><![CDATA[/in?a=1&b=<2>]]></path>\
         <authentication type=\"authType\">basic</authentication><userName>x</userName><password><![CDATA[guard-pw]]></password></url>\
         <heatBeatSwitch>false</heatBeatSwitch><keepaliveTimeval>45</keepaliveTimeval><retry unit=\"s\">5</retry>\
         <{data_name} type=\"list\" count=\"1\"><item>traject</item></{data_name}>\
         <subscriptionEvents type=\"list\" count=\"1\"><item>MOTION</item></subscriptionEvents></item>"
    )
}

fn slots(items: &[String]) -> String {
    format!(
        "<httpPostV2><postUrlConf><urlList type=\"list\" count=\"{}\" maxCount=\"3\">{}</urlList></postUrlConf></httpPostV2>",
        items.len(),
        items.concat()
    )
}

async fn camera_with(auth: Auth, others: &[u8]) -> (Camera, Vec<Node>) {
    let camera = Camera::new(auth, Some("2.0.0")).await;
    let items: Vec<String> = others
        .iter()
        .map(|id| other(*id, "subscribeDateType"))
        .collect();
    camera.inside().post = Some(POST.to_owned());
    camera.inside().post_v2 = Some(slots(&items));
    let before = camera.slots();
    (camera, before)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_shows_the_difference_and_changes_nothing() {
    let (camera, _) = camera_with(Auth::Basic, &[1, 3]).await;
    let before = camera.inside().post_v2.clone();
    let said = subscribe(&camera, &[]);
    assert!(said.done, "{}", said.err);
    for text in [
        "Gate & yard (IPC-9, API 2.0.0)",
        "guard1.example",
        "Changes in slot 2:",
        "url/domain",
        "10.0.0.2",
        "--write",
    ] {
        assert!(
            said.out.contains(text),
            "`{text}` is missing in:\n{}",
            said.out
        );
    }
    assert!(said.err.contains("Basic"), "{}", said.err);
    assert_eq!(
        (camera.calls("SetHttpPostConfig"), &camera.inside().post_v2),
        (0, &before)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_free_slot_is_written_and_all_others_stay_as_they_were() {
    let (camera, before) = camera_with(Auth::Digest, &[1, 3]).await;
    let more = [
        "--events",
        "perimeter,MOTION",
        "--data",
        "smartData,sourceImage",
        "--write",
    ];
    let said = subscribe(&camera, &more);
    assert!(said.done, "{}{}", said.out, said.err);
    assert!(
        said.out.contains("Written") && said.out.contains("restart") && said.out.contains("V1"),
        "{}",
        said.out
    );

    let now = camera.slots();
    assert_eq!(now.len(), 3);
    assert_eq!(
        now[..2],
        before[..],
        "the others, with all their attributes"
    );
    assert_eq!(camera.inside().post.as_deref(), Some(POST));
    let ours = &now[2];
    assert_eq!(
        (
            ours.text("urlId"),
            ours.text("switch"),
            ours.text("heatBeatSwitch")
        ),
        ("2", "true", "true")
    );
    let url = ours.at(&["url"]);
    assert_eq!(
        (url.text("domain"), url.text("port"), url.text("path")),
        ("10.0.0.2", "8001", "/API")
    );
    assert_eq!(
        (
            url.text("authentication"),
            url.child("password"),
            url.child("userName")
        ),
        ("none", None, None)
    );
    assert_eq!(
        ours.at(&["subscribeDateType"]).words(),
        ["smartData", "sourceImage"]
    );
    assert_eq!(
        ours.at(&["subscriptionEvents"]).words(),
        ["PERIMETER", "MOTION"]
    );

    let again = subscribe(&camera, &["--write"]);
    assert!(
        again.done && again.out.contains("Nothing to change"),
        "{}{}",
        again.out,
        again.err
    );
    assert_eq!(camera.slots(), now);

    let changed = subscribe(&camera, &["--data", "smartData", "--write"]);
    assert!(changed.done, "{}", changed.err);
    let now = camera.slots();
    assert_eq!(now[2].at(&["subscribeDateType"]).words(), ["smartData"]);
    assert_eq!(
        now[2].at(&["subscriptionEvents"]).words(),
        ["PERIMETER", "MOTION"],
        "what is not said stays"
    );
    assert_eq!(now[..2], before[..]);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_login_is_sent_unasked_and_digest_is_preferred() {
    for auth in [Auth::Digest, Auth::Both] {
        let (camera, _) = camera_with(auth, &[]).await;
        let said = subscribe(&camera, &["--write"]);
        assert!(said.done && !said.err.contains("Basic"), "{}", said.err);
        let calls = camera.inside().calls.clone();
        assert_eq!(calls[0].authorization, None);
        let told = calls
            .iter()
            .filter_map(|call| call.authorization.as_deref());
        assert!(
            told.into_iter().all(|told| told.starts_with("Digest ")),
            "{calls:?}"
        );
        let refused = calls.iter().filter(|call| call.answered == 401).count();
        assert!(
            refused < calls.len() - refused,
            "a nonce is used again: {calls:?}"
        );
    }
    let (camera, _) = camera_with(Auth::None, &[]).await;
    assert!(subscribe(&camera, &[]).done);
    assert!(
        camera
            .inside()
            .calls
            .iter()
            .all(|call| call.authorization.is_none())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_tried_once() {
    for auth in [Auth::Basic, Auth::Digest] {
        let (camera, _) = camera_with(auth, &[]).await;
        let said = run_as(&camera, &["info", "viewtron"], "wrong-password");
        assert!(
            !said.done && said.err.contains("`admin`") && said.err.contains("lock"),
            "{}",
            said.err
        );
        let calls = camera.inside().calls.clone();
        assert_eq!(
            calls
                .iter()
                .filter(|call| call.authorization.is_some())
                .count(),
            1,
            "{calls:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_camera_is_not_overwritten_unless_told() {
    let (camera, before) = camera_with(Auth::Basic, &[1, 2, 3]).await;
    for (more, told) in [
        (&[][..], "all 3 addresses"),
        (&["--slot", "2"], "--replace"),
        (&["--slot", "4"], "slots 1 to 3"),
    ] {
        let said = subscribe(&camera, &[more, &["--write"]].concat());
        assert!(
            !said.done && said.err.contains(told),
            "{}{}",
            said.out,
            said.err
        );
    }
    assert_eq!(camera.calls("SetHttpPostConfig"), 0);

    let said = subscribe(&camera, &["--slot", "2", "--replace", "--write"]);
    assert!(said.done, "{}{}", said.out, said.err);
    let now = camera.slots();
    assert_eq!((&now[0], &now[2]), (&before[0], &before[2]));
    assert_eq!(
        (now[1].text("urlId"), now[1].at(&["url"]).text("domain")),
        ("2", "10.0.0.2")
    );
    assert_eq!(
        now[1].at(&["url"]).child("password"),
        None,
        "another's login is not given to camhook"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_those_of_the_camera() {
    // Shown by a neighbour; and shown by nothing but the version of the API.
    for others in [vec![other(1, "subDataType")], Vec::new()] {
        let camera = Camera::new(Auth::Digest, Some("2.1.0")).await;
        camera.inside().post_v2 = Some(slots(&others));
        let said = subscribe(&camera, &["--events", "VEHICLE", "--write"]);
        assert!(said.done, "{}{}", said.out, said.err);
        let ours = camera.slots().pop().unwrap();
        assert_eq!(
            ours.at(&["subDataType"]).words(),
            ["smartData", "sourceImage", "targetImage"]
        );
        assert_eq!(ours.child("subscribeDateType"), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_camera_with_one_address_keeps_it_unless_told() {
    let camera = Camera::new(Auth::Basic, None).await;
    camera.inside().post = Some(POST.to_owned());
    let said = subscribe(&camera, &["--write"]);
    assert!(
        !said.done
            && said.err.contains("http://10.0.0.9:80/alarms")
            && said.err.contains("--replace"),
        "{}",
        said.err
    );
    assert_eq!(camera.calls("SetHttpPostConfig"), 0);

    let said = subscribe(&camera, &["--replace", "--data", "smartData", "--write"]);
    assert!(
        said.done && said.err.contains("--data"),
        "{}{}",
        said.out,
        said.err
    );
    let now = parse(camera.inside().post.as_deref().unwrap());
    assert_eq!(
        (
            now.text("serverIp"),
            now.text("serverPort"),
            now.text("URL")
        ),
        ("10.0.0.2", "8001", "/API")
    );
    assert_eq!(
        (now.text("protocolType"), now.child("onlineStatus")),
        ("API", None)
    );

    let told = POST
        .replace("10.0.0.9", "10.0.0.2")
        .replace(">80<", ">8001<")
        .replace("/alarms", "/API");
    camera.inside().post = Some(told);
    let said = subscribe(&camera, &["--write"]);
    assert!(
        said.done && said.out.contains("Nothing to change"),
        "{}",
        said.out
    );

    camera.inside().post = Some(POST.replace("10.0.0.9", ""));
    let said = subscribe(&camera, &["--write"]);
    assert!(said.done, "a free one: {}{}", said.out, said.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_told_in_words_whatever_their_status() {
    for with_200 in [true, false] {
        let (camera, before) = camera_with(Auth::Basic, &[1]).await;
        camera.inside().refuses_with_200 = with_200;
        let said = subscribe(&camera, &["--events", "ASD", "--write"]);
        assert!(
            !said.done && said.err.contains("out of its range") && said.err.contains("error 16"),
            "{}",
            said.err
        );
        assert!(!said.out.contains("Written"));
        assert_eq!(camera.slots(), before);
    }
    let camera = Camera::new(Auth::None, Some("2.0.0")).await;
    let said = subscribe(&camera, &[]);
    assert!(!said.done && said.err.contains("recorder"), "{}", said.err);
    let said = subscribe(&camera, &["--heartbeat", "5"]);
    assert!(!said.done && said.err.contains("30..=120"), "{}", said.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_camera_that_loses_something_else_is_told_of() {
    let (camera, _) = camera_with(Auth::Basic, &[1]).await;
    camera.inside().forgets_others = true;
    let said = subscribe(&camera, &["--write"]);
    assert!(
        !said.done && said.err.contains("no more as it was"),
        "{}{}",
        said.out,
        said.err
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn json_tells_the_same_for_scripts() {
    let (camera, _) = camera_with(Auth::Digest, &[1]).await;
    let said = subscribe(&camera, &["--json"]);
    let told: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(
        (&told["slot"], &told["written"]),
        (&2.into(), &false.into())
    );
    assert_eq!(
        told["slots"][0]["url"],
        "http://guard1.example:80/in?a=1&b=<2>"
    );
    assert_eq!(told["changes"][0]["setting"], "urlId");
    let said = run(&camera, &["info", "viewtron", "--json"]);
    let told: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(
        (&told["deviceName"], &told["apiVersion"]),
        (&"Gate & yard".into(), &"2.0.0".into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn plates_live_in_the_groups_that_the_camera_names() {
    let camera = Camera::new(Auth::Digest, Some("2.1.0")).await;
    let plates = |more: &[&str]| run(&camera, &[&["plates", "viewtron"], more].concat());
    let said = plates(&["list"]);
    assert!(
        said.done && said.out.contains("No plates"),
        "{}{}",
        said.out,
        said.err
    );

    let said = plates(&[
        "add",
        "KD482PL",
        "--list",
        "allow",
        "--until",
        "2027-01-31",
        "--owner",
        "A ]]> & B",
    ]);
    assert!(
        said.done && said.out.contains("whiteList"),
        "{}{}",
        said.out,
        said.err
    );
    let expected = Plate {
        text: "KD482PL".to_owned(),
        group: "7".to_owned(),
        from: "2026-11-21 08:00:00".to_owned(),
        until: "2027-01-31 23:59:59".to_owned(),
        owner: "A ]]> & B".to_owned(),
    };
    assert_eq!(camera.inside().plates, [expected]);
    assert!(plates(&["add", "BAD1", "--list", "9"]).done, "by number");
    assert!(
        plates(&["add", "TMP1", "--list", "Temporary list"]).done,
        "by name"
    );

    let said = plates(&["add", "BAD1", "--list", "allow"]);
    assert!(
        !said.done && said.err.contains("already") && said.err.contains("203"),
        "{}",
        said.err
    );
    let said = plates(&["add", "KD482PL", "--list", "allow", "--owner", "C"]);
    assert!(
        said.done && camera.inside().plates[0].owner == "C",
        "{}",
        said.err
    );
    let said = plates(&["add", "X1", "--list", "staff"]);
    assert!(
        !said.done && said.err.contains("`staff`") && said.err.contains("blackList (number 9)"),
        "{}",
        said.err
    );
    camera.inside().plates_max = 3;
    let said = plates(&["add", "X1", "--list", "allow"]);
    assert!(
        !said.done && said.err.contains("full") && said.err.contains("202"),
        "{}",
        said.err
    );

    let said = plates(&["remove", "bad1"]);
    assert!(
        said.done && said.out.contains("blackList"),
        "{}{}",
        said.out,
        said.err
    );
    let said = plates(&["remove", "BAD1"]);
    assert!(
        !said.done && said.err.contains("not in any list"),
        "{}",
        said.err
    );
    assert_eq!(camera.inside().plates.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_pages_of_plates_are_read() {
    for api in ["2.1.0", "2.0.0"] {
        let camera = Camera::new(Auth::Basic, Some(api)).await;
        let group = if api == "2.1.0" { "7" } else { "whiteList" };
        let plates = (0..130).map(|n| Plate {
            text: format!("P{n}"),
            group: group.to_owned(),
            from: String::new(),
            until: String::new(),
            owner: String::new(),
        });
        camera.inside().plates = plates.collect();
        let said = run(
            &camera,
            &["plates", "viewtron", "list", "--list", "allow", "--json"],
        );
        assert!(said.done, "{}", said.err);
        let rows: Vec<serde_json::Value> = said
            .out
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(rows.len(), 130);
        assert_eq!(
            (&rows[129]["plate"], &rows[129]["list"]),
            (&"P129".into(), &"whiteList".into())
        );
        assert!(rows[129]["owner"].is_null());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn older_cameras_can_be_added_to_and_read() {
    let camera = Camera::new(Auth::Basic, None).await;
    let plates = |more: &[&str]| run(&camera, &[&["plates", "viewtron"], more].concat());
    let said = plates(&[
        "add",
        "KD482PL",
        "--list",
        "block",
        "--from",
        "2026-12-01 08:30",
    ]);
    assert!(
        said.done && said.out.contains("blackList"),
        "{}{}",
        said.out,
        said.err
    );
    let plate = camera.inside().plates[0].clone();
    assert_eq!(
        (plate.from.as_str(), plate.until.as_str()),
        ("2026/12/01 08:30:00", "2037/12/31 23:59:59")
    );
    let said = plates(&["list"]);
    assert!(
        said.done && said.out.contains("KD482PL") && said.out.contains("blackList"),
        "{}",
        said.out
    );
    let said = plates(&["add", "KD482PL", "--list", "block"]);
    assert!(!said.done && said.err.contains("already"), "{}", said.err);
    let said = plates(&["remove", "KD482PL"]);
    assert!(
        !said.done && said.err.contains("no way to remove"),
        "{}",
        said.err
    );
    assert!(!plates(&["add", "X", "--list", "staff"]).done);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_has_no_option_and_no_place_in_an_address() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("pw"), format!("{PASSWORD}\n")).unwrap();
    let camera = Camera::new(Auth::Digest, Some("2.0.0")).await;
    let run = |arguments: &[&str]| {
        let mut command = camhook_command(folder.path());
        let output = command
            .args(["camera", "info", "viewtron"])
            .args(arguments)
            .output()
            .unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert!(
            !err.contains(PASSWORD) && !err.contains("hunter22"),
            "{err}"
        );
        (output.status.success(), err)
    };
    let (done, err) = run(&["--camera", &camera.url, "--password-file", "pw"]);
    assert!(done, "{err}");
    for (arguments, told) in [
        (&["--camera", camera.url.as_str()][..], "--password-env"),
        (
            &["--camera", "http://10.0.0.5", "--password", "hunter22"],
            "--password",
        ),
        (
            &["--camera", "http://admin:hunter22@10.0.0.5"],
            "--password-env",
        ),
        (
            &[
                "--camera",
                "http://10.0.0.5",
                "--password-env",
                "NOT_SET_HERE",
            ],
            "NOT_SET_HERE",
        ),
        (
            &["--camera", "http://10.0.0.5", "--password-file", "nowhere"],
            "nowhere",
        ),
        (&["--camera", "https://10.0.0.5", "--pin", "xyz"], "--pin"),
    ] {
        let (done, err) = run(arguments);
        assert!(!done && err.contains(told), "{err}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_camera_is_told_so() {
    let huge = format!("<config>{}</config>", " ".repeat(5_000_000));
    for (answer, told) in [
        (
            Answer::status(200).body("<html><p>Login</html>"),
            "is it the web port of a Viewtron camera?",
        ),
        (
            Answer::status(302).header("location", "https://cam/x"),
            "points to https://cam/x",
        ),
        (Answer::status(404), "404"),
        (Answer::status(200).body(&huge), "larger than any"),
        (
            Answer::status(401).header("www-authenticate", "Negotiate"),
            "does not know",
        ),
    ] {
        let receiver = Receiver::new().await;
        receiver.always(Some(answer));
        let folder = tempfile::tempdir().unwrap();
        let output = camhook_command(folder.path())
            .args([
                "camera",
                "plates",
                "viewtron",
                "list",
                "--password-env",
                "CAM_PW",
            ])
            .args(["--camera", &receiver.url()])
            .env("CAM_PW", PASSWORD)
            .output()
            .unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && err.contains(told), "{err}");
        assert!(
            receiver
                .taken()
                .iter()
                .all(|taken| !taken.headers.contains_key("authorization"))
        );
    }
}
