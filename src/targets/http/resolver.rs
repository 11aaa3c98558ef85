//! Looks names up for connections that may not go everywhere: what is connected to is what was judged.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::reach::Reach;

type Found = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

/// Asks the system, and hands on only the addresses that may be connected to.
pub(super) struct Resolver {
    reach: Arc<Reach>,
    look_up: fn(String) -> Found,
}

impl Resolver {
    pub(super) fn new(reach: &Reach) -> Self {
        Self {
            reach: Arc::new(reach.clone()),
            look_up: |name| {
                Box::pin(async move {
                    // The port comes from the URL.
                    let found = tokio::net::lookup_host((name, 0)).await?;
                    Ok(found.collect())
                })
            },
        }
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (reach, look_up) = (self.reach.clone(), self.look_up);
        Box::pin(async move {
            let name = name.as_str();
            let found = look_up(name.to_owned()).await?;
            let permitted = reach.permitted(name, found)?;
            Ok(Box::new(permitted.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU8, Ordering};
    use std::time::Duration;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::reach::Words;
    use crate::targets::http::failure;

    const WORDS: Words = Words {
        hosts: "hosts",
        networks: "networks",
    };

    fn reach(networks: &[&str]) -> Reach {
        let networks: Vec<String> = networks.iter().map(|n| (*n).to_owned()).collect();
        Reach::new(&["cam.example".to_owned()], &networks, WORDS).unwrap()
    }

    fn client(reach: &Reach, look_up: fn(String) -> Found) -> reqwest::Client {
        let resolver = Resolver {
            reach: Arc::new(reach.clone()),
            look_up,
        };
        let builder = reqwest::Client::builder().no_proxy();
        let tls = rustls::ClientConfig::builder_with_provider(Arc::new(
            rustls::crypto::ring::default_provider(),
        ));
        let tls = tls.with_safe_default_protocol_versions().unwrap();
        let tls = tls
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        let builder = builder.tls_backend_preconfigured(tls);
        builder.dns_resolver(Arc::new(resolver)).build().unwrap()
    }

    async fn answer(listener: &TcpListener) {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 1024];
        assert!(stream.read(&mut request).await.unwrap() > 0);
        let answer = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
        stream.write_all(answer).await.unwrap();
    }

    #[tokio::test]
    async fn a_name_that_turns_to_another_address_is_judged_anew_with_each_connection() {
        static ASKED: AtomicU8 = AtomicU8::new(0);
        let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        // What a rebinding name server answers: a permitted address, then another.
        let client = client(&reach(&["127.0.0.1"]), |_| {
            let last = 1 + ASKED.fetch_add(1, Ordering::SeqCst);
            Box::pin(async move { Ok(vec![SocketAddr::from(([127, 0, 0, last], 0))]) })
        });
        let url = format!("http://cam.example:{port}/");
        let (answered, ()) = tokio::join!(client.get(&url).send(), answer(&listener));
        assert_eq!(answered.unwrap().status(), 204);
        let error = client.get(&url).send().await.unwrap_err();
        let refused = failure::refused(&error).expect("that is why").to_string();
        assert!(refused.contains("has the address 127.0.0.2"), "{refused}");
        let knocked = tokio::time::timeout(Duration::ZERO, listener.accept()).await;
        assert!(knocked.is_err(), "nobody connected");
    }

    #[tokio::test]
    async fn of_several_addresses_only_permitted_ones_are_connected_to() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let client = client(&reach(&["127.0.0.0/8"]), |_| {
            let found = [[10, 255, 255, 1], [127, 0, 0, 1]].map(|a| SocketAddr::from((a, 0)));
            Box::pin(async move { Ok(found.to_vec()) })
        });
        let url = format!("http://cam.example:{port}/");
        let (answered, ()) = tokio::join!(client.get(&url).send(), answer(&listener));
        assert_eq!(answered.unwrap().status(), 204);
    }
}
