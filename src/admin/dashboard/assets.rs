//! How pages look and what moves on them: a style and a script, out of the binary.

use std::sync::LazyLock;

use data_encoding::HEXLOWER;
use http::StatusCode;
use http::header::{CACHE_CONTROL, HeaderValue};
use sha2::{Digest, Sha256};

use crate::admin::api::Answer;
use crate::admin::pages;
use crate::admin::table::Ask;

const STYLE: &str = include_str!("dashboard.css");
const SCRIPT: &str = include_str!("dashboard.js");

/// Where a page finds them: the address changes with the content, so browsers keep each for ever.
pub(in crate::admin) static STYLE_URL: LazyLock<String> =
    LazyLock::new(|| format!("/assets/dashboard.css?v={}", version(STYLE)));
pub(in crate::admin) static SCRIPT_URL: LazyLock<String> =
    LazyLock::new(|| format!("/assets/dashboard.js?v={}", version(SCRIPT)));

fn version(content: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(content)[..8])
}

pub(in crate::admin) async fn style(ask: Ask<'_>) -> Answer {
    asset(ask, "text/css; charset=utf-8", STYLE, &STYLE_URL)
}

pub(in crate::admin) async fn script(ask: Ask<'_>) -> Answer {
    asset(ask, "text/javascript; charset=utf-8", SCRIPT, &SCRIPT_URL)
}

pub(in crate::admin) async fn icon(_: Ask<'_>) -> Answer {
    let picture = include_str!("icon.svg");
    Ok(pages::text(StatusCode::OK, "image/svg+xml", picture))
}

fn asset(ask: Ask<'_>, kind: &str, content: &'static str, url: &str) -> Answer {
    let mut response = pages::text(StatusCode::OK, kind, content);
    // Asked for without its version, or with another one's, it may be another tomorrow.
    if ask
        .request
        .uri()
        .path_and_query()
        .is_some_and(|asked| asked.as_str() == url)
    {
        let for_ever = HeaderValue::from_static("public, max-age=31536000, immutable");
        response.headers_mut().insert(CACHE_CONTROL, for_ever);
    }
    Ok(response)
}
