//! The other side, for camhook's own commands: they trust the listeners' own certificates, whatever those say, and else
//! whom the system trusts.

use std::sync::{Arc, OnceLock};

use rustls::ClientConfig;
use rustls::client::danger::{ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls_platform_verifier::Verifier;

use super::judging::{Judge, Judging};

/// Trusts these certificates, and whom the system trusts.
pub(crate) fn client_config(
    known: Vec<CertificateDer<'static>>,
) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Known {
        known,
        provider: provider.clone(),
        others: OnceLock::new(),
    };
    let verifier = Judging::new(verifier, provider.clone());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

#[derive(Debug)]
struct Known {
    known: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
    /// Read when they are needed: hundreds of files, which a small machine may not have.
    others: OnceLock<Result<Verifier, rustls::Error>>,
}

impl Judge for Known {
    fn judge(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if self.known.iter().any(|known| known == end_entity) {
            return Ok(ServerCertVerified::assertion());
        }
        let others = self
            .others
            .get_or_init(|| Verifier::new(self.provider.clone()));
        match others {
            Ok(others) => {
                others.verify_server_cert(end_entity, intermediates, server_name, ocsp, now)
            }
            Err(error) => Err(error.clone()),
        }
    }
}
