//! What a line of the table does, in types: what it is asked, what is sent to it, what it gives.
//!
//! The same types read the request, write the answer and make the [document](super::document), so that none of them can say
//! what another does not do.

use bytes::Bytes;
use http::Request;
use http::Response;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;

use super::api::Answer;
use super::body::Body;
use super::question::{Parameter, Parameters, Question, sent};
use super::table::Ask;
use super::{Promise, Refusal};

type Handler<In, Out> = for<'a> fn(Ask<'a>, In) -> Promise<'a, Result<Out, Refusal>>;

/// Looks: `In` is read from the query.
pub(super) struct Look<In, Out>(pub(super) Handler<In, Out>);

/// Changes something: `In` is read from a JSON body.
pub(super) struct Steer<In, Out>(pub(super) Handler<In, Out>);

/// What a line does.
pub(super) trait Operation: Sync {
    fn answer<'a>(&self, ask: Ask<'a>) -> Promise<'a, Answer>;

    fn told(&self, schemas: &mut Schemas) -> Told;
}

/// What there is to tell of a line besides method, path and scope.
pub(super) struct Told {
    pub(super) parameters: Vec<Parameter>,
    pub(super) body: Option<Schema>,
    pub(super) given: Given,
}

/// What an answer holds.
pub(super) struct Given {
    pub(super) content_type: &'static str,
    /// None where bytes are told as they were sent.
    pub(super) schema: Option<Schema>,
    /// There may be a next page.
    pub(super) is_page: bool,
    /// It has an `ETag`, and 304 is told to who has it.
    pub(super) is_tagged: bool,
}

/// Schemas of what is sent and of what is given.
pub(super) struct Schemas {
    pub(super) sent: SchemaGenerator,
    pub(super) given: SchemaGenerator,
}

impl Schemas {
    pub(super) fn new() -> Self {
        let settings = SchemaSettings::draft2020_12().with(|settings| {
            settings.definitions_path = "/components/schemas".into();
            settings.meta_schema = None;
        });
        Self {
            sent: settings.clone().for_deserialize().into_generator(),
            given: settings.for_serialize().into_generator(),
        }
    }
}

/// Something that can be given as an answer.
pub(super) trait Gives {
    fn response(self, request: &Request<Bytes>) -> Response<Body>;

    fn given(schemas: &mut SchemaGenerator) -> Given;
}

impl<In, Out> Operation for Look<In, Out>
where
    In: Question + Send + 'static,
    Out: Gives + 'static,
{
    fn answer<'a>(&self, ask: Ask<'a>) -> Promise<'a, Answer> {
        let handler = self.0;
        Box::pin(async move {
            let question = ask.parameters().read()?;
            Ok(handler(ask, question).await?.response(ask.request))
        })
    }

    fn told(&self, schemas: &mut Schemas) -> Told {
        Told {
            parameters: Parameters::known::<In>(),
            body: None,
            given: Out::given(&mut schemas.given),
        }
    }
}

impl<In, Out> Operation for Steer<In, Out>
where
    In: DeserializeOwned + JsonSchema + Send + 'static,
    Out: Gives + 'static,
{
    fn answer<'a>(&self, ask: Ask<'a>) -> Promise<'a, Answer> {
        let handler = self.0;
        Box::pin(async move {
            let () = ask.parameters().read()?;
            let body = sent(ask.request)?;
            Ok(handler(ask, body).await?.response(ask.request))
        })
    }

    fn told(&self, schemas: &mut Schemas) -> Told {
        Told {
            parameters: Vec::new(),
            body: Some(schemas.sent.subschema_for::<In>()),
            given: Out::given(&mut schemas.given),
        }
    }
}
