//! What status codes said beside what was true: per endpoint, per agent, and over all.

use super::figures;
use super::series::class_index;
use super::text;
use crate::model::interval::Spectrum;
use crate::model::run_record::RunRecord;
use crate::model::sample::Outcome;
use std::collections::BTreeMap;

/// Rows that are shown; the rest are counted.
const SHOWN: usize = 200;

/// The results of one endpoint, one agent, or all.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Steps by class: ok, degraded, masked, failed.
    pub classes: [u64; 4],
    /// A plain status check's successes.
    pub plain_ok: u64,
    /// How many ended how.
    pub outcomes: BTreeMap<Outcome, u64>,
    /// Response times of every answered or failed step.
    pub response: Spectrum,
}

impl Tally {
    /// Steps with a class.
    pub fn tries(&self) -> u64 {
        self.classes.iter().sum()
    }
}

/// The quantile of a spectrum in seconds, if there are records enough to speak of it: n ≥ 10/(1 − q).
pub fn percentile(spectrum: &Spectrum, q: f64) -> Option<f64> {
    if (spectrum.count() as f64) < 10.0 / (1.0 - q) {
        return None;
    }
    spectrum.quantile(q).map(|micros| micros as f64 / 1e6)
}

/// The tally of each endpoint of the plan.
pub fn tallies(record: &RunRecord) -> Vec<Tally> {
    let mut tallies = vec![Tally::default(); record.header.plan.endpoints.len()];
    let mut spectra: Vec<Vec<&Spectrum>> = vec![Vec::new(); tallies.len()];
    for endpoint in record.timeline.intervals.iter().flat_map(|interval| &interval.endpoints) {
        let i = usize::from(endpoint.endpoint);
        let Some(tally) = tallies.get_mut(i) else { continue };
        tally.plain_ok += endpoint.plain_ok;
        for (outcome, n) in &endpoint.outcomes {
            *tally.outcomes.entry(*outcome).or_insert(0) += n;
            if let Some(class) = outcome.class() {
                tally.classes[class_index(class)] += n;
            }
        }
        spectra[i].push(&endpoint.response);
    }
    for (tally, spectra) in tallies.iter_mut().zip(spectra) {
        tally.response = Spectrum::merged(spectra);
    }
    tallies
}

/// One row of the table.
#[derive(Debug)]
pub struct Row {
    /// The endpoint or the agent.
    pub name: String,
    /// The endpoint's request, or the agent's endpoints.
    pub detail: String,
    /// The agent, for endpoints.
    pub agent: String,
    /// Steps.
    pub tries: String,
    /// By class, as counts: ok, degraded, masked, failed.
    pub classes: [String; 4],
    /// By class, per cent of the bar's width.
    pub widths: [String; 4],
    /// True success.
    pub ok_share: String,
    /// Success by status codes alone.
    pub plain_share: String,
    /// Whether the two differ by more than a percentage point.
    pub lies: bool,
    /// Percentiles and the maximum: p50, p95, p99, max.
    pub times: [String; 4],
    /// What went wrong how often.
    pub causes: String,
}

/// The section: endpoints, agents, and what stays unsaid.
#[derive(Debug)]
pub struct Truth {
    /// All steps, by the judge's own count.
    pub all: Row,
    /// Per endpoint, worst first.
    pub endpoints: Vec<Row>,
    /// Endpoints that are not shown.
    pub more: usize,
    /// Per agent, worst first.
    pub agents: Vec<Row>,
}

/// The section on what was true.
pub fn truth(record: &RunRecord, tallies: &[Tally]) -> Truth {
    let plan = &record.header.plan;
    let mut order: Vec<usize> = (0..tallies.len()).collect();
    order.sort_by(|a, b| badness(&tallies[*b]).total_cmp(&badness(&tallies[*a])));
    let endpoints = order
        .iter()
        .take(SHOWN)
        .map(|i| {
            let endpoint = &plan.endpoints[*i];
            let agent = endpoint.agent.as_deref().unwrap_or_default();
            row(&endpoint.name, &format!("{} {}", endpoint.method, endpoint.path), agent, &tallies[*i])
        })
        .collect();
    let mut agents: Vec<(Tally, Row)> = plan
        .agents()
        .into_iter()
        .take(SHOWN)
        .map(|agent| {
            let of: Vec<usize> =
                (0..tallies.len()).filter(|i| plan.endpoints[*i].agent.as_deref() == Some(agent)).collect();
            let whole = sum(of.iter().map(|i| &tallies[*i]));
            let names: Vec<&str> = of.iter().map(|i| plan.endpoints[*i].name.as_str()).collect();
            // An endpoint of the agent's own name says nothing new.
            let detail = if names == [agent] { String::new() } else { names.join(", ") };
            let row = row(agent, &detail, "", &whole);
            (whole, row)
        })
        .collect();
    agents.sort_by(|a, b| badness(&b.0).total_cmp(&badness(&a.0)));
    let h = record.verdict.honesty;
    let all = Tally {
        classes: [h.ok, h.degraded, h.masked, h.failed],
        plain_ok: h.plain_ok,
        outcomes: sum(tallies.iter()).outcomes,
        response: Spectrum::merged(tallies.iter().map(|tally| &tally.response)),
    };
    Truth {
        all: row("All steps", "", "", &all),
        endpoints,
        more: tallies.len().saturating_sub(SHOWN),
        agents: agents.into_iter().map(|(_, row)| row).collect(),
    }
}

fn sum<'a>(tallies: impl Iterator<Item = &'a Tally>) -> Tally {
    let mut whole = Tally::default();
    let mut spectra = Vec::new();
    for tally in tallies {
        whole.plain_ok += tally.plain_ok;
        for (sum, n) in whole.classes.iter_mut().zip(tally.classes) {
            *sum += n;
        }
        for (outcome, n) in &tally.outcomes {
            *whole.outcomes.entry(*outcome).or_insert(0) += n;
        }
        spectra.push(&tally.response);
    }
    whole.response = Spectrum::merged(spectra);
    whole
}

/// The share of steps that were not ok; what was never tried comes last.
fn badness(tally: &Tally) -> f64 {
    match tally.tries() {
        0 => -1.0,
        tries => 1.0 - tally.classes[0] as f64 / tries as f64,
    }
}

fn row(name: &str, detail: &str, agent: &str, tally: &Tally) -> Row {
    let tries = tally.tries();
    let share = |n: u64| if tries == 0 { 0.0 } else { n as f64 / tries as f64 };
    let time = |q: f64| match percentile(&tally.response, q) {
        Some(secs) => figures::seconds(secs),
        None if tally.response.count() == 0 => figures::NONE.to_owned(),
        None => format!("n\u{a0}<\u{a0}{}", figures::count((10.0 / (1.0 - q)).round() as u64)),
    };
    let max = tally.response.0.last().map_or_else(|| figures::NONE.to_owned(), |(max, _)| figures::micros(*max));
    let causes: Vec<String> = tally
        .outcomes
        .iter()
        .filter(|(outcome, n)| **outcome != Outcome::Ok && **n > 0)
        .map(|(outcome, n)| format!("{}\u{a0}{}", figures::count(*n), outcome.words().replace(' ', "\u{a0}")))
        .collect();
    Row {
        name: text::line(name, 80),
        detail: text::line(detail, 160),
        agent: text::line(agent, 60),
        tries: figures::count(tries),
        classes: tally.classes.map(figures::count),
        widths: tally.classes.map(|n| format!("{:.2}", share(n) * 100.0)),
        ok_share: figures::share_of(tally.classes[0], tries),
        plain_share: figures::share_of(tally.plain_ok, tries),
        lies: share(tally.plain_ok) - share(tally.classes[0]) > 0.01,
        times: [time(0.5), time(0.95), time(0.99), max],
        causes: if causes.is_empty() { figures::NONE.to_owned() } else { causes.join(", ") },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_needs_its_samples() {
        let of = |n| Spectrum(vec![(1_000_000, n)]);
        assert_eq!(percentile(&of(199), 0.95), None);
        assert_eq!(percentile(&of(200), 0.95), Some(1.0));
        assert_eq!(percentile(&of(999), 0.99), None);
        assert_eq!(percentile(&of(1000), 0.99), Some(1.0));
        assert_eq!(percentile(&of(19), 0.5), None);
        assert_eq!(percentile(&of(20), 0.5), Some(1.0));
    }
}
