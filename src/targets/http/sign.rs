//! Signatures over a finished request.

use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign as sign_aws,
};
use aws_sigv4::sign::v4;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, Mac};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use http_auth::{PasswordClient, PasswordParams};
use jiff::Timestamp;
use reqwest::Url;
use sha2::Sha256;

use crate::event::DeliveryId;
use crate::payload::Request;
use crate::payload::around::Sign;
use crate::secret::Secret;

/// What Digest remembers of the server's last challenge, so that not every request has to be sent twice.
#[derive(Default)]
pub(super) struct Challenge(Mutex<Option<PasswordClient>>);

type Headers = Vec<(HeaderName, HeaderValue)>;

/// The headers that sign the request; none for Digest as long as nobody has asked for it.
pub(super) fn sign(
    sign: &Sign,
    request: &Request,
    delivery: DeliveryId,
    challenge: &Challenge,
    now: Timestamp,
) -> Result<Headers, String> {
    match sign {
        Sign::Digest { username, password } => challenge.respond(username, password, request),
        Sign::Webhook { secret } => webhook(secret, request, delivery, now),
        Sign::Aws {
            service,
            region,
            access_key_id,
            secret_access_key,
            session_token,
        } => {
            let credentials = Credentials::new(
                access_key_id,
                secret_access_key.expose(),
                session_token
                    .as_ref()
                    .map(|token| token.expose().to_owned()),
                None,
                "camhook",
            );
            aws(service, region, credentials, request, now)
        }
    }
}

impl Challenge {
    /// Takes up the challenge of a 401; `false` when it offers no Digest, or one that is not known.
    pub(super) fn taken(&self, headers: &HeaderMap) -> bool {
        let challenges = headers.get_all(header::WWW_AUTHENTICATE).iter();
        let read = challenges.fold(PasswordClient::builder(), |all, challenge| {
            all.header_value(challenge)
        });
        let Ok(client) = read.build() else {
            return false;
        };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(client);
        true
    }

    fn respond(
        &self,
        username: &str,
        password: &Secret,
        request: &Request,
    ) -> Result<Headers, String> {
        let mut client = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(client) = client.as_mut() else {
            return Ok(Vec::new());
        };
        let url = Url::parse(&request.url).map_err(|error| format!("the url is wrong: {error}"))?;
        let body = request.body.to_vec();
        let response = client.respond(&PasswordParams {
            username,
            password: password.expose(),
            uri: &url[url::Position::BeforePath..url::Position::AfterQuery],
            method: request.method.as_str(),
            body: Some(&body),
        });
        let response = response.map_err(|error| format!("cannot answer to Digest: {error}"))?;
        Ok(vec![(header::AUTHORIZATION, sensitive(response)?)])
    }
}

/// Standard Webhooks 1.0: an HMAC-SHA256 over id, time and body.
fn webhook(
    secret: &Secret,
    request: &Request,
    delivery: DeliveryId,
    now: Timestamp,
) -> Result<Headers, String> {
    let text = secret.expose();
    let key = match text.strip_prefix("whsec_") {
        Some(encoded) => BASE64
            .decode(encoded)
            .map_err(|_| "the secret begins with `whsec_` and what follows is no base64")?,
        None => text.as_bytes().to_vec(),
    };
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).map_err(|error| error.to_string())?;
    let (id, time) = (delivery.to_string(), now.as_second().to_string());
    mac.update(format!("{id}.{time}.").as_bytes());
    for piece in &request.body.0 {
        mac.update(piece);
    }
    let signature = format!("v1,{}", BASE64.encode(mac.finalize().into_bytes()));
    let plain = |text: String| HeaderValue::try_from(text).map_err(|error| error.to_string());
    Ok(vec![
        (HeaderName::from_static("webhook-id"), plain(id)?),
        (HeaderName::from_static("webhook-timestamp"), plain(time)?),
        (
            HeaderName::from_static("webhook-signature"),
            plain(signature)?,
        ),
    ])
}

/// AWS Signature Version 4. S3 wants its paths as they are and a checksum of the body; the other services do not.
fn aws(
    service: &str,
    region: &str,
    credentials: Credentials,
    request: &Request,
    now: Timestamp,
) -> Result<Headers, String> {
    let mut settings = SigningSettings::default();
    if service == "s3" {
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    }
    let identity = credentials.into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(service)
        .time(SystemTime::from(now))
        .settings(settings)
        .build()
        .map_err(|error| error.to_string())?;
    let headers: Vec<(&str, &str)> = (request.headers.iter())
        .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
        .collect();
    let body = request.body.to_vec();
    let signable = SignableRequest::new(
        request.method.as_str(),
        request.url.as_str(),
        headers.into_iter(),
        SignableBody::Bytes(&body),
    )
    .map_err(|error| error.to_string())?;
    let (instructions, _) = sign_aws(signable, &params.into())
        .map_err(|error| format!("cannot sign for AWS: {error}"))?
        .into_parts();
    let (headers, _) = instructions.into_parts();
    let mut signed = Vec::new();
    for header in headers {
        let name = HeaderName::from_bytes(header.name().as_bytes());
        let name = name.map_err(|error| error.to_string())?;
        signed.push((name, sensitive(header.value().to_owned())?));
    }
    Ok(signed)
}

fn sensitive(text: String) -> Result<HeaderValue, String> {
    let mut value = HeaderValue::try_from(text).map_err(|error| error.to_string())?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::Method;

    use super::*;
    use crate::payload::Body;

    fn request(method: Method, url: &str, body: &'static [u8]) -> Request {
        Request {
            method,
            url: url.to_owned(),
            headers: Vec::new(),
            body: Body(vec![Bytes::from_static(body)]),
            around: None,
        }
    }

    fn value<'a>(headers: &'a Headers, name: &str) -> &'a str {
        let header = headers.iter().find(|(known, _)| known == name);
        header.unwrap().1.to_str().unwrap()
    }

    #[test]
    fn webhooks_are_signed_as_the_standard_says() {
        // The id is ours; the rest follows the example of the Standard Webhooks specification.
        let secret = Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let request = request(Method::POST, "http://x/", b"{\"test\": 2432232314}");
        let id = DeliveryId::from_bytes([9; 16]);
        let now = "2021-02-25T18:13:50Z".parse().unwrap();
        let headers = webhook(&secret, &request, id, now).unwrap();
        assert_eq!(value(&headers, "webhook-timestamp"), "1614276830");
        assert_eq!(value(&headers, "webhook-id"), id.to_string());
        let mut mac = Hmac::<Sha256>::new_from_slice(
            &BASE64.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap(),
        )
        .unwrap();
        mac.update(format!("{id}.1614276830.{{\"test\": 2432232314}}").as_bytes());
        let expected = BASE64.encode(mac.finalize().into_bytes());
        assert_eq!(
            value(&headers, "webhook-signature"),
            format!("v1,{expected}")
        );
    }

    #[test]
    fn aws_requests_carry_the_signature_of_amazons_own_example() {
        // Amazon's published test suite for Signature Version 4, case `get-vanilla`.
        let credentials = Credentials::new(
            "AKIDEXAMPLE",
            "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
            None,
            None,
            "test",
        );
        let request = request(Method::GET, "https://example.amazonaws.com/", b"");
        let now = "2015-08-30T12:36:00Z".parse().unwrap();
        let headers = aws("service", "us-east-1", credentials, &request, now).unwrap();
        assert_eq!(value(&headers, "x-amz-date"), "20150830T123600Z");
        assert!(value(&headers, "authorization").ends_with(
            "Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
        ));
    }

    #[test]
    fn digest_waits_for_a_challenge_and_answers_it() {
        let challenge = Challenge::default();
        let sign_with = Sign::Digest {
            username: "Mufasa".to_owned(),
            password: Secret::new("Circle of Life"),
        };
        let request = request(
            Method::GET,
            "http://www.example.org/dir/index.html?a=1",
            b"",
        );
        let (id, now) = (DeliveryId::from_bytes([9; 16]), Timestamp::UNIX_EPOCH);
        let signed = || sign(&sign_with, &request, id, &challenge, now).unwrap();
        assert!(signed().is_empty());
        let mut headers = HeaderMap::new();
        headers.append(
            header::WWW_AUTHENTICATE,
            HeaderValue::from_static("Basic realm=\"x\""),
        );
        assert!(!challenge.taken(&headers));
        headers.append(
            header::WWW_AUTHENTICATE,
            HeaderValue::from_static(
                "Digest realm=\"x\", qop=\"auth\", algorithm=MD5, nonce=\"7ypf\", opaque=\"FQhe\"",
            ),
        );
        assert!(challenge.taken(&headers));
        let first = signed();
        let first = value(&first, "authorization").to_owned();
        assert!(first.starts_with("Digest ") && first.contains("uri=\"/dir/index.html?a=1\""));
        assert!(!first.contains("Circle"));
        assert!(value(&signed(), "authorization").contains("nc=00000002"));
    }
}
