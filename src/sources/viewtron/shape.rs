//! Whether a request is of this vendor, by the first tag of its document alone.

use memchr::memmem;

use crate::event::Original;

/// A tag longer than this is none of theirs. Bytes.
const TAG_MAX: usize = 4 << 10;

/// Older firmware may leave the namespace out; then the path must be one that devices are set to post to.
const NAMESPACE: &[u8] = b"http://www.ipc.com/ver10";
const PATHS: [&str; 3] = ["/API", "/LPR", "/SendAlarmStatus"];

/// An empty body is a heartbeat only where nobody else is expected, so it is not recognised.
pub(super) fn is_ours(request: &Original) -> bool {
    let Some(tag) = first_tag(&request.body) else {
        return false;
    };
    let end = tag
        .iter()
        .position(|byte| byte.is_ascii_whitespace() || *byte == b'/')
        .unwrap_or(tag.len());
    let (name, attributes) = tag.split_at(end);
    let local = name.rsplit(|byte| *byte == b':').next().unwrap_or_default();
    let is_of_family = memmem::find(attributes, NAMESPACE).is_some();
    let has_other_family = !is_of_family && memmem::find(tag, b"xmlns").is_some();
    match local {
        b"config" => is_of_family || (!has_other_family && is_usual_path(&request.path)),
        b"DeviceInfo" => !has_other_family,
        _ => false,
    }
}

fn is_usual_path(path: &str) -> bool {
    let path = path.split('?').next().unwrap_or_default();
    let path = path.trim_end_matches('/');
    PATHS.iter().any(|usual| {
        path.len() >= usual.len()
            && path
                .get(path.len() - usual.len()..)
                .is_some_and(|end| end.eq_ignore_ascii_case(usual))
    })
}

/// What stands between `<` and `>` of the first element, after a declaration and comments; a document that defines a
/// type is none of theirs.
fn first_tag(body: &[u8]) -> Option<&[u8]> {
    let mut rest = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    loop {
        rest = rest.trim_ascii_start().strip_prefix(b"<")?;
        let (inner, end): (&[u8], &[u8]) = match rest {
            [b'?', inner @ ..] => (inner, b"?>"),
            [b'!', b'-', b'-', inner @ ..] => (inner, b"-->"),
            [b'!', ..] => return None,
            _ => {
                let rest = &rest[..rest.len().min(TAG_MAX)];
                return Some(&rest[..memchr::memchr(b'>', rest)?]);
            }
        };
        rest = &inner[memmem::find(inner, end)? + end.len()..];
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn recognised(path: &str, body: &str) -> bool {
        is_ours(&Original {
            path: path.to_owned(),
            body: Bytes::from(body.to_owned()),
            ..Original::default()
        })
    }

    #[test]
    fn the_first_tag_tells_them() {
        let family = "http://www.ipc.com/ver10";
        for ours in [
            format!("<config version=\"1.7\" xmlns=\"{family}\"><x/></config>"),
            format!(
                "\u{feff}\r\n<?xml version=\"1.0\" ?>\n<!-- <a> -->\n<!---->\n<t:config xmlns:t='{family}'/>"
            ),
            format!("<config xmlns=\"{family}\"><smartType>VEH"),
            "<DeviceInfo>\n<SN>1</SN></DeviceInfo>".to_owned(),
        ] {
            assert!(recognised("/", &ours), "{ours}");
        }
        for other in [
            "",
            "  \n",
            "config",
            "{\"config\": 1}",
            "<config/>",
            "<config",
            "<configuration xmlns='http://www.ipc.com/ver10'/>",
            "<config xmlns='http://example.com/'/>",
            "<DeviceInfo xmlns=\"http://www.hikvision.com/ver20/XMLSchema\"/>",
            "<!DOCTYPE config><config xmlns='http://www.ipc.com/ver10'/>",
            "<!-- <config xmlns='http://www.ipc.com/ver10'/>",
            "<a><config xmlns='http://www.ipc.com/ver10'/></a>",
        ] {
            assert!(!recognised("/", other), "{other}");
        }
    }

    #[test]
    fn without_a_namespace_the_path_must_speak_for_it() {
        for (path, expected) in [
            ("/API", true),
            ("/gate/api/?a=/b", true),
            ("/LPR", true),
            ("/", false),
            ("/MYAPI", false),
        ] {
            assert_eq!(
                recognised(path, "<config version='1.0'/>"),
                expected,
                "{path}"
            );
        }
        assert!(!recognised("/API", "<config xmlns='http://example.com/'/>"));
    }
}
