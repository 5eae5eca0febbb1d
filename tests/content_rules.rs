//! Content rules from outside: what users write in rule files is what the OpenAI mock says, the most specific rule
//! first; and what is built in serves HolisticOS's prompts in the shape and size that they ask for.
#![expect(clippy::unwrap_used, reason = "a test may fail where it stands; helpers are tests too")]

use firedrill::config::{FileKind, Overrides, Request, ScenarioRef, load, validate};
use firedrill::fault::Engine;
use firedrill::model::event::{EventSink, RunEvent};
use firedrill::model::upstream::{OpenaiPlan, UpstreamKind, UpstreamPlan};
use firedrill::units::{RunClock, Seed};
use firedrill::upstream::{Upstreams, check_template, known_errors};
use proptest::prelude::*;
use reqwest::Client;
use rstest::rstest;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::mpsc::UnboundedReceiver;

const SCENARIO: &str = r#"
[upstreams.openai]
content = ["rules.toml"]
[load.closed]
users = 1
hold = "1s"
[[journey]]
name = "j"
  [[journey.step]]
  name = "s"
  get = "/"
"#;

/// The plan of an OpenAI mock with a rule file, read as a scenario's is; else what is wrong.
fn plan(rules: &str) -> Result<Vec<UpstreamPlan>, String> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("rules.toml"), rules).unwrap();
    std::fs::write(folder.path().join("answer.txt"), "From a file: {{ prompt }}").unwrap();
    let path = folder.path().join("s.toml");
    std::fs::write(&path, SCENARIO).unwrap();
    let request = Request {
        scenario: ScenarioRef::File(path),
        overrides: Overrides::default(),
        env: &|_| None,
        provider_errors: &known_errors,
        check_template: &check_template,
    };
    load(&request).map(|loaded| loaded.plan.upstreams).map_err(|error| error.render(false))
}

struct Api {
    _upstreams: Upstreams,
    events: UnboundedReceiver<RunEvent>,
    url: String,
    client: Client,
}

impl Api {
    async fn start(plans: &[UpstreamPlan], seed: u64) -> Self {
        let (sink, events) = EventSink::channel();
        let engine = Arc::new(Engine::new(Vec::new(), Seed(1)));
        let upstreams = Upstreams::start(plans, engine, Seed(seed), sink).await.unwrap();
        upstreams.begin(RunClock::start());
        let url = upstreams.url("openai").unwrap();
        Self { _upstreams: upstreams, events, url, client: Client::new() }
    }

    async fn with(rules: &str) -> Self {
        Self::start(&plan(rules).unwrap_or_else(|wrong| panic!("{wrong}")), 1).await
    }

    async fn built_in() -> Self {
        Self::start(&[UpstreamPlan::new("openai", UpstreamKind::Openai(OpenaiPlan::default()))], 1).await
    }

    async fn chat(&self, body: &Value) -> Value {
        let request = self.client.post(format!("{}/chat/completions", self.url)).bearer_auth("sk-test").json(body);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.json().await.unwrap()
    }

    /// What is said to one user message.
    async fn say(&self, prompt: &str) -> String {
        said(&self.chat(&json!({"model": "gpt-4o", "messages": [{"role": "user", "content": prompt}]})).await)
    }

    fn warnings(&mut self) -> Vec<String> {
        let mut all = Vec::new();
        while let Ok(event) = self.events.try_recv() {
            if let RunEvent::Warning { message, .. } = event {
                all.push(message);
            }
        }
        all
    }
}

fn said(answer: &Value) -> String {
    answer["choices"][0]["message"]["content"].as_str().unwrap_or_default().to_owned()
}

// --- What users write ----------------------------------------------------------------------------------------------

#[rstest]
#[case::model(r#"{ model = "gpt-4o-mini*" }"#, json!({"model": "gpt-4o-mini-2024-07-18"}), json!({"model": "gpt-4o"}))]
#[case::json("{ json = true }", json!({"response_format": {"type": "json_object"}, "messages": [{"role": "user", "content": "as JSON"}]}), json!({}))]
#[case::max_tokens("{ max-tokens = 77 }", json!({"max_tokens": 77}), json!({"max_tokens": 78}))]
#[case::system(r#"{ system = "Pirate" }"#, json!({"messages": [{"role": "system", "content": "You are a pIRATE."}]}),
    json!({"messages": [{"role": "user", "content": "You are a pirate."}]}))]
#[case::prompt(r#"{ prompt = ["order", "invoice"] }"#, json!({"messages": [{"role": "user", "content": "my INVOICE"}]}),
    json!({"messages": [{"role": "user", "content": "my in voice"}]}))]
#[case::regex(r#"{ prompt = { regex = '#\d{4}\b' } }"#, json!({"messages": [{"role": "user", "content": "see #1234"}]}),
    json!({"messages": [{"role": "user", "content": "see #12345"}]}))]
#[case::last(r#"{ last = "bye" }"#,
    json!({"messages": [{"role": "user", "content": "hi"}, {"role": "user", "content": "bye"}]}),
    json!({"messages": [{"role": "user", "content": "bye"}, {"role": "user", "content": "hi"}]}))]
#[case::last_from(r#"{ last-from = "assistant" }"#,
    json!({"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "oh"}]}),
    json!({"messages": [{"role": "assistant", "content": "oh"}, {"role": "user", "content": "hi"}]}))]
#[case::about(r#"{ about = ["llama"] }"#, json!({"messages": [{"role": "user", "content": "Llamas!"}]}), json!({}))]
#[case::endpoint_and_number(r#"{ endpoint = "chat", pointer = { "/temperature" = 1 } }"#, json!({"temperature": 1.0}),
    json!({"temperature": 0.9}))]
#[case::no_such_endpoint(r#"[{ endpoint = "responses" }, { pointer = { "/user" = "a*z" } }]"#, json!({"user": "abcz"}),
    json!({"user": "zabc"}))]
#[case::exists(r#"{ pointer = { "/seed" = { exists = true }, "/user" = { exists = false } } }"#, json!({"seed": 4}),
    json!({"seed": 4, "user": "u"}))]
#[case::deep(r#"{ pointer = { "/messages/0/role" = { regex = "^u" }, "/logprobs" = false } }"#, json!({"logprobs": false}),
    json!({"logprobs": true}))]
#[tokio::test]
async fn a_rule_answers_the_prompts_that_it_describes(#[case] when: &str, #[case] fits: Value, #[case] not: Value) {
    let rules = format!("[[rule]]\nname = \"r\"\nwhen = {when}\nanswer.text = '{{\"by\": \"rule\"}}'\n");
    let api = Api::with(&rules).await;
    for (change, expected) in [(fits, true), (not, false)] {
        let mut body = json!({"model": "gpt-4o", "messages": [{"role": "user", "content": "hello in JSON"}]});
        for (key, value) in change.as_object().unwrap() {
            body[key] = value.clone();
        }
        let said = said(&api.chat(&body).await);
        assert_eq!(said == "{\"by\": \"rule\"}", expected, "{body} got {said}");
    }
}

#[tokio::test]
async fn the_most_specific_rule_wins_then_the_subject_then_the_order() {
    let api = Api::with(
        r#"
        [[rule]]
        name = "any"
        answer.text = "any"
        [[rule]]
        name = "cats"
        when = { about = ["cat"] }
        answer.text = "cats"
        [[rule]]
        name = "dogs"
        when = { about = ["dog", "puppy"] }
        answer.text = "dogs"
        [[rule]]
        name = "polite"
        when = [{ prompt = "please", model = "gpt-*" }, { prompt = "thanks", json = false }]
        answer.text = "polite"
        [[rule]]
        name = "polite-too"
        when = { prompt = "please", json = false }
        answer.text = "never: of equals the first wins"
        "#,
    )
    .await;
    for (prompt, expected) in [
        ("hello", "any"),
        ("a cat", "cats"),
        ("a cat, a dog and its puppy", "dogs"),
        ("a cat, a dog", "cats"),
        ("a dog, please", "polite"),
        ("thanks, cat", "polite"),
    ] {
        assert_eq!(api.say(prompt).await, expected, "{prompt}");
    }
    // What system messages speak of counts before what is quoted to the model.
    let body = json!({"model": "gpt-4o", "messages": [
        {"role": "system", "content": "You know about cats."}, {"role": "user", "content": "dog dog dog"}]});
    assert_eq!(said(&api.chat(&body).await), "cats");
}

#[tokio::test]
async fn templates_know_the_request_and_draw_from_the_seed() {
    let rules = r#"
        [[rule]]
        name = "order"
        when = { prompt = { regex = 'order (?<number>\d+)' } }
        answer.json = { number = "{{ captures.number|int }}", text = "Order \"{{ captures.number }}\" of {{ request.user }}", model = "{{ model }}", first = "{{ prompt|first_words(2) }}", tags = ["{{ pick('a', 'b') }}", true, 1.5] }
        [[rule]]
        name = "draws"
        when = { prompt = "draw" }
        answer.text = "{{ int(1, 6) }} {{ float(0.5, 0.6) }} {{ uuid() }} {{ sample([1, 2, 3], 2)|length }} {{ chance(1.0)|json }}"
        [[rule]]
        name = "file"
        when = { prompt = "file" }
        answer.text-file = "answer.txt"
    "#;
    let api = Api::with(rules).await;
    let body = json!({"model": "gpt-4o", "user": "eve \"\\", "messages": [{"role": "user", "content": "my order 007 please"}]});
    let order: Value = serde_json::from_str(&said(&api.chat(&body).await)).unwrap();
    assert_eq!(order["number"], 7);
    assert_eq!(order["text"], "Order \"007\" of eve \"\\");
    assert_eq!(
        (&order["model"], &order["first"], &order["tags"][1]),
        (&json!("gpt-4o"), &json!("my order …"), &json!(true))
    );

    let drawn = api.say("draw").await;
    let parts: Vec<&str> = drawn.split(' ').collect();
    assert!((1..=6).contains(&parts[0].parse::<u8>().unwrap()) && parts[1].starts_with("0.") && parts[2].len() == 36);
    assert_eq!(parts[3..], ["2", "true"]);
    assert_eq!(api.say("draw").await, drawn, "the same prompt gets the same answer");
    assert_ne!(api.say("draw again").await, drawn, "another prompt another");
    let plans = plan(rules).unwrap();
    assert_eq!(Api::start(&plans, 1).await.say("draw").await, drawn, "in every run with this seed");
    assert_ne!(Api::start(&plans, 2).await.say("draw").await, drawn, "not with another");
    assert_eq!(api.say("file?").await, "From a file: file?");
}

#[tokio::test]
async fn rules_call_functions_refuse_and_end_early() {
    let api = Api::with(
        r#"
        [[rule]]
        name = "weather"
        when = { tool = "get_weather", prompt = { regex = 'in (?<city>\w+)' } }
        answer.tool-calls = [{ name = "get_weather", arguments = { city = "{{ captures.city }}", days = "{{ 1 + 1 }}" } }, { name = "now" }]
        [[rule]]
        name = "refuses"
        when = { prompt = "poison" }
        answer.refusal = "I can't help with {{ prompt }}."
        [[rule]]
        name = "filtered"
        when = { prompt = "violence" }
        answer.text = "The scene begins"
        finish = "content-filter"
        "#,
    )
    .await;
    let tools = json!([{"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}]);
    let body = json!({"model": "gpt-4o", "tools": tools, "messages": [{"role": "user", "content": "weather in Oslo"}]});
    let answer = api.chat(&body).await;
    let choice = &answer["choices"][0];
    assert_eq!(choice["finish_reason"], "tool_calls");
    let calls = choice["message"]["tool_calls"].as_array().unwrap();
    let arguments: Value = serde_json::from_str(calls[0]["function"]["arguments"].as_str().unwrap()).unwrap();
    assert_eq!((calls.len(), arguments), (2, json!({"city": "Oslo", "days": 2})));
    assert_eq!(calls[1]["function"]["arguments"], "{}");

    let ask = |text: &str| json!({"model": "gpt-4o", "messages": [{"role": "user", "content": text}]});
    let refused = api.chat(&ask("poison")).await;
    assert_eq!(refused["choices"][0]["message"]["refusal"], "I can't help with poison.");
    assert_eq!(refused["choices"][0]["message"]["content"], Value::Null);
    let filtered = api.chat(&ask("violence")).await;
    assert_eq!(filtered["choices"][0]["finish_reason"], "content_filter");
    assert_eq!(said(&filtered), "The scene begins");
}

#[tokio::test]
async fn a_rule_that_cannot_be_filled_in_is_named_and_passed_over() {
    let mut api = Api::with(
        r#"
        name = "mine"
        [[rule]]
        name = "strict"
        when = { prompt = "strict" }
        answer.text = "{{ request.metadata.customer.name }}"
        [[rule]]
        name = "endless"
        when = { prompt = "endless" }
        answer.text = "{% for a in range(prompt|length) %}{% for b in range(prompt|length) %}{{ prompt }}{% endfor %}{% endfor %}"
        "#,
    )
    .await;
    for prompt in ["strict", "endless"] {
        assert!(api.say(&prompt.repeat(500)).await.starts_with("This is an answer of firedrill's OpenAI mock"));
        let warnings = api.warnings();
        let named = format!("the rule `{prompt}` of mine could not be filled in");
        assert!(warnings.iter().any(|warning| warning.contains(&named)), "{warnings:?}");
    }
}

#[test]
fn rule_files_are_checked_by_themselves() {
    let valid = |path: &str| validate(path.as_ref(), &|_| None, &known_errors, &check_template);
    let holisticos = valid("content/holisticos.toml").unwrap_or_else(|error| panic!("{}", error.render(false)));
    assert_eq!((holisticos.kind, holisticos.warnings), (FileKind::Content, Vec::new()));
}

// --- What is built in ----------------------------------------------------------------------------------------------

/// A prompt of HolisticOS, of the size, parameters and subject observed.
fn holistic(kind: &str, user: usize) -> Value {
    let archetype = ["Foundation Builder", "Peak Performer"][user % 2];
    let filler = "Ground every statement in the data given, and name the evidence for each recommendation. ";
    let fill = |head: &str, chars: usize| format!("{head}\n{}", filler.repeat(chars / filler.len()));
    let about = format!("User archetype: {archetype}. User {user}. Give JSON where it is asked for. ");
    let (model, max_tokens, json, system, prompt) = match kind {
        "ai_context" => {
            ("gpt-4o-mini", 1000, false, None, fill(&(about + "Summarise the routine and nutrition history."), 1400))
        }
        "behavior" => {
            let system = "You analyse behavioral patterns, also around circadian energy and the daily routine.";
            (
                "gpt-4o",
                8000,
                true,
                Some(fill(&(system.to_owned() + " Behavior and habits matter most. Answer in JSON."), 2500)),
                fill(&about, 4600),
            )
        }
        "circadian" => {
            let system = "You are an expert on circadian rhythm and chronotypes; mind the user's habits.";
            (
                "gpt-4o",
                8000,
                true,
                Some(fill(&(system.to_owned() + " Circadian energy zones are asked for, as JSON."), 2200)),
                fill(&(about + "behavior habit behavior"), 2500),
            )
        }
        "routine" => {
            let system =
                "Write a daily plan from circadian and behavioral insights. Answer the JSON {\"time_blocks\": [...]}.";
            (
                "gpt-4o",
                2000,
                true,
                Some(fill(system, 27_000)),
                fill(&(about + "circadian circadian behavior insights"), 16_000),
            )
        }
        "nutrition" => ("gpt-4o", 2000, false, Some(fill("You are a nutrition coach.", 8000)), fill(&about, 4000)),
        "insights" => {
            ("gpt-4o", 1500, true, None, fill(&(about + "Give insights on routine and habits, as JSON."), 3400))
        }
        _ => ("gpt-4o", 1500, false, Some(fill("You compute energy zones.", 200)), fill(&about, 3000)),
    };
    let mut messages: Vec<Value> = system.into_iter().map(|text| json!({"role": "system", "content": text})).collect();
    messages.push(json!({"role": "user", "content": prompt}));
    let mut body = json!({"model": model, "max_tokens": max_tokens, "messages": messages});
    if json {
        body["response_format"] = json!({"type": "json_object"});
    }
    body
}

/// Answers have the shape asked for, are as long as such answers are without being cut, and differ between users.
#[rstest]
#[case::ai_context("ai_context", 320..900, "")]
#[case::behavior("behavior", 700..2000, "behavioral_signature sophistication_assessment habit_analysis motivation_profile personalized_strategy integration_recommendations readiness_level")]
#[case::circadian("circadian", 600..2000, "chronotype_assessment energy_zone_analysis schedule_recommendations biomarker_insights integration_recommendations")]
#[case::routine("routine", 1200..1950, "time_blocks")]
#[case::nutrition("nutrition", 800..1900, "")]
#[case::insights("insights", 350..1300, "insights")]
#[case::energy_zones("energy_zones", 250..1200, "detected_mode energy_zones")]
#[tokio::test]
async fn holisticos_gets_answers_that_it_can_use(
    #[case] kind: &str,
    #[case] tokens: std::ops::Range<usize>,
    #[case] keys: &str,
) {
    let mut api = Api::built_in().await;
    let mut different = BTreeSet::new();
    for user in 0..24 {
        let answer = api.chat(&holistic(kind, user)).await;
        assert_eq!(answer["choices"][0]["finish_reason"], "stop", "{kind} {user}");
        let text = said(&answer);
        let length = tiktoken_rs::o200k_base_singleton().encode_ordinary(&text).len();
        assert!(tokens.contains(&length), "{kind} {user} has {length} tokens: {text} {:?}", api.warnings());
        if !keys.is_empty() {
            let value: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
            let there: BTreeSet<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
            assert!(keys.split(' ').all(|key| there.contains(key)), "{there:?}");
            match kind {
                "routine" => is_a_plan(&value),
                "insights" => are_good(&value),
                _ => {}
            }
        }
        assert!(!text.contains("{{") && !text.contains("\n\n\n"), "{text}");
        different.insert(text);
    }
    assert_eq!(api.warnings(), Vec::<String>::new());
    assert!(different.len() >= 23, "only {} different answers of 24", different.len());
}

/// Five blocks in order, each with three tasks inside it, all fields texts.
fn is_a_plan(value: &Value) {
    let blocks = value["time_blocks"].as_array().unwrap();
    assert_eq!(blocks.len(), 5);
    let mut before = "00:00".to_owned();
    for block in blocks {
        let field = |of: &Value, name: &str| of[name].as_str().unwrap_or_else(|| panic!("no {name}")).to_owned();
        assert!(before <= field(block, "start_time") && field(block, "start_time") < field(block, "end_time"));
        assert!(["peak", "productive", "maintenance", "recovery"].contains(&block["zone_type"].as_str().unwrap()));
        let tasks = block["tasks"].as_array().unwrap();
        assert!(tasks.len() == 3 && !field(block, "block_name").is_empty() && !field(block, "purpose").is_empty());
        for task in tasks {
            assert!(field(block, "start_time") <= field(task, "start_time"));
            assert!(field(task, "start_time") < field(task, "end_time"));
            assert!(field(task, "end_time") <= field(block, "end_time"), "{task}");
            for name in ["title", "description", "task_type", "priority"] {
                assert!(!field(task, name).is_empty());
            }
        }
        before = field(block, "end_time");
    }
}

/// Above the cut-offs under which HolisticOS drops an insight (0.75 and 0.70).
fn are_good(value: &Value) {
    let insights = value["insights"].as_array().unwrap();
    assert!((4..=5).contains(&insights.len()));
    for insight in insights {
        assert!(insight["confidence_score"].as_f64().unwrap() >= 0.75);
        assert!(insight["actionability_score"].as_f64().unwrap() >= 0.70);
        assert!(insight["relevance_score"].is_f64() && insight["data_points_used"].is_array());
    }
}

#[tokio::test]
async fn users_rules_come_before_what_is_built_in() {
    let api = Api::with("[[rule]]\nname = \"all\"\nanswer.text = \"mine\"\n").await;
    assert_eq!(said(&api.chat(&holistic("routine", 0)).await), "mine");
    let api = Api::with("[[rule]]\nname = \"some\"\nwhen = { prompt = \"zebra\" }\nanswer.text = \"mine\"\n").await;
    assert!(said(&api.chat(&holistic("routine", 0)).await).contains("time_blocks"));
}

// --- Hostile input -------------------------------------------------------------------------------------------------

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_template_makes_the_check_panic(text in "([a-z{}%#|() .'\"-]|\\{\\{|\\}\\}|\\{%|%\\}| for | in |pick|int|json|[0-9]|\\PC){0,40}") {
        let _ = check_template(&text, &["name"]);
        let _ = check_template(&format!("{{{{ {text} }}}}"), &[]);
    }

    #[test]
    fn no_rule_file_makes_it_panic(when in "\\PC{0,60}", text in "\\PC{0,60}") {
        let _ = plan(&format!("[[rule]]\nname = 'r'\nwhen = {{ prompt = {{ regex = {when:?} }} }}\nanswer.text = {text:?}\n"));
    }
}

/// A prompt as large as bodies may be is answered (or refused) at once, and the mock lives on.
#[tokio::test]
async fn a_huge_prompt_does_no_harm() {
    let api =
        Api::with("[[rule]]\nname = \"r\"\nwhen = { prompt = { regex = '(x+)+y(?<n>z)' } }\nanswer.text = \"found\"\n")
            .await;
    let huge = "xz".repeat(14 << 20);
    let body = json!({"model": "gpt-4o", "messages": [{"role": "user", "content": huge}]});
    let request = api.client.post(format!("{}/chat/completions", api.url)).bearer_auth("sk-test").json(&body);
    let status = request.send().await.unwrap().status();
    assert!(status == 200 || status == 400, "{status}");
    assert!(!api.say("hello").await.is_empty());
}
