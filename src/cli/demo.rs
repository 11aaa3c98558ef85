//! `camhook demo`: camhook, a receiver and sample events in one process; the first minute of a new user.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::sync::mpsc;

use super::show::line;
use super::{Failure, show};
use crate::app::{self, App};
use crate::clock::Clock;
use crate::sample::{self, Drawn, Sample, Told};
use crate::tasks::Tasks;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Where the demo keeps its routes.yaml, its store and what it writes.
    #[arg(long, default_value = "camhook-demo")]
    folder: PathBuf,
    /// Go on until Ctrl-C, to post events of your own and to look around.
    #[arg(long)]
    stay: bool,
}

/// Names of samples, and how many plates each tells.
const SAMPLES: [(&str, usize); 3] = [
    ("stream recognition", 1),
    ("stream original", 1),
    ("snapshot two", 2),
];

/// How long the demo waits for what it sent to arrive: far longer than it takes.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) async fn demo(arguments: Arguments) -> Result<(), Failure> {
    let folder = &arguments.folder;
    std::fs::create_dir_all(folder).map_err(|error| {
        Failure::Said(format!(
            "cannot make the folder {}: {error}",
            folder.display()
        ))
    })?;
    let tasks = Tasks::default();
    let (receiver, mut taken) = receiver(&tasks).await?;
    let config = folder.join("routes.yaml");
    std::fs::write(&config, routes(receiver))?;
    let app = App::start(&config, Clock::system()).await?;
    line(&app.greeting());
    line(&format!(
        "  receiver http://{receiver}/ (in this process, it stands for your system)\n"
    ));

    let played = play(&app, folder, &mut taken).await;
    if played.is_ok() && arguments.stay {
        line("\nPost events of your own, or end with Ctrl-C. What arrives at the receiver:");
        loop {
            tokio::select! {
                arrived = taken.recv() => line(&format!("  {}", arrived.unwrap_or_default())),
                ended = tokio::signal::ctrl_c() => break ended?,
            }
        }
    }
    app.stop().await;
    tasks.stop();
    played
}

async fn play(
    app: &App,
    folder: &Path,
    taken: &mut mpsc::UnboundedReceiver<String>,
) -> Result<(), Failure> {
    let client = app::http_client(&folder.join("routes.yaml"))?;
    let url = app.url();
    let mut crops = 0;
    for (n, (name, plates)) in SAMPLES.into_iter().enumerate() {
        let sample = Sample::named(name).expect("these samples are there");
        let seed = Clock::system().now().as_microsecond().unsigned_abs() + 2 * n as u64;
        let (plate, second) = (sample::plate_text(seed), sample::plate_text(seed + 1));
        let drawn = Drawn::new(&plate, &second);
        let told = Told {
            plate: &plate,
            second_plate: &second,
            camera: "demo",
            at: Clock::system().now(),
            url: &url,
            seed,
        };
        let request = sample.request(&drawn, &told);
        line(&format!("{}: {}", sample.name, sample.about));
        let post = client
            .post(&url)
            .header("content-type", &request.headers[0].1)
            .body(request.body);
        let answer = post.send().await?;
        line(&format!(
            "  camera    posted {plate}, acknowledged with {}: it is on disk",
            answer.status()
        ));
        for _ in 0..plates {
            let arrived = tokio::time::timeout(PATIENCE, taken.recv()).await;
            let arrived = arrived.ok().flatten().ok_or_else(|| {
                Failure::Said(
                    "nothing arrived at the receiver; the log above may tell why".to_owned(),
                )
            })?;
            line(&format!("  receiver  {arrived}"));
            crops += 1;
        }
    }
    let plates = folder.join("plates");
    let mut files = files_below(&plates);
    for _ in 0..200 {
        if files.len() >= crops {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await; // the files target delivers at its own pace
        files = files_below(&plates);
    }
    line("\nThe plates, cut out of the pictures:");
    for file in &files {
        line(&format!("  {}", file.display()));
    }
    line(&format!(
        "\nThe routes that did it: {}",
        folder.join("routes.yaml").display()
    ));
    line(&format!(
        "Look around: camhook --config {} events (or deliveries)",
        folder.join("routes.yaml").display()
    ));
    Ok(())
}

fn routes(receiver: SocketAddr) -> String {
    format!(
        "# Written by `camhook demo`: every plate is cut out, sent to a receiver, and kept as a file.\n\
         server: {{ listen: 127.0.0.1:0 }} # any free port\n\
         admin: {{ listen: 127.0.0.1:0 }}\n\
         store: {{ path: data }}\n\
         log: {{ level: warn }}\n\n\
         targets:\n\
         \x20 receiver:\n\
         \x20   http:\n\
         \x20     url: http://{receiver}/plates\n\
         \x20     multipart:\n\
         \x20       json: \"{{{{ event.raw | tojson }}}}\"\n\
         \x20       plate: \"{{{{ plate.text }}}}\"\n\
         \x20       cropped_image: \"{{{{ images.plate }}}}\"\n\
         \x20 plates:\n\
         \x20   files: {{ path: \"plates/{{{{ plate.text }}}}-{{{{ event.id }}}}.jpg\", image: plate }}\n\n\
         routes:\n\
         \x20 - name: plates\n\
         \x20   each: plate\n\
         \x20   steps:\n\
         \x20     - crop: {{ region: plate, pad: 5% }}\n\
         \x20   to: [receiver, plates]\n"
    )
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries
        .flat_map(|entry| {
            if entry.path().is_dir() {
                files_below(&entry.path())
            } else {
                vec![entry.path()]
            }
        })
        .collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "jpg")); // what is half written is not
    files.sort();
    files
}

/// A downstream system that tells what it gets.
async fn receiver(tasks: &Tasks) -> Result<(SocketAddr, mpsc::UnboundedReceiver<String>), Failure> {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    let (tell, taken) = mpsc::unbounded_channel();
    let stop = tasks.clone();
    tasks.spawn(async move {
        loop {
            let accepted = tokio::select! {
                () = stop.stopping() => return,
                accepted = listener.accept() => accepted,
            };
            let Ok((stream, _)) = accepted else { continue };
            let tell = tell.clone();
            let stop = stop.clone();
            stop.clone().spawn(async move {
                let service = service_fn(|request| take(request, &tell));
                let connection = hyper::server::conn::http1::Builder::new();
                let ended = tokio::select! {
                    () = stop.stopping() => Ok(()),
                    ended = connection.serve_connection(TokioIo::new(stream), service) => ended,
                };
                if let Err(error) = ended {
                    show::error(&format!("the demo's receiver: {error}"));
                }
            });
        }
    });
    Ok((address, taken))
}

async fn take(
    request: Request<Incoming>,
    tell: &mpsc::UnboundedSender<String>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes)
        .unwrap_or_default();
    let _ = tell.send(format!(
        "got {} {}: {}",
        head.method,
        head.uri,
        parts(&body).join(", ")
    ));
    Ok(Response::new(Full::default()))
}

/// The parts of a multipart body, each with what it holds.
fn parts(body: &[u8]) -> Vec<String> {
    let mut told = Vec::new();
    let marker = b"Content-Disposition: form-data; name=\"";
    let starts: Vec<usize> = memchr::memmem::find_iter(body, marker)
        .map(|at| at + marker.len())
        .collect();
    for start in starts {
        let rest = &body[start..];
        let name =
            String::from_utf8_lossy(rest.split(|byte| *byte == b'"').next().unwrap_or_default())
                .into_owned();
        let Some(head) = memchr::memmem::find(rest, b"\r\n\r\n") else {
            continue;
        };
        let end =
            memchr::memmem::find(&rest[head..], b"\r\n--").map_or(rest.len(), |end| head + end);
        let content = &rest[head + 4..end.max(head + 4)];
        let what = match imagesize::blob_size(content) {
            Ok(size) => format!("{} x {} px", size.width, size.height),
            Err(_) if content.len() <= 20 => String::from_utf8_lossy(content).into_owned(),
            Err(_) => format!("{} bytes", content.len()),
        };
        told.push(format!("{name} ({what})"));
    }
    told
}
