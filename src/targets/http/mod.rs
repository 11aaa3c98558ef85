//! Systems that are spoken to over HTTP.
//!
//! What must hold whatever the other side does: a send ends within its timeout, costs at most 64 KiB of answer, and is
//! judged by its status as soon as there is one, unless rules ask for more. Without them, a 2xx whose body then breaks off or drips is a 2xx: the
//! system has the event, and a repeat would only double it. Redirects are not followed: they would turn a POST into a GET, or carry the
//! credentials to another host.

mod answer;
mod course;
mod expects;
pub(crate) mod failure;
mod judge;
mod pieces;
mod probe;
#[cfg(test)]
mod receiver;
mod resolver;
mod session;
pub(crate) mod shown;
mod sign;
#[cfg(test)]
mod tests;
mod tls;
mod wsdl;
mod xml;

use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use reqwest::{Client, Url};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::time::{Instant, timeout_at};

use super::{Asked, Mistakes, Report, Target};
use crate::clock::Clock;
use crate::event::DeliveryId;
use crate::fate::{EXCERPT_MAX, Verdict};
use crate::payload::around::Sign;
use crate::payload::{Payload, Request, late};
use crate::reach::{Reach, Words, told};
use crate::secret::{Blot, MASK};
use crate::tls::Seen;
use crate::units::Span;

use answer::{ANSWER_MAX, Answer, LIST_MAX};
pub(crate) use judge::Judge;
pub(crate) use probe::try_answer;
pub(crate) use session::Sessions;
pub(crate) use tls::{Settings as Tls, Trusted};

/// How an HTTP target is reached and its answers are judged.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// How long one attempt may take, from connecting to the end of the answer; `30s` if not given, at most `1h`.
    #[serde(default)]
    pub(crate) timeout: Option<Span>,
    /// How long connecting (with TLS) may take; `5s` if not given.
    #[serde(default)]
    pub(crate) connect_timeout: Option<Span>,
    /// Whom to trust: `{ ca }`, `{ pin }`; and who camhook is: `{ cert, key }`.
    #[serde(default)]
    pub(crate) tls: Option<Tls>,
    #[serde(default)]
    pub(crate) judge: Judge,
    /// The only hosts that this target sends to, for a `url` whose host comes from the event or another template value:
    /// host names, addresses and networks, such as `vms.example`, `"10.0.0.5:8443"`, `*.cams.example` (every name below it)
    /// or `10.1.0.0/16`. Without a port: 80 for http, 443 for https. Any host that the `url` says by itself if not given.
    #[serde(default)]
    pub(crate) hosts: Option<Vec<String>>,
    /// With `hosts`: networks that are not public, in which the names among `hosts` may have their addresses, such as
    /// `10.0.0.0/8` or `10.0.0.5`. None if not given. Addresses and networks among `hosts` permit themselves, not names.
    #[serde(default)]
    pub(crate) networks: Vec<String>,
}

const WORDS: Words = Words {
    hosts: "hosts",
    networks: "networks",
};
const TIMEOUT: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// No setting makes an attempt longer.
const TIMEOUT_MAX: Duration = Duration::from_secs(60 * 60);
/// How long the text of an answer is waited for, once its status is there.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
const LOCATION_MAX: usize = 200;
const USER_AGENT: &str = concat!("camhook/", env!("CARGO_PKG_VERSION"));
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// What all HTTP targets share: connections, and the system's certificate authorities. Cheap to clone; made anew with
/// each load of the config, so that a changed authority is seen.
#[derive(Clone)]
pub(crate) struct Clients(Arc<Shared>);

struct Shared {
    sessions: Sessions,
    system: Arc<tls::System>,
    /// For every target without TLS settings and with the usual connect timeout.
    plain: OnceLock<Client>,
}

/// One system.
pub(crate) struct HttpTarget {
    client: Client,
    timeout: Duration,
    judge: Judge,
    /// Where it may send, if not wherever its requests say.
    reach: Option<Reach>,
    blot: Blot,
    clock: Clock,
    sessions: Sessions,
    challenge: sign::Challenge,
    captured: course::Captured,
}

impl Clients {
    /// `sessions` are those of the config before, if there was one.
    pub(crate) fn new(sessions: Sessions) -> Self {
        Self::noting(sessions, Seen::default())
    }

    /// The same; certificates that are shown and trusted are noted there.
    pub(crate) fn noting(sessions: Sessions, seen: Seen) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        Self(Arc::new(Shared {
            sessions,
            system: Arc::new(tls::System::new(provider).noting(seen)),
            plain: OnceLock::new(),
        }))
    }

    /// TLS for another protocol, with the same trust.
    pub(crate) fn tls(&self, settings: Option<&Tls>, folder: &Path) -> Result<Trusted, Mistakes> {
        let mut tls = tls::client_config(settings, folder, &self.0.system)?;
        tls.alpn_protocols.clear();
        Ok(Trusted {
            config: Arc::new(tls),
            made_of: tls::made_of(settings, folder),
        })
    }

    /// For who wants to look at something, not to send it: the same care, no settings but whom to trust.
    pub(crate) fn fetching(&self, tls: Option<&Tls>, folder: &Path) -> Result<Client, Mistakes> {
        let settings = Settings {
            tls: tls.cloned(),
            ..Settings::default()
        };
        self.client(&settings, folder, None)
    }

    /// The same, but connections go to where they may go only. Addresses that are written out are not looked up: they are
    /// [`Reach::check`]ed before.
    pub(crate) fn reaching(
        &self,
        tls: Option<&Tls>,
        folder: &Path,
        reach: &Reach,
    ) -> Result<Client, Mistakes> {
        let settings = Settings {
            tls: tls.cloned(),
            ..Settings::default()
        };
        self.client(&settings, folder, Some(reach))
    }

    fn client(
        &self,
        settings: &Settings,
        folder: &Path,
        reach: Option<&Reach>,
    ) -> Result<Client, Mistakes> {
        let ordinary =
            settings.tls.is_none() && settings.connect_timeout.is_none() && reach.is_none();
        if ordinary && let Some(plain) = self.0.plain.get() {
            return Ok(plain.clone());
        }
        let tls = tls::client_config(settings.tls.as_ref(), folder, &self.0.system)?;
        let connect_timeout = settings
            .connect_timeout
            .map_or(CONNECT_TIMEOUT, |span| span.0.min(TIMEOUT_MAX));
        let mut builder = Client::builder();
        if let Some(reach) = reach {
            builder = builder.dns_resolver(Arc::new(resolver::Resolver::new(reach)));
        }
        let client = builder
            .tls_backend_preconfigured(tls)
            .connect_timeout(connect_timeout)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .user_agent(USER_AGENT)
            .build()
            .map_err(|error| vec![(Vec::new(), failure::chain(&error))])?;
        if ordinary {
            return Ok(self.0.plain.get_or_init(|| client).clone());
        }
        Ok(client)
    }
}

impl HttpTarget {
    /// `folder` is the config's, which the files of `tls` count from. `blot` knows every secret of the config.
    pub(crate) fn new(
        settings: &Settings,
        folder: &Path,
        clients: &Clients,
        blot: Blot,
        clock: Clock,
    ) -> Result<Self, Mistakes> {
        let mut mistakes = settings.judge.mistakes();
        for (name, span) in [
            ("timeout", settings.timeout),
            ("connect_timeout", settings.connect_timeout),
        ] {
            if span.is_some_and(|span| span.0.is_zero()) {
                let message = "must be longer than nothing".to_owned();
                mistakes.push((vec![name.to_owned()], message));
            }
        }
        let reach = reach(settings, &mut mistakes);
        let client = clients
            .client(settings, folder, reach.as_ref())
            .map_err(|mut more| mistakes.append(&mut more));
        match client {
            Ok(client) if mistakes.is_empty() => Ok(Self {
                client,
                timeout: settings
                    .timeout
                    .map_or(TIMEOUT, |span| span.0.min(TIMEOUT_MAX)),
                judge: settings.judge.clone(),
                reach,
                blot,
                clock,
                sessions: clients.0.sessions.clone(),
                challenge: sign::Challenge::default(),
                captured: course::Captured::default(),
            }),
            _ => Err(mistakes),
        }
    }

    /// Sends once (twice when the answer is a challenge) and reads the answer; what failed before that is a report.
    /// With `delivery`, its key goes along.
    async fn exchange(
        &self,
        delivery: Option<DeliveryId>,
        mut request: Request,
        deadline: Instant,
    ) -> Result<Answer, Report> {
        let sign = request.around.take().and_then(|around| around.sign);
        let challenged = matches!(sign, Some(Sign::Digest { .. })).then(|| request.clone());
        let answer = self
            .once(delivery, request, sign.as_ref(), deadline)
            .await?;
        match challenged {
            Some(request)
                if answer.status == StatusCode::UNAUTHORIZED
                    && self.challenge.taken(&answer.headers) =>
            {
                self.once(delivery, request, sign.as_ref(), deadline).await
            }
            _ => Ok(answer),
        }
    }

    async fn once(
        &self,
        delivery: Option<DeliveryId>,
        mut request: Request,
        sign: Option<&Sign>,
        deadline: Instant,
    ) -> Result<Answer, Report> {
        let dead = |error: String| Report::failed(Verdict::Dead, self.blot.out(&error));
        let url =
            Url::parse(&request.url).map_err(|error| dead(format!("the url is wrong: {error}")))?;
        if let Some(reach) = &self.reach {
            reach
                .check(&url)
                .map_err(|refused| dead(refused.to_string()))?;
        }
        let host = told(&url);
        if let Some(sign) = sign {
            let id = delivery.unwrap_or(DeliveryId::from_bytes([0; 16]));
            let signed = sign::sign(sign, &request, id, &self.challenge, self.clock.now());
            request.headers.extend(signed.map_err(dead)?);
        }
        let takes_a_body = [Method::POST, Method::PUT, Method::PATCH].contains(&request.method);
        let mut building = self
            .client
            .request(request.method, url)
            .headers(headers(delivery, request.headers));
        if request.body.is_empty() {
            if takes_a_body {
                building = building.header(header::CONTENT_LENGTH, 0); // some servers answer 411 without
            }
        } else {
            building = building.body(reqwest::Body::wrap(pieces::Pieces::new(request.body)));
        }
        match timeout_at(deadline, building.send()).await {
            Ok(Ok(response)) => {
                // Where the status alone decides, the rest is worth a short wait only, for somebody may be waiting to
                // shut down.
                let until = match delivery.is_none() || self.judge.reads_body() {
                    true => deadline,
                    false => deadline.min(Instant::now() + ANSWER_TIMEOUT),
                };
                let max = if delivery.is_none() {
                    LIST_MAX
                } else {
                    ANSWER_MAX
                };
                Ok(Answer::read(response, until, max).await)
            }
            Ok(Err(error)) => Err(match failure::refused(&error) {
                Some(refused) => dead(refused.to_string()),
                None => Report::try_again(self.blot.out(&failure::told(&error, &host))),
            }),
            Err(_) => Err(Report::try_again(format!(
                "{host} did not answer within {}",
                Span(self.timeout)
            ))),
        }
    }

    fn ruling(&self, answer: &Answer) -> judge::Ruling {
        let pause = judge::pause(&answer.headers, self.clock.now());
        self.judge.ruling(answer, pause)
    }

    fn judged(&self, answer: &Answer, token: Option<&str>) -> Report {
        let ruling = self.ruling(answer);
        let (verdict, because) = (ruling.verdict, ruling.because);
        let error = (verdict != Verdict::Delivered).then(|| {
            let location = answer.headers.get(header::LOCATION);
            let complaint = complaint(answer.status, &verdict, because, location);
            self.blot.out(&complaint)
        });
        Report {
            verdict,
            status: Some(answer.status.as_u16()),
            error,
            excerpt: self.excerpt(&answer.body, token),
        }
    }

    /// The beginning of the answer. Secrets go first, for half of one would no longer be recognised.
    fn excerpt(&self, answer: &[u8], token: Option<&str>) -> Option<String> {
        let text = self.blot.out(&String::from_utf8_lossy(answer));
        let text = match token.filter(|token| !token.is_empty()) {
            Some(token) => text.replace(token, MASK),
            None => text,
        };
        let shown = text.chars().map(|c| match c {
            '\n' | '\t' => c,
            control if control.is_control() => ' ', // a terminal would obey it
            other => other,
        });
        let mut excerpt = String::new();
        for character in shown {
            if excerpt.len() + character.len_utf8() > EXCERPT_MAX {
                break;
            }
            excerpt.push(character);
        }
        Some(excerpt.trim().to_owned()).filter(|excerpt| !excerpt.is_empty())
    }
}

impl Target for HttpTarget {
    fn refuses(&self, payload: &Payload) -> Option<String> {
        let (Some(reach), Payload::Http(request)) = (&self.reach, payload) else {
            return None;
        };
        // What an earlier answer has yet to tell is judged when it is sent.
        if late::shown(&request.url) != request.url {
            return None;
        }
        let url = Url::parse(&request.url).ok()?;
        reach.check(&url).err().map(|refused| refused.to_string())
    }

    fn send(
        &self,
        delivery: DeliveryId,
        payload: Payload,
    ) -> Pin<Box<dyn Future<Output = Report> + Send + '_>> {
        Box::pin(async move {
            match payload {
                Payload::Http(request) => self.attempt(delivery, request).await,
                Payload::Line { .. }
                | Payload::Files(_)
                | Payload::Mqtt(_)
                | Payload::Publication(_)
                | Payload::Row(_)
                | Payload::Mail(_)
                | Payload::Log { .. } => Report::misrouted("http"),
            }
        })
    }

    fn ask(&self, payload: Payload) -> Pin<Box<dyn Future<Output = Asked> + Send + '_>> {
        Box::pin(async move {
            let around = match &payload {
                Payload::Http(request) => request.around.as_ref(),
                _ => None,
            };
            let expects = around.map_or(Vec::new(), |around| around.expects.clone());
            let call = around.and_then(|around| around.call.clone());
            let (report, answer) = match payload {
                Payload::Http(request) => self.asked(request).await,
                _ => (Report::misrouted("http"), None),
            };
            let told = |answer: &Answer| {
                let mut told = expects::differences(&expects, answer);
                told.extend(call.iter().flat_map(|call| wsdl::differences(call, answer)));
                told
            };
            let differences = answer.as_ref().map_or(Vec::new(), told);
            Asked {
                differences: (!expects.is_empty() || call.is_some())
                    .then(|| differences.iter().map(|told| self.blot.out(told)).collect()),
                report,
                answer: answer.map_or(String::new(), |answer| answer.text().into_owned()),
            }
        })
    }
}

/// The delivery's id goes along unless the user wrote a key of their own.
fn headers(delivery: Option<DeliveryId>, written: Vec<(HeaderName, HeaderValue)>) -> HeaderMap {
    let mut headers: HeaderMap = HeaderMap::with_capacity(written.len() + 1);
    for (name, value) in written {
        headers.append(name, value);
    }
    if let Some(id) = delivery.and_then(|id| HeaderValue::try_from(id.to_string()).ok()) {
        headers.entry(IDEMPOTENCY_KEY).or_insert(id);
    }
    headers
}

/// What `hosts` and `networks` come to.
fn reach(settings: &Settings, mistakes: &mut Mistakes) -> Option<Reach> {
    let Some(hosts) = &settings.hosts else {
        if !settings.networks.is_empty() {
            let message =
                "`networks` is for the names among `hosts`, and there are none".to_owned();
            mistakes.push((vec!["networks".to_owned()], message));
        }
        return None;
    };
    if hosts.is_empty() {
        let message = "name at least one host, or leave `hosts` out".to_owned();
        mistakes.push((vec!["hosts".to_owned()], message));
    }
    match Reach::new(hosts, &settings.networks, WORDS) {
        Ok(reach) => Some(reach),
        Err(all) => {
            mistakes.extend(all.into_iter().map(|(in_networks, n, message)| {
                let key = if in_networks { "networks" } else { "hosts" };
                (vec![key.to_owned(), n.to_string()], message)
            }));
            None
        }
    }
}

fn complaint(
    status: StatusCode,
    verdict: &Verdict,
    because: Option<String>,
    location: Option<&HeaderValue>,
) -> String {
    let mut complaint = format!("answered {status}");
    if complaint.ends_with(" <unknown status code>") {
        complaint = format!("answered {}", status.as_u16());
    }
    if let Some(because) = because {
        complaint.push_str(&format!(": {because}"));
    } else if let Some(location) = location.filter(|_| status.is_redirection()) {
        let location = String::from_utf8_lossy(location.as_bytes());
        // Behind a `?` many repeat what they were sent, a session's token too.
        let location = location.split('?').next().unwrap_or_default();
        let location: String = location.chars().take(LOCATION_MAX).collect();
        complaint.push_str(&format!(
            " and points to {}: redirects are not followed, write the right address into `url`",
            location.escape_debug()
        ));
    } else if *verdict == Verdict::Hold {
        complaint
            .push_str(": nothing more is sent until this is mended (are the credentials right?)");
    }
    complaint
}
