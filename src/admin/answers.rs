//! The forms that answers of the API have: JSON, a page of a list, text, bytes as they were sent.

use bytes::Bytes;
use data_encoding::HEXLOWER;
use http::header::{CACHE_CONTROL, ETAG, HeaderValue, LINK};
use http::{HeaderMap, Request, Response, StatusCode, header};
use schemars::{JsonSchema, SchemaGenerator};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::body::Body;
use super::operation::{Given, Gives};
use super::pages;

const JSON: &str = "application/json";

/// One JSON document.
pub(super) struct Json<T>(pub(super) T);

/// Some rows of a list, newest first, and where the next ones are.
pub(super) struct Page<T> {
    pub(super) rows: Vec<T>,
    /// The last one, if there may be more after it.
    pub(super) next: Option<String>,
}

/// A text.
pub(super) struct Text {
    pub(super) content_type: &'static str,
    pub(super) text: String,
}

/// Bytes as they were sent, under the type that they were sent with.
pub(super) struct Blob {
    pub(super) content_type: String,
    pub(super) bytes: Bytes,
}

/// What may be kept by who asked, and is asked for again with the tag that it had.
pub(super) struct Tagged<T>(pub(super) T);

impl<T: Serialize + JsonSchema> Gives for Json<T> {
    fn response(self, _: &Request<Bytes>) -> Response<Body> {
        pages::json(StatusCode::OK, &self.0)
    }

    fn given(schemas: &mut SchemaGenerator) -> Given {
        Given {
            content_type: JSON,
            schema: Some(schemas.subschema_for::<T>()),
            is_page: false,
            is_tagged: false,
        }
    }
}

impl<T: Serialize + JsonSchema> Gives for Page<T> {
    fn response(self, request: &Request<Bytes>) -> Response<Body> {
        let mut response = pages::json(StatusCode::OK, &self.rows);
        if let Some(link) = self.next.and_then(|next| link(request, &next)) {
            response.headers_mut().insert(LINK, link);
        }
        response
    }

    fn given(schemas: &mut SchemaGenerator) -> Given {
        Given {
            is_page: true,
            ..Json::<Vec<T>>::given(schemas)
        }
    }
}

impl Gives for Text {
    fn response(self, _: &Request<Bytes>) -> Response<Body> {
        pages::text(StatusCode::OK, self.content_type, self.text)
    }

    fn given(schemas: &mut SchemaGenerator) -> Given {
        Given {
            content_type: "text/plain",
            schema: Some(schemas.subschema_for::<String>()),
            is_page: false,
            is_tagged: false,
        }
    }
}

impl Gives for Blob {
    fn response(self, _: &Request<Bytes>) -> Response<Body> {
        pages::text(StatusCode::OK, &self.content_type, self.bytes)
    }

    fn given(_: &mut SchemaGenerator) -> Given {
        Given {
            content_type: "*/*",
            schema: None,
            is_page: false,
            is_tagged: false,
        }
    }
}

impl<T: Gives> Gives for Tagged<T> {
    fn response(self, request: &Request<Bytes>) -> Response<Body> {
        tagged(self.0.response(request), request.headers())
    }

    fn given(schemas: &mut SchemaGenerator) -> Given {
        Given {
            is_tagged: true,
            ..T::given(schemas)
        }
    }
}

/// Where the next page is: the same question about what is older.
fn link(request: &Request<Bytes>, next: &str) -> Option<HeaderValue> {
    let (path, query) = (request.uri().path(), request.uri().query());
    let link = format!("<{}>; rel=\"next\"", turned(path, query, "before", next));
    HeaderValue::from_str(&link).ok()
}

/// The address of another page of the same list.
pub(super) fn turned(path: &str, query: Option<&str>, parameter: &str, cursor: &str) -> String {
    let mut turned = form_urlencoded::Serializer::new(String::new());
    let old = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let stays = |name: &str, value: &str| !matches!(name, "before" | "after") && !value.is_empty();
    turned.extend_pairs(old.filter(|(name, value)| stays(name, value)));
    turned.append_pair(parameter, cursor);
    format!("{path}?{}", turned.finish())
}

/// Says which content this is, and keeps it back from who has it.
///
/// It is asked for each time, though pictures do not change: what was forgotten, or is shown to somebody else, must not come
/// from what a browser kept.
pub(super) fn tagged(mut response: Response<Body>, asked: &HeaderMap) -> Response<Body> {
    let Body::Whole(bytes) = response.body() else {
        return response;
    };
    let kind = response.headers().get(header::CONTENT_TYPE);
    let digest = Sha256::new()
        .chain_update(kind.map_or(&[][..], HeaderValue::as_bytes))
        .chain_update([0])
        .chain_update(bytes)
        .finalize();
    let tag = format!("\"{}\"", HEXLOWER.encode(&digest[..16]));
    let is_known = asked
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|tags| tags.to_str().ok())
        .flat_map(|tags| tags.split(','))
        .map(|one| one.trim().trim_start_matches("W/"))
        .any(|one| one == "*" || one == tag);
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    headers.insert(
        header::VARY,
        HeaderValue::from_static("Authorization, Cookie"),
    );
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(ETAG, tag);
    }
    if is_known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response.headers_mut().remove(header::CONTENT_TYPE);
        *response.body_mut() = Body::default();
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(tags: &str) -> Response<Body> {
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_NONE_MATCH, tags.parse().unwrap());
        tagged(pages::text(StatusCode::OK, "image/png", "bytes"), &headers)
    }

    #[test]
    fn who_has_it_already_is_told_so() {
        let first = asked("\"another\"");
        assert_eq!(first.status(), StatusCode::OK);
        let tag = first.headers()[ETAG].to_str().unwrap().to_owned();
        for tags in [
            tag.clone(),
            "*".to_owned(),
            format!("W/{tag}"),
            format!("\"another\", {tag}"),
        ] {
            let again = asked(&tags);
            assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{tags}");
            assert_eq!(again.headers()[ETAG].to_str().unwrap(), tag);
            assert!(again.into_body().whole().unwrap().is_empty());
        }
        let other = pages::text(StatusCode::OK, "image/jpeg", "bytes");
        let other = tagged(other, &HeaderMap::new());
        assert_ne!(other.headers()[ETAG].to_str().unwrap(), tag);
    }

    #[test]
    fn the_next_page_is_the_same_question_about_what_is_older() {
        let request = Request::get("/api/v1/events?plate=A%201&before=x&limit=2");
        let page = Page {
            rows: vec![1],
            next: Some("y".to_owned()),
        };
        let response = page.response(&request.body(Bytes::new()).unwrap());
        let link = response.headers()[LINK].to_str().unwrap();
        assert_eq!(
            link,
            "</api/v1/events?plate=A+1&limit=2&before=y>; rel=\"next\""
        );
    }
}
