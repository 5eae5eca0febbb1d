//! Toxiproxy's JSON: what its clients send, with its defaults, and what it answers.

use super::error::ApiError;
use super::registry::{ProxyState, ToxicState};
use crate::model::toxic::{Direction, Toxic, ToxicKind};
use crate::units::{Share, Span};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Reads a body as `T`.
pub fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(|error| ApiError::BadRequestBody(error.to_string()))
}

/// A proxy as a client describes it. What it leaves out has a default, or stays as it is.
#[derive(Debug, Deserialize)]
pub struct ProxyInput {
    #[serde(default)]
    pub name: String,
    pub listen: Option<String>,
    pub upstream: Option<String>,
    pub enabled: Option<bool>,
}

/// A toxic as a client describes it.
#[derive(Debug, Deserialize)]
pub struct ToxicInput {
    #[serde(default)]
    pub name: String,
    #[serde(default, rename = "type")]
    pub kind: String,
    #[serde(default)]
    pub stream: String,
    pub toxicity: Option<f64>,
    #[serde(default)]
    pub attributes: Option<Map<String, Value>>,
    /// Ours: how long it stays on unless it is renewed.
    pub lease: Option<Span>,
}

impl ToxicInput {
    /// The toxic, with Toxiproxy's defaults: downstream, every connection, `TYPE_STREAM` as its name.
    pub fn toxic(self) -> Result<(Toxic, Option<Span>), ApiError> {
        let stream = match self.stream.to_ascii_lowercase().as_str() {
            "" | "downstream" => Direction::Downstream,
            "upstream" => Direction::Upstream,
            _ => return Err(ApiError::InvalidStream),
        };
        let kind = kind(&self.kind, self.attributes.unwrap_or_default())?;
        let name = if self.name.is_empty() { format!("{}_{}", kind.name(), stream.name()) } else { self.name };
        Ok((Toxic { name, kind, stream, toxicity: share(self.toxicity.unwrap_or(1.0)) }, self.lease))
    }

    /// The toxic after an update: attributes that are not named stay.
    pub fn update(self, toxic: &Toxic) -> Result<(Toxic, Option<Span>), ApiError> {
        let mut attributes = attributes(&toxic.kind);
        attributes.extend(self.attributes.unwrap_or_default());
        let kind = kind(toxic.kind.name(), attributes)?;
        let toxicity = self.toxicity.map_or(toxic.toxicity, share);
        Ok((Toxic { name: toxic.name.clone(), kind, stream: toxic.stream, toxicity }, self.lease))
    }
}

/// A kind by its name and attributes.
fn kind(name: &str, attributes: Map<String, Value>) -> Result<ToxicKind, ApiError> {
    let known: Result<ToxicKind, _> = serde_json::from_value(json!({"type": name, "attributes": {}}));
    if known.is_err() {
        return Err(ApiError::InvalidToxicType);
    }
    serde_json::from_value(json!({"type": name, "attributes": attributes}))
        .map_err(|error| ApiError::BadRequestBody(error.to_string()))
}

/// A toxic's attributes.
fn attributes(kind: &ToxicKind) -> Map<String, Value> {
    match serde_json::to_value(kind) {
        Ok(Value::Object(mut value)) => match value.remove("attributes") {
            Some(Value::Object(attributes)) => attributes,
            _ => Map::new(),
        },
        _ => Map::new(),
    }
}

/// Toxiproxy compares a draw with the number as it is, so what is beyond 0 and 1 is never and always.
fn share(toxicity: f64) -> Share {
    let fraction = if toxicity.is_nan() { 0.0 } else { toxicity.clamp(0.0, 1.0) };
    Share::from_fraction(fraction).unwrap_or_default()
}

/// A toxic as Toxiproxy shows it.
#[derive(Debug, Serialize)]
pub struct ToxicOutput {
    attributes: Map<String, Value>,
    name: String,
    #[serde(rename = "type")]
    kind: &'static str,
    stream: Direction,
    toxicity: f64,
    /// Ours: what is left of its lease, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    lease_left_ms: Option<u64>,
}

impl From<&ToxicState> for ToxicOutput {
    fn from(state: &ToxicState) -> Self {
        let Toxic { name, kind, stream, toxicity } = &*state.toxic;
        Self {
            attributes: attributes(kind),
            name: name.clone(),
            kind: kind.name(),
            stream: *stream,
            toxicity: toxicity.fraction(),
            lease_left_ms: state.lease_left.map(|left| u64::try_from(left.as_millis()).unwrap_or(u64::MAX)),
        }
    }
}

/// A proxy as Toxiproxy shows it.
#[derive(Debug, Serialize)]
pub struct ProxyOutput {
    name: String,
    listen: String,
    upstream: String,
    enabled: bool,
    toxics: Vec<ToxicOutput>,
}

impl From<&ProxyState> for ProxyOutput {
    fn from(state: &ProxyState) -> Self {
        Self {
            name: state.name.clone(),
            listen: state.listen.clone(),
            upstream: state.upstream.clone(),
            enabled: state.enabled,
            toxics: state.toxics.iter().map(ToxicOutput::from).collect(),
        }
    }
}
