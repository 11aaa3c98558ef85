//! A Viewtron camera: it answers its API over real HTTP, asks for a login, keeps what it is told, and refuses as they do.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use md5::{Digest, Md5};

use super::xml::{Node, parse};

pub(crate) const PASSWORD: &str = "s3cret&Wort";
const REALM: &str = "IP camera";
/// Uses of one nonce; the camera then asks anew without calling the old one stale.
const NONCE_USES: u32 = 2;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Auth {
    None,
    Basic,
    Digest,
    /// Offers both.
    Both,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plate {
    pub(crate) text: String,
    pub(crate) group: String,
    pub(crate) from: String,
    pub(crate) until: String,
    pub(crate) owner: String,
}

/// One request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) name: String,
    pub(crate) authorization: Option<String>,
    pub(crate) answered: u16,
}

/// What is in the camera.
pub(crate) struct Inside {
    pub(crate) auth: Auth,
    /// `2.1.0` knows groups of plates, `2.0.0` the older calls; none is told by the oldest.
    pub(crate) api: Option<&'static str>,
    /// `<httpPost>…</httpPost>` and `<httpPostV2>…</httpPostV2>`, as last written.
    pub(crate) post: Option<String>,
    pub(crate) post_v2: Option<String>,
    pub(crate) data_name: &'static str,
    pub(crate) events: &'static [&'static str],
    pub(crate) groups: Vec<(&'static str, &'static str)>,
    pub(crate) plates: Vec<Plate>,
    pub(crate) plates_max: usize,
    /// Refusals come with HTTP 200; else with 400.
    pub(crate) refuses_with_200: bool,
    /// Bad firmware: keeps only the slot that was changed last.
    pub(crate) forgets_others: bool,
    pub(crate) calls: Vec<Call>,
    nonces: u32,
    uses: u32,
}

pub(crate) struct Camera {
    pub(crate) url: String,
    inside: Arc<Mutex<Inside>>,
}

type Refused = (u32, &'static str);

impl Camera {
    pub(crate) async fn new(auth: Auth, api: Option<&'static str>) -> Self {
        let is_new = api == Some("2.1.0");
        let inside = Arc::new(Mutex::new(Inside {
            auth,
            api,
            post: None,
            post_v2: None,
            data_name: if is_new {
                "subDataType"
            } else {
                "subscribeDateType"
            },
            events: match is_new {
                true => &["ALL", "MOTION", "SENSOR", "AVD", "VEHICLE"],
                false => &["ALL", "MOTION", "PERIMETER", "TRIPWIRE", "AOIENTRY"],
            },
            groups: vec![
                ("4", "temporaryList"),
                ("7", "whiteList"),
                ("9", "blackList"),
            ],
            plates: Vec::new(),
            plates_max: 200,
            refuses_with_200: false,
            forgets_others: false,
            calls: Vec::new(),
            nonces: 0,
            uses: 0,
        }));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        listen(listener, inside.clone());
        Self { url, inside }
    }

    pub(crate) fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The slots of `httpPostV2`.
    pub(crate) fn slots(&self) -> Vec<Node> {
        let block = self.inside().post_v2.clone();
        let block = parse(&block.expect("this camera has slots"));
        block
            .at(&["postUrlConf", "urlList"])
            .items()
            .cloned()
            .collect()
    }

    pub(crate) fn calls(&self, name: &str) -> usize {
        let inside = self.inside();
        inside
            .calls
            .iter()
            .filter(|call| call.name == name && call.answered != 401)
            .count()
    }
}

#[expect(clippy::disallowed_methods, reason = "the test's own server")]
fn listen(listener: tokio::net::TcpListener, inside: Arc<Mutex<Inside>>) {
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let inside = inside.clone();
            tokio::spawn(async move {
                let service = service_fn(move |request| take(inside.clone(), request));
                let _ = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    });
}

async fn take(
    inside: Arc<Mutex<Inside>>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body
        .collect()
        .await
        .map(|body| body.to_bytes())
        .unwrap_or_default();
    let body = String::from_utf8_lossy(&body).into_owned();
    let mut inside = inside.lock().unwrap_or_else(PoisonError::into_inner);
    let authorization = head
        .headers
        .get("authorization")
        .map(|told| told.to_str().unwrap().to_owned());
    let name = head.uri.path().trim_start_matches('/').to_owned();
    let mut response = Response::builder().header("content-type", "application/xml");
    let is_welcome = inside.welcomes(
        head.method.as_str(),
        head.uri.path(),
        authorization.as_deref(),
    );
    let (status, text) = if is_welcome {
        inside.answer(&name, &body)
    } else {
        for challenge in inside.challenges() {
            response = response.header("www-authenticate", challenge);
        }
        (401, String::new())
    };
    inside.calls.push(Call {
        name,
        authorization,
        answered: status,
    });
    Ok(response.status(status).body(Full::from(text)).unwrap())
}

impl Inside {
    fn challenges(&mut self) -> Vec<String> {
        self.nonces += 1;
        self.uses = 0;
        let basic = format!("Basic realm=\"{REALM}\"");
        let digest = format!(
            "Digest realm=\"{REALM}\", qop=\"auth\", nonce=\"nonce{}\", opaque=\"x\", algorithm=MD5",
            self.nonces
        );
        match self.auth {
            Auth::None => Vec::new(),
            Auth::Basic => vec![basic],
            Auth::Digest => vec![digest],
            Auth::Both => vec![basic, digest],
        }
    }

    fn welcomes(&mut self, method: &str, path: &str, told: Option<&str>) -> bool {
        let Some(told) = told else {
            return self.auth == Auth::None;
        };
        if let Some(basic) = told.strip_prefix("Basic ") {
            let expected =
                base64::engine::general_purpose::STANDARD.encode(format!("admin:{PASSWORD}"));
            return matches!(self.auth, Auth::Basic | Auth::Both) && basic == expected;
        }
        let field = |name: &str| {
            let fields = told.strip_prefix("Digest ")?.split(", ");
            let mut values = fields.filter_map(|field| field.split_once('='));
            values
                .find(|(known, _)| *known == name)
                .map(|(_, value)| value.trim_matches('"'))
        };
        let field = |name: &str| field(name).unwrap_or_default();
        let hash = |text: String| -> String {
            Md5::digest(text)
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect()
        };
        let who = hash(format!("admin:{REALM}:{PASSWORD}"));
        let what = hash(format!("{method}:{path}"));
        let (nonce, nc, cnonce) = (field("nonce"), field("nc"), field("cnonce"));
        self.uses += 1;
        matches!(self.auth, Auth::Digest | Auth::Both)
            && nonce == format!("nonce{}", self.nonces)
            && self.uses <= NONCE_USES
            && nc == format!("{:08x}", self.uses)
            && field("uri") == path
            && field("response") == hash(format!("{who}:{nonce}:{nc}:{cnonce}:auth:{what}"))
    }

    fn version(&self) -> &'static str {
        self.api.unwrap_or("1.7")
    }

    fn answer(&mut self, call: &str, body: &str) -> (u16, String) {
        let is_21 = self.api == Some("2.1.0");
        let done = match (call, is_21) {
            ("GetDeviceInfo", _) => Ok(self.device_info()),
            ("GetHttpPostConfig", _) if self.post.is_some() || self.post_v2.is_some() => {
                Ok(format!(
                    "{}{}",
                    self.post.as_deref().unwrap_or(""),
                    self.post_v2.as_deref().unwrap_or("")
                ))
            }
            ("SetHttpPostConfig", _) => self.set_posts(body),
            ("GetLicensePlateGroups", true) => Ok(self.told_groups()),
            ("GetLicensePlates", true) => self.told_plates(&parse(body)),
            ("AddLicensePlates", true) => self.add_plates(&parse(body)),
            ("ModifyLicensePlate", true) => self.modify(&parse(body)),
            ("DeleteLicensePlate", true) => self.delete(&parse(body)),
            ("AddVehiclePlate", false) => self.add_older(&parse(body)),
            ("GetVehiclePlate", false) => self.told_older(&parse(body)),
            _ => Err((1, "Invalid Request")),
        };
        let version = self.version();
        let open = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\" ?>\n<config version=\"{version}\" xmlns=\"http://www.ipc.com/ver10\""
        );
        match done {
            Ok(text) if text.is_empty() => {
                (200, format!("{open} status=\"success\" errorCode=\"0\"/>"))
            }
            Ok(text) => (200, format!("{open}>{text}</config>")),
            Err((code, words)) => {
                let status = if self.refuses_with_200 { 200 } else { 400 };
                (
                    status,
                    format!(
                        "{open} status=\"failed\" errorCode=\"{code}\" errorDesc=\"{words}\"/>"
                    ),
                )
            }
        }
    }

    fn device_info(&self) -> String {
        let api = self
            .api
            .map(|api| format!("<apiVersion type=\"string\"><![CDATA[{api}]]></apiVersion>"));
        format!(
            "<deviceInfo><deviceName type=\"string\"><![CDATA[Gate & yard]]></deviceName><model>IPC-9</model>{}</deviceInfo>",
            api.unwrap_or_default()
        )
    }

    fn set_posts(&mut self, body: &str) -> Result<String, Refused> {
        let told = parse(body);
        assert_eq!(told.name, "config");
        assert_eq!(told.attribute("xmlns"), Some("http://www.ipc.com/ver10"));
        for block in &told.children {
            let raw = raw(body, &block.name);
            match block.name.as_str() {
                "httpPost" => {
                    if self.post.is_none() || block.text("URL").is_empty() {
                        return Err((15, "Missing Parameter"));
                    }
                    self.post = Some(raw);
                }
                "httpPostV2" => {
                    self.check_slots(block.at(&["postUrlConf", "urlList"]))?;
                    self.post_v2 = Some(raw);
                }
                _ => return Err((3, "Invalid XML Content")),
            }
        }
        if self.forgets_others {
            self.post = self
                .post
                .as_ref()
                .map(|_| "<httpPost><bSwitch>false</bSwitch></httpPost>".to_owned());
        }
        Ok(String::new())
    }

    fn check_slots(&self, list: &Node) -> Result<(), Refused> {
        let slots: Vec<&Node> = list.items().collect();
        let mut ids: Vec<&str> = slots.iter().map(|slot| slot.text("urlId")).collect();
        ids.sort_unstable();
        ids.dedup();
        if slots.len() > 3
            || ids.len() != slots.len()
            || ids.iter().any(|id| !["1", "2", "3"].contains(id))
        {
            return Err((19, "Over Spec"));
        }
        assert_eq!(
            list.attribute("count"),
            Some(slots.len().to_string().as_str())
        );
        for slot in slots {
            let secs: u32 = slot.text("keepaliveTimeval").parse().unwrap_or(0);
            if !(30..=120).contains(&secs) || !["true", "false"].contains(&slot.text("switch")) {
                return Err((16, "Range Error"));
            }
            for name in [self.data_name, "subscriptionEvents"] {
                let Some(list) = slot.child(name) else {
                    return Err((15, "Missing Parameter"));
                };
                assert_eq!(
                    list.attribute("count"),
                    Some(list.items().count().to_string().as_str()),
                    "{name}"
                );
            }
            let known = |event: &Node| self.events.contains(&event.text.as_str());
            if !slot.at(&["subscriptionEvents"]).items().all(known) {
                return Err((16, "Range Error"));
            }
        }
        Ok(())
    }

    fn told_groups(&self) -> String {
        let items = self.groups.iter().map(|(id, name)| {
            format!(
                "<item><groupId type=\"string\"><![CDATA[{id}]]></groupId><groupName type=\"string\"><![CDATA[{name}]]></groupName></item>"
            )
        });
        format!(
            "<licensePlateGroups type=\"list\" count=\"9\">{}</licensePlateGroups>",
            items.collect::<String>()
        )
    }

    fn told_plates(&self, told: &Node) -> Result<String, Refused> {
        let filter = told.at(&["searchFilter"]);
        let number = |name: &str| filter.text(name).parse::<usize>().unwrap_or(0);
        if number("resultOffset") == 0 {
            return Err((16, "Range Error"));
        }
        let all: Vec<&Plate> = self
            .plates
            .iter()
            .filter(|plate| plate.group == filter.text("groupId"))
            .collect();
        let page: Vec<String> = all
            .iter()
            .skip(number("resultOffset") - 1)
            .take(number("maxResult").min(20)) // fewer than asked for: some cameras have their own limit
            .map(|plate| {
                format!(
                    "<item><licensePlateNumber type=\"string\"><![CDATA[{}]]></licensePlateNumber>\
                     <groupId><![CDATA[{}]]></groupId><beginTime><![CDATA[{}]]></beginTime>\
                     <endTime><![CDATA[{}]]></endTime><carOwner><![CDATA[{}]]></carOwner></item>",
                    plate.text, plate.group, plate.from, plate.until, plate.owner
                )
            })
            .collect();
        if page.is_empty() {
            return Err((20, "Resources Not Exist"));
        }
        Ok(format!(
            "<licensePlates type=\"list\" total=\"{}\" count=\"{}\">{}</licensePlates>",
            all.len(),
            page.len(),
            page.concat()
        ))
    }

    fn add_plates(&mut self, told: &Node) -> Result<String, Refused> {
        let item = told.at(&["licensePlates", "item"]);
        let (text, group) = (item.text("licensePlateNumber"), item.text("groupId"));
        if !self.groups.iter().any(|(id, _)| *id == group) {
            return Err((207, "Group Not Exist"));
        }
        let code = match () {
            () if self.plates.iter().any(|plate| plate.text == text) => 203,
            () if self.plates.len() >= self.plates_max => 202,
            () => {
                self.plates.push(Plate {
                    text: text.to_owned(),
                    group: group.to_owned(),
                    from: "2026-11-21 08:00:00".to_owned(),
                    until: "2037-12-30 10:59:59".to_owned(),
                    owner: String::new(),
                });
                0
            }
        };
        Ok(format!(
            "<licensePlatesReply><item><index>1</index><errorCode>{code}</errorCode></item></licensePlatesReply>"
        ))
    }

    fn find(&mut self, told: &Node) -> Result<&mut Plate, Refused> {
        let (text, group) = (told.text("licensePlateNumber"), told.text("groupId"));
        let mut plates = self.plates.iter_mut();
        plates
            .find(|plate| plate.text == text && plate.group == group)
            .ok_or((204, "Plate Not Exist"))
    }

    fn modify(&mut self, told: &Node) -> Result<String, Refused> {
        let changed = told.at(&["licensePlate"]);
        let plate = self.find(changed)?;
        for field in &changed.children {
            let place = match field.name.as_str() {
                "beginTime" => &mut plate.from,
                "endTime" => &mut plate.until,
                "carOwner" => &mut plate.owner,
                _ => continue,
            };
            if field.attribute("type") != Some("string") {
                return Err((16, "Range Error"));
            }
            place.clone_from(&field.text);
        }
        Ok(String::new())
    }

    fn delete(&mut self, told: &Node) -> Result<String, Refused> {
        let gone = self.find(told.at(&["deleteAction"]))?.clone();
        self.plates.retain(|plate| *plate != gone);
        Ok(String::new())
    }

    fn add_older(&mut self, told: &Node) -> Result<String, Refused> {
        let item = told.at(&["vehiclePlates", "item"]);
        if self
            .plates
            .iter()
            .any(|plate| plate.text == item.text("carPlateNumber"))
        {
            return Err((203, "Duplicate Plate"));
        }
        self.plates.push(Plate {
            text: item.text("carPlateNumber").to_owned(),
            group: item.text("plateItemType").to_owned(),
            from: item.text("beginTime").to_owned(),
            until: item.text("endTime").to_owned(),
            owner: item.text("carOwner").to_owned(),
        });
        Ok(String::new())
    }

    fn told_older(&self, told: &Node) -> Result<String, Refused> {
        let filter = told.at(&["vehiclePlates", "searchFilter", "item"]);
        let number = |name: &str| filter.text(name).parse::<usize>().unwrap_or(0);
        let page = self
            .plates
            .chunks(number("pageSize").max(1))
            .nth(number("pageIndex"));
        let items = page.unwrap_or_default().iter().map(|plate| {
            format!(
                "<item><carPlateNumber><![CDATA[{}]]></carPlateNumber><beginTime>{}</beginTime><endTime>{}</endTime>\
                 <carOwner><![CDATA[{}]]></carOwner><plateItemType>{}</plateItemType></item>",
                plate.text, plate.from, plate.until, plate.owner, plate.group
            )
        });
        Ok(format!(
            "<vehiclePlates type=\"list\">{}</vehiclePlates>",
            items.collect::<String>()
        ))
    }
}

/// An element as it stands in a document.
fn raw(body: &str, name: &str) -> String {
    let start = body.find(&format!("<{name}>")).expect("it was parsed");
    let end = format!("</{name}>");
    let stop = body[start..].find(&end).expect("it was parsed") + start + end.len();
    body[start..stop].to_owned()
}
