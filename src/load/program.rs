//! [`Program`]: the plan compiled for sending. Every template is parsed and every name resolved here, once, so
//! that a mistake is found before the first request and a request costs no parsing.

use super::draw::Draw;
use super::error::LoadError;
use super::evidence::Redactor;
use super::json_body::JsonBody;
use super::template::{Part, Template, TemplateError};
use super::values::{Hole, Missing, Scope, Values};
use crate::model::journey::{Condition, Journey, Step, ThinkTime};
use crate::model::plan::{Feeder, Plan};
use crate::model::sample::EndpointId;
use crate::units::Span;
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use http_body_util::Full;
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};
use std::convert::Infallible;
use url::Url;

/// What is encoded in a value that stands in a path: all but RFC 3986's unreserved characters, so that a value
/// can never add a segment or a query.
const IN_PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// What is encoded in the path as it was written: only what no request line may hold.
const AS_WRITTEN: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}')
    .add(b'#');

/// A plan, ready to be walked.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) journeys: Vec<CompiledJourney>,
    pub(super) draw: Draw,
    pub(super) redactor: Redactor,
    feeders: Vec<Template<Row>>,
}

/// A placeholder of a generated feeder.
#[derive(Debug)]
enum Row {
    /// The row's number.
    Number,
    /// The run's id.
    Run(String),
}

/// A journey, ready to be walked.
#[derive(Debug)]
pub(super) struct CompiledJourney {
    pub(super) steps: Vec<CompiledStep>,
    /// How many names its steps save.
    saved: usize,
}

/// A step, ready to be sent.
#[derive(Debug)]
pub(super) struct CompiledStep {
    pub(super) endpoint: EndpointId,
    pub(super) expect: Condition,
    pub(super) degraded: Option<Condition>,
    pub(super) deadline: Span,
    pub(super) think: ThinkTime,
    /// What to save: the place among the journey's saved values, and the JSON pointer.
    pub(super) save: Vec<(usize, String)>,
    method: Method,
    path: Template<Hole>,
    /// Headers that are the same for every request.
    fixed: HeaderMap,
    /// Headers with placeholders.
    headers: Vec<(HeaderName, Template<Hole>)>,
    body: Option<JsonBody>,
}

/// Why a request could not be built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unbuildable {
    /// The request as far as it is known: method and path template.
    pub(super) request: String,
    /// What is missing or wrong.
    pub(super) why: String,
}

impl Program {
    /// Compiles a plan for a target at `base` and a run of this id.
    pub(super) fn compile(plan: &Plan, base: &Url, run_id: &str) -> Result<Self, LoadError> {
        if plan.journeys.iter().all(|journey| journey.weight == 0 || journey.steps.is_empty()) {
            return Err(LoadError::Nothing("journey with a step and a weight"));
        }
        let common = common_headers(plan, base)?;
        let feeder_names: Vec<String> = plan.feeders.keys().cloned().collect();
        let mut feeders = Vec::new();
        for (name, feeder) in &plan.feeders {
            let Feeder::Generate(text) = feeder;
            feeders.push(row_template(name, text, run_id)?);
        }
        let context = Context { plan, prefix: base.path().trim_end_matches('/'), common, feeders: feeder_names };
        let journeys = plan.journeys.iter().map(|journey| context.journey(journey)).collect::<Result<_, _>>()?;
        // A journey without steps is never worth drawing: it would be a loop that does nothing.
        let weights = plan.journeys.iter().map(|j| if j.steps.is_empty() { 0 } else { j.weight });
        Ok(Self {
            journeys,
            draw: Draw::new(plan.seed, weights),
            redactor: Redactor::new(plan.headers.values().map(|secret| secret.expose())),
            feeders,
        })
    }

    /// The values that a journey of this program starts with: row `n` of every feeder and nothing saved.
    pub(super) fn values(&self, journey: &CompiledJourney, n: u64, virtual_user: u32) -> Values {
        let rows = self.feeders.iter().map(|template| {
            let mut id = String::new();
            let filled: Result<(), Infallible> = template.render(&mut id, |row, out| {
                match row {
                    Row::Number => out.push_str(&n.to_string()),
                    Row::Run(run) => out.push_str(run),
                }
                Ok(())
            });
            let Ok(()) = filled;
            id
        });
        Values { saved: vec![None; journey.saved], rows: rows.collect(), virtual_user }
    }

    /// Whether journeys take rows from a feeder.
    pub(super) fn has_feeders(&self) -> bool {
        !self.feeders.is_empty()
    }
}

/// What every step is compiled with.
struct Context<'a> {
    plan: &'a Plan,
    prefix: &'a str,
    common: HeaderMap,
    feeders: Vec<String>,
}

impl Context<'_> {
    fn journey(&self, journey: &Journey) -> Result<CompiledJourney, LoadError> {
        let mut saved: Vec<String> = Vec::new();
        for name in journey.steps.iter().flat_map(|step| step.save.keys()) {
            if !saved.contains(name) {
                saved.push(name.clone());
            }
        }
        let scope = Scope { saved, feeders: self.feeders.clone() };
        let steps = journey.steps.iter().map(|step| self.step(step, &scope)).collect::<Result<_, _>>()?;
        Ok(CompiledJourney { steps, saved: scope.saved.len() })
    }

    fn step(&self, step: &Step, scope: &Scope) -> Result<CompiledStep, LoadError> {
        let in_template = |source: TemplateError| LoadError::Template { step: step.name.clone(), source };
        let in_http =
            |what: &str, why: String| LoadError::Http { place: format!("{what} of step `{}`", step.name), why };

        let endpoint = self.plan.endpoints.iter().position(|endpoint| endpoint.name == step.name);
        let endpoint = endpoint
            .and_then(|index| EndpointId::try_from(index).ok())
            .ok_or_else(|| LoadError::Endpoint(step.name.clone()))?;
        let method = Method::from_bytes(step.method.as_bytes())
            .map_err(|error| in_http(&format!("the method `{}`", step.method), error.to_string()))?;
        if !step.path.starts_with('/') {
            return Err(in_http(&format!("the path `{}`", step.path), "it does not start with `/`".to_owned()));
        }

        let mut fixed = self.common.clone();
        let mut headers = Vec::new();
        for (name, text) in &step.headers {
            let place = || format!("the header `{name}`");
            let header = HeaderName::from_bytes(name.as_bytes()).map_err(|e| in_http(&place(), e.to_string()))?;
            let template = scope.template(text).map_err(in_template)?;
            if template.names().next().is_some() {
                fixed.remove(&header);
                headers.push((header, template));
            } else {
                let text: String = template.parts().iter().map(literal).collect();
                let value = HeaderValue::from_str(&text).map_err(|e| in_http(&place(), e.to_string()))?;
                fixed.insert(header, value);
            }
        }
        let body = step.body.as_ref().map(|body| JsonBody::compile(body, scope)).transpose().map_err(in_template)?;
        if body.is_some() && !headers.iter().any(|(name, _)| name == CONTENT_TYPE) {
            fixed.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
        }
        let save = step.save.iter().filter_map(|(name, pointer)| Some((scope.saved(name)?, pointer.clone())));
        Ok(CompiledStep {
            endpoint,
            expect: step.expect.clone(),
            degraded: step.degraded.clone(),
            deadline: step.deadline,
            think: step.think,
            save: save.collect(),
            method,
            path: scope.template(&format!("{}{}", braces(self.prefix), step.path)).map_err(in_template)?,
            fixed,
            headers,
            body,
        })
    }
}

impl CompiledStep {
    /// Builds the request for one user.
    pub(super) fn request(&self, values: &Values) -> Result<Request<Full<Bytes>>, Unbuildable> {
        let path = self.path(values)?;
        let uri: Uri = path.parse().map_err(|error| self.unbuildable(format!("path `{path}`: {error}")))?;
        let body = match &self.body {
            Some(body) => body.render(values).map_err(|missing| self.missing(&missing))?,
            None => Bytes::new(),
        };
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = uri;
        *request.headers_mut() = self.fixed.clone();
        for (name, template) in &self.headers {
            let mut text = String::new();
            template
                .render(&mut text, |hole, out| {
                    out.push_str(&values.text(hole)?);
                    Ok(())
                })
                .map_err(|missing| self.missing(&missing))?;
            let value = HeaderValue::from_str(&text)
                .map_err(|_| self.unbuildable(format!("header `{name}` would hold a character that HTTP forbids")))?;
            request.headers_mut().insert(name.clone(), value);
        }
        Ok(request)
    }

    /// Whether the answer's body matters beyond evidence.
    pub(super) fn reads_body(&self) -> bool {
        let looks_at = |condition: &Condition| !condition.json.is_empty() || condition.contains.is_some();
        self.reads_json() || looks_at(&self.expect) || self.degraded.as_ref().is_some_and(looks_at)
    }

    /// Whether the answer's body is needed as JSON.
    pub(super) fn reads_json(&self) -> bool {
        !self.save.is_empty()
            || !self.expect.json.is_empty()
            || self.degraded.as_ref().is_some_and(|rule| !rule.json.is_empty())
    }

    fn path(&self, values: &Values) -> Result<String, Unbuildable> {
        let mut path = String::with_capacity(64);
        for part in self.path.parts() {
            match part {
                Part::Text(text) => path.extend(utf8_percent_encode(text, AS_WRITTEN)),
                Part::Name(hole) => {
                    let text = values.text(hole).map_err(|missing| self.missing(&missing))?;
                    path.extend(utf8_percent_encode(&text, IN_PATH));
                }
            }
        }
        Ok(path)
    }

    fn missing(&self, missing: &Missing) -> Unbuildable {
        self.unbuildable(format!("no value for `{{{}}}`: no earlier answer of this journey gave one", missing.0))
    }

    fn unbuildable(&self, why: String) -> Unbuildable {
        let path: String = self
            .path
            .parts()
            .iter()
            .map(|part| match part {
                Part::Text(text) => text.clone(),
                Part::Name(hole) => format!("{{{}}}", hole.name),
            })
            .collect();
        Unbuildable { request: format!("{} {path}", self.method), why }
    }
}

/// The headers that every request has.
fn common_headers(plan: &Plan, base: &Url) -> Result<HeaderMap, LoadError> {
    let mut headers = HeaderMap::new();
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("firedrill/", env!("CARGO_PKG_VERSION"))));
    headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
    let host = base.host_str().unwrap_or_default();
    let host = base.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    let host =
        HeaderValue::from_str(&host).map_err(|e| LoadError::Url { url: base.to_string(), why: e.to_string() })?;
    headers.insert(HOST, host);
    for (name, secret) in &plan.headers {
        let refuse = |why: &str| LoadError::Http { place: format!("the header `{name}`"), why: why.to_owned() };
        let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| refuse("its name is not allowed"))?;
        let mut value =
            HeaderValue::from_str(secret.expose()).map_err(|_| refuse("its value holds a forbidden character"))?;
        value.set_sensitive(true);
        headers.insert(header, value);
    }
    Ok(headers)
}

/// Parses a generated feeder's template.
fn row_template(feeder: &str, text: &str, run_id: &str) -> Result<Template<Row>, LoadError> {
    let refuse = |why: String| LoadError::Feeder { feeder: feeder.to_owned(), why };
    let template: Template = text.parse().map_err(|error: TemplateError| refuse(error.to_string()))?;
    if let Some(name) = template.names().find(|name| !matches!(name.as_str(), "n" | "run")) {
        return Err(refuse(format!("`{{{name}}}` is unknown here; there are `{{n}}` and `{{run}}`")));
    }
    Ok(template.resolve(|name| if name == "n" { Row::Number } else { Row::Run(run_id.to_owned()) }))
}

fn literal<N>(part: &Part<N>) -> &str {
    if let Part::Text(text) = part { text } else { "" }
}

/// A text with its braces doubled, so that it stands for itself in a template.
fn braces(text: &str) -> String {
    text.replace('{', "{{").replace('}', "}}")
}
