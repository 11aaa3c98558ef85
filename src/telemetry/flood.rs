//! Keeps a flood out of the log: of lines that one place in the code writes, so many a second are written, the others are
//! counted, and the count is told.
//!
//! Lines are the same when the same statement writes them, whatever they say of whom: that is how floods come, from
//! thousands of refused requests or a target that refuses everything. What asks for details (`debug`, `trace`) is not limited.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Filter};

const SECOND: Duration = Duration::from_secs(1);

/// The limit, as a filter of the layer that writes.
pub(super) struct Flood {
    /// Lines of one kind in a second; 0 is no limit.
    limit: u32,
    kinds: &'static Mutex<Kinds>,
}

type Kinds = HashMap<Identifier, Kind>;

/// What one statement wrote.
struct Kind {
    since: Instant,
    written: u32,
    left_out: u64,
    /// The first one that was left out.
    says: String,
}

/// All limits of the process, of which there is one.
static KINDS: OnceLock<Mutex<Kinds>> = OnceLock::new();

fn lock(kinds: &Mutex<Kinds>) -> MutexGuard<'_, Kinds> {
    kinds.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Says what was left out since the last time. To be called now and then; what it says is written, limit or not.
pub(crate) fn tell_left_out() {
    let Some(kinds) = KINDS.get() else { return };
    let mut told = Vec::new();
    for kind in lock(kinds).values_mut().filter(|kind| kind.left_out > 0) {
        told.push((
            std::mem::take(&mut kind.left_out),
            std::mem::take(&mut kind.says),
        ));
    }
    for (count, says) in told {
        tracing::warn!(
            count,
            such_as = says,
            "lines were left out of the log, as too many were alike"
        );
    }
}

impl Flood {
    pub(super) fn new(limit: u32) -> Self {
        Self {
            limit,
            kinds: KINDS.get_or_init(Mutex::default),
        }
    }

    /// Whether a line of this kind may be written now.
    fn admit(&self, of: Identifier, now: Instant, says: impl FnOnce() -> String) -> bool {
        let mut kinds = lock(self.kinds);
        let kind = kinds.entry(of).or_insert_with(|| Kind {
            since: now,
            written: 0,
            left_out: 0,
            says: String::new(),
        });
        if now.duration_since(kind.since) >= SECOND {
            (kind.since, kind.written) = (now, 0);
        }
        if kind.written < self.limit {
            kind.written += 1;
            return true;
        }
        if kind.left_out == 0 {
            kind.says = says();
        }
        kind.left_out += 1;
        false
    }
}

impl<S: Subscriber> Filter<S> for Flood {
    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        true
    }

    fn event_enabled(&self, event: &Event<'_>, _: &Context<'_, S>) -> bool {
        let about = event.metadata();
        // Its own lines tell of each kind once.
        if self.limit == 0 || *about.level() > Level::INFO || about.target() == module_path!() {
            return true;
        }
        let says = || {
            let mut says = Says(String::new());
            event.record(&mut says);
            says.0
        };
        self.admit(about.callsite(), Instant::now(), says)
    }
}

/// The message of a line, without its fields.
struct Says(String);

impl Visit for Says {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Arc;

    use tracing_subscriber::Layer;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// What is written with a limit of 3 a second.
    fn written(say: impl FnOnce()) -> String {
        let page = Page::default();
        let to = page.clone();
        let layer = tracing_subscriber::fmt::layer()
            .with_ansi(false)
            .with_writer(move || to.clone())
            .with_filter(Flood::new(3));
        let subscriber = tracing_subscriber::registry().with(layer);
        tracing::subscriber::with_default(subscriber, say);
        String::from_utf8(page.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn the_same_line_is_written_so_often_and_then_counted() {
        let page = written(|| {
            for n in 0..100 {
                tracing::info!(n, "refused");
            }
            tracing::error!("another line");
            for n in 0..100 {
                tracing::debug!(n, "a detail");
            }
            tell_left_out();
        });
        let count = |text: &str| page.lines().filter(|line| line.contains(text)).count();
        // A second may begin meanwhile.
        assert!((3..=6).contains(&count(" refused")), "{page}");
        assert_eq!(count("another line"), 1);
        assert_eq!(count("a detail"), 100);
        assert_eq!(count("such_as=\"refused\""), 1, "{page}");
    }

    #[test]
    fn each_second_begins_anew() {
        let kinds = Box::leak(Box::default());
        let flood = Flood { limit: 2, kinds };
        let subscriber = tracing_subscriber::registry();
        let here = tracing::subscriber::with_default(subscriber, || {
            tracing::error_span!("here")
                .metadata()
                .map(Metadata::callsite)
        });
        let (here, begun) = (here.unwrap(), Instant::now());
        let at = |millis| {
            let moment = begun + Duration::from_millis(millis);
            flood.admit(here.clone(), moment, String::new)
        };
        let admitted = [0, 10, 999, 1_000, 1_001, 1_002].map(at);
        assert_eq!(admitted, [true, true, false, true, true, false]);
    }
}
