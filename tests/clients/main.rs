//! The official clients of OpenAI and Supabase against the mocks: every call that apps make, and what the clients
//! make of failures, held against what they do with the real services. Writes `docs/fidelity.md`.
//!
//! `programs` runs a client's program (`python/`, `node/`), `stage` holds the mocks and what they saw, `openai` and
//! `supabase` say what is broken and what each client is known to make of it, `retries` judges that, `matrix` writes
//! the document.
#![expect(clippy::unwrap_used, reason = "a test may fail where it stands; helpers are tests too")]
#![expect(clippy::print_stderr, reason = "what falls short is shown with its place, which the document leaves out")]

mod matrix;
mod openai;
mod programs;
mod retries;
mod stage;
mod supabase;

use firedrill::model::content::ContentFile;
use firedrill::model::function::{ArgumentPlan, FunctionBody, FunctionPlan, ReturnsPlan};
use firedrill::model::limits::{LimitsPlan, RateLimit};
use firedrill::model::secret::Secret;
use firedrill::model::supabase::{AuthPlan, EdgeFunctionPlan, KeyPolicy, KeysPlan};
use firedrill::model::upstream::{OpenaiPlan, SeedFile, SeedFormat, SupabasePlan, UpstreamKind};
use futures_util::future::join_all;
use matrix::{Cell, Table};
use programs::{Client, OPENAI, SUPABASE};
use retries::{Condition, Party, Tellings};
use serde::Deserialize;
use serde_json::{Value, json};
use stage::{Cast, Seen, Stage};
use std::collections::BTreeMap;
use std::path::Path;

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/fidelity.md");

/// The key that the programs of OpenAI's clients use; the mock takes no other.
const KEY: &str = "sk-test-0123456789abcdef";

/// What a program says of one call.
#[derive(Debug, Deserialize)]
struct Told {
    case: String,
    state: String,
    #[serde(default)]
    why: String,
    #[serde(default)]
    line: u64,
}

/// The instance that a client's calls go to.
fn calls(client: &Client) -> String {
    format!("{} calls", client.id)
}

fn failing(client: &Client) -> String {
    format!("{} failing", client.id)
}

fn openai_kind() -> UpstreamKind {
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

fn supabase_kind() -> UpstreamKind {
    let seed = SeedFile { name: "seed.sql".into(), format: SeedFormat::Sql, text: include_str!("seed.sql").into() };
    let hello = EdgeFunctionPlan { body: json!({"message": "Hello!"}), ..EdgeFunctionPlan::default() };
    UpstreamKind::Supabase(SupabasePlan {
        seed_files: vec![seed],
        aggregates: true,
        keys: KeysPlan { accept: KeyPolicy::Own, ..KeysPlan::default() },
        auth: AuthPlan { anonymous_sign_ins: true, ..AuthPlan::default() },
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
    let over = FunctionBody::Query { from: "items".into(), select: None, rows: "price=gt.{min}".into(), definer: false };
    vec![
        function("greet", Some(("name", "text")), ReturnsPlan::Scalar("text".into()), FunctionBody::Template(r#"{{ "Hello, " ~ name ~ "!" }}"#.into())),
        function("items_over", Some(("min", "numeric")), ReturnsPlan::Rows("items".into()), over),
        function("nothing", None, ReturnsPlan::Void, FunctionBody::Constant(Value::Null)),
    ]
}

async fn call_openai(client: &Client, stage: &Stage, clients: &Path) -> Vec<Told> {
    client
        .run(clients, "calls", json!({"base": stage.url(&calls(client)), "failing": stage.url(&failing(client))}))
        .await
}

async fn call_supabase(client: &Client, stage: &Stage, clients: &Path, keys: &Value) -> Vec<Told> {
    let mut input = keys.clone();
    input["base"] = stage.url(&calls(client)).into();
    client.run(clients, "calls", input).await
}

/// A table of calls: rows in the order in which the clients told of them, first seen first.
fn table_of_calls(title: &'static str, text: &'static str, clients: &[Client], told: &[Vec<Told>]) -> Table {
    let mut names: Vec<&str> = Vec::new();
    let columns: Vec<BTreeMap<&str, &Told>> =
        told.iter().map(|told| told.iter().map(|told| (told.case.as_str(), told)).collect()).collect();
    for name in columns.iter().flat_map(BTreeMap::keys) {
        if !names.contains(name) {
            names.push(name);
        }
    }
    names.sort_unstable();
    let cell = |told: Option<&&Told>| match told {
        None => Cell::Absent,
        Some(told) if told.state == "ok" => Cell::Good(String::new()),
        Some(told) if told.state == "absent" => Cell::Absent,
        Some(told) => {
            eprintln!("{title} · {} (line {}): {}", told.case, told.line, told.why);
            Cell::Short(String::new(), told.why.clone())
        }
    };
    let cells =
        names.iter().map(|name| (format!("`{name}`"), columns.iter().map(|told| cell(told.get(name))).collect()));
    Table { title, rows: "call", text, clients: clients.to_vec(), cells: cells.collect() }
}

fn table_of_failures(
    title: &'static str,
    text: &'static str,
    clients: &[Client],
    conditions: &[Condition],
    told: &[Tellings],
    seen: &BTreeMap<String, Seen>,
) -> Table {
    let columns: Vec<Vec<retries::Verdict>> = clients
        .iter()
        .zip(told)
        .enumerate()
        .map(|(column, (client, told))| told.verdicts(client, column, conditions, seen))
        .collect();
    let cells = conditions.iter().enumerate().map(|(row, condition)| {
        let cells = columns.iter().map(|column| match column[row].clone() {
            retries::Verdict { did, short: None } => Cell::Good(did),
            retries::Verdict { did, short: Some(why) } => {
                eprintln!("{title} · {}: {why}", condition.name);
                Cell::Short(did, why)
            }
        });
        (condition.name.to_owned(), cells.collect())
    });
    Table { title, rows: "what happens", text, clients: clients.to_vec(), cells: cells.collect() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the official clients, which scripts/setup-clients installs; .ci/run runs it"]
async fn the_official_clients_cannot_tell_the_mocks_from_the_real_services() {
    let clients = programs::clients().await;
    let (openai_conditions, supabase_conditions) = (openai::conditions(), supabase::conditions());

    let mut cast = Cast::default();
    for client in &OPENAI {
        cast.add(&calls(client), openai_kind(), &[]);
        cast.add(&failing(client), openai_kind(), &[openai::failed()]);
    }
    for client in &SUPABASE {
        cast.add(&calls(client), supabase_kind(), &[]);
    }
    retries::cast(&mut cast, &OPENAI, &openai_conditions, &openai_kind());
    retries::cast(&mut cast, &SUPABASE, &supabase_conditions, &supabase_kind());
    let stage = cast.start().await;
    let environment = stage.environment();
    let keys = json!({"key": environment["SUPABASE_ANON_KEY"], "service_key": environment["SUPABASE_SERVICE_KEY"]});

    let nothing = json!({});
    let openai = Party { conditions: &openai_conditions, stage: &stage, clients: &clients, more: &nothing };
    let supabase = Party { conditions: &supabase_conditions, stage: &stage, clients: &clients, more: &keys };
    let ((openai_calls, supabase_calls, (openai_told, supabase_told)), long) = tokio::join!(
        async {
            let (openai_calls, supabase_calls) = tokio::join!(
                join_all(OPENAI.iter().map(|client| call_openai(client, &stage, &clients))),
                join_all(SUPABASE.iter().map(|client| call_supabase(client, &stage, &clients, &keys))),
            );
            // Afterwards, because these mostly wait, and shall not be held up by those that work.
            let told = tokio::join!(retries::all_meet(openai, &OPENAI, false), retries::all_meet(supabase, &SUPABASE, false));
            (openai_calls, supabase_calls, told)
        },
        retries::all_meet(supabase, &SUPABASE, true),
    );
    let supabase_told: Vec<Tellings> = supabase_told.into_iter().zip(long).map(|(told, long)| told.and(long)).collect();
    let (seen, _warnings) = stage.end().await;

    let tables = [
        table_of_calls("OpenAI: calls", CALLS, &OPENAI, &openai_calls),
        table_of_failures("OpenAI: failures", FAILURES, &OPENAI, &openai_conditions, &openai_told, &seen),
        table_of_calls("Supabase: calls", CALLS, &SUPABASE, &supabase_calls),
        table_of_failures("Supabase: failures", FAILURES, &SUPABASE, &supabase_conditions, &supabase_told, &seen),
    ];
    hold_against_the_document(&matrix::document(&tables));
}

const CALLS: &str =
    "Each row is one case of the programs in [`tests/clients`](../tests/clients), where its name finds it.";
const FAILURES: &str = "\
What the client does by itself: the class of what comes out, and how many requests the mock received. The retries were
waited for, except where a cell says how many seconds apart they are: there the client asked its clock for that wait,
and the wait was skipped.";

/// Writes the document if asked to; otherwise it must say what was measured.
fn hold_against_the_document(measured: &str) {
    if std::env::var_os("FIREDRILL_WRITE_DOCS").is_some() {
        std::fs::write(DOCUMENT, measured).unwrap();
        return;
    }
    let committed = std::fs::read_to_string(DOCUMENT).unwrap_or_default();
    let differing: Vec<String> = committed
        .lines()
        .filter(|line| !measured.lines().any(|other| other == *line))
        .map(|line| format!("- {line}"))
        .chain(
            measured
                .lines()
                .filter(|line| !committed.lines().any(|other| other == *line))
                .map(|line| format!("+ {line}")),
        )
        .collect();
    assert!(
        differing.is_empty() && committed == measured,
        "docs/fidelity.md does not say what was measured; FIREDRILL_WRITE_DOCS=1 writes it anew\n{}",
        differing.join("\n")
    );
}
