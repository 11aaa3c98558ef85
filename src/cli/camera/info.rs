//! `camhook camera info`: what a camera says of itself.

use clap::Args;
use serde_json::{Map, Value};

use super::Vendor;
use super::access::Access;
use super::device::{Device, DeviceError};
use super::xml::Element;
use crate::cli::show::{clean, line};
use crate::cli::{Common, Failure};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[arg(value_enum, value_name = "VENDOR")]
    vendor: Vendor,
    #[command(flatten)]
    access: Access,
}

/// An answer to `GetDeviceInfo`.
pub(super) struct Info(Element);

impl Info {
    pub(super) async fn of(device: &mut Device) -> Result<Self, DeviceError> {
        let answer = device.get("GetDeviceInfo").await?;
        let inner = answer.child("deviceInfo").cloned();
        Ok(Self(inner.unwrap_or(answer)))
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.0.text(name)
    }

    /// Whether its API is 2.1 or newer. Firmware before 2.0 does not tell a version.
    pub(super) fn is_api_21(&self) -> bool {
        let mut numbers = self
            .text("apiVersion")
            .into_iter()
            .flat_map(|version| version.split('.'))
            .map_while(|number| number.trim_start_matches(['v', 'V']).parse::<u32>().ok());
        let major = numbers.next().unwrap_or(0);
        major > 2 || (major == 2 && numbers.next().unwrap_or(0) >= 1)
    }

    /// One line, such as `Gate (model, API 2.0.0)`.
    pub(super) fn title(&self) -> String {
        let mut about: Vec<String> = Vec::new();
        about.extend(self.text("model").map(str::to_owned));
        about.extend(
            self.text("softwareVersion")
                .map(|version| format!("firmware {version}")),
        );
        about.extend(
            self.text("apiVersion")
                .map(|version| format!("API {version}")),
        );
        let name = self.text("deviceName").unwrap_or("a camera");
        match about.is_empty() {
            true => clean(name),
            false => clean(&format!("{name} ({})", about.join(", "))),
        }
    }
}

pub(super) async fn info(common: &Common, arguments: Arguments) -> Result<(), Failure> {
    let Vendor::Viewtron = arguments.vendor;
    let mut device = arguments.access.device()?;
    let Info(info) = Info::of(&mut device).await?;
    let told = info
        .children
        .iter()
        .filter(|child| child.children.is_empty() && !child.said().is_empty());
    if common.json {
        let fields = told.map(|child| (child.name.clone(), Value::from(child.said())));
        line(&Value::Object(fields.collect::<Map<_, _>>()).to_string());
        return Ok(());
    }
    for child in told {
        line(&format!(
            "{:<20} {}",
            clean(&child.name),
            clean(child.said())
        ));
    }
    Ok(())
}
