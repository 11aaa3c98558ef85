//! PEM files: certificates and their keys, with messages that name the file.

use std::path::Path;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

fn read(folder: &Path, path: &str) -> Result<Vec<u8>, String> {
    let path = folder.join(path);
    std::fs::read(&path).map_err(|error| format!("could not read {}: {error}", path.display()))
}

/// All certificates of a file, in its order; at least one. The path counts from `folder`.
pub(crate) fn certificates(
    folder: &Path,
    path: &str,
) -> Result<Vec<CertificateDer<'static>>, String> {
    let bytes = read(folder, path)?;
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&bytes)
        .collect::<Result<_, _>>()
        .map_err(|error| format!("{path} is no PEM file: {error}"))?;
    if certificates.is_empty() {
        return Err(format!("{path} holds no certificate in PEM form"));
    }
    Ok(certificates)
}

/// The first private key of a file.
pub(crate) fn private_key(folder: &Path, path: &str) -> Result<PrivateKeyDer<'static>, String> {
    let bytes = read(folder, path)?;
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| {
        // Both forms of an encrypted key say so; camhook starts where nobody types a password.
        if memchr::memmem::find(&bytes, b"ENCRYPTED").is_some() {
            return format!(
                "the key in {path} is encrypted; take the password off: `openssl pkey -in {path} -out plain.key`"
            );
        }
        format!("{path} holds no private key in PEM form: {error}")
    })
}
