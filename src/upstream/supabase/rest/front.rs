//! [`Front`]: which part of PostgREST a request is for. Everything but writing is answered from here.

use super::super::database::store::{Store, reading};
use super::super::errors::PgError;
use super::media::Media;
use super::read::{self, Request, Settings};
use super::rpc::{self, Functions, Invocation};
use super::viewer::Viewer;
use super::work::Work;
use super::{openapi, refusals};
use crate::model::function::FunctionPlan;
use crate::upstream::answer::{Answer, Call};
use crate::upstream::heavy::making_way;
use http::{Method, StatusCode};
use percent_encoding::percent_decode_str;
use std::sync::RwLock;

/// Longer names are cut by PostgreSQL, and belong to no table.
const LONGEST_NAME: usize = 63;

/// The front of a project's PostgREST.
#[derive(Debug)]
pub struct Front {
    /// How it is set.
    pub settings: Settings,
    functions: Functions,
}

/// What becomes of a request.
#[derive(Debug)]
pub enum Route {
    /// It is answered.
    Answered(Box<Answer>),
    /// It writes to a table.
    Write {
        /// The table's schema, which is exposed.
        schema: String,
        /// The table.
        table: String,
    },
}

impl Front {
    /// A PostgREST with these settings and functions.
    ///
    /// # Errors
    /// What is wrong with a function.
    pub fn new(settings: Settings, functions: &[FunctionPlan], store: &Store) -> Result<Self, String> {
        Ok(Self { settings, functions: Functions::new(functions, store)? })
    }

    /// Answers a request at `path` below `/rest/v1/`, or tells which table it writes to.
    ///
    /// # Errors
    /// What PostgREST and PostgreSQL refuse it with.
    pub fn route(
        &self,
        store: &RwLock<Store>,
        viewer: &dyn Viewer,
        path: &str,
        call: &Call<'_>,
    ) -> Result<Route, PgError> {
        let answered = |answer: Answer| Ok(Route::Answered(Box::new(answer)));
        let path = percent_decode_str(path.trim_end_matches('/')).decode_utf8_lossy();
        let mut segments = path.split('/');
        let (first, second) = (segments.next().unwrap_or_default(), segments.next());
        let rpc = first == "rpc";
        let named = if rpc { second.unwrap_or_default() } else { first };
        let deep = if rpc { second.is_none() || segments.next().is_some() } else { second.is_some() };
        if deep {
            return Err(PgError::new(StatusCode::NOT_FOUND, "PGRST125", "Invalid path specified in request URL"));
        }
        let schema = self.schema(call)?;
        if first.is_empty() {
            return match *call.method {
                Method::GET | Method::HEAD => answered(self.root(store, schema, call)?),
                Method::OPTIONS => answered(allow("OPTIONS,GET,HEAD")),
                _ => Err(unsupported(call.method)),
            };
        }
        if rpc {
            if *call.method == Method::OPTIONS {
                return answered(self.function_methods(schema, named));
            }
            let Call { method, query, headers, body, .. } = *call;
            let invocation = Invocation { schema, name: named, method, query, headers, body };
            return answered(with_care(|work| {
                let store = reading(store);
                rpc::invoke(&self.functions, &store, &self.settings, viewer, &invocation, work)
            })?);
        }
        if named.len() > LONGEST_NAME {
            return Err(refusals::no_table(schema, named, std::iter::empty()));
        }
        match *call.method {
            Method::GET | Method::HEAD => {
                let head = *call.method == Method::HEAD;
                let request = Request { schema, table: named, query: call.query, headers: call.headers, head };
                answered(with_care(|work| read::read(store, &self.settings, viewer, &request, work))?)
            }
            Method::OPTIONS => {
                let store = reading(store);
                answered(table_methods(&store, schema, named)?)
            }
            Method::POST | Method::PATCH | Method::PUT | Method::DELETE => {
                Ok(Route::Write { schema: schema.to_owned(), table: named.to_owned() })
            }
            _ => Err(unsupported(call.method)),
        }
    }

    /// The schema that a request is about: by one header for what reads, by another for what writes.
    fn schema<'a>(&'a self, call: &Call<'a>) -> Result<&'a str, PgError> {
        let writes = matches!(*call.method, Method::POST | Method::PATCH | Method::PUT | Method::DELETE);
        let profile = call.header(if writes { "content-profile" } else { "accept-profile" });
        let Some(profile) = profile else {
            return Ok(self.settings.schemas.first().map_or("public", String::as_str));
        };
        match self.settings.schemas.iter().find(|schema| *schema == profile) {
            Some(schema) => Ok(schema),
            None => Err(refusals::no_schema(profile, &self.settings.schemas)),
        }
    }

    /// PostgREST's root: the schema in OpenAPI.
    fn root(&self, store: &RwLock<Store>, schema: &str, call: &Call<'_>) -> Result<Answer, PgError> {
        Media::takes_openapi(call.headers)?;
        let body = if *call.method == Method::HEAD {
            Vec::new()
        } else {
            let store = reading(store);
            openapi::document(&store, schema, &self.functions, call.header("host").unwrap_or("localhost"))
        };
        Ok(Answer::text(StatusCode::OK, "application/openapi+json; charset=utf-8", body)
            .with("content-profile", schema))
    }

    fn function_methods(&self, schema: &str, name: &str) -> Answer {
        let volatile = self.functions.of(schema).find(|function| function.name == name).is_none_or(|f| f.volatile);
        allow(if volatile { "OPTIONS,POST" } else { "OPTIONS,GET,HEAD,POST" })
    }
}

/// Does what only reads: what takes long begins again where it does not keep other connections waiting.
fn with_care<T>(read: impl Fn(&Work) -> Result<T, PgError>) -> Result<T, PgError> {
    let work = Work::light();
    match read(&work) {
        Err(_) if work.is_spent() => making_way(true, || read(&Work::statement())),
        done => done,
    }
}

fn table_methods(store: &Store, schema: &str, name: &str) -> Result<Answer, PgError> {
    let keyed = match store.table(schema, name) {
        Some(table) => table.definition().primary_key().is_some(),
        None if store.is_strict() => {
            return Err(refusals::no_table(schema, name, store.tables_of(schema).map(|(name, _)| name)));
        }
        None => true,
    };
    Ok(allow(if keyed { "OPTIONS,GET,HEAD,POST,PUT,PATCH,DELETE" } else { "OPTIONS,GET,HEAD,POST,PATCH,DELETE" }))
}

fn allow(methods: &str) -> Answer {
    Answer::empty(StatusCode::OK).with("access-control-allow-origin", "*").with("allow", methods)
}

fn unsupported(method: &Method) -> PgError {
    PgError::new(StatusCode::METHOD_NOT_ALLOWED, "PGRST117", format!("Unsupported HTTP method: {method}"))
}
