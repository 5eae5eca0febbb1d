//! How the mocks are set up that the clients meet.

use firedrill::model::content::ContentFile;
use firedrill::model::function::{ArgumentPlan, FunctionBody, FunctionPlan, ReturnsPlan};
use firedrill::model::limits::{LimitsPlan, RateLimit};
use firedrill::model::secret::Secret;
use firedrill::model::supabase::{AuthPlan, EdgeFunctionPlan, KeyPolicy, KeysPlan};
use firedrill::model::upstream::{OpenaiPlan, SeedFile, SeedFormat, SupabasePlan, UpstreamKind};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The key that the programs of OpenAI's clients use; the mock takes no other.
const KEY: &str = "sk-test-0123456789abcdef";

/// OpenAI as its clients find it.
pub fn openai() -> UpstreamKind {
    let refusal = json!({"rule": [{"name": "refusal", "when": {"prompt": "firedrill: refuse"},
                                   "answer": {"refusal": "I cannot help with that."}}]});
    let content: ContentFile = serde_json::from_value(refusal).unwrap();
    // Few enough that what is left does not fill up again between two calls.
    let scarce = RateLimit { requests_per_minute: Some(60), tokens_per_minute: Some(100_000) };
    UpstreamKind::Openai(OpenaiPlan {
        keys: vec![Secret::new(KEY.to_owned())],
        limits: LimitsPlan { models: BTreeMap::from([("gpt-4.1".into(), scarce)]), ..LimitsPlan::default() },
        content: vec![content],
        ..OpenaiPlan::default()
    })
}

/// Supabase as its clients find it.
pub fn supabase() -> UpstreamKind {
    let seed = SeedFile { name: "seed.sql".into(), format: SeedFormat::Sql, text: include_str!("seed.sql").into() };
    let hello = EdgeFunctionPlan { body: json!({"message": "Hello!"}), ..EdgeFunctionPlan::default() };
    UpstreamKind::Supabase(SupabasePlan {
        seed_files: vec![seed],
        aggregates: true,
        keys: KeysPlan { accept: KeyPolicy::Own, ..KeysPlan::default() },
        auth: AuthPlan { id_token_providers: vec!["google".to_owned()], ..AuthPlan::default() },
        functions: functions(),
        edge_functions: BTreeMap::from([("hello".to_owned(), hello)]),
        ..SupabasePlan::default()
    })
}

/// The functions that `rpc` is tried on.
fn functions() -> Vec<FunctionPlan> {
    let function = |name: &str, argument: Option<(&str, &str)>, returns, body| FunctionPlan {
        schema: "public".into(),
        name: name.into(),
        arguments: argument
            .map(|(name, kind)| ArgumentPlan { name: name.into(), kind: kind.into(), default: None })
            .into_iter()
            .collect(),
        returns,
        volatile: false,
        body,
    };
    let over =
        FunctionBody::Query { from: "items".into(), select: None, rows: "price=gt.{min}".into(), definer: false };
    vec![
        function(
            "greet",
            Some(("name", "text")),
            ReturnsPlan::Scalar("text".into()),
            FunctionBody::Template(r#"{{ "Hello, " ~ name ~ "!" }}"#.into()),
        ),
        function("items_over", Some(("min", "numeric")), ReturnsPlan::Rows("items".into()), over),
        function("nothing", None, ReturnsPlan::Void, FunctionBody::Constant(Value::Null)),
    ]
}
