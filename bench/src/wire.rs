//! As much HTTP/1.1 as both ends of a load need.

pub(crate) fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

pub(crate) fn content_length(head: &[u8]) -> usize {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let line = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:").map(str::to_owned));
    line.and_then(|value| value.trim().parse().ok())
        .unwrap_or(0)
}
