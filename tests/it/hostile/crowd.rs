//! More connections than any site has cameras: held by nobody who wants anything, they cost little and end.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{Process, client, eventually, form_event};

/// As many connections as this test's process may open, at most; the rest is for the other tests beside it.
fn as_many_as(wanted: usize) -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"))
        .unwrap();
    let most: usize = line
        .split_whitespace()
        .nth(3)
        .unwrap()
        .parse()
        .unwrap_or(usize::MAX);
    let fits = wanted.min(most.saturating_sub(1_000));
    if fits < wanted {
        println!("{fits} connections instead of {wanted}: this machine allows {most} open files");
    }
    fits
}

fn start(folder: &std::path::Path, server: &str) -> Process {
    let routes = format!(
        "server: {{ listen: 127.0.0.1:0, {server} }}\nadmin: {{ listen: 127.0.0.1:0 }}\nlog: {{ level: error }}\n\
         sources:\n  any: {{ kind: auto, path: / }}\n"
    );
    std::fs::write(folder.join("routes.yaml"), routes).unwrap();
    Process::start_again(folder)
}

async fn post(camhook: &Process, n: usize) -> u16 {
    let (kind, body) = form_event(n);
    let request = client()
        .post(&camhook.url)
        .header("content-type", kind)
        .body(body);
    let answer = tokio::time::timeout(Duration::from_secs(60), request.send()).await;
    answer
        .expect("a camera is answered in time")
        .unwrap()
        .status()
        .as_u16()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_silent_connections_leave_room_for_a_camera() {
    let crowd = as_many_as(10_000);
    let folder = tempfile::tempdir().unwrap();
    let camhook = start(folder.path(), "max_connections: 12000, header_timeout: 10m");
    let address = camhook.url.strip_prefix("http://").unwrap().to_owned();
    let begun = Instant::now();
    let mut held = Vec::with_capacity(crowd);
    for n in 0..crowd {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        let said: &[u8] = match n % 4 {
            0 => b"",
            1 => b"POST / HTTP/1.1\r\nHost: c\r\nX-Slow:",
            2 => b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
            _ => b"POST / HTTP/1.1\r\nHost: c\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n",
        };
        stream.write_all(said).await.unwrap();
        held.push(stream);
        if n % 1_000 == 999 {
            assert_eq!(post(&camhook, n).await, 200, "beside {n} others");
        }
    }
    eventually("all of them are inside", async || {
        camhook.descriptors() > crowd
    })
    .await;
    println!(
        "{crowd} connections in {:?}: {} KiB, {} open files",
        begun.elapsed(),
        camhook.memory(),
        camhook.descriptors()
    );
    // What hyper, our code and the allocator need for one, without optimisation.
    let most = 64 * 1024 + 40 * crowd as u64;
    assert!(camhook.memory() < most, "{} KiB", camhook.memory());
    assert_eq!(post(&camhook, crowd).await, 200);
    drop(held);
    eventually("all of them are gone", async || camhook.descriptors() < 200).await;
    assert_eq!(post(&camhook, crowd + 1).await, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_holds_all_connections_holds_them_for_a_moment_only() {
    let folder = tempfile::tempdir().unwrap();
    let camhook = start(
        folder.path(),
        "max_connections: 50, header_timeout: 500ms, idle_timeout: 500ms",
    );
    let address = camhook.url.strip_prefix("http://").unwrap().to_owned();
    let mut held = Vec::new();
    for _ in 0..200 {
        held.push(TcpStream::connect(&address).await.unwrap());
    }
    assert_eq!(
        post(&camhook, 1).await,
        200,
        "behind two hundred that say nothing"
    );
    assert!(
        camhook.descriptors() < 150,
        "{} open files",
        camhook.descriptors()
    );
    for mut stream in held {
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await; // closed, or reset
        assert!(rest.is_empty());
    }
}
