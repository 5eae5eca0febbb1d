//! Reads of the Supabase mock beside those of a real PostgreSQL: random rows, random queries, and for each query the
//! SQL that PostgREST makes of it (its `QueryBuilder` and `SqlFragment`), put together here without the mock's code.
//! Answers must be the same to the byte, refusals the same in SQLSTATE and words.
#![expect(clippy::unwrap_used, reason = "a test may fail where it stands; helpers are tests too")]

#[path = "postgres/queries.rs"]
mod queries;
#[path = "postgres/rows.rs"]
mod rows;
#[path = "postgres/server.rs"]
mod server;

use bytes::BytesMut;
use firedrill::fault::Engine;
use firedrill::model::event::EventSink;
use firedrill::model::upstream::{SeedFile, SeedFormat, SupabasePlan, UpstreamKind, UpstreamPlan};
use firedrill::units::Seed;
use firedrill::upstream::Upstreams;
use queries::{Case, Kind};
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use reqwest::Client;
use rstest::rstest;
use serde_json::Value;
use server::Server;
use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use tokio_postgres::types::{Format, IsNull, ToSql, Type, to_sql_checked};

/// Queries of each kind.
const CASES: usize = 2_000;

/// What either side says.
#[derive(Debug, PartialEq)]
enum Said {
    Rows(String),
    Refusal { code: String, message: String, details: Option<String>, hint: Option<String> },
}

struct Mock {
    _upstreams: Upstreams,
    client: Client,
    base: String,
    key: String,
}

impl Mock {
    async fn start(script: &str) -> Self {
        let file = SeedFile { name: "schema.sql".into(), format: SeedFormat::Sql, text: script.to_owned() };
        let plan = SupabasePlan { seed_files: vec![file], aggregates: true, ..SupabasePlan::default() };
        let plan = UpstreamPlan::new("supabase", UpstreamKind::Supabase(plan));
        let engine = Arc::new(Engine::new(Vec::new(), Seed(1)));
        let upstreams = Upstreams::start(&[plan], engine, Seed(1), EventSink::channel().0).await.unwrap();
        let key = upstreams.environment()["SUPABASE_SERVICE_KEY"].clone();
        Self { base: upstreams.url("supabase").unwrap(), _upstreams: upstreams, client: Client::new(), key }
    }

    async fn ask(&self, case: &Case) -> Said {
        let url = format!("{}/rest/v1/{}", self.base, case.url);
        let response = self.client.get(url).header("apikey", &self.key).bearer_auth(&self.key).send().await.unwrap();
        let status = response.status();
        let body = response.text().await.unwrap();
        if status.is_success() {
            return Said::Rows(body);
        }
        let error: Value = serde_json::from_str(&body).unwrap();
        let text = |name: &str| error[name].as_str().map(str::to_owned);
        Said::Refusal {
            code: text("code").unwrap_or_default(),
            message: text("message").unwrap_or_default(),
            details: text("details"),
            hint: text("hint"),
        }
    }
}

/// A parameter of whatever type PostgreSQL takes it for, as text.
#[derive(Debug)]
struct Unknown<'a>(&'a str);

impl ToSql for Unknown<'_> {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.extend_from_slice(self.0.as_bytes());
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    to_sql_checked!();
}

async fn real(client: &tokio_postgres::Client, case: &Case) -> Said {
    let values: Vec<Unknown<'_>> = case.values.iter().map(|value| Unknown(value)).collect();
    let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| value as _).collect();
    match client.query_one(&case.sql, &values).await {
        Ok(row) => Said::Rows(row.get(0)),
        Err(error) => {
            let error = error.as_db_error().unwrap_or_else(|| panic!("{error}: {}", case.sql));
            Said::Refusal {
                code: error.code().code().to_owned(),
                message: error.message().to_owned(),
                details: error.detail().map(str::to_owned),
                hint: error.hint().map(str::to_owned),
            }
        }
    }
}

#[rstest]
#[case::filters(Kind::Filters)]
#[case::trees(Kind::Trees)]
#[case::orders(Kind::Orders)]
#[case::selects(Kind::Selects)]
#[case::aggregates(Kind::Aggregates)]
#[case::embeds(Kind::Embeds)]
#[tokio::test]
#[ignore = "starts a real PostgreSQL"]
async fn the_mock_answers_as_postgresql(#[case] kind: Kind) {
    let server = Server::start().await;
    let client = server.connect().await;
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let script = rows::script(&mut random);
    client.batch_execute(&script).await.unwrap();
    let mock = Mock::start(&script).await;
    let (mut answered, mut refused, mut different) = (0, BTreeMap::<String, usize>::new(), Vec::new());
    for number in 0..CASES {
        let mut random = ChaCha8Rng::seed_from_u64(number as u64);
        let case = queries::draw(kind, &mut random);
        let (expected, met) = (real(&client, &case).await, mock.ask(&case).await);
        match &expected {
            Said::Rows(_) => answered += 1,
            Said::Refusal { code, .. } => *refused.entry(code.clone()).or_default() += 1,
        }
        if !same(kind, &expected, &met) {
            different.push(format!(
                "{number}: {}\n  SQL  {} {:?}\n  real {}\n  mock {}",
                case.shown,
                case.sql,
                case.values,
                short(&expected),
                short(&met)
            ));
        }
    }
    println!("{kind:?}: {answered} answered, refused {refused:?}, {} different", different.len());
    // A generator whose queries all fail, or never do, would prove nothing.
    assert!(answered > CASES / 4, "only {answered} of {CASES} queries have an answer");
    assert!(
        different.is_empty(),
        "{} of {CASES} differ:\n{}",
        different.len(),
        different[..different.len().min(25)].join("\n")
    );
}

/// Which of several rows a refusal is about depends on the order in which PostgreSQL comes by them; where it sorts
/// them first, only what is refused is compared.
fn same(kind: Kind, expected: &Said, met: &Said) -> bool {
    match (kind, expected, met) {
        (
            Kind::Aggregates,
            Said::Refusal { code, message, .. },
            Said::Refusal { code: own, message: own_message, .. },
        ) if code.starts_with("22") => {
            let what = |message: &str| message.split(": \"").next().map(str::to_owned);
            code == own && (code == "22023" || what(message) == what(own_message))
        }
        // Which of two mistakes in patterns is told is the planner's choice.
        (_, Said::Refusal { code, .. }, Said::Refusal { code: own, .. })
            if ["2201B", "42601"].contains(&code.as_str()) && ["2201B", "42601"].contains(&own.as_str()) =>
        {
            true
        }
        // What the mock cannot do it says in its own words.
        (_, Said::Refusal { code, .. }, Said::Refusal { code: own, details: Some(own_details), .. })
            if own_details.starts_with("firedrill") =>
        {
            code == own
        }
        // Whether rows are looked at that nobody gets to see is the planner's choice.
        (Kind::Embeds, Said::Refusal { code, .. }, _) if code == "22025" => true,
        _ => expected == met,
    }
}

fn short(said: &Said) -> String {
    format!("{said:?}").chars().take(600).collect()
}
