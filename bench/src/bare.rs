//! The bare limits: servers that do one thing and nothing else.

use std::convert::Infallible;
use std::io::IoSlice;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::mpsc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::sync::oneshot;

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Mode {
    /// Reads the body and answers: keeps nothing.
    Collect,
    /// Keeps the body on disk (group commit into a written ring), then answers.
    Durable,
    /// The same, and forwards the body to one target in the background.
    DurableForward,
}

const RING: u64 = 512 << 20;

type Commit = (Bytes, oneshot::Sender<()>);

pub(crate) async fn serve(mode: Mode, folder: &Path, forward_to: u16) {
    let commits = (mode != Mode::Collect).then(|| ring(folder));
    let client: Client<HttpConnector, Full<Bytes>> =
        Client::builder(TokioExecutor::new()).build_http();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("{}", listener.local_addr().unwrap().port());
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let _ = stream.set_nodelay(true);
        let (commits, client) = (commits.clone(), client.clone());
        let service = service_fn(move |request: Request<Incoming>| {
            let (commits, client) = (commits.clone(), client.clone());
            async move {
                let kind = request.headers().get("content-type").cloned();
                let body = request
                    .into_body()
                    .collect()
                    .await
                    .map(|body| body.to_bytes())
                    .unwrap_or_default();
                if let Some(commits) = commits {
                    let (done, safe) = oneshot::channel();
                    commits.send((body.clone(), done)).unwrap();
                    safe.await.unwrap();
                }
                if mode == Mode::DurableForward {
                    let mut request = Request::post(format!("http://127.0.0.1:{forward_to}/0"));
                    if let Some(kind) = kind {
                        request = request.header("content-type", kind);
                    }
                    let sent = client.request(request.body(Full::new(body)).unwrap());
                    tokio::spawn(async move {
                        if let Ok(answer) = sent.await {
                            let _ = answer.into_body().collect().await;
                        }
                    });
                }
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(
                    b"{\"ok\":true}\n",
                ))))
            }
        });
        tokio::spawn(
            hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service),
        );
    }
}

/// One thread that writes what is waiting, syncs once, and lets all of them go.
fn ring(folder: &Path) -> mpsc::SyncSender<Commit> {
    let file = std::fs::File::create(folder.join("ring")).unwrap();
    for megabyte in 0..RING >> 20 {
        file.write_all_at(&vec![0; 1 << 20], megabyte << 20)
            .unwrap();
    }
    file.sync_all().unwrap();
    let (send, receive) = mpsc::sync_channel::<Commit>(256);
    std::thread::spawn(move || {
        let mut offset = 0;
        while let Ok(first) = receive.recv() {
            let mut group = vec![first];
            let mut size = group[0].0.len();
            while size < 4 << 20 && group.len() < 256 {
                let Ok(next) = receive.try_recv() else { break };
                size += next.0.len();
                group.push(next);
            }
            if offset + size as u64 > RING {
                offset = 0;
            }
            let slices: Vec<IoSlice> = group.iter().map(|(body, _)| IoSlice::new(body)).collect();
            let written = rustix::io::pwritev(&file, &slices, offset).unwrap();
            assert_eq!(written, size);
            file.sync_data().unwrap();
            offset += size as u64;
            for (_, done) in group {
                let _ = done.send(());
            }
        }
    });
    send
}
