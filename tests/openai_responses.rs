//! The Responses API from outside: bodies, events and their order, and what is kept of a response.
#![expect(clippy::unwrap_used, reason = "a test may fail where it stands; helpers are tests too")]

use firedrill::fault::Engine;
use firedrill::model::content::ContentFile;
use firedrill::model::event::EventSink;
use firedrill::model::fault::{Delay, FaultMatch, FaultRule, FaultWindow, Injection, StreamError, StreamErrorForm};
use firedrill::model::pace::{ModelPace, PacePlan};
use firedrill::model::upstream::{OpenaiPlan, UpstreamKind, UpstreamPlan};
use firedrill::units::{Offset, RunClock, Seed, Share};
use firedrill::upstream::Upstreams;
use proptest::prelude::*;
use reqwest::{Client, Method, Response};
use rstest::rstest;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Rules by the last word of the prompt.
const RULES: &str = r#"
name = "test"
[[rule]]
name = "refuse"
when = { last = "REFUSE" }
answer.refusal = "I cannot help with that."
[[rule]]
name = "call"
when = { last = "CALL" }
answer.tool-calls = [
  { name = "get_weather", arguments = { city = "Paris, France" } },
  { name = "get_time", arguments = { zone = "CET" } },
]
[[rule]]
name = "filtered"
when = { last = "FILTER" }
answer.text = "This was held"
finish = "content-filter"
"#;

struct Api {
    _upstreams: Upstreams,
    client: Client,
    base: String,
}

impl Api {
    async fn new() -> Self {
        Self::with(OpenaiPlan::default(), Vec::new()).await
    }

    async fn with(plan: OpenaiPlan, faults: Vec<FaultRule>) -> Self {
        let (sink, _events) = EventSink::channel();
        let engine = Arc::new(Engine::new(faults, Seed(1)));
        let content = vec![toml::from_str::<ContentFile>(RULES).unwrap()];
        let plans = [UpstreamPlan::new("openai", UpstreamKind::Openai(OpenaiPlan { content, ..plan }))];
        let upstreams = Upstreams::start(&plans, engine, Seed(1), sink).await.unwrap();
        upstreams.begin(RunClock::start());
        Self { base: upstreams.url("openai").unwrap(), _upstreams: upstreams, client: Client::new() }
    }

    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Response {
        let request = self.client.request(method, format!("{}{path}", self.base)).bearer_auth("sk-test-0123456789");
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        request.send().await.unwrap()
    }

    async fn ask(&self, body: Value) -> (u16, Value) {
        let response = self.send(Method::POST, "/responses", Some(&body)).await;
        (response.status().as_u16(), response.json().await.unwrap())
    }

    async fn made(&self, body: Value) -> Value {
        let (status, response) = self.ask(body).await;
        assert_eq!(status, 200, "{response}");
        response
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        let response = self.send(Method::GET, path, None).await;
        (response.status().as_u16(), response.json().await.unwrap())
    }

    async fn events(&self, mut body: Value) -> Vec<Value> {
        body["stream"] = json!(true);
        let response = self.send(Method::POST, "/responses", Some(&body)).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream; charset=utf-8");
        events(&response.text().await.unwrap())
    }
}

/// Reads a stream as strictly as the form allows: a name and its data, blank line, nothing else.
fn events(text: &str) -> Vec<Value> {
    let body = text.strip_suffix("\n\n").unwrap_or_else(|| panic!("{text:?} does not end with a blank line"));
    let read = |event: &str| {
        let (name, data) = event.split_once('\n').unwrap();
        let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(name.strip_prefix("event: "), data["type"].as_str(), "the name repeats the type");
        data
    };
    body.split("\n\n").map(read).collect()
}

/// The types in their order, runs of deltas as one.
fn types(events: &[Value]) -> Vec<&str> {
    let mut types: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    types.dedup_by(|one, other| one == other && one.ends_with(".delta"));
    types
}

fn simple(input: &str) -> Value {
    json!({"model": "gpt-4o", "input": input})
}

const MESSAGE: [&str; 6] = [
    "response.output_item.added",
    "response.content_part.added",
    "response.output_text.delta",
    "response.output_text.done",
    "response.content_part.done",
    "response.output_item.done",
];

// --- Bodies -----------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_response_has_every_field_that_the_clients_require() {
    let api = Api::new().await;
    let body = api.made(simple("hello")).await;
    assert_eq!((body["object"].as_str(), body["status"].as_str()), (Some("response"), Some("completed")));
    assert!(body["id"].as_str().unwrap().starts_with("resp_") && body["id"].as_str().unwrap().len() == 53);
    assert_eq!(body["model"], "gpt-4o-2024-08-06");
    assert!(body["created_at"].is_i64() && body["completed_at"].is_i64());
    for (key, value) in [
        ("error", Value::Null),
        ("incomplete_details", Value::Null),
        ("instructions", Value::Null),
        ("metadata", json!({})),
        ("tools", json!([])),
        ("tool_choice", json!("auto")),
        ("parallel_tool_calls", json!(true)),
        ("temperature", json!(1.0)),
        ("top_p", json!(1.0)),
        ("text", json!({"format": {"type": "text"}, "verbosity": "medium"})),
        ("reasoning", json!({"effort": null, "summary": null})),
        ("truncation", json!("disabled")),
        ("store", json!(true)),
        ("background", json!(false)),
        ("previous_response_id", Value::Null),
        ("max_output_tokens", Value::Null),
        ("service_tier", json!("default")),
    ] {
        assert_eq!(body.get(key), Some(&value), "{key}");
    }
    let message = &body["output"][0];
    assert_eq!(body["output"].as_array().unwrap().len(), 1);
    assert!(message["id"].as_str().unwrap().starts_with("msg_"));
    assert_eq!(
        (&message["type"], &message["status"], &message["role"]),
        (&json!("message"), &json!("completed"), &json!("assistant"))
    );
    let part = &message["content"][0];
    assert_eq!(
        (&part["type"], &part["annotations"], &part["logprobs"]),
        (&json!("output_text"), &json!([]), &json!([]))
    );
    assert!(!part["text"].as_str().unwrap().is_empty());
    let usage = &body["usage"];
    assert_eq!(usage["input_tokens_details"], json!({"cached_tokens": 0, "cache_write_tokens": 0}));
    assert_eq!(usage["output_tokens_details"], json!({"reasoning_tokens": 0}));
    assert_eq!(
        usage["total_tokens"].as_u64().unwrap(),
        usage["input_tokens"].as_u64().unwrap() + usage["output_tokens"].as_u64().unwrap()
    );
    assert!(body.get("output_text").is_none(), "the client computes it");
}

#[tokio::test]
async fn a_response_repeats_its_request() {
    let api = Api::new().await;
    let schema = json!({"type": "object", "properties": {"z": {"type": "string"}, "a": {"type": "string"}},
                        "required": ["z", "a"], "additionalProperties": false});
    let body = api
        .made(json!({
            "model": "gpt-4o", "input": [{"role": "user", "content": "hi"}], "instructions": "be brief",
            "metadata": {"order": "7"}, "temperature": 0.2, "top_p": 0.5, "max_output_tokens": 400, "user": "u",
            "tools": [{"type": "function", "name": "f", "parameters": schema}], "tool_choice": "none",
            "parallel_tool_calls": false, "truncation": "auto", "store": false, "max_tool_calls": 3,
            "text": {"format": {"type": "json_schema", "name": "out", "schema": schema, "strict": true}, "verbosity": "low"},
        }))
        .await;
    assert_eq!(
        body["tools"],
        json!([{"type": "function", "description": null, "name": "f", "parameters": schema, "strict": true}])
    );
    assert_eq!(
        body["text"],
        json!({"format": {"type": "json_schema", "description": null, "name": "out", "schema": schema, "strict": true},
               "verbosity": "low"})
    );
    for (key, value) in [
        ("instructions", json!("be brief")),
        ("metadata", json!({"order": "7"})),
        ("temperature", json!(0.2)),
        ("tool_choice", json!("none")),
        ("parallel_tool_calls", json!(false)),
        ("truncation", json!("auto")),
        ("store", json!(false)),
        ("max_output_tokens", json!(400)),
        ("max_tool_calls", json!(3)),
        ("user", json!("u")),
    ] {
        assert_eq!(body[key], value, "{key}");
    }
}

#[tokio::test]
async fn calls_and_refusals_are_items_of_their_own() {
    let api = Api::new().await;
    let tools = json!([{"type": "function", "name": "get_weather", "parameters": {"type": "object", "properties": {}}},
                       {"type": "function", "name": "get_time", "parameters": {"type": "object", "properties": {}}}]);
    let body = api.made(json!({"model": "gpt-4o", "input": "please CALL", "tools": tools})).await;
    let calls = body["output"].as_array().unwrap();
    assert_eq!(calls.len(), 2);
    assert_eq!(
        (&calls[0]["type"], &calls[0]["name"], &calls[0]["status"]),
        (&json!("function_call"), &json!("get_weather"), &json!("completed"))
    );
    assert_eq!(calls[0]["arguments"], r#"{"city":"Paris, France"}"#);
    assert!(
        calls[0]["id"].as_str().unwrap().starts_with("fc_")
            && calls[0]["call_id"].as_str().unwrap().starts_with("call_")
    );
    assert_ne!(calls[0]["call_id"], calls[1]["call_id"]);
    let refused = api.made(simple("REFUSE")).await;
    assert_eq!(refused["output"][0]["content"], json!([{"type": "refusal", "refusal": "I cannot help with that."}]));
    assert_eq!(refused["status"], "completed");
}

#[tokio::test]
async fn what_is_cut_is_incomplete_and_says_why() {
    let api = Api::new().await;
    let cut = api.made(json!({"model": "gpt-4o", "input": "go on", "max_output_tokens": 16})).await;
    assert_eq!(
        (&cut["status"], &cut["incomplete_details"]),
        (&json!("incomplete"), &json!({"reason": "max_output_tokens"}))
    );
    assert_eq!((&cut["output"][0]["status"], &cut["usage"]["output_tokens"]), (&json!("incomplete"), &json!(16)));
    assert_eq!(cut["completed_at"], Value::Null);
    let filtered = api.made(simple("FILTER")).await;
    assert_eq!(
        (&filtered["status"], &filtered["incomplete_details"]),
        (&json!("incomplete"), &json!({"reason": "content_filter"}))
    );
    let failed =
        api.made(json!({"model": "gpt-4o", "input": "x", "metadata": {"firedrill": "fail:rate_limit_exceeded"}})).await;
    assert_eq!((&failed["status"], &failed["error"]["code"]), (&json!("failed"), &json!("rate_limit_exceeded")));
    assert_eq!((&failed["output"], &failed["usage"]), (&json!([]), &Value::Null));
}

// --- Streams ----------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_text_is_streamed_in_openais_order_and_ends_with_the_whole_response() {
    let api = Api::new().await;
    let events = api.events(simple("hello")).await;
    let order: Vec<&str> =
        ["response.created", "response.in_progress"].into_iter().chain(MESSAGE).chain(["response.completed"]).collect();
    assert_eq!(types(&events), order);
    for (index, event) in events.iter().enumerate() {
        assert_eq!(event["sequence_number"], index, "{event}");
    }
    for event in &events[..2] {
        assert_eq!((&event["response"]["status"], &event["response"]["output"]), (&json!("in_progress"), &json!([])));
        assert_eq!(event["response"]["usage"], Value::Null);
    }
    let last = &events.last().unwrap()["response"];
    assert_eq!((&last["status"], &last["id"]), (&json!("completed"), &events[0]["response"]["id"]));
    let of = |kind: &'static str| events.iter().filter(move |event| event["type"] == kind);
    let text: String = of("response.output_text.delta").map(|event| event["delta"].as_str().unwrap()).collect();
    assert_eq!(last["output"][0]["content"][0]["text"], text);
    assert_eq!(of("response.output_text.done").next().unwrap()["text"], text);
    assert_eq!(of("response.content_part.done").next().unwrap()["part"]["text"], text);
    assert_eq!(of("response.output_item.done").next().unwrap()["item"], last["output"][0]);
    let added = of("response.output_item.added").next().unwrap();
    assert_eq!((&added["item"]["status"], &added["item"]["content"]), (&json!("in_progress"), &json!([])));
    for delta in of("response.output_text.delta") {
        assert_eq!(
            (&delta["output_index"], &delta["content_index"], &delta["logprobs"]),
            (&json!(0), &json!(0), &json!([]))
        );
        assert_eq!(delta["item_id"], last["output"][0]["id"]);
        let padded = delta["delta"].as_str().unwrap().len() + delta["obfuscation"].as_str().unwrap().len();
        assert_eq!(padded % 16, 0, "{delta}");
    }
    // What is asked for again is what was streamed.
    assert_eq!(api.get(&format!("/responses/{}", last["id"].as_str().unwrap())).await, (200, last.clone()));
}

#[tokio::test]
async fn calls_refusals_and_other_ends_have_events_of_their_own() {
    let api = Api::new().await;
    let tools = json!([{"type": "function", "name": "get_weather"}, {"type": "function", "name": "get_time"}]);
    let events = api.events(json!({"model": "gpt-4o", "input": "CALL", "tools": tools})).await;
    let call = [
        "response.output_item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.output_item.done",
    ];
    let order = ["response.created", "response.in_progress"];
    let order: Vec<&str> = order.into_iter().chain(call).chain(call).chain(["response.completed"]).collect();
    assert_eq!(types(&events), order);
    assert_eq!((&events[2]["item"]["arguments"], &events[2]["item"]["status"]), (&json!(""), &json!("in_progress")));
    let arguments: String = events
        .iter()
        .filter(|event| event["type"] == call[1] && event["output_index"] == 1)
        .map(|event| event["delta"].as_str().unwrap())
        .collect();
    assert_eq!(arguments, r#"{"zone":"CET"}"#);
    let done = events.iter().find(|event| event["type"] == call[2]).unwrap();
    assert_eq!((&done["arguments"], &done["name"]), (&json!(r#"{"city":"Paris, France"}"#), &json!("get_weather")));

    let refused = api.events(simple("REFUSE")).await;
    assert_eq!(types(&refused)[4..6], ["response.refusal.delta", "response.refusal.done"]);
    assert_eq!(
        refused.iter().find(|event| event["type"] == "response.refusal.done").unwrap()["refusal"],
        "I cannot help with that."
    );

    let mut cut = simple("go on");
    cut["max_output_tokens"] = json!(16);
    let cut = api.events(cut).await;
    let last = cut.last().unwrap();
    assert_eq!((&last["type"], &last["response"]["status"]), (&json!("response.incomplete"), &json!("incomplete")));

    let failed = api.events(json!({"model": "gpt-4o", "input": "x", "metadata": {"firedrill": "fail"}})).await;
    assert_eq!(types(&failed), ["response.created", "response.in_progress", "response.failed"]);
    assert_eq!(failed[2]["response"]["error"]["code"], "server_error");

    let mut plain = simple("hello");
    plain["stream_options"] = json!({"include_obfuscation": false});
    assert!(api.events(plain).await.iter().all(|event| event.get("obfuscation").is_none()));
}

#[tokio::test]
async fn a_model_that_reasons_says_so_first() {
    let api = Api::new().await;
    let ask = json!({"model": "o3-mini", "input": "think", "reasoning": {"effort": "high", "summary": "auto"},
                     "include": ["reasoning.encrypted_content"]});
    let made = api.made(ask.clone()).await;
    let (thought, message) = (&made["output"][0], &made["output"][1]);
    assert_eq!((&thought["type"], &message["type"]), (&json!("reasoning"), &json!("message")));
    assert_eq!(thought["summary"][0]["type"], "summary_text");
    assert!(thought["id"].as_str().unwrap().starts_with("rs_") && thought["encrypted_content"].is_string());
    assert!(made["usage"]["output_tokens_details"]["reasoning_tokens"].as_u64().unwrap() > 0);
    let events = api.events(ask).await;
    let summary = [
        "response.output_item.added",
        "response.reasoning_summary_part.added",
        "response.reasoning_summary_text.delta",
        "response.reasoning_summary_text.done",
        "response.reasoning_summary_part.done",
        "response.output_item.done",
    ];
    let order = ["response.created", "response.in_progress"];
    let order: Vec<&str> = order.into_iter().chain(summary).chain(MESSAGE).chain(["response.completed"]).collect();
    assert_eq!(types(&events), order);
}

#[tokio::test]
async fn what_a_schema_asks_for_is_what_is_said() {
    let api = Api::new().await;
    let schema = json!({"type": "object", "properties": {"colour": {"type": "string", "enum": ["red", "blue"]},
                        "count": {"type": "integer", "minimum": 3, "maximum": 5}},
                        "required": ["colour", "count"], "additionalProperties": false});
    let made = api
        .made(json!({"model": "gpt-4o", "input": "x",
                     "text": {"format": {"type": "json_schema", "name": "n", "schema": schema, "strict": true}}}))
        .await;
    let said: Value = serde_json::from_str(made["output"][0]["content"][0]["text"].as_str().unwrap()).unwrap();
    assert!(jsonschema::is_valid(&schema, &said), "{said}");
    let tool = json!([{"type": "function", "name": "paint", "parameters": schema, "strict": true}]);
    let made = api.made(json!({"model": "gpt-4o", "input": "x", "tools": tool, "tool_choice": "required"})).await;
    let arguments: Value = serde_json::from_str(made["output"][0]["arguments"].as_str().unwrap()).unwrap();
    assert!(jsonschema::is_valid(&schema, &arguments), "{arguments}");
    let lax = json!({"type": "object", "properties": {"a": {"type": "string"}}});
    let (status, refused) = api
        .ask(json!({"model": "gpt-4o", "input": "x",
                    "text": {"format": {"type": "json_schema", "name": "n", "schema": lax, "strict": true}}}))
        .await;
    assert_eq!((status, &refused["error"]["param"]), (400, &json!("text.format.schema")));
    assert_eq!(refused["error"]["code"], "invalid_json_schema");
}

#[rstest]
#[case(None, "error", json!({"type": "error", "code": "rate_limit_exceeded", "param": null, "sequence_number": 4}))]
#[case(Some(StreamErrorForm::Nested), "error", json!({"type": "error", "sequence_number": 4}))]
#[case(Some(StreamErrorForm::Failed), "response.failed", json!({"type": "response.failed", "sequence_number": 4}))]
#[tokio::test]
async fn a_stream_that_began_well_can_fail_in_each_form(
    #[case] form: Option<StreamErrorForm>,
    #[case] kind: &str,
    #[case] holds: Value,
) {
    let fault = FaultRule {
        name: "limit".into(),
        upstream: "openai".into(),
        when: FaultMatch::default(),
        share: Share::ALL,
        window: FaultWindow { from: Offset::ZERO, until: None },
        inject: Injection::StreamError(StreamError { events: 4, error: "rate_limit".into(), form }),
    };
    let api = Api::with(OpenaiPlan::default(), vec![fault]).await;
    let events = api.events(simple("hello")).await;
    assert_eq!(events.len(), 5);
    let last = &events[4];
    assert_eq!(last["type"], kind);
    for (key, value) in holds.as_object().unwrap() {
        assert_eq!(&last[key], value, "{key} of {last}");
    }
    match form {
        None => assert!(last["message"].as_str().unwrap().starts_with("Rate limit reached")),
        Some(StreamErrorForm::Nested) => assert_eq!(last["error"]["code"], "rate_limit_exceeded"),
        Some(_) => {
            let (begun, failed) = (&events[0]["response"], &last["response"]);
            assert_eq!((&failed["id"], &failed["status"]), (&begun["id"], &json!("failed")));
            assert_eq!(failed["error"]["code"], "rate_limit_exceeded");
            let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
            assert_eq!(keys(failed), keys(begun), "it has every field that a response has");
        }
    }
}

#[tokio::test]
async fn a_stream_begins_at_once_and_speaks_after_its_first_token_time() {
    let every = ModelPace {
        first_token: Delay::constant(Duration::from_millis(250)),
        token_gap: Delay::constant(Duration::from_millis(4)),
        ..ModelPace::default()
    };
    let pace = Some(Box::new(PacePlan { every, ..PacePlan::default() }));
    let api = Api::with(OpenaiPlan { pace, ..OpenaiPlan::default() }, Vec::new()).await;
    let mut body = simple("hello");
    body["stream"] = json!(true);
    let started = Instant::now();
    let mut response = api.send(Method::POST, "/responses", Some(&body)).await;
    let first = response.chunk().await.unwrap().unwrap();
    let began = started.elapsed();
    assert!(first.starts_with(b"event: response.created"));
    let mut rest = Vec::new();
    while let Some(chunk) = response.chunk().await.unwrap() {
        rest.extend_from_slice(&chunk);
    }
    let tokens = String::from_utf8(rest).unwrap().matches("output_text.delta\n").count() as u64;
    let expected = Duration::from_millis(250 + 4 * (tokens - 1));
    // It begins before its first token, whatever the machine is busy with; it ends no sooner than its tokens allow.
    assert!(began < started.elapsed() - Duration::from_millis(4 * (tokens - 1)), "began after {began:?}");
    assert!(started.elapsed() >= expected, "{tokens} tokens took {:?}", started.elapsed());
}

// --- What is kept -----------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_conversation_goes_on_from_an_earlier_response() {
    let api = Api::new().await;
    let first =
        api.made(json!({"model": "gpt-4o", "input": "one two three four", "instructions": "be brief and kind"})).await;
    let second = api.made(json!({"model": "gpt-4o", "input": "next", "previous_response_id": first["id"]})).await;
    assert_eq!(second["previous_response_id"], first["id"]);
    assert_eq!(second["instructions"], Value::Null, "instructions are not carried over");
    let alone = api.made(simple("next")).await;
    let tokens = |body: &Value| body["usage"]["input_tokens"].as_u64().unwrap();
    assert!(tokens(&second) > tokens(&alone) + first["usage"]["output_tokens"].as_u64().unwrap());
    let third = api.made(json!({"model": "gpt-4o", "previous_response_id": second["id"]})).await;
    assert!(tokens(&third) > tokens(&second));

    let refused = api.ask(json!({"model": "gpt-4o", "input": "x", "previous_response_id": "resp_nope"})).await;
    assert_eq!(
        refused,
        (
            400,
            json!({"error": {"message": "Previous response with id 'resp_nope' not found.", "type": "invalid_request_error",
                               "param": "previous_response_id", "code": "previous_response_not_found"}})
        )
    );
    let kept = api.made(json!({"model": "gpt-4o", "input": "x", "store": false})).await;
    let (status, _) = api.ask(json!({"model": "gpt-4o", "input": "x", "previous_response_id": kept["id"]})).await;
    assert_eq!(status, 400, "what is not stored cannot be gone on from");
}

#[tokio::test]
async fn a_calls_result_is_sent_with_the_call_or_with_the_response_that_made_it() {
    let api = Api::new().await;
    let made = api
        .made(json!({"model": "gpt-4o", "input": "CALL", "tools": [{"type": "function", "name": "get_weather"}]}))
        .await;
    let results: Vec<Value> = made["output"]
        .as_array()
        .unwrap()
        .iter()
        .map(|call| json!({"type": "function_call_output", "call_id": call["call_id"], "output": "18 °C"}))
        .collect();
    let by_id = json!({"model": "gpt-4o", "input": results, "previous_response_id": made["id"]});
    assert_eq!(api.made(by_id).await["output"][0]["type"], "message");
    let whole: Vec<Value> = std::iter::once(json!({"role": "user", "content": "CALL"}))
        .chain(made["output"].as_array().unwrap().iter().cloned())
        .chain(results.iter().cloned())
        .collect();
    assert_eq!(api.made(json!({"model": "gpt-4o", "input": whole})).await["status"], "completed");
    let item = &made["output"][0]["id"];
    let referred = json!([{"type": "item_reference", "id": item}, results[0]]);
    assert_eq!(api.made(json!({"model": "gpt-4o", "input": referred})).await["status"], "completed");

    let (status, stray) = api.ask(json!({"model": "gpt-4o", "input": [results[0]]})).await;
    let id = results[0]["call_id"].as_str().unwrap();
    assert_eq!((status, &stray["error"]["param"], &stray["error"]["code"]), (400, &json!("input"), &Value::Null));
    assert_eq!(stray["error"]["message"], format!("No tool call found for function call output with call_id {id}."));
    let (_, open) = api.ask(json!({"model": "gpt-4o", "input": "x", "previous_response_id": made["id"]})).await;
    assert_eq!(open["error"]["message"], format!("No tool output found for function call {id}."));
    let (status, _) =
        api.ask(json!({"model": "gpt-4o", "input": [{"type": "item_reference", "id": "msg_nope"}]})).await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn responses_can_be_read_listed_and_deleted() {
    let api = Api::new().await;
    let input =
        json!([{"role": "system", "content": "s"}, {"role": "user", "content": [{"type": "input_text", "text": "u"}]}]);
    let made = api.made(json!({"model": "gpt-4o", "input": input})).await;
    let path = format!("/responses/{}", made["id"].as_str().unwrap());
    assert_eq!(api.get(&path).await, (200, made.clone()));
    let (_, items) = api.get(&format!("{path}/input_items?order=asc&limit=1")).await;
    assert_eq!((&items["object"], &items["has_more"]), (&json!("list"), &json!(true)));
    let first = &items["data"][0];
    assert_eq!(first["content"], json!([{"type": "input_text", "text": "s"}]));
    assert_eq!(
        (&first["type"], &first["role"], &first["status"]),
        (&json!("message"), &json!("system"), &json!("completed"))
    );
    assert_eq!((&items["first_id"], &items["last_id"]), (&first["id"], &first["id"]));
    let after = first["id"].as_str().unwrap();
    let (_, rest) = api.get(&format!("{path}/input_items?order=asc&after={after}")).await;
    assert_eq!((rest["data"].as_array().unwrap().len(), &rest["data"][0]["role"]), (1, &json!("user")));
    let (_, newest_first) = api.get(&format!("{path}/input_items")).await;
    assert_eq!(newest_first["data"][0]["role"], "user");
    assert_eq!(api.get(&format!("{path}/input_items?limit=0")).await.0, 400);

    let cancelled = api.send(Method::POST, &format!("{path}/cancel"), None).await;
    assert_eq!(cancelled.status(), 400, "it was not made in the background");
    let deleted: Value = api.send(Method::DELETE, &path, None).await.json().await.unwrap();
    assert_eq!(deleted, json!({"id": made["id"], "object": "response", "deleted": true}));
    for (method, path) in [
        (Method::GET, path.clone()),
        (Method::DELETE, path.clone()),
        (Method::POST, format!("{path}/cancel")),
        (Method::GET, format!("{path}/input_items")),
    ] {
        let response = api.send(method, &path, None).await;
        assert_eq!(response.status(), 404, "{path}");
        let message = response.json::<Value>().await.unwrap()["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.starts_with("Response with id 'resp_"), "{message}");
    }
    let counted =
        api.send(Method::POST, "/responses/input_tokens", Some(&json!({"model": "gpt-4o", "input": input}))).await;
    assert_eq!(
        counted.json::<Value>().await.unwrap(),
        json!({"object": "response.input_tokens", "input_tokens": made["usage"]["input_tokens"]})
    );
}

#[tokio::test]
async fn background_responses_are_queued_made_and_cancelled() {
    let every = ModelPace { first_token: Delay::constant(Duration::from_secs(3_600)), ..ModelPace::default() };
    let pace = Some(Box::new(PacePlan { every, capacity: Some(1), ..PacePlan::default() }));
    let slow = Api::with(OpenaiPlan { pace, ..OpenaiPlan::default() }, Vec::new()).await;
    let ask = json!({"model": "gpt-4o", "input": "x", "background": true});
    let (first, second) = (slow.made(ask.clone()).await, slow.made(ask.clone()).await);
    assert_eq!((&first["status"], &first["output"], &first["usage"]), (&json!("queued"), &json!([]), &Value::Null));
    let path = |made: &Value| format!("/responses/{}", made["id"].as_str().unwrap());
    assert_eq!(slow.get(&path(&first)).await.1["status"], "in_progress");
    assert_eq!(slow.get(&path(&second)).await.1["status"], "queued", "the only place is taken");
    let cancelled: Value =
        slow.send(Method::POST, &format!("{}/cancel", path(&second)), None).await.json().await.unwrap();
    assert_eq!(cancelled["status"], "cancelled");
    assert_eq!(slow.get(&path(&second)).await, (200, cancelled));

    let fast = Api::new().await;
    let queued = fast.made(ask.clone()).await;
    assert_eq!(queued["status"], "queued");
    let (_, done) = fast.get(&path(&queued)).await;
    assert_eq!((&done["status"], &done["background"]), (&json!("completed"), &json!(true)));
    let streamed = fast.events(ask).await;
    assert_eq!(types(&streamed)[..3], ["response.created", "response.queued", "response.in_progress"]);
}

// --- What is refused --------------------------------------------------------------------------------------------

#[rstest]
#[case::no_model(json!({"input": "x"}), 400, Some("model"), Some("missing_required_parameter"), "Missing required parameter: 'model'.")]
#[case::unknown_model(json!({"model": "gpt-9", "input": "x"}), 404, None, Some("model_not_found"), "The model `gpt-9` does not exist")]
#[case::no_input(json!({"model": "gpt-4o"}), 400, None, Some("missing_required_parameter"), "One of \"input\"")]
#[case::few_tokens(json!({"model": "gpt-4o", "input": "x", "max_output_tokens": 5}), 400, Some("max_output_tokens"), Some("integer_below_min_value"), "Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16, but got 5 instead.")]
#[case::hot(json!({"model": "gpt-4o", "input": "x", "temperature": 3}), 400, Some("temperature"), Some("decimal_above_max_value"), "Invalid 'temperature': decimal above maximum value. Expected a value <= 2.0, but got 3.0 instead.")]
#[case::moved(json!({"model": "gpt-4o", "input": "x", "response_format": {"type": "json_object"}}), 400, None, Some("unsupported_parameter"), "Unsupported parameter: 'response_format'. In the Responses API, this parameter has moved to 'text.format'.")]
#[case::messages(json!({"model": "gpt-4o", "messages": []}), 400, None, Some("unsupported_parameter"), "Unsupported parameter: 'messages'.")]
#[case::unknown(json!({"model": "gpt-4o", "input": "x", "colour": "red"}), 400, Some("colour"), Some("unknown_parameter"), "Unknown parameter: 'colour'.")]
#[case::wrong_type(json!({"model": "gpt-4o", "input": 7}), 400, Some("input"), Some("invalid_type"), "Invalid type for 'input'")]
#[case::wrong_role(json!({"model": "gpt-4o", "input": [{"role": "owner", "content": "x"}]}), 400, Some("input[0].role"), Some("invalid_value"), "Invalid value: 'owner'.")]
#[case::wrong_item(json!({"model": "gpt-4o", "input": [{"type": "riddle"}]}), 400, Some("input[0].type"), Some("invalid_value"), "Invalid value: 'riddle'.")]
#[case::wrong_part(json!({"model": "gpt-4o", "input": [{"role": "user", "content": [{"type": "text2"}]}]}), 400, Some("input[0].content[0].type"), Some("invalid_value"), "Invalid value: 'text2'.")]
#[case::no_schema(json!({"model": "gpt-4o", "input": "x", "text": {"format": {"type": "json_schema", "name": "n"}}}), 400, Some("text.format.schema"), Some("missing_required_parameter"), "Missing required parameter: 'text.format.schema'.")]
#[case::tool_choice(json!({"model": "gpt-4o", "input": "x", "tool_choice": {"type": "function", "name": "f"}}), 400, Some("tool_choice"), None, "Tool choice 'function' with name 'f' not found in 'tools' parameter.")]
#[case::no_reasoning(json!({"model": "gpt-4o", "input": "x", "reasoning": {"effort": "low"}}), 400, Some("reasoning.effort"), Some("unsupported_parameter"), "Unsupported parameter: 'reasoning.effort' is not supported with this model.")]
#[case::reasoning(json!({"model": "o3-mini", "input": "x", "temperature": 0.2}), 400, Some("temperature"), Some("unsupported_parameter"), "Unsupported parameter: 'temperature' is not supported with this model.")]
#[case::embedding_model(json!({"model": "text-embedding-3-small", "input": "x"}), 400, Some("model"), Some("unsupported_model"), "The requested model 'text-embedding-3-small' is not supported")]
#[tokio::test]
async fn a_bad_request_gets_the_true_envelope(
    #[case] body: Value,
    #[case] status: u16,
    #[case] param: Option<&str>,
    #[case] code: Option<&str>,
    #[case] says: &str,
) {
    let api = Api::new().await;
    let (got, answer) = api.ask(body).await;
    let error = &answer["error"];
    assert_eq!((got, error["param"].as_str(), error["code"].as_str()), (status, param, code), "{error}");
    assert_eq!(error["type"], "invalid_request_error");
    assert!(error["message"].as_str().unwrap().starts_with(says), "{error}");
    assert_eq!(error.as_object().unwrap().len(), 4);
}

#[tokio::test]
async fn an_input_beyond_the_context_is_refused_or_truncated_as_asked() {
    let api = Api::new().await;
    let long: Vec<Value> =
        (0..12).map(|n| json!({"role": "user", "content": format!("{n} {}", "word ".repeat(1_500))})).collect();
    let mut body = json!({"model": "gpt-4", "input": long, "instructions": "be brief"});
    let (status, refused) = api.ask(body.clone()).await;
    assert_eq!((status, &refused["error"]["code"]), (400, &json!("context_length_exceeded")));
    body["truncation"] = json!("auto");
    let made = api.made(body).await;
    let tokens = made["usage"]["input_tokens"].as_u64().unwrap();
    assert!((5_000..=8_192).contains(&tokens), "{tokens} tokens: no more was dropped than needed");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_body_breaks_the_mock(
        key in prop_oneof![Just("input"), Just("tools"), Just("tool_choice"), Just("text"), Just("metadata"), Just("reasoning"), Just("include"), Just("conversation")],
        value in prop_oneof![
            Just(json!(null)), Just(json!([])), Just(json!({})), Just(json!(["x"])), Just(json!([{}])), Just(json!([[]])),
            Just(json!({"type": "x"})), Just(json!([{"type": "function"}])), Just(json!({"format": {}})),
            Just(json!({"type": "allowed_tools", "mode": "required", "tools": [{"type": "function"}]})),
            Just(json!([{"type": "item_reference"}])), Just(json!([{"id": "€"}])), "\\PC{0,10}".prop_map(Value::from),
        ],
        stream: bool,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let api = Api::new().await;
            let mut body = json!({"model": "gpt-4o", "input": "x", "stream": stream});
            body[key] = value;
            let response = api.send(Method::POST, "/responses", Some(&body)).await;
            let status = response.status().as_u16();
            let text = response.text().await.unwrap();
            prop_assert!([200, 400, 404].contains(&status), "{status}: {text}");
            Ok(())
        })?;
    }
}
