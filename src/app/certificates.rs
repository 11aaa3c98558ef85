//! The listeners' certificates: put in place anew with each load of the config, measured, and warned about in time.

use std::time::Duration;

use jiff::Timestamp;

use crate::clock::Clock;
use crate::tasks::Tasks;
use crate::telemetry::{Listener, Metrics};
use crate::tls::{Acceptor, Offer};

/// How often a certificate that ends soon is warned about.
const REMIND_EVERY: Duration = Duration::from_secs(86_400);

#[derive(Clone)]
pub(super) struct Certificates {
    pub(super) server: Option<Acceptor>,
    pub(super) admin: Option<Acceptor>,
    clock: Clock,
    metrics: Metrics,
}

impl Certificates {
    pub(super) fn new(
        server: Option<Offer>,
        admin: Option<Offer>,
        clock: &Clock,
        metrics: &Metrics,
    ) -> Self {
        let certificates = Self {
            server: server.map(Acceptor::new),
            admin: admin.map(Acceptor::new),
            clock: clock.clone(),
            metrics: metrics.clone(),
        };
        certificates.tell();
        certificates
    }

    /// A listener that had TLS from the start takes up what it is to show now; whether it has it, a restart changes.
    pub(super) fn replace(&self, server: Option<Offer>, admin: Option<Offer>) {
        for (acceptor, offer) in [(&self.server, server), (&self.admin, admin)] {
            if let (Some(acceptor), Some(offer)) = (acceptor, offer) {
                acceptor.replace(offer);
            }
        }
        self.tell();
    }

    /// Warns every day, until `tasks` stop.
    pub(super) async fn remind(self, tasks: Tasks) {
        loop {
            let _busy = tokio::select! {
                () = tasks.stopping() => return,
                busy = self.clock.sleep(REMIND_EVERY) => busy,
            };
            self.tell();
        }
    }

    /// When they end, by listener.
    pub(super) fn ends(&self) -> Vec<(String, Option<Timestamp>)> {
        let listeners = [("server", &self.server), ("admin", &self.admin)];
        let ends = listeners.into_iter().filter_map(|(listener, acceptor)| {
            let offer = acceptor.as_ref()?.offer();
            Some((listener.to_owned(), offer.ends))
        });
        ends.collect()
    }

    fn tell(&self) {
        for (listener, acceptor) in [("server", &self.server), ("admin", &self.admin)] {
            let Some(offer) = acceptor.as_ref().map(Acceptor::offer) else {
                continue;
            };
            if let Some(ends) = offer.ends {
                let gauge = self
                    .metrics
                    .certificate_ends
                    .get_or_create(&Listener { listener });
                gauge.set(ends.as_second());
            }
            if let Some(warning) = offer.warning(self.clock.now()) {
                tracing::warn!("the certificate of `{listener}` {warning}");
            }
        }
    }
}
