//! `upstreams.openai`: pace and limits.

use super::*;
use firedrill::model::fault::{DelayShape, Injection};
use firedrill::model::limits::{LimitHeaders, LimitsPlan, Quota, RateLimit};
use firedrill::model::upstream::OpenaiPlan;
use std::time::Duration;

fn openai(folder: &Path, text: &str) -> OpenaiPlan {
    let path = write(folder, "mine.toml", &format!("{text}\n{SMALL}"));
    let loaded = load_with(ScenarioRef::File(path), Overrides::default(), no_env).unwrap_or_else(|e| panic!("{e}"));
    let text = serde_json::to_string(&loaded.plan).expect("a plan can be written");
    let read: Plan = serde_json::from_str(&text).expect("a plan can be read back");
    assert_eq!(read, loaded.plan, "a plan read back is the same plan");
    match &loaded.plan.upstreams[0].kind {
        UpstreamKind::Openai(plan) => plan.clone(),
        other => panic!("{other:?}"),
    }
}

fn near(span: Span, ms: f64) -> bool {
    (span.get().as_secs_f64() * 1e3 - ms).abs() < ms * 0.001 + 0.001
}

#[test]
fn a_preset_is_a_pace_for_every_model() {
    let folder = tempfile::tempdir().unwrap();
    let pace = openai(folder.path(), "upstreams.openai.pace = \"gpt-4o-2024\"").pace.unwrap();
    assert_eq!(pace.every.first_token.shape, DelayShape::Lognormal);
    assert!(pace.models.is_empty() && pace.capacity.is_none() && !pace.embeddings.mean.get().is_zero());
    assert_eq!(pace.every.per_1k_prompt_tokens, Span(Duration::from_millis(40)));
    let by_model = openai(folder.path(), "upstreams.openai.pace = \"by-model\"").pace.unwrap();
    assert_eq!(by_model.every, pace.every);
    assert!(by_model.models["o3-mini"].first_token.mean > by_model.models["gpt-4.1-nano"].first_token.mean);
}

#[test]
fn a_table_says_what_differs_from_its_preset() {
    let folder = tempfile::tempdir().unwrap();
    let text = r#"
        [upstreams.openai.pace]
        preset = "gpt-4o-2024"
        first-token = { mean = "600ms", jitter = "200ms" }
        tokens-per-second = 80.0
        token-jitter = "25%"
        per-concurrent = "2ms"
        capacity = 8
        [upstreams.openai.pace.model]
        gpt-4o-mini = "gpt-4o-mini-2026"
        "gpt-4.1" = { token-gap = { mean = "9ms", jitter = "3ms", shape = "pareto" } }
    "#;
    let pace = openai(folder.path(), text).pace.unwrap();
    assert!(near(pace.every.first_token.mean, 600.0) && near(pace.every.token_gap.mean, 12.5));
    assert_eq!((pace.every.token_jitter.fraction(), pace.capacity), (0.25, Some(8)));
    let own = &pace.models["gpt-4.1"];
    assert_eq!((&own.first_token, own.token_jitter), (&pace.every.first_token, pace.every.token_jitter));
    assert_eq!(own.token_gap.shape, DelayShape::Pareto);
    assert_eq!(pace.models["gpt-4o-mini"].per_concurrent, Span::default());
}

#[test]
fn delays_can_be_given_by_quantiles_and_by_samples_in_faults_too() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "ttft.txt", "# milliseconds\n100\n200\n300\n400\n1000\n");
    let text = r#"
        [upstreams.openai.pace]
        first-token = { samples = "ttft.txt", unit = "ms" }
        token-gap = { min = "5ms", p50 = "10ms", p95 = "30ms", max = "80ms" }
    "#;
    let pace = openai(folder.path(), text).pace.unwrap();
    let DelayShape::Empirical(samples) = &pace.every.first_token.shape else { panic!("{pace:?}") };
    assert_eq!((samples.len(), samples[2].share), (5, 0.5));
    assert!(near(samples[2].delay, 300.0) && near(samples[4].delay, 1_000.0));
    let DelayShape::Empirical(quantiles) = &pace.every.token_gap.shape else { panic!("{pace:?}") };
    assert_eq!(quantiles.iter().map(|quantile| quantile.share).collect::<Vec<_>>(), [0.0, 0.5, 0.95, 1.0]);
    // Half below 7.5 ms on average, 45 % around 20 ms, 5 % around 55 ms.
    assert!(near(pace.every.token_gap.mean, 3.75 + 9.0 + 2.75));

    let profile = write(
        folder.path(),
        "slow.toml",
        "[[fault]]\nupstream = \"openai\"\ninject.latency = { samples = \"ttft.txt\", unit = \"ms\" }\n\
         [[fault]]\nupstream = \"openai\"\ninject.latency = { p50 = \"1s\", p99 = \"20s\" }",
    );
    let faults = Some(profile.display().to_string());
    let plan = built_in("smoke", Overrides { faults, ..Overrides::default() }).unwrap().plan;
    let shapes: Vec<&str> = plan
        .faults
        .iter()
        .map(|rule| match &rule.inject {
            Injection::Latency(delay) => delay.shape.name(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(shapes, ["empirical", "lognormal"]);
}

#[test]
fn limits_are_as_written_and_enforce_nothing_by_default() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(openai(folder.path(), "").limits, LimitsPlan::default());
    let text = r#"
        [upstreams.openai.limits]
        requests-per-minute = 500
        quota = "$5.50"
        headers = "not-on-refusal"
        count-refused = true
        [upstreams.openai.limits.model.gpt-4o-mini]
        tokens-per-minute = 30_000
    "#;
    let limits = openai(folder.path(), text).limits;
    assert_eq!(limits.every, RateLimit { requests_per_minute: Some(500), tokens_per_minute: None });
    let mini = RateLimit { requests_per_minute: Some(500), tokens_per_minute: Some(30_000) };
    assert_eq!(limits.models["gpt-4o-mini"], mini);
    assert_eq!((limits.quota, limits.headers), (Some(Quota::Dollars(5.5)), LimitHeaders::NotOnRefusal));
    assert!(limits.count_refused);
    let tokens = openai(folder.path(), "upstreams.openai.limits.quota = \"100_000 tokens\"").limits.quota;
    assert_eq!(tokens, Some(Quota::Tokens(100_000)));
}

#[test]
fn one_may_be_written_as_one() {
    let folder = tempfile::tempdir().unwrap();
    let rules = "[[rule]]\nname = \"a\"\nanswer.text = \"b\"\n";
    std::fs::write(folder.path().join("a.toml"), rules).unwrap();
    let plan = openai(folder.path(), "upstreams.openai = { content = \"a.toml\", latency = \"500ms\" }");
    assert_eq!(plan.content.len(), 1);
    assert!(near(plan.latency.mean, 500.0));
    // Keys are not written down, so a plan that is read back has others.
    let path = write(folder.path(), "keys.toml", &format!("upstreams.openai = {{ keys = \"sk-1\" }}\n{SMALL}"));
    let loaded = load_with(ScenarioRef::File(path), Overrides::default(), no_env).unwrap_or_else(|e| panic!("{e}"));
    let UpstreamKind::Openai(plan) = &loaded.plan.upstreams[0].kind else { panic!("no OpenAI") };
    assert_eq!(plan.keys.iter().map(|key| key.expose()).collect::<Vec<_>>(), ["sk-1"]);
}

#[test]
fn what_is_written_beside_a_preset_by_model_counts_for_every_model() {
    let folder = tempfile::tempdir().unwrap();
    let pace = "[upstreams.openai.pace]\npreset = \"by-model\"\nfirst-token = \"7ms\"\n\
                [upstreams.openai.pace.model]\ngpt-4o = { first-token = \"9ms\" }\n";
    let pace = openai(folder.path(), pace).pace.unwrap();
    assert!(near(pace.every.first_token.mean, 7.0));
    assert!(near(pace.models["gpt-4o-mini"].first_token.mean, 7.0));
    assert!(near(pace.models["gpt-4o"].first_token.mean, 9.0));
    assert!(pace.models["gpt-4o-mini"].token_gap.mean.get() > Duration::from_millis(1), "the rest is its preset's");
}

#[test]
fn keys_of_a_mock_that_never_answers_are_named() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("old.jsonl"), "").unwrap();
    let warnings = |text: &str| {
        let path = write(folder.path(), "mine.toml", &format!("{text}\n{SMALL}"));
        load_with(ScenarioRef::File(path), Overrides::default(), no_env).unwrap_or_else(|e| panic!("{e}")).warnings
    };
    let passed = warnings(
        "upstreams.openai = { pass-through = \"http://127.0.0.1:1\", pace = \"gpt-4o-2024\", keys = [\"sk-1\"] }",
    );
    assert_eq!(passed.len(), 2, "{passed:?}");
    assert!(passed[0].contains("`pace` has no effect: `openai` passes through"), "{passed:?}");
    let replayed = warnings("upstreams.openai = { replay = \"old.jsonl\", latency = \"5ms\" }");
    assert!(replayed[0].contains("`latency` has no effect: `openai` answers from its recording"), "{replayed:?}");
    assert!(
        warnings("upstreams.openai = { replay = \"old.jsonl\", replay-else = \"mock\", latency = \"5ms\" }").is_empty()
    );
}
