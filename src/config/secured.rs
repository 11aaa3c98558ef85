//! TLS of the listeners: their files read and checked, and what else of the file depends on it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rustls::pki_types::CertificateDer;

use super::load::{Loader, place};
use super::mistake::Mistake;
use super::tree::{Node, Shape};
use super::{Source, parse};
use crate::admin;
use crate::server::{self, ClientCerts};
use crate::tls::{Ask, Offer, Wanted, certificates};

/// How long a handshake with `admin` may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

pub(super) fn server(loader: &mut Loader<'_>, settings: &server::Settings) -> Option<Offer> {
    let tls = settings.tls.as_ref()?;
    let ask = tls.client_ca.as_ref().map(|ca| Ask {
        ca: ca.clone(),
        required: tls.client_certs == ClientCerts::Required,
    });
    let wanted = Wanted {
        cert: &tls.cert,
        key: tls.key.as_deref(),
        ask,
        // HTTP/2 for those who speak nothing else: it gains nothing for one picture at a time, and curl 7.88, which many
        // cameras are made with, comes to no end over it when a large body is answered with 401 before it is read.
        protocols: &[b"http/1.1", b"h2", b"http/1.0"],
        handshake: tls.handshake_timeout(),
    };
    if tls.client_ca.is_none() && tls.client_certs == ClientCerts::Optional {
        let at = place(loader.root, &way("server", "client_certs"));
        let message = "without `client_ca` nobody is asked for a certificate";
        loader.mistake(Mistake::new(at, message).help("add `client_ca`, or leave this out"));
    }
    offer(loader, "server", &wanted)
}

pub(super) fn admin(loader: &mut Loader<'_>, settings: &admin::Settings) -> Option<Offer> {
    let tls = settings.tls.as_ref()?;
    let wanted = Wanted {
        cert: &tls.cert,
        key: tls.key.as_deref(),
        ask: None,
        protocols: &[b"http/1.1", b"http/1.0"],
        handshake: HANDSHAKE,
    };
    offer(loader, "admin", &wanted)
}

fn offer(loader: &mut Loader<'_>, section: &str, wanted: &Wanted<'_>) -> Option<Offer> {
    match wanted.read(loader.folder) {
        Ok(offer) => Some(offer),
        Err(mistakes) => {
            for (key, message) in mistakes {
                let at = place(loader.root, &way(section, key));
                loader.mistake(Mistake::new(at, message));
            }
            None
        }
    }
}

fn way(section: &str, key: &str) -> Vec<String> {
    [section, "tls", key].map(str::to_owned).to_vec()
}

/// What the `tls` of listeners, sources, targets and lists is read from, to be watched.
pub(super) fn files(node: &Node, folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    match &node.shape {
        Shape::Map(entries) => {
            for (key, value) in entries {
                if key.text == "tls" {
                    let named = ["cert", "key", "ca", "client_ca"].iter();
                    let named = named.filter_map(|key| value.get(key)?.text());
                    files.extend(named.map(|file| folder.join(file)));
                }
                files.extend(self::files(value, folder));
            }
        }
        Shape::List(items) => files.extend(items.iter().flat_map(|item| self::files(item, folder))),
        Shape::Scalar(_) => {}
    }
    files
}

/// Whoever asks for certificates of senders must have said whose.
pub(super) fn sources(loader: &mut Loader<'_>, settings: &server::Settings, sources: &[Source]) {
    let tls = settings.tls.as_ref();
    if tls.is_some_and(|tls| tls.client_ca.is_some()) {
        return;
    }
    for source in sources {
        if source.settings.auth.client_cert.is_none() {
            continue;
        }
        let way = ["sources", source.name.as_str(), "auth", "client_cert"].map(str::to_owned);
        let at = place(loader.root, &way);
        let message = "no sender is asked for a certificate, so none could send here";
        loader.mistake(
            Mistake::new(at, message)
                .help("name the authority of their certificates: `server: { tls: { cert, key, client_ca: FILE } }`"),
        );
    }
}

/// The listeners' certificates that a file names, as far as it can be read: for commands that talk to a running camhook,
/// and may be given by a user who can read neither its key nor its secrets.
pub(crate) fn own_certificates(path: &Path) -> Vec<CertificateDer<'static>> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let root = parse::parse(&text, &mut Vec::new()).unwrap_or_else(Node::empty);
    let folder = path.parent().unwrap_or(Path::new("."));
    let files = ["admin", "server"].into_iter().filter_map(|section| {
        let tls = root.get(section)?.get("tls")?;
        tls.get("cert")?.text().map(str::to_owned)
    });
    // The first is the listener's own; those after it are authorities, which vouch for others too.
    let first = files.filter_map(|file| certificates(folder, &file).ok()?.into_iter().next());
    first.collect()
}
