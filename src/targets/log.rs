//! A line for each event in camhook's own log.

use std::pin::Pin;

use super::{Report, Target};
use crate::event::DeliveryId;
use crate::payload::Payload;

/// Writes to the log at one level.
pub(crate) struct LogTarget {
    level: tracing::Level,
}

impl LogTarget {
    /// `debug` is shown only when camhook logs at that level; else the lines come at `info`.
    pub(crate) fn new(debug: bool) -> Self {
        let level = if debug {
            tracing::Level::DEBUG
        } else {
            tracing::Level::INFO
        };
        Self { level }
    }
}

impl Target for LogTarget {
    fn send(
        &self,
        delivery: DeliveryId,
        payload: Payload,
    ) -> Pin<Box<dyn Future<Output = Report> + Send + '_>> {
        let report = match payload {
            Payload::Log { text } => {
                if self.level == tracing::Level::DEBUG {
                    tracing::debug!(%delivery, "{text}");
                } else {
                    tracing::info!(%delivery, "{text}");
                }
                Report::delivered()
            }
            Payload::Http(_)
            | Payload::Line { .. }
            | Payload::Files(_)
            | Payload::Mqtt(_)
            | Payload::Publication(_)
            | Payload::Row(_)
            | Payload::Mail(_) => Report::misrouted("log"),
        };
        Box::pin(std::future::ready(report))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::fate::Verdict;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(debug: bool, payload: Payload) -> (Report, String) {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::INFO)
            .with_writer(move || writer.clone())
            .finish();
        let delivery = DeliveryId::from_bytes([1; 16]);
        let report = tracing::subscriber::with_default(subscriber, || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .build()
                .unwrap();
            runtime.block_on(LogTarget::new(debug).send(delivery, payload))
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        (report, text)
    }

    #[test]
    fn writes_one_line_at_its_level() {
        let payload = Payload::Log {
            text: "event 1 from gate: plate".into(),
        };
        let (report, text) = logged(false, payload.clone());
        assert_eq!(report.verdict, Verdict::Delivered);
        assert!(text.contains("event 1 from gate: plate") && text.contains("INFO"));
        let (report, text) = logged(true, payload);
        assert_eq!(report.verdict, Verdict::Delivered);
        assert_eq!(text, ""); // this subscriber shows no debug lines
    }

    #[test]
    fn a_payload_of_another_target_is_dead() {
        let (report, _) = logged(false, Payload::Files(Vec::new()));
        assert_eq!(report.verdict, Verdict::Dead);
    }
}
