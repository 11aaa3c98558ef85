//! The two cookies: one that says who is logged in, and one that ties a login form to the browser that asked for it.

use http::HeaderValue;
use http::header::{COOKIE, HeaderMap};

/// Cookies are shared by all ports of a machine, so each camhook has names of its own.
pub(super) struct Names {
    /// For HTTPS: browsers take it from the very host only, and never over HTTP.
    secure: String,
    plain: String,
    form: String,
}

impl Names {
    pub(super) fn of_port(port: u16) -> Self {
        Self {
            secure: format!("__Host-camhook-{port}"),
            plain: format!("camhook-{port}"),
            form: format!("camhook-form-{port}"),
        }
    }

    /// The ids of sessions that the browser sends; the stricter cookie first.
    pub(super) fn sessions<'a>(&'a self, headers: &'a HeaderMap) -> impl Iterator<Item = &'a str> {
        find(headers, &self.secure).chain(find(headers, &self.plain))
    }

    pub(super) fn form<'a>(&'a self, headers: &'a HeaderMap) -> Option<&'a str> {
        find(headers, &self.form).next()
    }

    pub(super) fn set_session(&self, id: &str, secure: bool, seconds: u64) -> HeaderValue {
        let (name, flag) = match secure {
            true => (&self.secure, "; Secure"),
            false => (&self.plain, ""),
        };
        value(format!(
            "{name}={id}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{flag}"
        ))
    }

    pub(super) fn set_form(&self, token: &str, secure: bool) -> HeaderValue {
        let flag = if secure { "; Secure" } else { "" };
        let name = &self.form;
        value(format!(
            "{name}={token}; Path=/login; Max-Age=3600; HttpOnly; SameSite=Strict{flag}"
        ))
    }

    /// Both forms of the session's cookie, gone.
    pub(super) fn clear(&self) -> [HeaderValue; 2] {
        let gone = "=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict";
        [
            value(format!("{}{gone}; Secure", self.secure)),
            value(format!("{}{gone}", self.plain)),
        ]
    }
}

fn value(text: String) -> HeaderValue {
    HeaderValue::from_str(&text).expect("tokens are letters and digits")
}

fn find<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(COOKIE).into_iter();
    let pairs = lines.flat_map(|line| line.to_str().unwrap_or_default().split(';'));
    pairs.filter_map(move |pair| {
        let (found, value) = pair.trim().split_once('=')?;
        (found == name).then_some(value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_its_own_among_others() {
        let names = Names::of_port(9001);
        let mut headers = HeaderMap::new();
        headers.append(
            COOKIE,
            "a=b; camhook-9001=plain; camhook-9002=x".parse().unwrap(),
        );
        headers.append(
            COOKIE,
            "__Host-camhook-9001=strict;camhook-form-9001=f"
                .parse()
                .unwrap(),
        );
        let ids: Vec<&str> = names.sessions(&headers).collect();
        assert_eq!(ids, ["strict", "plain"]);
        assert_eq!(names.form(&headers), Some("f"));
        assert_eq!(Names::of_port(1).sessions(&headers).count(), 0);
    }
}
