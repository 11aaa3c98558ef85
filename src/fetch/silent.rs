//! Hosts that gave no answer a moment ago: not every event waits for them anew.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::fetcher::Failure;

/// For how long a late event takes a host's silence for granted; the next one behind that finds out anew.
const BELIEVED_FOR: Duration = Duration::from_secs(30);
/// Hosts of one source; what is forgotten only costs time.
const HOSTS_MAX: usize = 256;

#[derive(Default)]
pub(super) struct Silent(Mutex<HashMap<String, Silence>>);

#[derive(Debug, Clone, Copy)]
pub(super) struct Silence {
    pub(super) since: Instant,
    /// Not even a connection was made.
    pub(super) unreachable: bool,
}

/// For whom a host would be asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asker {
    /// When its attempt began.
    pub(super) begun: Instant,
    /// It waits for longer than `give_up_after` already.
    pub(super) is_late: bool,
}

impl Silent {
    fn hosts(&self) -> MutexGuard<'_, HashMap<String, Silence>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What came of asking a host.
    pub(super) fn note(&self, host: String, silence: Option<Silence>) {
        let mut hosts = self.hosts();
        match silence {
            None => drop(hosts.remove(&host)),
            Some(silence) => {
                if hosts.len() >= HOSTS_MAX {
                    hosts.clear();
                }
                hosts.insert(host, silence);
            }
        }
    }

    /// Why the host is not to be asked now, if it is not.
    pub(super) fn refuses(&self, host: &str, asker: Asker) -> Option<Failure> {
        let silence = *self.hosts().get(host)?;
        let Some(before) = asker.begun.checked_duration_since(silence.since) else {
            // In this attempt, or beside it. Of two pictures one may be slow; connections all fail alike.
            return silence.unreachable.then(|| {
                Failure::for_now(format!("{host} could not be connected to a moment ago"))
            });
        };
        (asker.is_late && before < BELIEVED_FOR).then(|| {
            Failure::for_good(format!(
                "{host} gave no answer a moment ago, and the event is older than `fetch: {{ give_up_after }}`"
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn silence(unreachable: bool) -> Silence {
        let since = Instant::now();
        Silence { since, unreachable }
    }

    fn asks(silent: &Silent, begun: Instant, is_late: bool) -> bool {
        silent.refuses("cam", Asker { begun, is_late }).is_none()
    }

    #[test]
    fn a_late_event_believes_a_silence_for_a_while_and_another_finds_out() {
        let silent = Silent::default();
        let silence = silence(false);
        let at = |second| silence.since + Duration::from_secs(second);
        assert!(asks(&silent, at(0), true));
        silent.note("cam".to_owned(), Some(silence));
        silent.note("other".to_owned(), None);
        for (second, late_asks) in [(0, false), (29, false), (30, true)] {
            assert_eq!(asks(&silent, at(second), true), late_asks, "{second}");
            assert!(asks(&silent, at(second), false), "{second}");
        }
        silent.note("cam".to_owned(), None);
        assert!(asks(&silent, at(1), true));
    }

    #[test]
    fn a_host_is_connected_to_once_in_an_attempt_and_asked_for_each_picture() {
        let silent = Silent::default();
        for (unreachable, is_late) in [(true, false), (true, true), (false, false), (false, true)] {
            let begun = Instant::now();
            let silence = Silence {
                since: begun + Duration::from_secs(5),
                unreachable,
            };
            silent.note("cam".to_owned(), Some(silence));
            assert_eq!(asks(&silent, begun, is_late), !unreachable);
        }
    }

    #[test]
    fn so_many_hosts_are_remembered_and_no_more() {
        let silent = Silent::default();
        for n in 0..3 * HOSTS_MAX {
            silent.note(n.to_string(), Some(silence(true)));
            assert!(silent.hosts().len() <= HOSTS_MAX);
        }
    }
}
