//! `camhook cert`: an authority of one's own, and certificates by it for the listeners and for cameras.
//!
//! Cameras have no names that a public authority would vouch for. A house authority is loaded into each camera once, and
//! outlives the certificates that it issues.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};

use super::show::line;
use super::{Common, Failure};
use crate::clock::Clock;

/// How long an authority lasts. Days.
const AUTHORITY_DAYS: u32 = 20 * 365;

#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub(super) struct Arguments {
    /// The names and addresses that cameras and browsers reach this machine by, as they are written in their settings.
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
    /// Make a certificate for a sender to show, under its one NAME, instead of one for the listeners.
    #[arg(long)]
    client: bool,
    /// The folder of the authority and its certificates. Default: `tls` beside the config.
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// How many days the certificate lasts.
    #[arg(long, value_name = "DAYS", default_value_t = 825, value_parser = clap::value_parser!(u32).range(1..=7300))]
    days: u32,
    /// Renew: replace a certificate that is there. The authority stays.
    #[arg(long)]
    replace: bool,
}

const AFTER: &str = "Example:
  camhook cert gate.example 10.0.0.5              tls/camhook.pem, .key, and tls/ca.pem for whoever shall trust it
  camhook cert gate.example 10.0.0.5 --replace    renews it; a running camhook takes it up by itself
  camhook cert --client gate-cam-1                tls/gate-cam-1.pem, .key: who a camera is";

/// A certificate and its key, as they are written.
struct Made {
    pem: String,
    key: String,
}

pub(super) fn cert(common: &Common, arguments: &Arguments) -> Result<(), Failure> {
    let beside = common.config.parent().unwrap_or(Path::new(""));
    let folder = arguments.out.clone().unwrap_or_else(|| beside.join("tls"));
    let now = Clock::system().now();
    let name = match arguments.client {
        false => "camhook",
        true => client_name(&arguments.names)?,
    };
    let (pem_file, key_file) = (
        folder.join(format!("{name}.pem")),
        folder.join(format!("{name}.key")),
    );
    for file in [&pem_file, &key_file] {
        if file.exists() && !arguments.replace {
            let file = file.display();
            return Err(Failure::Said(format!(
                "{file} is there already; --replace puts a new one in its place"
            )));
        }
    }
    fs::create_dir_all(&folder).map_err(|error| told(&folder, &error))?;
    let (authority, is_new) = authority(&folder, now)?;
    let made = match arguments.client {
        true => for_client(name, &authority, now, arguments.days)?,
        false => for_listeners(&arguments.names, &authority, now, arguments.days)?,
    };
    write(&key_file, &made.key, 0o600)?;
    write(&pem_file, &made.pem, 0o644)?;
    let ca_file = folder.join("ca.pem");
    let until = day(now, arguments.days).map(|(y, m, d)| format!("{y}-{m:02}-{d:02}"))?;
    line(&format!(
        "{} and {}: for {}, until {until}",
        pem_file.display(),
        key_file.display(),
        arguments.names.join(", ")
    ));
    if is_new {
        line(&format!(
            "{}: the authority that issued it. Load it into cameras and browsers; keep {} to yourself",
            ca_file.display(),
            folder.join("ca.key").display()
        ));
    }
    let written = |file: &Path| written(file, beside);
    let (pem, key, ca) = (written(&pem_file), written(&key_file), written(&ca_file));
    if arguments.client {
        line(&format!(
            "Load both into the camera, and write into routes.yaml:\n  server: {{ tls: {{ …, client_ca: {ca} }} }}\n  sources: {{ NAME: {{ auth: {{ client_cert: [{name}] }} }} }}"
        ));
    } else {
        line(&format!(
            "Write into routes.yaml:\n  server: {{ tls: {{ cert: {pem}, key: {key} }} }}\n  admin: {{ tls: {{ cert: {pem}, key: {key} }} }}"
        ));
    }
    Ok(())
}

/// As the config writes it, whose paths count from its folder.
fn written(file: &Path, beside: &Path) -> String {
    let whole = || std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let written = match file.strip_prefix(beside) {
        Ok(below) => below.to_owned(),
        Err(_) => whole(),
    };
    written.display().to_string()
}

/// The name is that of files, too.
fn client_name(names: &[String]) -> Result<&str, Failure> {
    let [name] = names else {
        return Err(Failure::Said("a client has one NAME".to_owned()));
    };
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.is_empty() || name.starts_with('.') || !name.chars().all(fits) {
        return Err(Failure::Said(format!(
            "`{name}` is no name for a client: expected letters, digits, `-`, `_` and `.`"
        )));
    }
    if ["ca", "camhook"].contains(&name.as_str()) {
        return Err(Failure::Said(format!(
            "`{name}` is the name of other files; choose another"
        )));
    }
    Ok(name)
}

/// The folder's authority, made when there is none.
fn authority(folder: &Path, now: Timestamp) -> Result<(Issuer<'static, KeyPair>, bool), Failure> {
    let (pem_file, key_file) = (folder.join("ca.pem"), folder.join("ca.key"));
    let is_new = !pem_file.exists() && !key_file.exists();
    if is_new {
        let mut params = CertificateParams::new(Vec::new())?;
        let (year, month, day) = day(now, 0)?;
        let name = format!("camhook authority of {year}-{month:02}-{day:02}");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        lasting(&mut params, now, AUTHORITY_DAYS)?;
        let key = KeyPair::generate()?;
        let text = key.serialize_pem();
        let made = CertifiedIssuer::self_signed(params, key)?;
        write(&key_file, &text, 0o600)?;
        write(&pem_file, &made.pem(), 0o644)?;
    }
    let read = |file: &Path| fs::read_to_string(file).map_err(|error| told(file, &error));
    let key = KeyPair::from_pem(&read(&key_file)?)?;
    let issuer = Issuer::from_ca_cert_pem(&read(&pem_file)?, key)?;
    Ok((issuer, is_new))
}

fn for_listeners(
    names: &[String],
    authority: &Issuer<'_, KeyPair>,
    now: Timestamp,
    days: u32,
) -> Result<Made, Failure> {
    let mut params = CertificateParams::new(names)?;
    let first = names.first().map_or("camhook", String::as_str);
    params.distinguished_name.push(DnType::CommonName, first);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    issue(params, authority, now, days)
}

fn for_client(
    name: &str,
    authority: &Issuer<'_, KeyPair>,
    now: Timestamp,
    days: u32,
) -> Result<Made, Failure> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(DnType::CommonName, name);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    issue(params, authority, now, days)
}

fn issue(
    mut params: CertificateParams,
    authority: &Issuer<'_, KeyPair>,
    now: Timestamp,
    days: u32,
) -> Result<Made, Failure> {
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    lasting(&mut params, now, days)?;
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, authority)?;
    Ok(Made {
        pem: certificate.pem(),
        key: key.serialize_pem(),
    })
}

/// From yesterday on, since the clocks of cameras are not ours.
fn lasting(params: &mut CertificateParams, now: Timestamp, days: u32) -> Result<(), Failure> {
    let moment = |(year, month, day): (i32, u8, u8)| rcgen::date_time_ymd(year, month, day);
    let yesterday = now - jiff::SignedDuration::from_hours(24);
    params.not_before = moment(day(yesterday, 0)?);
    params.not_after = moment(day(now, days)?);
    Ok(())
}

fn day(now: Timestamp, later: u32) -> Result<(i32, u8, u8), Failure> {
    let day = now.to_zoned(TimeZone::UTC).date();
    let day = day.checked_add(Span::new().days(i64::from(later)))?;
    let unsigned = |n: i8| n.unsigned_abs();
    Ok((
        day.year().into(),
        unsigned(day.month()),
        unsigned(day.day()),
    ))
}

/// Whole or not at all: a running camhook reads the file as soon as it changes.
fn write(file: &Path, text: &str, mode: u32) -> Result<(), Failure> {
    let mut beside = file.as_os_str().to_owned();
    beside.push("~");
    let beside = PathBuf::from(beside);
    let _ = fs::remove_file(&beside); // left by one that was killed
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&beside)
        .and_then(|mut open| open.write_all(text.as_bytes()))
        .and_then(|()| fs::rename(&beside, file));
    written.map_err(|error| told(file, &error))
}

fn told(file: &Path, error: &std::io::Error) -> Failure {
    Failure::Said(format!("{}: {error}", file.display()))
}
