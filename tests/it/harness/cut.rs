//! A way to a server that breaks once, at a place of the test's choice.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Leads to the server at the port `to`, on a port that is returned. The first connection on which the server says `at` ends
/// before anybody hears it; those behind it are good.
#[expect(clippy::disallowed_methods, reason = "the test's own server")]
pub(crate) async fn cutting_once(to: u16, at: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut whole = true;
        loop {
            let (near, _) = listener.accept().await.unwrap();
            let far = TcpStream::connect(("127.0.0.1", to)).await.unwrap();
            let (mut near_in, mut near_out) = near.into_split();
            let (mut far_in, mut far_out) = far.into_split();
            tokio::spawn(async move { tokio::io::copy(&mut near_in, &mut far_out).await });
            let mut bytes = vec![0; 64 << 10];
            loop {
                let read = far_in.read(&mut bytes).await.unwrap_or(0);
                let said = bytes[..read].windows(at.len()).any(|window| window == at);
                if said && whole {
                    whole = false;
                    break;
                }
                if read == 0 || near_out.write_all(&bytes[..read]).await.is_err() {
                    break;
                }
            }
        }
    });
    port
}
