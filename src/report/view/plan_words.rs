//! The plan in words: target, load, faults.

use super::connection_words;
use super::figures;
use super::text;
use crate::model::fault::{BodyPoint, ContentFault, DataFault, FaultRule, Injection, InvalidOutput};
use crate::model::plan::{LoadPlan, Plan, TargetPlan};
use crate::model::run_record::EndReason;

/// The app under test.
pub fn target(plan: &Plan) -> String {
    let words = match &plan.target {
        TargetPlan::Url { url, pid } => {
            let url = without_password(url);
            pid.map_or_else(|| url.clone(), |pid| format!("{url} (process {pid})"))
        }
        TargetPlan::Reference { resilient, defects, memory_limit, .. } => {
            let mut words = if *resilient { "resilient reference app" } else { "reference app" }.to_owned();
            if !defects.is_empty() {
                words.push_str(&format!(" with defects {}", defects.join(", ")));
            }
            if let Some(limit) = memory_limit {
                words.push_str(&format!(" in {}", figures::exact(figures::bytes(limit.get() as f64))));
            }
            words
        }
        TargetPlan::Command { command, memory_limit, .. } => {
            let mut words = format!("`{}`", command.join(" "));
            if let Some(limit) = memory_limit {
                words.push_str(&format!(" in {}", figures::exact(figures::bytes(limit.get() as f64))));
            }
            words
        }
    };
    text::line(&words, 200)
}

/// A URL whose user information, if any, is not shown.
fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (authority, path) = rest.find(['/', '?', '#']).map_or((rest, ""), |at| rest.split_at(at));
    match authority.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://[secret]@{host}{path}"),
        None => url.to_owned(),
    }
}

/// The load.
pub fn load(plan: &Plan) -> String {
    let LoadPlan::Closed { users, ramp_up, hold, iterations, .. } = plan.load;
    let mut words = format!(
        "{}, ramp-up {}, hold {}",
        figures::plural(u64::from(users), "virtual user", "virtual users"),
        figures::span(ramp_up),
        figures::span(hold)
    );
    if let Some(n) = iterations {
        words.push_str(&format!(", {} each", figures::plural(n, "journey", "journeys")));
    }
    words
}

/// The faults, by profile or number.
pub fn faults(plan: &Plan) -> String {
    match (&plan.fault_profile, plan.faults.len()) {
        (_, 0) => "none".to_owned(),
        (Some(profile), _) => text::line(profile, 80),
        (None, n) => figures::plural(n as u64, "rule", "rules"),
    }
}

/// What a fault does to a request.
pub fn injection(rule: &FaultRule) -> String {
    let words = match &rule.inject {
        Injection::Latency(delay) => {
            let shape = delay.shape.name();
            if delay.jitter.get().is_zero() {
                format!("answers {} late", figures::span(delay.mean))
            } else {
                format!("answers {} ± {} late ({shape})", figures::span(delay.mean), figures::span(delay.jitter))
            }
        }
        Injection::Abort(abort) => match (&abort.error, abort.status) {
            (Some(error), Some(status)) => format!("answers with error {error}, status {status}"),
            (Some(error), None) => format!("answers with error {error}"),
            (None, Some(status)) => format!("answers with status {status}"),
            (None, None) => "answers with an error".to_owned(),
        },
        Injection::ResetPeer {} => "resets the connection".to_owned(),
        Injection::Timeout { after: None } => "never answers".to_owned(),
        Injection::Timeout { after: Some(after) } => format!("never answers, closes after {}", figures::span(*after)),
        Injection::LimitData { bytes } => format!("cuts the body after {}", figures::bytes(bytes.get() as f64)),
        Injection::Stall { after, pause } => {
            let pause = pause.map_or_else(|| "for ever".to_owned(), |pause| format!("for {}", figures::span(pause)));
            format!("stalls {pause} {}", point(*after))
        }
        Injection::Truncate { after } => format!("ends the body {}", point(*after)),
        Injection::Connection(fault) => connection_words::connection(fault),
        Injection::StreamError(fault) => {
            format!("sends error {} inside the stream {}", fault.error, point(BodyPoint::Events(fault.events)))
        }
        Injection::BodyLatency(delay) => {
            format!("sends bodies {} late ({})", figures::span(delay.mean), delay.shape.name())
        }
        Injection::ChunkLatency(delay) => {
            format!("holds each event of a stream {} ({})", figures::span(delay.mean), delay.shape.name())
        }
        Injection::ResetMidway { after } => format!("resets the connection {}", point(*after)),
        Injection::Drip(drip) => {
            format!("sends {} every {}", figures::bytes(drip.bytes.get() as f64), figures::span(drip.every))
        }
        Injection::SlowTokens(slow) => format!("lets an event through every {}", figures::span(slow.every)),
        Injection::Headers(headers) => {
            let set = headers.set.iter().map(|(name, value)| format!("sets {name}: {value}"));
            let gone = headers.remove.iter().map(|name| format!("removes {name}"));
            set.chain(gone).collect::<Vec<_>>().join(", ")
        }
        Injection::WrongContentType(wrong) => format!("calls the body {}", wrong.value),
        Injection::WrongContentLength(wrong) => format!("declares a length that is off by {} bytes", wrong.off),
        Injection::HugeBody(huge) => format!("adds {} to the body", figures::bytes(huge.size.get() as f64)),
        Injection::Content(fault) => content(fault),
        Injection::Data(fault) => match fault {
            DataFault::StaleRead(stale) => format!("reads what was true {} ago", figures::span(stale.age)),
            DataFault::LostWrite {} => "acknowledges writes and does not keep them".to_owned(),
            DataFault::DuplicateWrite {} => "writes twice".to_owned(),
            DataFault::PartialBatch(batch) => format!("keeps {} of a batch", batch.keep),
        },
    };
    text::line(&words, 160)
}

/// What a fault makes of an answer's content.
fn content(fault: &ContentFault) -> String {
    match fault {
        ContentFault::MalformedJson(_) => "answers with malformed JSON".to_owned(),
        ContentFault::EmptyObject {} => "answers with {}".to_owned(),
        ContentFault::HtmlPage {} => "answers with an HTML page".to_owned(),
        ContentFault::Garbage(garbage) => format!("sends garbage {}", point(garbage.after)),
        ContentFault::DuplicateChunk(chunk) => {
            format!("sends an event twice {}", point(BodyPoint::Events(chunk.events)))
        }
        ContentFault::MissingUsage {} => "leaves the usage out".to_owned(),
        ContentFault::EmptyChoices {} => "answers without choices".to_owned(),
        ContentFault::FinishReason(finish) => format!("breaks answers off with reason {}", finish.reason),
        ContentFault::InvalidOutput(how) => match how {
            InvalidOutput::Cut => "leaves the last bracket of structured output out".to_owned(),
            InvalidOutput::Fence => "puts structured output into a Markdown fence".to_owned(),
            InvalidOutput::Prose => "puts prose before structured output".to_owned(),
        },
        ContentFault::ReorderedRows {} => "returns rows in another order".to_owned(),
    }
}

/// A place in a body.
fn point(point: BodyPoint) -> String {
    match point {
        BodyPoint::Bytes(bytes) => format!("after {}", figures::bytes(bytes.get() as f64)),
        BodyPoint::Events(events) => format!("after {}", figures::plural(events, "event", "events")),
        BodyPoint::LastEvent => "before its last event".to_owned(),
    }
}

/// Which requests a fault may hit.
pub fn matches(rule: &FaultRule) -> String {
    let when = &rule.when;
    let mut words = match (&when.method, &when.path) {
        (Some(method), Some(path)) => format!("{method} {path}"),
        (Some(method), None) => format!("every {method}"),
        (None, Some(path)) => path.clone(),
        (None, None) => "every request".to_owned(),
    };
    if let Some(service) = &when.service {
        words.push_str(&format!(" of {service}"));
    }
    for (name, value) in &when.header {
        words.push_str(&format!(", {name}: {value}"));
    }
    if let Some(nth) = when.nth {
        words.push_str(&format!(", every {nth}th"));
    }
    if rule.share.fraction() < 1.0 {
        words.push_str(&format!(", {}", figures::share(rule.share.fraction())));
    }
    text::line(&words, 160)
}

/// How the run ended, where that is worth a word.
pub fn end(end: &EndReason) -> Option<String> {
    match end {
        EndReason::Completed => None,
        EndReason::Interrupted(signal) => Some(format!("interrupted by {}", signal_name(*signal))),
        EndReason::TargetLost(why) => Some(text::line(&format!("the app went away: {why}"), 200)),
        EndReason::Killed => Some("killed; rebuilt from its journal".to_owned()),
    }
}

fn signal_name(signal: i32) -> String {
    match signal {
        2 => "Ctrl-C".to_owned(),
        15 => "SIGTERM".to_owned(),
        other => format!("signal {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_in_urls_are_not_shown() {
        assert_eq!(without_password("http://u:p@h:1/x@y"), "http://[secret]@h:1/x@y");
        assert_eq!(without_password("http://h:1/x@y"), "http://h:1/x@y");
    }
}
