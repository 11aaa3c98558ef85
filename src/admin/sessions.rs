//! Who is logged in with a browser. In memory: a restart logs everybody out.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use super::random;
use crate::name::Name;

/// Logins at once; past it the oldest ends.
const SESSIONS_MAX: usize = 1000;
/// Of one user, so that nobody ends the logins of all others by logging in again and again.
const OF_ONE_MAX: usize = 100;

/// What the store of sessions knows of one: not its id, only the hash of it.
#[derive(Clone)]
pub(super) struct Session {
    pub(super) user: Name,
    /// Of the user's password in the config: when that changes, the login ends.
    pub(super) proof: [u8; 32],
    /// What a form, or a script of our own page, must send along.
    pub(super) csrf: String,
    pub(super) expires: Timestamp,
}

#[derive(Default)]
pub(super) struct Sessions(Mutex<HashMap<[u8; 32], Session>>);

impl Sessions {
    /// Returns the id, which only the browser keeps.
    pub(super) fn begin(
        &self,
        user: Name,
        proof: [u8; 32],
        lasts: Duration,
        now: Timestamp,
    ) -> String {
        let id = random::token();
        let lasts = SignedDuration::try_from(lasts).unwrap_or(SignedDuration::MAX);
        let session = Session {
            user,
            proof,
            csrf: random::token(),
            expires: now.saturating_add(lasts).unwrap_or(Timestamp::MAX),
        };
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|_, session| session.expires > now);
        make_room(&mut sessions, OF_ONE_MAX, |one| one.user == session.user);
        make_room(&mut sessions, SESSIONS_MAX, |_| true);
        sessions.insert(key(&id), session);
        id
    }

    pub(super) fn find(&self, id: &str, now: Timestamp) -> Option<Session> {
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = key(id);
        if sessions.get(&key)?.expires <= now {
            sessions.remove(&key);
            return None;
        }
        sessions.get(&key).cloned()
    }

    pub(super) fn end(&self, id: &str) {
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.remove(&key(id));
    }
}

/// Ends the oldest of these logins when there are so many.
fn make_room(
    sessions: &mut HashMap<[u8; 32], Session>,
    most: usize,
    is_of_it: impl Fn(&Session) -> bool,
) {
    let of_it = || sessions.iter().filter(|(_, session)| is_of_it(session));
    if of_it().count() < most {
        return;
    }
    let oldest = of_it().min_by_key(|(_, session)| session.expires);
    if let Some(oldest) = oldest.map(|(key, _)| *key) {
        sessions.remove(&oldest);
    }
}

/// Looked up by its hash, so that the time it takes tells nothing about the ids there are.
fn key(id: &str) -> [u8; 32] {
    Sha256::digest(id).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn anna() -> Name {
        Name::new("anna").unwrap()
    }

    #[test]
    fn a_login_lasts_its_time_or_until_its_end() {
        let (sessions, start) = (Sessions::default(), Timestamp::UNIX_EPOCH);
        let hour = Duration::from_secs(3600);
        let id = sessions.begin(anna(), [0; 32], hour, start);
        assert_eq!(id.len(), 43);
        assert!(
            sessions
                .find(&id, start + SignedDuration::from_secs(3599))
                .is_some()
        );
        assert!(sessions.find("", start).is_none());
        assert!(
            sessions
                .find(&id, start + SignedDuration::from_secs(3600))
                .is_none()
        );
        assert!(sessions.find(&id, start).is_none(), "it is forgotten");
        let id = sessions.begin(anna(), [0; 32], hour, start);
        sessions.end(&id);
        assert!(sessions.find(&id, start).is_none());
    }

    #[test]
    fn the_oldest_makes_room() {
        let (sessions, hour) = (Sessions::default(), Duration::from_secs(3600));
        let user = |n: usize| Name::new(&format!("user{n}")).unwrap();
        let first = sessions.begin(anna(), [0; 32], hour, Timestamp::UNIX_EPOCH);
        let later = Timestamp::UNIX_EPOCH + SignedDuration::from_secs(1);
        let ids: Vec<String> = (0..SESSIONS_MAX)
            .map(|n| sessions.begin(user(n % 20), [0; 32], hour, later))
            .collect();
        assert!(sessions.find(&first, later).is_none());
        assert!(ids.iter().all(|id| sessions.find(id, later).is_some()));
    }

    #[test]
    fn who_logs_in_again_and_again_ends_nobody_elses_login() {
        let (sessions, hour) = (Sessions::default(), Duration::from_secs(3600));
        let other = sessions.begin(anna(), [0; 32], hour, Timestamp::UNIX_EPOCH);
        let later = Timestamp::UNIX_EPOCH + SignedDuration::from_secs(1);
        let busy = || sessions.begin(Name::new("busy").unwrap(), [0; 32], hour, later);
        let ids: Vec<String> = (0..2 * SESSIONS_MAX).map(|_| busy()).collect();
        assert!(sessions.find(&other, later).is_some());
        let kept = ids.iter().filter(|id| sessions.find(id, later).is_some());
        assert_eq!(kept.count(), OF_ONE_MAX);
        assert!(sessions.find(&ids[ids.len() - 1], later).is_some());
    }
}
