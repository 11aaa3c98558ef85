//! How many connections the system lets camhook have: most start a program with 1024 open files, far below what they allow
//! to who asks. A store that cannot open its next file is worse than a sender that waits.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Open files that are not connections of the front door: the store, connections to targets, the admin listener.
const OTHERS: u64 = 512;

/// How many of `wanted` connections fit. Asks the system for more room if they do not.
pub(super) fn fitting(wanted: u32) -> u32 {
    let limit = getrlimit(Resource::Nofile);
    let needed = u64::from(wanted).saturating_add(OTHERS);
    let most = limit.maximum.unwrap_or(u64::MAX);
    let mut current = limit.current.unwrap_or(u64::MAX);
    if current < needed {
        let raised = Rlimit {
            current: Some(needed.min(most)),
            maximum: limit.maximum,
        };
        match setrlimit(Resource::Nofile, raised) {
            Ok(()) => current = needed.min(most),
            Err(error) => tracing::warn!(%error, "cannot raise the limit of open files"),
        }
    }
    let fits = within(wanted, current);
    if fits < wanted {
        tracing::warn!(
            open_files = current,
            connections = fits,
            "`server.max_connections` is more than this system's limit of open files leaves room for (`ulimit -n`, `LimitNOFILE=`)"
        );
    }
    fits
}

/// All of them, or what a limit of so many open files leaves; never less than half of the limit.
fn within(wanted: u32, open_files: u64) -> u32 {
    let left = open_files.saturating_sub(OTHERS).max(open_files / 2).max(1);
    u32::try_from(left).map_or(wanted, |left| wanted.min(left))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_allows_is_asked_for_and_never_given_back() {
        let before = getrlimit(Resource::Nofile).current;
        assert!(fitting(1) >= 1);
        assert!(getrlimit(Resource::Nofile).current >= before);
    }

    #[test]
    fn the_store_and_the_targets_have_their_files_first() {
        assert_eq!(within(1024, 1 << 20), 1024);
        assert_eq!(within(1024, 1024), 512);
        assert_eq!(within(10_000, 4096), 3584);
        assert_eq!(within(1024, 256), 128);
        assert_eq!(within(5, 1024), 5);
    }
}
