//! The door: which source a request belongs to, whether its sender may enter, and what then becomes of its events.
//! A reload puts a new door in the old one's place; a request keeps the one it came in by.

use std::borrow::Cow;
use std::sync::Arc;

use http::Method;
use http::request::Parts;
use jiff::Timestamp;

use super::answer::Refusal;
use super::auth::Head;
use super::caller::Caller;
use super::nonces::Nonces;
use super::path;
use super::settings::{OnUndecodable, SourceSettings};
use crate::event::Original;
use crate::lists::Lists;
use crate::name::Name;
use crate::routes::Route;
use crate::secret::Secret;
use crate::sources::{DecodeSettings, Source};

/// Everything the accepting half needs of the config.
pub(crate) struct Door {
    entries: Vec<Arc<Entry>>,
    pub(super) routes: Arc<[Route]>,
    pub(super) lists: Lists,
    /// Whether the source at `/` takes every unclaimed path.
    catch_all: bool,
}

/// One source at its path.
pub(crate) struct Entry {
    pub(super) name: Name,
    pub(super) settings: SourceSettings,
    pub(super) source: &'static dyn Source,
    pub(super) decode: DecodeSettings,
    /// None for a source that is sent nothing over HTTP.
    segments: Option<Vec<String>>,
}

/// What a request is, by its head.
pub(super) enum Call {
    Event(Arc<Entry>),
    /// Somebody looks at the address in a browser.
    Visit(Arc<Entry>),
}

impl Door {
    /// Those of all sources: who mistypes an address sends its token to the source that takes every path.
    pub(super) fn tokens(&self) -> impl Iterator<Item = &Secret> {
        let sources = self.entries.iter();
        sources.flat_map(|entry| entry.settings.auth.all_tokens())
    }
}

impl Entry {
    pub(crate) fn new(
        name: Name,
        settings: SourceSettings,
        source: &'static dyn Source,
        decode: DecodeSettings,
    ) -> Self {
        let segments = match &settings.path {
            Some(path) => {
                let segments = path::segments(path).into_iter();
                Some(segments.map(Cow::into_owned).collect())
            }
            None if settings.mqtt.is_some() => None,
            None => Some(vec![name.as_str().to_owned()]),
        };
        Self {
            name,
            settings,
            source,
            decode,
            segments,
        }
    }

    /// The path to post to, each segment decoded.
    #[cfg(test)]
    fn path(&self) -> String {
        format!(
            "/{}",
            self.segments.as_deref().unwrap_or_default().join("/")
        )
    }

    /// A program that posts reads why; a broker does not.
    pub(super) fn refuses_undecodable(&self, request: &Original) -> bool {
        let usual = if self.source.kind() == "generic" && request.method != "MQTT" {
            OnUndecodable::Refuse
        } else {
            OnUndecodable::Keep
        };
        self.settings.undecodable.unwrap_or(usual) == OnUndecodable::Refuse
    }

    fn carries_events(&self, method: &Method) -> bool {
        method == Method::POST || self.source.methods().contains(method)
    }

    /// The value of an `Allow` header.
    pub(super) fn allow(&self) -> String {
        let mut methods = vec![Method::POST.as_str()];
        let others = self.source.methods().iter().map(Method::as_str);
        for method in others.chain(["GET", "HEAD"]) {
            if !methods.contains(&method) {
                methods.push(method);
            }
        }
        methods.join(", ")
    }

    /// What a person reads who opens the address. Never a secret.
    pub(super) fn greeting(&self) -> String {
        format!(
            "camhook is listening here.\n\nThis address belongs to the source `{}` (kind `{}`). \
             Let the camera send its events to it: it takes {}.\n",
            self.name,
            self.source.kind(),
            self.allow(),
        )
    }
}

impl Door {
    /// No two entries may have the same path. The source at `/` is an entry like the others.
    pub(crate) fn new(
        entries: Vec<Entry>,
        routes: Arc<[Route]>,
        lists: Lists,
        catch_all: bool,
    ) -> Self {
        Self {
            entries: entries.into_iter().map(Arc::new).collect(),
            routes,
            lists,
            catch_all,
        }
    }

    pub(super) fn call(
        &self,
        parts: &Parts,
        caller: &Caller,
        nonces: &Nonces,
        now: Timestamp,
    ) -> Result<Call, Refusal> {
        let segments = path::segments(parts.uri.path());
        let entry = self.find(&segments).ok_or(Refusal::NotFound)?;
        let own = entry.segments.as_ref().map_or(0, Vec::len);
        let head = Head {
            parts,
            segments: &segments,
            below: segments.len() > own,
            caller,
            now,
        };
        entry.settings.auth.check(&head, nonces)?;
        if entry.carries_events(&parts.method) {
            Ok(Call::Event(entry.clone()))
        } else if [Method::GET, Method::HEAD].contains(&parts.method) {
            Ok(Call::Visit(entry.clone()))
        } else {
            Err(Refusal::Method {
                allow: entry.allow(),
            })
        }
    }

    /// The source's entry, whatever its path.
    pub(super) fn entry(&self, source: &Name) -> Option<Arc<Entry>> {
        let found = self.entries.iter().find(|entry| entry.name == *source);
        found.cloned()
    }

    /// The entry with the longest path that the request's path begins with.
    fn find(&self, segments: &[Cow<'_, str>]) -> Option<&Arc<Entry>> {
        let begun = self.entries.iter().filter_map(|entry| {
            let own = entry.segments.as_deref()?;
            let begins =
                segments.len() >= own.len() && own.iter().zip(segments).all(|(a, b)| a == b);
            begins.then_some((own.len(), entry))
        });
        let (length, longest) = begun.max_by_key(|(length, _)| *length)?;
        let claimed = self.catch_all || length > 0 || longest.is_root(segments);
        claimed.then_some(longest)
    }
}

impl Entry {
    /// Without `catch_all`, what is left to the source at `/`: that path, and its token below it.
    fn is_root(&self, segments: &[Cow<'_, str>]) -> bool {
        match segments {
            [] => true,
            [token] => {
                let mut ours = self.settings.auth.all_tokens();
                ours.any(|ours| ours.matches(token))
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Fake, entry};
    use super::*;
    use crate::secret::Secret;

    fn door(paths: &[&str], catch_all: bool) -> Door {
        let entries = paths.iter().map(|path| entry(path, &Fake)).collect();
        Door::new(entries, Arc::new([]), Lists::default(), catch_all)
    }

    fn found(door: &Door, path: &str) -> Option<String> {
        door.find(&path::segments(path)).map(|entry| entry.path())
    }

    #[test]
    fn the_longest_path_wins_on_segment_borders() {
        let door = door(&["/", "/API", "/API/gate/", "/a b"], true);
        for (path, expected) in [
            ("/API", "/API"),
            ("/API/", "/API"),
            ("//API//x/y", "/API"),
            ("/API/gate", "/API/gate"),
            ("/API/gates", "/API"),
            ("/APIS", "/"),
            ("/api", "/"),
            ("/%41PI", "/API"),
            ("/API%2Fgate", "/"),
            ("/a%20b/c", "/a b"),
            ("/", "/"),
            ("*", "/"),
        ] {
            assert_eq!(found(&door, path).as_deref(), Some(expected), "{path}");
        }
    }

    #[test]
    fn without_catch_all_unclaimed_paths_are_not_found() {
        let door = door(&["/", "/API"], false);
        assert_eq!(found(&door, "/"), Some("/".into()));
        assert_eq!(found(&door, "/API/x"), Some("/API".into()));
        assert_eq!(found(&door, "/other"), None);
        let mut root = entry("/", &Fake);
        root.settings.auth.token = Some(Secret::new("tok"));
        let door = Door::new(vec![root], Arc::new([]), Lists::default(), false);
        assert_eq!(found(&door, "/tok"), Some("/".into()));
        assert_eq!(found(&door, "/tok/tok"), None);
    }

    #[test]
    fn a_source_without_path_is_found_by_its_name() {
        let settings = SourceSettings::default();
        let name = Name::new("gate cams").unwrap();
        let entry = Entry::new(name, settings, &Fake, DecodeSettings::default());
        assert_eq!(entry.path(), "/gate cams");
    }

    #[test]
    fn events_are_told_from_visits_and_other_methods() {
        let door = door(&["/"], true);
        let call = |method: &str| {
            let request = http::Request::builder().method(method).uri("/x");
            let parts = request.body(()).unwrap().into_parts().0;
            let caller = Caller {
                address: std::net::IpAddr::from([127, 0, 0, 1]),
                certificate: None,
            };
            match door.call(&parts, &caller, &Nonces::new(), Timestamp::UNIX_EPOCH) {
                Ok(Call::Event(_)) => "event".to_owned(),
                Ok(Call::Visit(_)) => "visit".to_owned(),
                Err(refusal) => refusal.to_string(),
            }
        };
        assert_eq!(call("POST"), "event");
        assert_eq!(call("PUT"), "event"); // the fake's other method
        assert_eq!(call("GET"), "visit");
        assert_eq!(call("HEAD"), "visit");
        for method in ["DELETE", "OPTIONS", "PATCH", "post"] {
            assert_eq!(call(method), "this source takes POST, PUT, GET, HEAD");
        }
    }

    #[test]
    fn the_greeting_tells_no_secret() {
        let mut entry = entry("/gate", &Fake);
        entry.settings.auth.token = Some(Secret::new("hunter22"));
        let greeting = entry.greeting();
        assert!(greeting.contains("POST") && greeting.contains("fake"));
        assert!(!greeting.contains("hunter22"));
    }
}
