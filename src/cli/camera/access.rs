//! How to reach a camera: its address, and who we are to it.

use std::path::PathBuf;

use clap::Args;
use url::Url;

use super::device::{Device, Login};
use crate::cli::Failure;
use crate::config;
use crate::secret::Secret;

/// A password longer than this is a wrong file.
const PASSWORD_BYTES_MAX: usize = 1024;

#[derive(Debug, Args)]
#[command(next_help_heading = "The camera")]
pub(super) struct Access {
    /// The camera's web address, such as http://10.0.0.5 or https://10.0.0.5:8443.
    #[arg(long, value_name = "URL")]
    camera: String,
    /// The user to log in as; changes need one with administrator's rights.
    #[arg(long, default_value = "admin")]
    username: String,
    /// The environment variable that holds the password, such as CAM_PW. (There is no option for the password itself: all
    /// users of a machine can read the options of its programs.)
    #[arg(long, value_name = "NAME", conflicts_with = "password_file")]
    password_env: Option<String>,
    /// A file that holds the password.
    #[arg(long, value_name = "PATH")]
    password_file: Option<PathBuf>,
    /// For https: the SHA-256 fingerprint of the camera's own certificate, which is then the one that is trusted.
    #[arg(long, value_name = "SHA256")]
    pin: Option<String>,
}

impl Access {
    pub(super) fn device(&self) -> Result<Device, Failure> {
        let base = address(&self.camera).map_err(Failure::Said)?;
        let password = self.password().map_err(Failure::Said)?;
        let login = password.map(|password| Login {
            username: self.username.clone(),
            password,
        });
        Device::new(base, login, self.pin.as_deref())
            .map_err(|reason| Failure::Said(format!("--pin: {reason}")))
    }

    fn password(&self) -> Result<Option<Secret>, String> {
        if let Some(name) = &self.password_env {
            let value = config::environment(name)
                .map_err(|reason| format!("--password-env {name}: {reason}"))?
                .filter(|value| !value.is_empty());
            let value = value.ok_or_else(|| {
                format!("--password-env: the environment variable `{name}` is not set, or is empty")
            })?;
            return Ok(Some(Secret::new(&value)));
        }
        let Some(path) = &self.password_file else {
            return Ok(None);
        };
        let said = |reason: &str| format!("--password-file {}: {reason}", path.display());
        let text = std::fs::read_to_string(path).map_err(|error| said(&error.to_string()))?;
        match text.trim_end_matches(['\r', '\n']) {
            "" => Err(said("it is empty")),
            text if text.len() > PASSWORD_BYTES_MAX || text.contains('\n') => {
                Err(said("it holds more than a password"))
            }
            text => Ok(Some(Secret::new(text))),
        }
    }
}

/// The camera's address; it is not repeated in mistakes, since it may hold a password.
fn address(text: &str) -> Result<Url, String> {
    let with_scheme = match text.contains("://") {
        true => text.to_owned(),
        false => format!("http://{text}"),
    };
    let url = Url::parse(&with_scheme).map_err(|error| {
        format!("--camera is no address ({error}): write it as http://10.0.0.5")
    })?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err("--camera is no address: write it as http://10.0.0.5".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(
            "--camera holds a login: give it with --username, and --password-env or --password-file".to_owned(),
        );
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("--camera holds more than an address: write it as http://10.0.0.5".to_owned());
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_be_short_and_holds_no_login() {
        assert_eq!(address("10.0.0.5").unwrap().as_str(), "http://10.0.0.5/");
        assert_eq!(
            address("https://cam:8443/").unwrap().as_str(),
            "https://cam:8443/"
        );
        for text in [
            "http://admin:hunter22@10.0.0.5",
            "http://hunter22@10.0.0.5",
            "ftp://a",
            "http://a/?b",
            "http://",
        ] {
            let mistake = address(text).unwrap_err();
            assert!(!mistake.contains("hunter22"), "{mistake}");
        }
    }
}
