//! The official clients of OpenAI and Supabase against the mocks: every call that apps make, and what the clients
//! make of failures, held against what they do with the real services. Writes `docs/fidelity.md`.
//!
//! `programs` runs a client's program (`python/`, `node/`), `stage` holds the mocks and what they saw, `openai`,
//! `supabase` and `catalogue` say what is broken and what each client is known to make of it, `retries` judges that, `matrix` writes
//! the document.
#![expect(clippy::unwrap_used, reason = "a test may fail where it stands; helpers are tests too")]
#![expect(clippy::print_stderr, reason = "what falls short is shown with its place, which the document leaves out")]

mod catalogue;
mod matrix;
mod mocks;
mod openai;
mod programs;
mod retries;
mod stage;
mod supabase;

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

/// The instance over TLS.
fn encrypted(client: &Client) -> String {
    format!("{} over TLS", client.id)
}

/// The calls that are made over TLS too: each kind of traffic once.
const OVER_TLS: [&str; 13] = [
    "models.list",
    "chat.plain",
    "chat.stream",
    "chat.parse",
    "embeddings.base64",
    "errors.unknown_model",
    "select.all",
    "insert.one",
    "auth.sign_in",
    "storage.objects",
    "functions.invoke",
    "realtime.row_changes",
    "http2",
];

/// Makes all calls, and some of them again over TLS.
async fn call(client: &Client, stage: &Stage, clients: &Path, keys: &Value) -> (Vec<Told>, Vec<Told>) {
    let mut input = keys.clone();
    input["base"] = stage.url(&calls(client)).into();
    if OPENAI.contains(client) {
        input["failing"] = stage.url(&failing(client)).into();
    }
    let mut again = input.clone();
    again["base"] = stage.url(&encrypted(client)).into();
    again["only"] = json!(OVER_TLS);
    let nothing = BTreeMap::new();
    tokio::join!(client.run(clients, "calls", input, &nothing), client.run(clients, "calls", again, stage.trust()))
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
    let (mut openai_conditions, mut supabase_conditions) = (openai::conditions(), supabase::conditions());
    openai_conditions.extend(catalogue::openai());
    supabase_conditions.extend(catalogue::supabase());

    let mut cast = Cast::default();
    for client in &OPENAI {
        cast.add(&calls(client), mocks::openai(), &[]);
        cast.add(&failing(client), mocks::openai(), &[openai::failed()]);
        cast.add_encrypted(&encrypted(client), mocks::openai());
    }
    for client in &SUPABASE {
        cast.add(&calls(client), mocks::supabase(), &[]);
        cast.add_encrypted(&encrypted(client), mocks::supabase());
    }
    retries::cast(&mut cast, &OPENAI, &openai_conditions, &mocks::openai());
    retries::cast(&mut cast, &SUPABASE, &supabase_conditions, &mocks::supabase());
    let stage = cast.start().await;
    let environment = stage.environment();
    let keys = json!({"key": environment["SUPABASE_ANON_KEY"], "service_key": environment["SUPABASE_SERVICE_KEY"]});

    let nothing = json!({});
    let openai = Party { conditions: &openai_conditions, stage: &stage, clients: &clients, more: &nothing };
    let supabase = Party { conditions: &supabase_conditions, stage: &stage, clients: &clients, more: &keys };
    let ((openai_calls, supabase_calls, (openai_told, supabase_told)), long) = tokio::join!(
        async {
            let (openai_calls, supabase_calls) = tokio::join!(
                join_all(OPENAI.iter().map(|client| call(client, &stage, &clients, &nothing))),
                join_all(SUPABASE.iter().map(|client| call(client, &stage, &clients, &keys))),
            );
            // Afterwards, because these mostly wait, and shall not be held up by those that work.
            let told =
                tokio::join!(retries::all_meet(openai, &OPENAI, false), retries::all_meet(supabase, &SUPABASE, false));
            (openai_calls, supabase_calls, told)
        },
        retries::all_meet(supabase, &SUPABASE, true),
    );
    let supabase_told: Vec<Tellings> = supabase_told.into_iter().zip(long).map(|(told, long)| told.and(long)).collect();
    let (openai_calls, openai_again): (Vec<_>, Vec<_>) = openai_calls.into_iter().unzip();
    let (supabase_calls, supabase_again): (Vec<_>, Vec<_>) = supabase_calls.into_iter().unzip();
    let everybody: Vec<Client> = OPENAI.into_iter().chain(SUPABASE).collect();
    let again: Vec<Vec<Told>> = openai_again.into_iter().chain(supabase_again).collect();
    let (seen, _warnings) = stage.end().await;

    let tables = [
        table_of_calls("OpenAI: calls", CALLS, &OPENAI, &openai_calls),
        table_of_failures("OpenAI: failures", FAILURES, &OPENAI, &openai_conditions, &openai_told, &seen),
        table_of_calls("Supabase: calls", CALLS, &SUPABASE, &supabase_calls),
        table_of_failures("Supabase: failures", FAILURES, &SUPABASE, &supabase_conditions, &supabase_told, &seen),
        table_of_calls("Over TLS", TLS, &everybody, &again),
    ];
    hold_against_the_document(&matrix::document(&tables));
}

const CALLS: &str =
    "Each row is one case of the programs in [`tests/clients`](../tests/clients), where its name finds it.";
const TLS: &str = "\
The same cases over TLS, with a certificate of the test CA that the clients are told to trust. `http2`: the client
chose HTTP/2, which of these only Python's `supabase` does.";
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
