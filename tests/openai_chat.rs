//! The OpenAI mock's chat completions, completions, embeddings, moderations and models from outside: what they answer,
//! what they refuse and in which words, and what they count (WIRE-openai §3, §5, §7-§9).
#![expect(clippy::unwrap_used, reason = "a test may fail where it stands; helpers are tests too")]

use firedrill::fault::Engine;
use firedrill::model::event::{EventSink, RunEvent};
use firedrill::model::prices::{Prices, TokenUse};
use firedrill::model::secret::Secret;
use firedrill::model::upstream::{OpenaiPlan, UpstreamKind, UpstreamPlan};
use firedrill::units::{RunClock, Seed};
use firedrill::upstream::Upstreams;
use proptest::prelude::*;
use reqwest::{Client, Response};
use rstest::rstest;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use tiktoken_rs::o200k_base_singleton;
use tokio::sync::mpsc::UnboundedReceiver;

struct Api {
    upstreams: Upstreams,
    events: UnboundedReceiver<RunEvent>,
    client: Client,
    base: String,
}

impl Api {
    async fn new() -> Self {
        Self::planned(OpenaiPlan::default()).await
    }

    async fn planned(plan: OpenaiPlan) -> Self {
        let (sink, events) = EventSink::channel();
        let engine = Arc::new(Engine::new(Vec::new(), Seed(1)));
        let plan = UpstreamPlan::new("openai", UpstreamKind::Openai(plan));
        let upstreams = Upstreams::start(&[plan], engine, Seed(1), sink).await.unwrap();
        upstreams.begin(RunClock::start());
        Self { base: upstreams.url("openai").unwrap(), upstreams, events, client: Client::new() }
    }

    async fn send(&self, path: &str, body: &Value) -> Response {
        let request = self.client.post(format!("{}{path}", self.base)).bearer_auth("sk-test-0123456789");
        request.json(body).send().await.unwrap()
    }

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        let response = self.send(path, &body).await;
        (response.status().as_u16(), response.json().await.unwrap())
    }

    /// A completion of a request to gpt-4o that says hello, with these changes.
    async fn chat(&self, changes: Value) -> Value {
        let (status, body) = self.post("/chat/completions", hello(changes)).await;
        assert_eq!(status, 200, "{body}");
        body
    }

    async fn refused(&self, changes: Value) -> (u16, Value) {
        let (status, body) = self.post("/chat/completions", hello(changes)).await;
        assert!(status >= 400, "{body}");
        (status, body["error"].clone())
    }

    /// The chunks of a streamed completion, `[DONE]` checked and left out.
    async fn stream(&self, changes: Value) -> Vec<Value> {
        let mut body = hello(changes);
        body["stream"] = json!(true);
        let response = self.send("/chat/completions", &body).await;
        assert_eq!(response.headers()["content-type"], "text/event-stream; charset=utf-8");
        let mut chunks = events_of(&response.text().await.unwrap());
        assert_eq!(chunks.pop(), Some(json!("[DONE]")));
        chunks
    }

    /// Ends everything and gives the warnings and the tokens by model.
    async fn end(mut self) -> (Vec<String>, BTreeMap<String, TokenUse>) {
        self.upstreams.shutdown().await;
        let (mut warnings, mut tokens) = (Vec::new(), BTreeMap::<String, TokenUse>::new());
        while let Some(event) = self.events.recv().await {
            match event {
                RunEvent::Warning { message, .. } => warnings.push(message),
                RunEvent::Upstream(second) => {
                    for (model, used) in second.tokens_by_model {
                        *tokens.entry(model).or_default() += used;
                    }
                }
                other => panic!("unexpected {other:?}"),
            }
        }
        (warnings, tokens)
    }
}

fn hello(changes: Value) -> Value {
    let mut body = json!({"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}]});
    body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    body
}

fn events_of(text: &str) -> Vec<Value> {
    text.split("\n\n")
        .filter(|event| !event.is_empty())
        .map(|event| {
            let data = event.strip_prefix("data: ").unwrap_or_else(|| panic!("{event}"));
            serde_json::from_str(data).unwrap_or_else(|_| json!(data))
        })
        .collect()
}

fn count(text: &str) -> u64 {
    o200k_base_singleton().encode_ordinary(text).len() as u64
}

fn weather() -> Value {
    json!({"type": "function", "function": {"name": "get_weather", "description": "Tells the weather at a place.", "parameters": {
        "type": "object", "properties": {"city": {"type": "string"}, "unit": {"type": "string", "enum": ["c", "f"]}},
        "required": ["city", "unit"], "additionalProperties": false}, "strict": true}})
}

fn clock() -> Value {
    json!({"type": "function", "function": {"name": "get_time", "parameters": {
        "type": "object", "properties": {"zone": {"type": "string"}}, "required": ["zone"]}}})
}

fn asks(text: &str) -> Value {
    json!([{"role": "user", "content": text}])
}

// --- Plain answers ----------------------------------------------------------------------------------------------

#[tokio::test]
async fn usage_is_what_tiktoken_counts() {
    let api = Api::new().await;
    let text = "Bitte plane meinen Tag 🌞: 07:30 Frühstück, 12:00 \"Mittag\".\n\n\tDanke!";
    let messages = json!([
        {"role": "system", "content": "You are brief."},
        {"role": "user", "name": "ada", "content": [{"type": "text", "text": text}]},
    ]);
    let body = api.chat(json!({"messages": messages})).await;
    let expected = count("You are brief.") + count(text) + count("ada") + 1 + 2 * (3 + 1) + 3;
    assert_eq!(body["usage"]["prompt_tokens"], expected);
    let said = body["choices"][0]["message"]["content"].as_str().unwrap();
    assert_eq!(body["usage"]["completion_tokens"], count(said));
    assert_eq!(body["usage"]["total_tokens"], expected + count(said));
    assert_eq!(body["usage"]["completion_tokens_details"]["reasoning_tokens"], 0);
}

#[tokio::test]
async fn choices_are_billed_together_and_stops_and_limits_cut_by_tokens() {
    let api = Api::new().await;
    let three = api.chat(json!({"n": 3, "max_tokens": 5})).await;
    let choices = three["choices"].as_array().unwrap();
    assert_eq!(choices.len(), 3);
    for (index, choice) in choices.iter().enumerate() {
        assert_eq!((&choice["index"], &choice["finish_reason"]), (&json!(index), &json!("length")));
        assert_eq!(count(choice["message"]["content"].as_str().unwrap()), 5);
    }
    assert_eq!(three["usage"]["completion_tokens"], 15);
    let stopped = api.chat(json!({"stop": ["nowhere in it", " answer", " mock"]})).await;
    assert_eq!(stopped["choices"][0]["message"]["content"], "This is an");
    assert_eq!(stopped["choices"][0]["finish_reason"], "stop");
    assert_eq!(stopped["usage"]["completion_tokens"], 3);
}

#[tokio::test]
async fn equal_requests_of_equal_runs_get_equal_answers() {
    let schema = json!({"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {
        "type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "array", "items": {"type": "number"}}}, "required": ["a", "b"]}}}});
    let (one, two) = (Api::new().await, Api::new().await);
    let (first, again, other) =
        (one.chat(schema.clone()).await, two.chat(schema.clone()).await, two.chat(schema).await);
    assert_eq!(first["id"], again["id"]);
    assert_eq!(first["choices"], again["choices"]);
    assert_ne!(again["choices"], other["choices"], "another request draws anew");
}

#[tokio::test]
async fn logprobs_come_with_every_token_when_asked_for() {
    let api = Api::new().await;
    let body = api.chat(json!({"logprobs": true, "top_logprobs": 3, "max_tokens": 4})).await;
    let tokens = body["choices"][0]["logprobs"]["content"].as_array().unwrap().clone();
    let joined: String = tokens.iter().map(|token| token["token"].as_str().unwrap()).collect();
    assert_eq!(joined, body["choices"][0]["message"]["content"].as_str().unwrap());
    assert!(tokens.iter().all(|token| token["logprob"].as_f64().unwrap() <= 0.0));
    assert!(tokens.iter().all(|token| token["top_logprobs"].as_array().unwrap().len() == 3));
    assert!(api.chat(json!({})).await["choices"][0]["logprobs"].is_null());
    let chunks = api.stream(json!({"logprobs": true, "max_tokens": 4})).await;
    let streamed: String =
        chunks.iter().filter_map(|chunk| chunk["choices"][0]["logprobs"]["content"][0]["token"].as_str()).collect();
    assert_eq!(streamed, joined);
}

#[tokio::test]
async fn models_that_reason_bill_for_it() {
    let api = Api::new().await;
    let of = async |changes: Value| {
        let usage = api.chat(changes).await["usage"].clone();
        let reasoning = usage["completion_tokens_details"]["reasoning_tokens"].as_u64().unwrap();
        assert_eq!(reasoning % 64, 0);
        assert!(usage["completion_tokens"].as_u64().unwrap() > reasoning);
        reasoning
    };
    assert_eq!(of(json!({"model": "gpt-5-mini", "reasoning_effort": "minimal"})).await, 0);
    assert_eq!(of(json!({"model": "gpt-5.1"})).await, 0);
    let low = of(json!({"model": "gpt-5-mini", "reasoning_effort": "low"})).await;
    let high = of(json!({"model": "gpt-5-mini", "reasoning_effort": "high"})).await;
    assert!(0 < low && low < high, "{low} and {high}");
    // Too few tokens are all spent on reasoning: the answer is there, and empty.
    let spent = api.chat(json!({"model": "o3", "max_completion_tokens": 64})).await;
    assert_eq!(spent["choices"][0]["message"]["content"], "");
    assert_eq!(spent["choices"][0]["finish_reason"], "length");
    assert_eq!(spent["usage"]["completion_tokens_details"]["reasoning_tokens"], 64);
}

#[tokio::test]
async fn long_prompts_seen_before_are_billed_as_cached_and_tokens_are_counted_by_model() {
    let api = Api::new().await;
    let system = "Plan the day around sleep, meals and work. ".repeat(300);
    let ask = async |tail: &str| {
        let messages = json!([{"role": "system", "content": system}, {"role": "user", "content": tail}]);
        api.chat(json!({"messages": messages})).await["usage"].clone()
    };
    let (first, second) = (ask("one").await, ask("two").await);
    assert_eq!(first["prompt_tokens_details"]["cached_tokens"], 0);
    let cached = second["prompt_tokens_details"]["cached_tokens"].as_u64().unwrap();
    assert!(cached >= 1_024 && cached % 128 == 0 && cached <= second["prompt_tokens"].as_u64().unwrap());
    assert_eq!(api.chat(json!({})).await["usage"]["prompt_tokens_details"]["cached_tokens"], 0);
    let (warnings, tokens) = api.end().await;
    assert_eq!(warnings, Vec::<String>::new());
    let used = tokens["gpt-4o"];
    assert_eq!(used.cached, cached);
    assert_eq!(used.prompt, 2 * first["prompt_tokens"].as_u64().unwrap() + 8);
    let cost = Prices::shipped().unwrap().cost("gpt-4o", used).unwrap().as_dollars();
    let expected = (2.5 * (used.prompt - cached) as f64 + 1.25 * cached as f64 + 10.0 * used.completion as f64) / 1e6;
    assert!((cost - expected).abs() < 1e-9, "{cost} for {expected}");
}

// --- Structured output ------------------------------------------------------------------------------------------

#[tokio::test]
async fn structured_output_is_valid_for_the_schema_that_was_sent() {
    let api = Api::new().await;
    let schema = json!({
        "type": "object", "additionalProperties": false, "required": ["title", "blocks", "confidence", "mood", "next"],
        "properties": {
            "title": {"type": "string"},
            "blocks": {"type": "array", "minItems": 2, "maxItems": 4, "items": {"$ref": "#/$defs/block"}},
            "confidence": {"type": "number", "minimum": 0, "maximum": 1},
            "mood": {"type": ["string", "null"], "enum": ["good", "bad", null]},
            "next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]},
        },
        "$defs": {"block": {"type": "object", "additionalProperties": false, "required": ["start", "email", "code"], "properties": {
            "start": {"type": "string", "format": "date-time"}, "email": {"type": "string", "format": "email"},
            "code": {"type": "string", "pattern": "^[A-Z]{2}-\\d{3}$"}}}},
    });
    let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
    let format = json!({"type": "json_schema", "json_schema": {"name": "plan", "strict": true, "schema": schema}});
    for stream in [false, true] {
        for _ in 0..10 {
            let changes = json!({"response_format": format});
            let content: String = if stream {
                let chunks = api.stream(changes).await;
                chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect()
            } else {
                api.chat(changes).await["choices"][0]["message"]["content"].as_str().unwrap().to_owned()
            };
            let value: Value = serde_json::from_str(&content).unwrap();
            assert!(validator.is_valid(&value), "{value}");
        }
    }
    let cut = api.chat(json!({"response_format": format, "max_tokens": 7})).await;
    assert_eq!(cut["choices"][0]["finish_reason"], "length");
    assert_eq!(cut["usage"]["completion_tokens"], 7);
}

#[tokio::test]
async fn json_mode_answers_an_object() {
    let api = Api::new().await;
    let changes = json!({"response_format": {"type": "json_object"}, "messages": asks("Answer in JSON.")});
    let body = api.chat(changes).await;
    let value: Value = serde_json::from_str(body["choices"][0]["message"]["content"].as_str().unwrap()).unwrap();
    assert!(value.is_object());
}

#[tokio::test]
async fn what_no_value_can_satisfy_breaks_off_with_a_warning() {
    let api = Api::new().await;
    let schema = json!({"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]});
    let format = json!({"type": "json_schema", "json_schema": {"name": "endless", "schema": schema}});
    let body = api.chat(json!({"response_format": format})).await;
    assert_eq!(body["choices"][0]["finish_reason"], "length");
    let (warnings, _) = api.end().await;
    assert!(warnings.len() == 1 && warnings[0].contains("`endless`"), "{warnings:?}");
}

// --- Tools ------------------------------------------------------------------------------------------------------

#[rstest]
#[case::matching(json!("auto"), "What is the weather in Oslo?", &["get_weather"], "tool_calls")]
#[case::both(json!("auto"), "Tell me the weather and the time there.", &["get_weather", "get_time"], "tool_calls")]
#[case::neither(json!("auto"), "Say hello.", &[], "stop")]
#[case::none(json!("none"), "What is the weather in Oslo?", &[], "stop")]
#[case::required(json!("required"), "Say hello.", &["get_weather"], "tool_calls")]
#[case::named(json!({"type": "function", "function": {"name": "get_time"}}), "Say hello.", &["get_time"], "stop")]
#[tokio::test]
async fn functions_are_called_as_the_choice_says(
    #[case] choice: Value,
    #[case] text: &str,
    #[case] expected: &[&str],
    #[case] finish: &str,
) {
    let api = Api::new().await;
    let changes = json!({"tools": [weather(), clock()], "tool_choice": choice, "messages": asks(text)});
    let body = api.chat(changes.clone()).await;
    let message = &body["choices"][0]["message"];
    let calls = message["tool_calls"].as_array().cloned().unwrap_or_default();
    assert_eq!(calls.iter().map(|call| call["function"]["name"].as_str().unwrap()).collect::<Vec<_>>(), expected);
    assert_eq!(body["choices"][0]["finish_reason"], finish);
    assert_eq!(message["content"].is_null(), !expected.is_empty());
    for (tool, call) in [weather(), clock()].iter().flat_map(|tool| calls.iter().map(move |call| (tool, call))) {
        if tool["function"]["name"] == call["function"]["name"] {
            let arguments: Value = serde_json::from_str(call["function"]["arguments"].as_str().unwrap()).unwrap();
            assert!(jsonschema::is_valid(&tool["function"]["parameters"], &arguments), "{arguments}");
            assert!(call["id"].as_str().unwrap().starts_with("call_") && call["type"] == "function");
        }
    }
    // The same, streamed.
    let chunks = api.stream(changes).await;
    let deltas: Vec<&Value> =
        chunks.iter().flat_map(|chunk| chunk["choices"][0]["delta"]["tool_calls"].as_array()).flatten().collect();
    let mut streamed: BTreeMap<u64, (String, String)> = BTreeMap::new();
    for delta in deltas {
        let call = streamed.entry(delta["index"].as_u64().unwrap()).or_default();
        if let Some(name) = delta["function"]["name"].as_str() {
            assert!(call.0.is_empty() && delta["id"].is_string() && delta["function"]["arguments"] == "");
            call.0 = name.to_owned();
        } else {
            call.1.push_str(delta["function"]["arguments"].as_str().unwrap());
        }
    }
    assert_eq!(streamed.values().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), expected);
    assert!(streamed.values().all(|(_, arguments)| serde_json::from_str::<Value>(arguments).unwrap().is_object()));
    assert_eq!(chunks.last().unwrap()["choices"][0]["finish_reason"], finish);
}

#[tokio::test]
async fn one_call_at_a_time_if_asked_and_a_text_once_there_are_results() {
    let api = Api::new().await;
    let tools = json!([weather(), clock()]);
    let text = "Tell me the weather and the time there.";
    let single =
        api.chat(json!({"tools": tools, "parallel_tool_calls": false, "messages": asks(text)})).await["choices"][0]["message"].clone();
    assert_eq!(single["tool_calls"].as_array().unwrap().len(), 1);
    let id = single["tool_calls"][0]["id"].clone();
    let messages =
        json!([{"role": "user", "content": text}, single, {"role": "tool", "tool_call_id": id, "content": "sunny"}]);
    let answer = api.chat(json!({"tools": tools, "messages": messages})).await;
    assert_eq!(answer["choices"][0]["finish_reason"], "stop");
    assert!(answer["choices"][0]["message"]["content"].as_str().unwrap().len() > 10);
    assert!(answer["usage"]["prompt_tokens"].as_u64().unwrap() > 60, "tools count");
}

#[tokio::test]
async fn functions_named_the_old_way_are_called_the_old_way() {
    let api = Api::new().await;
    let changes =
        json!({"functions": [weather()["function"]], "function_call": "auto", "messages": asks("weather in Oslo?")});
    let choice = api.chat(changes.clone()).await["choices"][0].clone();
    assert_eq!(choice["finish_reason"], "function_call");
    assert_eq!(choice["message"]["function_call"]["name"], "get_weather");
    assert!(choice["message"].get("tool_calls").is_none());
    let chunks = api.stream(changes).await;
    let arguments: String =
        chunks.iter().filter_map(|c| c["choices"][0]["delta"]["function_call"]["arguments"].as_str()).collect();
    assert!(serde_json::from_str::<Value>(&arguments).unwrap()["city"].is_string());
}

// --- Streams ----------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_stream_says_what_a_whole_answer_says_padded_unless_asked_not_to() {
    let api = Api::new().await;
    let whole = api.chat(json!({"n": 2})).await;
    for padded in [true, false] {
        let options = json!({"include_usage": true, "include_obfuscation": padded});
        let chunks = api.stream(json!({"n": 2, "stream_options": options})).await;
        for choice in 0..2 {
            let own = chunks.iter().map(|chunk| &chunk["choices"][0]).filter(|own| own["index"] == choice);
            let said: String = own.filter_map(|own| own["delta"]["content"].as_str()).collect();
            assert_eq!(whole["choices"][choice]["message"]["content"], said);
        }
        let (usage, deltas) = chunks.split_last().unwrap();
        assert!(deltas.iter().all(|chunk| chunk["usage"].is_null() && chunk.get("usage").is_some()));
        assert_eq!(usage["usage"], whole["usage"]);
        assert!(deltas.iter().all(|chunk| chunk["obfuscation"].is_string() == padded));
        let keys = |chunk: &Value| chunk.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert!(keys(usage).contains(&"system_fingerprint".to_owned()));
        if padded {
            let length = |chunk: &Value| {
                let said = chunk["choices"][0]["delta"]["content"].as_str().unwrap_or("").len();
                said + chunk["obfuscation"].as_str().unwrap().len()
            };
            assert!(deltas.iter().all(|chunk| length(chunk) % 16 == 0));
        }
    }
}

// --- Refusals ---------------------------------------------------------------------------------------------------

#[rstest]
#[case(json!({"temperature": 3}), 400, "temperature", "decimal_above_max_value", "Expected a value <= 2, but got 3 instead.")]
#[case(json!({"temperature": "hot"}), 400, "temperature", "invalid_type", "expected a decimal number, but got a string instead.")]
#[case(json!({"n": 0}), 400, "n", "integer_below_min_value", "Expected a value >= 1, but got 0 instead.")]
#[case(json!({"max_tokens": 0}), 400, "max_tokens", "integer_below_min_value", "Expected a value >= 1")]
#[case(json!({"max_tokens": 20_000}), 400, "max_tokens", "invalid_value", "This model supports at most 16384 completion tokens")]
#[case(json!({"model": "o3", "max_tokens": 5}), 400, "max_tokens", "unsupported_parameter", "Use 'max_completion_tokens' instead.")]
#[case(json!({"model": "gpt-5", "temperature": 0.2}), 400, "temperature", "unsupported_value", "does not support 0.2 with this model.")]
#[case(json!({"reasoning_effort": "low"}), 400, "", "", "Unrecognized request argument supplied: reasoning_effort")]
#[case(json!({"top_k": 4, "frob": 1}), 400, "", "", "Unrecognized request arguments supplied: frob, top_k")]
#[case(json!({"messages": [{"role": "wizard", "content": "x"}]}), 400, "messages[0].role", "invalid_value", "Invalid value: 'wizard'. Supported values are: 'system', 'assistant',")]
#[case(json!({"messages": [{"role": "user", "content": {"text": "x"}}]}), 400, "messages[0].content", "invalid_type", "expected one of a string or array of objects, but got an object instead.")]
#[case(json!({"messages": [{"role": "user", "content": null}]}), 400, "messages.[0].content", "", "expected a string, got null.")]
#[case(json!({"messages": [{"role": "tool", "tool_call_id": "c", "content": "x"}]}), 400, "messages.[0].role", "", "must be a response to a preceeding message with 'tool_calls'.")]
#[case(json!({"messages": [{"role": "assistant", "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}, {"role": "user", "content": "x"}]}),
       400, "messages.[1].role", "", "did not have response messages: c1")]
#[case(json!({"stop": ["a", "b", "c", "d", "e"]}), 400, "stop", "array_above_max_length", "maximum length 4")]
#[case(json!({"stream_options": {"include_usage": true}}), 400, "stream_options", "", "only allowed when 'stream' is enabled.")]
#[case(json!({"tool_choice": "auto"}), 400, "tool_choice", "", "only allowed when 'tools' are specified.")]
#[case(json!({"tools": []}), 400, "tools", "empty_array", "but got an empty array instead.")]
#[case(json!({"tools": [{"type": "function", "function": {"name": "a b"}}]}), 400, "tools[0].function.name", "invalid_value", "'^[a-zA-Z0-9_-]+$'")]
#[case(json!({"tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "array", "items": {}}}}]}), 400, "tools[0].function.parameters",
       "invalid_function_parameters", "Invalid schema for function 'f': schema must be a JSON Schema of 'type: \"object\"', got 'type: \"array\"'.")]
#[case(json!({"tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {"l": {"type": "array"}}}}}]}), 400,
       "tools[0].function.parameters", "invalid_function_parameters", "In context=('properties', 'l'), array schema missing items.")]
#[case(json!({"response_format": {"type": "json_object"}}), 400, "messages", "", "must contain the word 'json' in some form")]
#[case(json!({"response_format": {"type": "xml"}}), 400, "response_format.type", "invalid_value", "'json_object', 'json_schema', and 'text'.")]
#[case(json!({"response_format": {"type": "json_schema", "json_schema": {"schema": {}}}}), 400, "response_format.json_schema.name", "missing_required_parameter", "Missing required parameter")]
#[case(json!({"response_format": {"type": "json_schema", "json_schema": {"name": "p", "strict": true, "schema": {"type": "object", "properties": {"a": {"type": "string"}}}}}}),
       400, "response_format", "", "Invalid schema for response_format 'p': In context=(), 'additionalProperties' is required to be supplied and to be false.")]
#[case(json!({"logprobs": true, "top_logprobs": 21}), 400, "top_logprobs", "integer_above_max_value", "Expected a value <= 20")]
#[case(json!({"model": "o3-pro"}), 404, "model", "", "only supported in v1/responses")]
#[case(json!({"model": "davinci-002"}), 404, "model", "", "This is not a chat model")]
#[case(json!({"model": "gpt-77"}), 404, "", "model_not_found", "The model `gpt-77` does not exist or you do not have access to it.")]
#[tokio::test]
async fn what_the_real_one_refuses_is_refused_in_its_words(
    #[case] changes: Value,
    #[case] status: u16,
    #[case] param: &str,
    #[case] code: &str,
    #[case] message: &str,
) {
    let (got, error) = Api::new().await.refused(changes).await;
    assert_eq!(got, status, "{error}");
    assert!(error["message"].as_str().unwrap().contains(message), "{error}");
    assert_eq!((error["param"].as_str().unwrap_or(""), error["code"].as_str().unwrap_or("")), (param, code), "{error}");
    assert_eq!(error["type"], "invalid_request_error");
    assert_eq!(error.as_object().unwrap().len(), 4);
}

#[tokio::test]
async fn a_prompt_beyond_the_context_is_refused_with_both_counts() {
    let api = Api::new().await;
    let text = "hello ".repeat(130_000);
    let (status, error) = api.refused(json!({"messages": asks(&text), "tools": [weather()]})).await;
    assert_eq!((status, &error["code"]), (400, &json!("context_length_exceeded")));
    let message = error["message"].as_str().unwrap();
    let messages = count(&text) + 7;
    assert!(message.contains("maximum context length is 128000 tokens"), "{message}");
    assert!(message.contains(&format!("({messages} in the messages, ")), "{message}");
    let long = "x".repeat(10_485_761);
    let (_, error) = api.refused(json!({"messages": asks(&long)})).await;
    assert_eq!(error["code"], "string_above_max_length");
}

#[tokio::test]
async fn only_planned_keys_are_taken_if_any_are_planned() {
    let keys = vec![Secret::new("sk-planned-0123456789".to_owned())];
    let api = Api::planned(OpenaiPlan { keys, ..OpenaiPlan::default() }).await;
    assert_eq!(api.upstreams.environment()["OPENAI_API_KEY"], "sk-planned-0123456789");
    let models = format!("{}/models", api.base);
    let right = api.client.get(&models).bearer_auth("sk-planned-0123456789").send().await.unwrap();
    assert_eq!(right.status(), 200);
    let wrong = api.client.get(&models).bearer_auth("sk-wrong-0123456789").send().await.unwrap();
    assert_eq!(wrong.status(), 401);
    let error = wrong.json::<Value>().await.unwrap()["error"].clone();
    assert_eq!(error["code"], "invalid_api_key");
    assert!(error["message"].as_str().unwrap().starts_with("Incorrect API key provided: sk-wrong*"), "{error}");
}

#[tokio::test]
async fn bodies_that_are_no_requests_are_refused_and_nothing_breaks() {
    let api = Api::new().await;
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let cases = [
        ("", "you must provide a model parameter"),
        ("[]", "[] is not of type 'object'"),
        ("{\"model\":", "could not parse the JSON body"),
        ("{\"model\":\"gpt-4o\",\"messages\":[1]}", "Invalid type for 'messages[0]': expected an object"),
        (&deep, "could not parse the JSON body"),
    ];
    for (body, expected) in cases {
        for path in ["/chat/completions", "/completions", "/embeddings", "/moderations"] {
            let request = api.client.post(format!("{}{path}", api.base)).bearer_auth("k").body(body.to_owned());
            let response = request.send().await.unwrap();
            assert!(response.status().is_client_error(), "{path} {body:.20}");
            let error = response.json::<Value>().await.unwrap()["error"].clone();
            if path == "/chat/completions" {
                assert!(error["message"].as_str().unwrap().contains(expected), "{body:.20}: {error}");
            }
        }
    }
    let form = api.client.post(format!("{}/chat/completions", api.base)).bearer_auth("k").form(&[("model", "gpt-4o")]);
    let error = form.send().await.unwrap().json::<Value>().await.unwrap()["error"].clone();
    assert_eq!(error["code"], "unsupported_content_type");
}

/// Values of any kind, some of them such as are meant.
fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-3.0_f64..40.0).prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        prop::sample::select(vec![
            "user",
            "assistant",
            "tool",
            "function",
            "auto",
            "required",
            "none",
            "json_schema",
            "json_object",
            "object",
            "array",
            "string",
            "text",
            "gpt-4o",
            "o3",
            "gpt-3.5-turbo-instruct",
            "text-embedding-3-small",
            "#",
            "low",
            "json",
        ])
        .prop_map(Value::from),
    ];
    let key = prop::sample::select(vec![
        "role",
        "content",
        "type",
        "function",
        "name",
        "parameters",
        "properties",
        "required",
        "items",
        "json_schema",
        "schema",
        "strict",
        "$ref",
        "anyOf",
        "tool_calls",
        "tool_call_id",
        "id",
        "arguments",
        "text",
        "image_url",
        "url",
        "include_usage",
    ]);
    leaf.prop_recursive(5, 40, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key.clone().prop_map(str::to_owned), inner, 0..5)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

/// Whatever is sent is answered, or refused in the envelope.
#[test]
fn no_request_is_left_without_an_answer() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let api = runtime.block_on(Api::new());
    let names = prop::sample::select(vec![
        "model",
        "messages",
        "stream",
        "n",
        "stop",
        "tools",
        "tool_choice",
        "response_format",
        "max_tokens",
        "logprobs",
        "top_logprobs",
        "functions",
        "function_call",
        "stream_options",
        "input",
        "prompt",
        "echo",
        "temperature",
        "metadata",
        "dimensions",
        "encoding_format",
        "reasoning_effort",
        "modalities",
        "frob",
    ]);
    let changes = prop::collection::btree_map(names.prop_map(str::to_owned), any_value(), 0..6);
    let path = prop::sample::select(vec!["/chat/completions", "/completions", "/embeddings", "/moderations"]);
    let mut runner = proptest::test_runner::TestRunner::default();
    let told = runner.run(&(path, changes), |(path, changes)| {
        let mut body = hello(json!({}));
        if path != "/chat/completions" {
            body.as_object_mut().unwrap().remove("messages");
        }
        body.as_object_mut().unwrap().extend(changes);
        let (status, text) = runtime.block_on(async {
            let response = api.send(path, &body).await;
            (response.status().as_u16(), response.text().await.unwrap())
        });
        prop_assert!(status < 500, "{} for {}", status, body);
        if status >= 400 {
            let error: Value = serde_json::from_str(&text).unwrap();
            prop_assert!(error["error"]["message"].is_string(), "{} for {}", error, body);
        } else {
            prop_assert!(text.ends_with('}') || text.ends_with("data: [DONE]\n\n"), "{} for {}", text, body);
        }
        Ok(())
    });
    told.unwrap();
}

// --- Completions, embeddings, moderations, models ---------------------------------------------------------------

#[tokio::test]
async fn completions_go_on_from_their_prompts() {
    let api = Api::new().await;
    let ask = json!({"model": "gpt-3.5-turbo-instruct", "prompt": ["One", "Two"], "n": 2, "max_tokens": 4, "echo": true, "logprobs": 1});
    let (status, body) = api.post("/completions", ask.clone()).await;
    assert_eq!((status, &body["object"]), (200, &json!("text_completion")));
    assert!(body["id"].as_str().unwrap().starts_with("cmpl-"));
    let choices = body["choices"].as_array().unwrap();
    assert_eq!(choices.iter().map(|choice| choice["index"].as_u64().unwrap()).collect::<Vec<_>>(), [0, 1, 2, 3]);
    assert!(
        choices[0]["text"].as_str().unwrap().starts_with("OneThis")
            && choices[3]["text"].as_str().unwrap().starts_with("Two")
    );
    assert_eq!(choices[0]["finish_reason"], "length");
    assert_eq!(choices[0]["logprobs"]["tokens"].as_array().unwrap().len(), 4);
    assert_eq!((&body["usage"]["prompt_tokens"], &body["usage"]["completion_tokens"]), (&json!(2), &json!(16)));

    let mut streamed = ask;
    streamed["stream"] = json!(true);
    streamed["stream_options"] = json!({"include_usage": true});
    let chunks = events_of(&api.send("/completions", &streamed).await.text().await.unwrap());
    assert_eq!(chunks.last(), Some(&json!("[DONE]")));
    assert_eq!(chunks[chunks.len() - 2]["usage"], body["usage"]);
    for choice in choices {
        let own = chunks.iter().map(|chunk| &chunk["choices"][0]).filter(|own| own["index"] == choice["index"]);
        let text: String = own.filter_map(|own| own["text"].as_str()).collect();
        assert_eq!(choice["text"], text);
    }
    let (status, body) = api.post("/completions", json!({"model": "gpt-4o", "prompt": "x"})).await;
    assert_eq!(status, 404);
    assert!(body["error"]["message"].as_str().unwrap().starts_with("This is a chat model"));
}

#[tokio::test]
async fn embeddings_take_texts_and_tokens_alike_up_to_their_limits() {
    let api = Api::new().await;
    let embed = async |input: Value| {
        api.post("/embeddings", json!({"model": "text-embedding-3-small", "input": input, "dimensions": 64})).await
    };
    let (_, by_text) = embed(json!("good morning")).await;
    let tokens = tiktoken_rs::cl100k_base_singleton().encode_ordinary("good morning");
    let (_, by_tokens) = embed(json!(tokens)).await;
    assert_eq!(by_text["data"], by_tokens["data"]);
    assert_eq!(by_text["usage"]["prompt_tokens"], tokens.len());
    let (status, many) = embed(json!(vec!["a"; 2048])).await;
    assert_eq!((status, many["data"].as_array().unwrap().len()), (200, 2048));
    assert_eq!(many["data"][2047]["index"], 2047);
    for (input, code, message) in [
        (json!(""), "", "'$.input' is invalid."),
        (json!([]), "", "'$.input' is invalid."),
        (json!(["a", ""]), "", "Invalid 'input[1]': input cannot be an empty string."),
        (json!({"a": 1}), "", "'$.input' is invalid."),
        (json!(vec!["a"; 2049]), "array_above_max_length", "maximum length 2048, but got an array with length 2049"),
        (json!("hello ".repeat(9_000)), "", "maximum context length is 8192 tokens, however you requested 9001 tokens"),
        (json!(vec!["hello ".repeat(7_000); 50]), "max_tokens_per_request", "max 300000 tokens per request"),
    ] {
        let (status, body) = embed(input).await;
        assert_eq!(status, 400, "{message}");
        assert!(body["error"]["message"].as_str().unwrap().contains(message), "{}", body["error"]);
        assert_eq!(body["error"]["code"].as_str().unwrap_or(""), code);
    }
    let (_, tokens) = api.end().await;
    assert_eq!(tokens["text-embedding-3-small"].prompt, 2 * 2 + 2048);
}

#[tokio::test]
async fn moderations_judge_every_input() {
    let api = Api::new().await;
    let (status, body) = api.post("/moderations", json!({"input": ["Plan my day", "I want to kill myself"]})).await;
    assert_eq!((status, &body["model"]), (200, &json!("omni-moderation-latest")));
    assert!(body["id"].as_str().unwrap().starts_with("modr-"));
    let results = body["results"].as_array().unwrap();
    assert_eq!(results.iter().map(|result| result["flagged"].as_bool().unwrap()).collect::<Vec<_>>(), [false, true]);
    assert_eq!(results[1]["categories"]["self-harm/intent"], true);
    assert_eq!(results[0]["category_applied_input_types"]["violence"], json!(["text"]));
    let parts = json!([{"type": "text", "text": "look"}, {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]);
    let (_, body) = api.post("/moderations", json!({"model": "omni-moderation-latest", "input": parts})).await;
    assert_eq!(body["results"].as_array().unwrap().len(), 1);
    assert_eq!(body["results"][0]["category_applied_input_types"]["violence"], json!(["text", "image"]));
    assert_eq!(api.post("/moderations", json!({})).await.1["error"]["param"], "input");
}

#[tokio::test]
async fn every_model_with_a_price_is_there() {
    let api = Api::new().await;
    let get = async |path: String| -> Value {
        api.client.get(format!("{}{path}", api.base)).bearer_auth("k").send().await.unwrap().json().await.unwrap()
    };
    let prices = Prices::shipped().unwrap();
    for model in prices.models() {
        let one = get(format!("/models/{model}")).await;
        assert_eq!((&one["id"], &one["object"]), (&json!(model), &json!("model")));
    }
    let listed = get("/models".to_owned()).await["data"].as_array().unwrap().len();
    assert!(listed >= prices.models().count());
    assert_eq!(get("/models/gone".to_owned()).await["error"]["code"], "model_not_found");
}
