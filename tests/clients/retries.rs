//! Retry tables: what is broken, what each client is known to make of it, and whether it did.

use crate::programs::Client;
use crate::stage::{Cast, Seen, Stage};
use firedrill::model::fault::{Abort, BodyPoint, Injection, StreamError, StreamErrorForm};
use firedrill::model::upstream::UpstreamKind;
use firedrill::units::{ByteSize, Span};
use futures_util::future::join_all;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// How much later than its due time a retry may come on a machine that is busy with other things, where only the mock
/// can tell.
const SLACK: f64 = 2.5;

/// What a client does between its tries.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Wait {
    /// It does not try again, or how long it waits is not part of the condition.
    Any,
    /// These many seconds at least before each further try, and not much longer.
    Of(&'static [f64]),
    /// Nothing.
    Nothing,
    /// So many seconds each time, by what the client asked its clock for; the wait itself is skipped.
    Skipped(f64),
}

/// OpenAI's clients: 0.5 s, then 1 s, each less up to a quarter.
pub const BACKOFF: Wait = Wait::Of(&[0.375, 0.75]);

/// What a client makes of a condition.
#[derive(Clone, Copy, Debug)]
pub struct Expected {
    /// The class of what came out: an exception's, or what was returned.
    pub outcome: &'static str,
    /// Requests that the mock sees.
    pub tries: u64,
    /// What is between them.
    pub wait: Wait,
}

/// `outcome` after `tries`, whatever lies between them.
pub const fn expect(outcome: &'static str, tries: u64) -> Expected {
    Expected { outcome, tries, wait: Wait::Any }
}

/// `outcome` after `tries` with these waits.
pub const fn after(outcome: &'static str, tries: u64, wait: Wait) -> Expected {
    Expected { outcome, tries, wait }
}

/// A condition, and what the clients of its table make of it.
#[derive(Debug)]
pub struct Condition {
    /// What is broken.
    pub name: &'static str,
    /// What the clients do.
    pub ask: &'static str,
    /// How it is broken; `None` is an address where nothing listens.
    pub faults: Option<Vec<Injection>>,
    /// The client's timeout in seconds, where it is not its own default.
    pub timeout: Option<f64>,
    /// One per column.
    pub expected: Vec<Expected>,
}

impl Condition {
    /// Whether a client takes so long over it that it had better begin early.
    pub fn is_long(&self) -> bool {
        self.expected
            .iter()
            .any(|expected| matches!(expected.wait, Wait::Of(waits) if waits.iter().sum::<f64>() > 10.0))
    }
}

/// What a program says of one case.
#[derive(Debug, Deserialize)]
struct Told {
    case: String,
    outcome: String,
    why: String,
    #[serde(default)]
    waits: Vec<f64>,
    elapsed: f64,
}

/// A cell of the matrix: what happened, and what is wrong with it.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// What the client did, in a few words.
    pub did: String,
    /// What fell short.
    pub short: Option<String>,
}

/// The upstream of a condition for a client.
fn upstream(client: &Client, number: usize) -> String {
    format!("{} condition {number}", client.id)
}

/// Adds what the conditions need.
pub fn cast(cast: &mut Cast, clients: &[Client], conditions: &[Condition], kind: &UpstreamKind) {
    for client in clients {
        for (number, condition) in conditions.iter().enumerate() {
            if let Some(faults) = &condition.faults {
                cast.add(&upstream(client, number), kind.clone(), faults);
            }
        }
    }
}

/// Lets every client meet every condition that is `long`, or every one that is not.
pub async fn all_meet(party: Party<'_>, clients: &[Client], long: bool) -> Vec<Tellings> {
    join_all(clients.iter().enumerate().map(|(column, client)| meet(party, client, column, long))).await
}

/// What a client told, by the condition's number.
async fn meet(party: Party<'_>, client: &Client, column: usize, long: bool) -> Tellings {
    let Party { conditions, stage, clients, more } = party;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let cases: Vec<Value> = conditions
        .iter()
        .enumerate()
        .filter(|(_, condition)| condition.is_long() == long)
        .map(|(number, condition)| {
            let base = match condition.faults {
                Some(_) => stage.url(&upstream(client, number)),
                None => format!("http://{nobody}"),
            };
            let shorten = matches!(condition.expected[column].wait, Wait::Skipped(_));
            json!({"case": number.to_string(), "base": base, "ask": condition.ask, "timeout": condition.timeout,
                   "shorten": shorten})
        })
        .collect();
    let mut input = json!({ "cases": cases });
    for (name, value) in more.as_object().into_iter().flatten() {
        input[name] = value.clone();
    }
    if cases.is_empty() {
        return Tellings(BTreeMap::new());
    }
    let told: Vec<Told> = client.run(clients, "retries", input, &BTreeMap::new()).await;
    Tellings(told.into_iter().map(|told| (told.case.parse().unwrap(), told)).collect())
}

/// What all clients of a table have in common.
#[derive(Clone, Copy, Debug)]
pub struct Party<'a> {
    /// What they meet.
    pub conditions: &'a [Condition],
    /// Where.
    pub stage: &'a Stage,
    /// Their environments.
    pub clients: &'a Path,
    /// What their programs are told beside the cases.
    pub more: &'a Value,
}

/// What a client told of every condition.
#[derive(Debug)]
pub struct Tellings(BTreeMap<usize, Told>);

impl Tellings {
    /// Both together.
    pub fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// Each condition's cell.
    pub fn verdicts(
        &self,
        client: &Client,
        column: usize,
        conditions: &[Condition],
        seen: &BTreeMap<String, Seen>,
    ) -> Vec<Verdict> {
        let nothing = Seen::default();
        conditions
            .iter()
            .enumerate()
            .map(|(number, condition)| {
                let seen = seen.get(&upstream(client, number)).unwrap_or(&nothing);
                match self.0.get(&number) {
                    Some(told) => verdict(condition, &condition.expected[column], told, seen),
                    None => Verdict { did: "nothing".into(), short: Some("the program said nothing of it".into()) },
                }
            })
            .collect()
    }
}

fn verdict(condition: &Condition, expected: &Expected, told: &Told, seen: &Seen) -> Verdict {
    // What is written is read back once.
    let read_back = u64::from(matches!(condition.ask, "post one" | "post four"));
    let tries = condition.faults.as_ref().map(|_| seen.calls - read_back);
    let mut wrong = Vec::new();
    if told.outcome != expected.outcome {
        wrong.push(format!("`{}` ({}), not `{}`", told.outcome, told.why, expected.outcome));
    }
    if let Some(tries) = tries {
        if tries != expected.tries {
            wrong.push(format!("{tries} tries, not {}", expected.tries));
        } else if seen.marked + 1 != tries && !condition.ask.starts_with("refresh") {
            // Only supabase-js's refreshing does not mark its retries.
            wrong.push(format!("{} of {tries} tries were marked as retries", seen.marked));
        }
    }
    let gaps: Vec<f64> = seen.hits.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let asked = &told.waits;
    let as_many = |list: &[f64], least: &[f64]| list.len() == least.len();
    match expected.wait {
        Wait::Any => {}
        // What the client asked its clock for is exact, however busy the machine; that it waited so long, the mock saw.
        Wait::Of(least) if !asked.is_empty() => {
            let fits = |(wait, least): (&f64, &f64)| *wait >= least * 0.99 && *wait <= least / 0.75 + 0.01;
            let waited = |(gap, least): (&f64, &f64)| *gap >= least * 0.97;
            if !as_many(asked, least) || !asked.iter().zip(least).all(fits) {
                wrong.push(format!("asked for waits of {asked:.2?} s, not {least:?}"));
            } else if tries.is_some() && (!as_many(&gaps, least) || !gaps.iter().zip(least).all(waited)) {
                wrong.push(format!("waited {gaps:.2?} s, not {least:?}"));
            }
        }
        Wait::Of(least) => {
            // Where the mock sees no tries, the time until the client gave up tells how it waited.
            let (gaps, least) = match tries {
                Some(_) => (gaps, least.to_vec()),
                None => (vec![told.elapsed], vec![least.iter().sum()]),
            };
            let fits = |(gap, least): (&f64, &f64)| *gap >= least * 0.97 && *gap <= least / 0.75 + SLACK;
            if !as_many(&gaps, &least) || !gaps.iter().zip(&least).all(fits) {
                wrong.push(format!("waited {gaps:.2?} s, not {least:?}"));
            }
        }
        Wait::Skipped(seconds) => {
            if asked.len() as u64 + 1 != expected.tries || asked.iter().any(|wait| (wait - seconds).abs() > 0.01) {
                wrong.push(format!("asked for waits of {asked:?} s, not {seconds}"));
            }
        }
        Wait::Nothing => {
            if asked.len() as u64 + 1 != expected.tries || asked.iter().any(|wait| *wait > 0.0) {
                wrong.push(format!("asked for waits of {asked:?} s, not for none"));
            }
        }
    }
    let did = match (tries, expected.tries) {
        (Some(1), _) => format!("{}, 1 try", told.outcome),
        (Some(tries), _) => format!("{}, {tries} tries", told.outcome),
        (None, _) => told.outcome.clone(),
    };
    let waited = match (expected.wait, wrong.is_empty()) {
        (Wait::Skipped(seconds), true) => format!(", {seconds} s apart"),
        (Wait::Nothing, true) => ", at once".to_owned(),
        _ => String::new(),
    };
    Verdict { did: did + &waited, short: (!wrong.is_empty()).then(|| wrong.join("; ")) }
}

// --- Ways to break things -----------------------------------------------------------------------------------------------

fn seconds(seconds: f64) -> Span {
    Span(Duration::from_secs_f64(seconds))
}

/// An answer instead of the real one: the provider's error of this status.
pub fn status(status: u16) -> Injection {
    Injection::Abort(Abort { status: Some(status), ..Abort::default() })
}

/// The provider's error of this name, with further headers.
pub fn error(name: &str, headers: &[(&str, &str)]) -> Injection {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Injection::Abort(Abort { error: Some(name.into()), headers, ..Abort::default() })
}

/// The provider's error of this name, without its `retry-after`.
pub fn error_without_retry_after(name: &str) -> Injection {
    Injection::Abort(Abort { error: Some(name.into()), omit: vec!["retry-after".into()], ..Abort::default() })
}

/// The stream ends before its last event, in good order.
pub fn without_last_event() -> Injection {
    Injection::Truncate { after: BodyPoint::LastEvent }
}

/// The provider's error inside a stream, behind so many events; `None` is the form that belongs to the API.
pub fn stream_error(events: u64, error: &str, form: Option<StreamErrorForm>) -> Injection {
    Injection::StreamError(StreamError { events, error: error.into(), form })
}

/// An error of this status, with no other word on when to come back than these headers.
pub fn status_with(status: u16, headers: &[(&str, &str)]) -> Injection {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let omit = vec!["retry-after".to_owned(), "retry-after-ms".to_owned()];
    Injection::Abort(Abort { status: Some(status), headers, omit, ..Abort::default() })
}

/// Status 200 with this body.
pub fn body(content_type: &str, body: &str) -> Injection {
    let headers = BTreeMap::from([("content-type".to_owned(), content_type.to_owned())]);
    Injection::Abort(Abort { status: Some(200), headers, body: Some(body.into()), ..Abort::default() })
}

/// A reset instead of an answer.
pub fn reset() -> Injection {
    Injection::ResetPeer {}
}

/// An orderly close instead of an answer.
pub fn close() -> Injection {
    Injection::Timeout { after: Some(seconds(0.0)) }
}

/// No answer at all.
pub fn silence() -> Injection {
    Injection::Timeout { after: None }
}

/// The body ends after so many bytes, its declared length notwithstanding.
pub fn cut(bytes: u64) -> Injection {
    Injection::LimitData { bytes: ByteSize(bytes) }
}

/// The body pauses after so many bytes.
pub fn stall(bytes: u64, pause: f64) -> Injection {
    Injection::Stall { after: BodyPoint::Bytes(ByteSize(bytes)), pause: Some(seconds(pause)) }
}
