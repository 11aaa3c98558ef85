//! How many files and sockets the system lets this process have open, and how many of them connections may be: a store that
//! cannot open its next file is worse than a sender that waits.

use std::num::NonZeroU32;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Asks for as many as are allowed at all, since the soft limit is often a careful 1024; returns how many there may be, or
/// `None` when there is no limit.
pub(crate) fn raise() -> Option<u64> {
    let now = getrlimit(Resource::Nofile);
    if now.current == now.maximum {
        return now.current;
    }
    let most = Rlimit {
        current: now.maximum,
        maximum: now.maximum,
    };
    match setrlimit(Resource::Nofile, most) {
        Ok(()) => now.maximum,
        Err(error) => {
            tracing::warn!(%error, "cannot raise the limit of open files");
            now.current
        }
    }
}

/// How many of `wanted` connections there may be beside `others` within a limit of `files`; never less than a quarter of it.
pub(crate) fn fitting(wanted: NonZeroU32, others: u64, files: u64) -> NonZeroU32 {
    let left = files.saturating_sub(others).max(files / 4);
    let left = u32::try_from(left).unwrap_or(u32::MAX);
    wanted.min(NonZeroU32::new(left).unwrap_or(NonZeroU32::MIN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_store_and_the_targets_have_their_files_first() {
        let fits = |wanted, files| fitting(NonZeroU32::new(wanted).unwrap(), 512, files).get();
        assert_eq!(fits(1024, 1 << 20), 1024);
        assert_eq!(fits(1024, 1024), 512);
        assert_eq!(fits(10_000, 4096), 3584);
        assert_eq!(fits(1024, 256), 64);
        assert_eq!(fits(5, 1024), 5);
        assert_eq!(fits(5, 0), 1);
    }

    #[test]
    fn after_raising_the_limit_is_the_hard_one() {
        let raised = raise();
        let now = getrlimit(Resource::Nofile);
        assert_eq!((raised, now.current), (now.maximum, now.maximum));
    }
}
