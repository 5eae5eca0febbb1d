//! What the app called, and what it got.

use super::figures;
use super::text;
use crate::model::run_record::RunRecord;
use crate::model::upstream::UpstreamKind;
use std::collections::BTreeMap;

/// One upstream.
#[derive(Debug)]
pub struct UpstreamRow {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: &'static str,
    /// Calls received.
    pub calls: String,
    /// Calls per step of ours.
    pub per_step: String,
    /// Retries by the client's own mark.
    pub retries: String,
    /// Calls hit by a fault.
    pub faulted: String,
    /// Answers by status.
    pub statuses: String,
    /// Prompt and completion tokens.
    pub tokens: String,
    /// Writes acknowledged.
    pub writes: String,
}

/// One row per upstream of the plan.
pub fn upstreams(record: &RunRecord) -> Vec<UpstreamRow> {
    record.header.plan.upstreams.iter().enumerate().map(|(i, _)| row(record, i)).collect()
}

fn row(record: &RunRecord, i: usize) -> UpstreamRow {
    let upstream = &record.header.plan.upstreams[i];
    let (mut calls, mut retries, mut faulted, mut writes) = (0, 0, 0, 0);
    let mut tokens = (0, 0);
    let mut statuses: BTreeMap<u16, u64> = BTreeMap::new();
    for second in record.timeline.upstreams.iter().filter(|u| usize::from(u.upstream) == i) {
        calls += second.calls;
        retries += second.retries;
        faulted += second.faulted;
        writes += second.writes;
        tokens = (tokens.0 + second.tokens_in, tokens.1 + second.tokens_out);
        for (status, n) in &second.statuses {
            *statuses.entry(*status).or_insert(0) += n;
        }
    }
    let steps = record.verdict.honesty.steps;
    let counted = |n: u64| if n == 0 { figures::NONE.to_owned() } else { figures::count(n) };
    let with_share = |n: u64| {
        if n == 0 { "0".to_owned() } else { format!("{} ({})", figures::count(n), figures::share_of(n, calls)) }
    };
    let answers: Vec<String> = statuses
        .iter()
        .map(|(status, n)| match status {
            0 => format!("cut\u{a0}off\u{a0}×\u{a0}{}", figures::count(*n)),
            status => format!("{status}\u{a0}×\u{a0}{}", figures::count(*n)),
        })
        .collect();
    UpstreamRow {
        name: text::line(&upstream.name, 60),
        kind: match upstream.kind {
            UpstreamKind::Openai(_) => "OpenAI mock",
            UpstreamKind::Supabase(_) => "Supabase mock",
            UpstreamKind::Stub { .. } => "stub",
            UpstreamKind::Tcp(_) => "TCP proxy",
        },
        calls: figures::count(calls),
        per_step: if steps == 0 { figures::NONE.to_owned() } else { format!("{:.1}", calls as f64 / steps as f64) },
        retries: with_share(retries),
        faulted: with_share(faulted),
        statuses: if answers.is_empty() { figures::NONE.to_owned() } else { answers.join(", ") },
        tokens: match tokens {
            (0, 0) => figures::NONE.to_owned(),
            (prompt, completion) => format!("{} / {}", figures::count(prompt), figures::count(completion)),
        },
        writes: counted(writes),
    }
}
