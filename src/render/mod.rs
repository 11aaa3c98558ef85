//! Render: writes what a target is to be sent, from templates. Pure.

mod content;
mod fields;
pub(crate) mod files;
pub(crate) mod http;
pub(crate) mod mqtt;
mod multipart;
pub(crate) mod nats;
mod path;
pub(crate) mod postgres;
mod python;
pub(crate) mod smtp;
mod stream;
#[cfg(test)]
mod tests;

use crate::event::{Event, Item};
use crate::payload::Payload;
use crate::template::{Engine, Mistake, Names, RenderError, Scope};

/// Mistakes in the settings of one target, each with the way to it inside the settings: keys from the outside in.
pub(crate) type Mistakes = Vec<(Vec<String>, Mistake)>;

/// How one target's payloads are written.
pub(crate) enum Renderer {
    Http(Box<http::Writer>),
    Lines(files::LinesWriter),
    Csv(files::CsvWriter),
    Files(files::PicturesWriter),
    Mqtt(mqtt::Writer),
    Nats(Box<nats::Writer>),
    Postgres(postgres::Writer),
    Smtp(Box<smtp::Writer>),
    Log(files::LogWriter),
}

impl Renderer {
    pub(crate) fn http(
        settings: &http::Settings,
        engine: &Engine,
        names: Names,
    ) -> Result<Self, Mistakes> {
        http::Writer::new(settings, engine, names).map(|writer| Self::Http(Box::new(writer)))
    }

    pub(crate) fn lines(
        settings: &files::Jsonl,
        engine: &Engine,
        names: Names,
    ) -> Result<Self, Mistakes> {
        files::LinesWriter::new(settings, engine, names).map(Self::Lines)
    }

    pub(crate) fn csv(
        settings: &files::Csv,
        engine: &Engine,
        names: Names,
    ) -> Result<Self, Mistakes> {
        files::CsvWriter::new(settings, engine, names).map(Self::Csv)
    }

    pub(crate) fn files(
        settings: &files::Pictures,
        engine: &Engine,
        names: Names,
    ) -> Result<Self, Mistakes> {
        files::PicturesWriter::new(settings, engine, names).map(Self::Files)
    }

    /// `address` is the broker's host and port.
    pub(crate) fn mqtt(
        settings: &mqtt::Settings,
        engine: &Engine,
        names: Names,
        address: Option<(String, u16)>,
    ) -> Result<Self, Mistakes> {
        mqtt::Writer::new(settings, engine, names, address).map(Self::Mqtt)
    }

    /// `address` is the server's host and port.
    pub(crate) fn nats(
        settings: &nats::Settings,
        engine: &Engine,
        names: Names,
        address: Option<(String, u16)>,
    ) -> Result<Self, Mistakes> {
        nats::Writer::new(settings, engine, names, address)
            .map(|writer| Self::Nats(Box::new(writer)))
    }

    /// `address` is the server's host and port.
    pub(crate) fn postgres(
        settings: &postgres::Settings,
        engine: &Engine,
        names: Names,
        address: Option<(String, u16)>,
    ) -> Result<Self, Mistakes> {
        postgres::Writer::new(settings, engine, names, address).map(Self::Postgres)
    }

    /// `address` is the server's host and port.
    pub(crate) fn smtp(
        settings: &smtp::Settings,
        engine: &Engine,
        names: Names,
        address: Option<(String, u16)>,
    ) -> Result<Self, Mistakes> {
        smtp::Writer::new(settings, engine, names, address)
            .map(|writer| Self::Smtp(Box::new(writer)))
    }

    pub(crate) fn log(settings: &files::Log) -> Self {
        Self::Log(files::LogWriter::new(settings))
    }

    /// Host and port of the system, if it is reached over the network and does not depend on the event.
    pub(crate) fn address(&self) -> Option<(String, u16)> {
        match self {
            Self::Http(writer) => writer.address(),
            Self::Mqtt(writer) => writer.address(),
            Self::Nats(writer) => writer.address(),
            Self::Postgres(writer) => writer.address(),
            Self::Smtp(writer) => writer.address(),
            Self::Lines(_) | Self::Csv(_) | Self::Files(_) | Self::Log(_) => None,
        }
    }

    /// Writes the request that only asks whether the system is there and takes the credentials, if there is one.
    pub(crate) fn check(
        &self,
        event: &Event,
        scope: &Scope,
    ) -> Result<Option<Payload>, RenderError> {
        match self {
            Self::Http(writer) => Ok(writer.write_check(event, scope)?.map(Payload::Http)),
            _ => Ok(None),
        }
    }

    /// Whether the answer to [`Self::check`] lists the system's cameras.
    pub(crate) fn check_lists_cameras(&self) -> bool {
        matches!(self, Self::Http(writer) if writer.check_lists_cameras())
    }

    /// Writes what is sent for `event`, or for one `item` of it. The same input always makes the same bytes.
    pub(crate) fn render(
        &self,
        event: &Event,
        item: Option<Item>,
        scope: &Scope,
    ) -> Result<Payload, RenderError> {
        match self {
            Self::Http(writer) => writer.write(event, item, scope).map(Payload::Http),
            Self::Lines(writer) => writer.write(event, item, scope),
            Self::Csv(writer) => writer.write(event, item, scope),
            Self::Files(writer) => writer.write(event, scope),
            Self::Mqtt(writer) => writer.write(scope).map(Payload::Mqtt),
            Self::Nats(writer) => writer.write(scope).map(Payload::Publication),
            Self::Postgres(writer) => writer.write(scope).map(Payload::Row),
            Self::Smtp(writer) => writer.write(scope).map(Payload::Mail),
            Self::Log(writer) => Ok(writer.write(event)),
        }
    }
}

/// Collects the mistakes of a target's settings, so that all of them are told in one run.
struct Building<'a> {
    engine: &'a Engine,
    names: Names,
    mistakes: Mistakes,
}

impl<'a> Building<'a> {
    fn new(engine: &'a Engine, names: Names) -> Self {
        Self {
            engine,
            names,
            mistakes: Vec::new(),
        }
    }

    fn template(&mut self, at: &[&str], source: &str) -> Option<crate::template::Template> {
        let built = self.engine.template(source, self.names);
        self.keep(at, built)
    }

    fn condition(&mut self, at: &[&str], source: &str) -> Option<crate::template::Condition> {
        let built = self.engine.condition(source, self.names);
        self.keep(at, built)
    }

    fn structure(
        &mut self,
        at: &[&str],
        source: &serde_json::Value,
    ) -> Option<crate::template::Structure> {
        match self.engine.structure(source, self.names) {
            Ok(structure) => Some(structure),
            Err(mistakes) => {
                for mut mistake in mistakes {
                    let mut path = owned(at);
                    path.append(&mut mistake.path);
                    self.mistakes.push((path, mistake));
                }
                None
            }
        }
    }

    fn keep<T>(&mut self, at: &[&str], built: Result<T, Mistake>) -> Option<T> {
        built
            .map_err(|mistake| self.mistakes.push((owned(at), mistake)))
            .ok()
    }

    /// A mistake of the whole text at `at`.
    fn wrong(&mut self, at: &[&str], message: String, help: Option<&str>) {
        self.mistakes.push((owned(at), mistake(message, help)));
    }

    fn done<T>(self, built: Option<T>) -> Result<T, Mistakes> {
        match built {
            Some(built) if self.mistakes.is_empty() => Ok(built),
            _ => Err(self.mistakes),
        }
    }
}

fn owned(at: &[&str]) -> Vec<String> {
    at.iter().map(|key| (*key).to_owned()).collect()
}

fn mistake(message: String, help: Option<&str>) -> Mistake {
    Mistake {
        message,
        help: help.map(str::to_owned),
        range: 0..0,
        path: Vec::new(),
        others: Vec::new(),
    }
}
