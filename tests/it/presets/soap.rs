//! A .NET back office with `PostImage`, in both versions of SOAP and with each way to say who asks.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha1::{Digest, Sha1};

use super::wire::{Element, is_jpeg, want, xml};
use super::{Again, Dead, Delivered, Held, Use, no, ok, play, sent, table, usual, within_200};
use crate::harness::{Answer, Receiver, Taken, camhook_command};

const SOAP_11: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const SOAP_12: &str = "http://www.w3.org/2003/05/soap-envelope";
const SECURITY: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd";
const ACTION: &str = "http://tempuri.org/PostImage";
const PASSWORD: &str = "correct <horse> & \"co\"";

/// A service of one version and one way to say who asks.
fn service(
    version: &'static str,
    security: &'static str,
) -> impl Fn(&Taken) -> Result<Answer, String> {
    move |taken| {
        let kind = taken.header("content-type");
        let speaks = if kind.starts_with("text/xml") {
            "1.1"
        } else {
            "1.2"
        };
        if speaks != version {
            return Ok(Answer::status(415));
        }
        let space = if version == "1.1" { SOAP_11 } else { SOAP_12 };
        if version == "1.1" {
            taken.posts("/PlateService.asmx", "text/xml")?;
            want(
                taken.header("soapaction") == format!("\"{ACTION}\""),
                "SOAPAction",
            )?;
        } else {
            taken.posts("/PlateService.asmx", "application/soap+xml")?;
            want(
                kind == format!("application/soap+xml; charset=utf-8; action=\"{ACTION}\""),
                kind,
            )?;
            want(!taken.headers.contains_key("soapaction"), "SOAPAction")?;
        }
        let envelope = xml(taken.text()?);
        envelope.is(space, "Envelope")?;
        envelope.sequence("Header Body!")?;
        let call = &envelope.child("Body")?.children[0];
        call.is("http://tempuri.org/", "PostImage")?;
        let knows = match security {
            "body" => {
                call.sequence("user! password! date! plate! score! image!")?;
                call.child("user")?.text == "camhook" && call.child("password")?.text == PASSWORD
            }
            "basic" => taken.basic()? == ("camhook".to_owned(), PASSWORD.to_owned()),
            _ => token(&envelope, security)?,
        };
        if security != "body" {
            call.sequence("date! plate! score! image!")?;
        }
        if !knows {
            return Ok(match security {
                "body" => result("false"),
                "basic" => Answer::status(401),
                _ => fault(version, "FailedAuthentication"),
            });
        }
        want(
            call.child("date")?.text == "3/4/2025 10:11:12",
            &call.child("date")?.text,
        )?;
        let score: Result<f64, _> = call.child("score")?.text.parse();
        want(
            score.is_ok_and(|score| (0.0..=1.0).contains(&score)),
            "score",
        )?;
        let picture = &call.child("image")?.text;
        if !picture.is_empty() {
            is_jpeg(
                &STANDARD
                    .decode(picture)
                    .map_err(|error| error.to_string())?,
            )?;
        }
        Ok(result("true"))
    }
}

/// A UsernameToken as WSS 1.0 wants it.
fn token(envelope: &Element, security: &str) -> Result<bool, String> {
    let header = envelope.child("Header")?.child("Security")?;
    header.is(SECURITY, "Security")?;
    let token = header.child("UsernameToken")?;
    let text = |name: &str| token.child(name).map(|child| child.text.clone());
    let nonce = STANDARD
        .decode(text("Nonce")?)
        .map_err(|error| error.to_string())?;
    let created = text("Created")?;
    want(
        created.parse::<jiff::Timestamp>().is_ok() && created.ends_with('Z'),
        &created,
    )?;
    let digest = Sha1::new()
        .chain_update(nonce)
        .chain_update(created)
        .chain_update(PASSWORD)
        .finalize();
    let expected = match security {
        "wsse" => STANDARD.encode(digest),
        _ => PASSWORD.to_owned(),
    };
    Ok(text("Username")? == "camhook" && text("Password")? == expected)
}

fn envelope(space: &str, inner: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?><s:Envelope xmlns:s=\"{space}\"><s:Body>{inner}</s:Body></s:Envelope>"
    )
}

fn result(text: &str) -> Answer {
    let inner = format!(
        "<PostImageResponse xmlns=\"http://tempuri.org/\"><PostImageResult>{text}</PostImageResult></PostImageResponse>"
    );
    Answer::status(200).body(&envelope(SOAP_11, &inner))
}

fn fault(version: &str, code: &str) -> Answer {
    let security = [
        "FailedAuthentication",
        "InvalidSecurityToken",
        "MessageExpired",
    ]
    .contains(&code);
    let code = if security {
        format!("w:{code}")
    } else {
        format!("s:{code}")
    };
    let body = if version == "1.1" {
        envelope(
            SOAP_11,
            &format!(
                "<s:Fault><faultcode>{code}</faultcode><faultstring>Server was unable to process request.</faultstring></s:Fault>"
            ),
        )
    } else {
        let inner = match security {
            true => format!(
                "<s:Value>s:Sender</s:Value><s:Subcode><s:Value>{code}</s:Value></s:Subcode>"
            ),
            false => format!("<s:Value>{code}</s:Value>"),
        };
        envelope(
            SOAP_12,
            &format!(
                "<s:Fault><s:Code>{inner}</s:Code><s:Reason><s:Text xml:lang=\"en\">Receiver</s:Text></s:Reason></s:Fault>"
            ),
        )
    };
    Answer::status(500).body(&body)
}

fn used(version: &str, security: &str, more: &Value) -> Use {
    let mut with = json!({
        "url": "URL/PlateService.asmx", "username": "camhook", "password": PASSWORD,
        "version": version, "security": security,
    });
    for (name, value) in more.as_object().unwrap() {
        with[name] = value.clone();
    }
    Use::of("soap", with)
}

#[tokio::test]
async fn soap_table() {
    for version in ["1.1", "1.2"] {
        let fault = |code: &str| fault(version, code);
        let mut rows = usual();
        rows.extend([
            (Answer::status(415), Held),
            (Answer::status(202), Delivered),
            no(404, "<html>404.13</html>"),
            no(413, ""),
            (result("false"), Dead),
            (result("17"), Delivered),
            within_200("<html>", Delivered),
            (fault("VersionMismatch"), Dead),
            (fault("MustUnderstand"), Dead),
            (fault("FailedAuthentication"), Held),
            (fault("InvalidSecurityToken"), Held),
            (fault("MessageExpired"), Again),
            (fault("Client").with_code(401), Held),
        ]);
        rows.extend(match version {
            "1.1" => [
                (fault("Server"), Again),
                (fault("Server").with_code(200), Again),
                (fault("Client.Authentication"), Dead),
                (fault("Client").with_code(200), Dead),
            ],
            _ => [
                (fault("Receiver"), Again),
                (fault("Receiver").with_code(200), Again),
                (fault("Sender").with_code(400), Dead),
                (fault("DataEncodingUnknown").with_code(200), Dead),
            ],
        });
        table(
            &used(version, "body", &json!({})),
            play(service(version, "body")),
            &rows,
        )
        .await;
    }
}

#[tokio::test]
async fn every_way_to_say_who_asks_is_understood() {
    for version in ["1.1", "1.2"] {
        for security in ["body", "basic", "wsse", "wsse-text"] {
            for image in ["vehicle", "plate", "none"] {
                let used = used(version, security, &json!({ "image": image }));
                let system = play(service(version, security));
                let (taken, delivery) = sent(&used, system, "camera-1", "a<&>\"'\u{1}]]>é").await;
                assert_eq!(delivery["fate"], "delivered", "{delivery:#}");
                let call = xml(taken[0].text().unwrap());
                let call = &call.child("Body").unwrap().children[0];
                let picture = &call.child("image").unwrap().text;
                assert_eq!(picture.is_empty(), image == "none");
                assert!(call.child("plate").unwrap().text.starts_with("a<&>\"'"));
            }
        }
    }
}

#[tokio::test]
async fn wrong_credentials_and_the_other_version_hold() {
    for security in ["basic", "wsse", "wsse-text"] {
        let used = used("1.1", security, &json!({ "password": "wrong" }));
        let (_, delivery) =
            sent(&used, play(service("1.1", security)), "camera-1", "ab123cd").await;
        assert_eq!(delivery["fate"], "held", "{security} {delivery:#}");
    }
    let other = used("1.1", "body", &json!({}));
    let (_, delivery) = sent(&other, play(service("1.2", "body")), "camera-1", "ab123cd").await;
    assert_eq!(delivery["fate"], "held");
    let reason = delivery["attempts"][0]["error"].as_str().unwrap();
    assert!(reason.contains("version"), "{reason}");
    // A service that has the credentials in the call says no with its result only.
    let wrong = used("1.1", "body", &json!({ "password": "wrong" }));
    let (_, delivery) = sent(&wrong, play(service("1.1", "body")), "camera-1", "ab123cd").await;
    assert_eq!(delivery["fate"], "dead");
}

#[tokio::test]
async fn another_namespace_and_operation_are_sent_as_told() {
    let system = play(|taken| {
        want(
            taken.header("soapaction") == "\"urn:gate/Store\"",
            taken.header("soapaction"),
        )?;
        let call = xml(taken.text()?);
        call.child("Body")?.children[0].is("urn:gate/", "Store")?;
        ok("")
    });
    let used = used(
        "1.1",
        "body",
        &json!({ "namespace": "urn:gate/", "operation": "Store" }),
    );
    let (_, delivery) = sent(&used, system, "camera-1", "ab123cd").await;
    assert_eq!(delivery["fate"], "delivered");
}

/// As ASMX writes it: document/literal, with bindings for both versions of SOAP.
const WSDL: &str = include_str!("../../fixtures/targets/plate-service.wsdl");

#[tokio::test(flavor = "multi_thread")]
async fn check_reads_the_wsdl_and_warns_of_what_differs() {
    let service = Receiver::new().await;
    let url = format!("{}/PlateService.asmx", service.url());
    let folder = tempfile::tempdir().unwrap();
    let check = |version: &str, security: &str, answer: Answer| {
        let target = used(version, security, &json!({})).target("it", &service.url());
        let routes =
            format!("targets:\n{target}routes: [{{ name: all, each: plate, to: [it] }}]\n");
        std::fs::write(folder.path().join("routes.yaml"), routes).unwrap();
        service.always(Some(answer));
        let mut check = camhook_command(folder.path());
        let output = check.args(["check", "--connect"]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    };
    let right = WSDL.replace("http://backoffice.example.com/PlateService.asmx", &url);
    for version in ["1.1", "1.2"] {
        let told = check(version, "body", Answer::status(200).body(&right));
        assert!(
            told.contains("as expected") && !told.contains("warning"),
            "{told}"
        );
    }
    assert_eq!(service.taken()[0].path, "/PlateService.asmx?WSDL");
    assert_eq!(service.taken()[0].method, "GET");

    let told = check("1.1", "basic", Answer::status(200).body(&right));
    assert!(
        told.contains(
            "warning: the list of arguments is `user, password, date, plate, score, image`, `date, plate, score, image` is sent"
        ),
        "{told}"
    );
    let wrong = WSDL
        .replace("http://tempuri.org/", "urn:gate/")
        .replace("name=\"date\"", "name=\"when\"");
    let told = check("1.1", "body", Answer::status(200).body(&wrong));
    for both in [
        "the address is `http://backoffice.example.com/PlateService.asmx`, `http://127.0.0.1:",
        "the SOAPAction is `urn:gate/PostImage`, `http://tempuri.org/PostImage` is sent",
        "the namespace is `urn:gate/`, `http://tempuri.org/` is sent",
        "the list of arguments is `user, password, when, plate, score, image`, `user, password, date, plate, score, image` is sent",
    ] {
        assert!(told.contains(&format!("warning: {both}")), "{both}: {told}");
    }
    assert_eq!(told.matches("warning").count(), 4, "{told}");
    let only_new = right.replace("http://schemas.xmlsoap.org/wsdl/soap/", "urn:other");
    let told = check("1.1", "body", Answer::status(200).body(&only_new));
    assert!(
        told.contains("warning: the version of SOAP is `1.2`, `1.1` is sent"),
        "{told}"
    );
    let told = check("1.1", "body", Answer::status(404));
    assert!(told.contains("warning: does not describe itself"), "{told}");
}
