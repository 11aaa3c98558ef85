//! `camhook send`: posts sample events, with a drawn photo, to any URL.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use reqwest::StatusCode;

use super::show::{error, line};
use super::{Common, Failure};
use crate::app;
use crate::clock::Clock;
use crate::config::Config;
use crate::sample::{self, Drawn, Sample, Told};
use crate::tasks::Tasks;

#[derive(Debug, Args)]
#[command(after_help = samples())]
pub(super) struct Arguments {
    /// What to send, such as `stream` or `snapshot two`; all of a sender's kinds with `stream all`.
    #[arg(value_name = "SAMPLE")]
    sample: Vec<String>,
    /// Where to post; the camhook of the config unless given.
    #[arg(long)]
    url: Option<String>,
    /// The plate; another one for each event unless given.
    #[arg(long)]
    plate: Option<String>,
    #[arg(long, default_value = "camera-1")]
    camera: String,
    /// How many events.
    #[arg(long, default_value_t = 1)]
    count: u64,
    /// At most so many per second.
    #[arg(long)]
    rate: Option<f64>,
    /// Sent as `Authorization: Token …`.
    #[arg(long)]
    token: Option<String>,
    /// How many at once.
    #[arg(long, default_value_t = 4)]
    concurrency: usize,
}

fn samples() -> String {
    let rows = sample::all().map(|sample| format!("  {:<20} {}", sample.name, sample.about));
    format!("Samples:\n{}", rows.collect::<Vec<_>>().join("\n"))
}

fn chosen(words: &[String]) -> Result<Vec<&'static Sample>, Failure> {
    let name = words.join(" ");
    let samples: Vec<_> = match name.as_str() {
        "" => sample::all().take(1).collect(),
        "all" => sample::all().collect(),
        name => match name.strip_suffix(" all") {
            Some(sender) => Sample::of_sender(sender).collect(),
            None => Sample::named(name).into_iter().collect(),
        },
    };
    if samples.is_empty() {
        return Err(Failure::Said(format!(
            "no sample is called `{name}`\n{}",
            self::samples()
        )));
    }
    Ok(samples)
}

pub(super) async fn send(common: &Common, arguments: Arguments) -> Result<(), Failure> {
    let samples = chosen(&arguments.sample)?;
    let url = match arguments.url {
        Some(url) => url,
        None => {
            let config =
                Config::load(&common.config).map_err(|report| Failure::Config(Box::new(report)))?;
            let server = &config.server;
            let secured = server.tls.as_ref().is_some_and(|tls| tls.listen.is_none());
            format!("{}/", app::url(server.listen, secured))
        }
    };
    let client = app::http_client(&common.config)?;
    let clock = Clock::system();
    let seed = clock.now().as_microsecond().unsigned_abs();
    let total = arguments.count * samples.len() as u64;
    let painted = arguments
        .plate
        .clone()
        .unwrap_or_else(|| sample::plate_text(seed));
    let drawn = Drawn::new(&painted, &sample::plate_text(seed + 1));
    let bar = progress(total);

    let outcome = Arc::new(std::sync::Mutex::new((0_u64, None::<String>)));
    let slots = Arc::new(tokio::sync::Semaphore::new(arguments.concurrency.max(1)));
    let tasks = Tasks::default();
    let mut ticks = arguments.rate.filter(|rate| *rate > 0.0).map(|rate| {
        let mut ticks = tokio::time::interval(Duration::from_secs_f64(1.0 / rate));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Burst);
        ticks
    });
    for n in 0..arguments.count {
        let plate = arguments.plate.clone().unwrap_or_else(|| match n {
            0 => painted.clone(),
            n => sample::plate_text(seed + 2 * n),
        });
        for sample in &samples {
            if let Some(ticks) = &mut ticks {
                ticks.tick().await;
            }
            let told = Told {
                plate: &plate,
                second_plate: &sample::plate_text(seed + 2 * n + 1),
                camera: &arguments.camera,
                at: clock.now(),
                url: &url,
                seed: seed + n,
            };
            let request = sample.request(&drawn, &told);
            let mut post = request
                .headers
                .into_iter()
                .fold(
                    client.request(request.method, &url),
                    |post, (name, value)| post.header(name, value),
                )
                .body(request.body);
            if let Some(token) = &arguments.token {
                post = post.header("authorization", format!("Token {token}"));
            }
            let slot = slots.clone().acquire_owned().await?;
            let (bar, outcome) = (bar.clone(), outcome.clone());
            tasks.spawn(async move {
                let failed = match post.send().await {
                    Ok(answer) if answer.status().is_success() => None,
                    Ok(answer) => Some(refused(
                        answer.status(),
                        &answer.text().await.unwrap_or_default(),
                    )),
                    Err(error) => Some(Failure::from(error).to_string()),
                };
                let mut outcome = outcome
                    .lock()
                    .unwrap_or_else(std::sync::PoisonError::into_inner);
                match failed {
                    None => outcome.0 += 1,
                    Some(reason) => outcome.1 = Some(reason),
                }
                bar.inc(1);
                drop(slot);
            });
        }
    }
    while !tasks.wait(Duration::from_secs(60)).await {}
    bar.finish_and_clear();
    let outcome = outcome
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let (acknowledged, failed) = &*outcome;
    line(&format!(
        "{acknowledged} of {total} acknowledged by {url} (plate {painted}, camera {})",
        arguments.camera
    ));
    match failed {
        None => Ok(()),
        Some(reason) => {
            error(&format!("camhook: the last failure: {reason}"));
            Err(Failure::Told)
        }
    }
}

fn refused(status: StatusCode, body: &str) -> String {
    format!("answered {status}: {}", body.trim())
}

fn progress(total: u64) -> ProgressBar {
    if total < 2 {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(total);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} {per_sec} {eta}") {
        bar.set_style(style);
    }
    bar
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Event, Kind, Original, Unit};
    use crate::name::Name;
    use crate::sources::{self, DecodeSettings};

    fn events(sample: &Sample, drawn: &Drawn) -> Vec<Event> {
        let told = Told {
            plate: "KD482PL",
            second_plate: "XY987ZT",
            camera: "gate & yard",
            at: "2025-03-04T09:11:12.131415Z".parse().unwrap(),
            url: "http://proxy:8001/",
            seed: 42,
        };
        let request = sample.request(drawn, &told);
        let headers = request.headers.into_iter();
        let request = Arc::new(Original {
            headers: headers
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
            received_at: told.at,
            body: request.body.into(),
            ..Original::default()
        });
        let auto = sources::find("auto").unwrap();
        let name = Name::new("any").unwrap();
        sources::decode(auto, &name, &DecodeSettings::default(), &request).unwrap()
    }

    #[test]
    fn each_sample_of_viewtron_is_understood_by_its_shape() {
        let drawn = Drawn::new("KD482PL", "XY987ZT");
        let expected = [
            ("camera", Kind::Plate, 2),
            ("recorder", Kind::Plate, 2),
            ("heartbeat", Kind::Heartbeat, 0),
            ("face", Kind::Face, 2),
            ("intrusion", Kind::Intrusion, 2),
            ("line", Kind::LineCrossing, 2),
            ("alarm", Kind::Status, 0),
            ("track", Kind::Track, 0),
            ("recorder face", Kind::Face, 2),
            ("recorder intrusion", Kind::Intrusion, 2),
        ];
        assert_eq!(Sample::of_sender("viewtron").count(), expected.len());
        for (name, kind, pictures) in expected {
            let sample = Sample::named(&format!("viewtron {name}")).unwrap();
            let [event] = &events(sample, &drawn)[..] else {
                panic!("{name} is not one event")
            };
            assert_eq!(
                (event.vendor.as_str(), event.kind),
                ("viewtron", kind),
                "{name}"
            );
            assert_eq!(event.camera.name.as_deref(), Some("gate & yard"), "{name}");
            assert_eq!(event.images.len(), pictures, "{name}");
            assert!(
                event.images.iter().all(|image| image.size().is_some()),
                "{name}"
            );
            let knows_its_time = !matches!(kind, Kind::Heartbeat | Kind::Status);
            assert!(
                event.repaired.is_empty() || !knows_its_time,
                "{name}: {:?}",
                event.repaired
            );
            if kind == Kind::Plate {
                assert_eq!(event.plates[0].text.as_deref(), Some("KD482PL"));
                let unit = if name == "camera" {
                    Unit::TenThousandths
                } else {
                    Unit::Pixels
                };
                assert_eq!(event.plates[0].area.as_ref().unwrap().unit, unit);
            }
        }
    }
}
