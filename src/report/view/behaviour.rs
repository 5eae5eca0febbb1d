//! How the app behaves towards its upstreams, in words.

use super::figures;
use super::text;
use crate::model::calls::{CallOutcome, Duplicates, Layer, RetryWaits};
use crate::model::resilience::{
    BackOff, BackOffShape, Breaker, Concurrency, Load, Pause, Seen, TimeoutInForce, Traced, UpstreamBehaviour,
};
use crate::model::run_record::RunRecord;
use crate::units::Span;

/// What one upstream saw of the app.
#[derive(Debug)]
pub struct Behaviour {
    /// The upstream.
    pub upstream: String,
    /// What was looked at.
    pub rows: Vec<BehaviourRow>,
}

/// One fact.
#[derive(Debug)]
pub struct BehaviourRow {
    /// What it is about.
    pub about: &'static str,
    /// What was found.
    pub said: String,
    /// Whether there was too little to say anything.
    pub is_unknown: bool,
    /// What that rests on.
    pub grounds: String,
}

/// What each upstream saw of the app that was called at all.
pub fn behaviour(record: &RunRecord) -> Vec<Behaviour> {
    let called =
        |behaviour: &&UpstreamBehaviour| behaviour.amplification.calm.calls + behaviour.amplification.faulted.calls > 0;
    record.resilience.iter().filter(called).map(|behaviour| of(record, behaviour)).collect()
}

fn of(record: &RunRecord, behaviour: &UpstreamBehaviour) -> Behaviour {
    let name = record.header.plan.upstreams.get(usize::from(behaviour.upstream)).map_or("?", |u| u.name.as_str());
    let UpstreamBehaviour { amplification, .. } = behaviour;
    Behaviour {
        upstream: text::line(name, 60),
        rows: vec![
            requests(amplification.calm, amplification.faulted),
            outcomes(&behaviour.outcomes),
            seen("Pause before a retry", &behaviour.back_off, |all| back_off(all)),
            seen("Retry-After", &behaviour.retry_after, retry_after),
            seen("Timeout", &behaviour.timeouts, |all| timeouts(all)),
            seen("Circuit breaker", &behaviour.breaker, breaker),
            seen("Rows written again by a retry", &behaviour.duplicates, duplicates),
            seen("Calls at once", &behaviour.concurrency, |told| concurrency(*told)),
            traced(behaviour.traced),
        ],
    }
}

fn seen<T>(about: &'static str, seen: &Seen<T>, words: impl FnOnce(&T) -> (String, String)) -> BehaviourRow {
    let (said, is_unknown, grounds) = match seen {
        Seen::Seen(told) => {
            let (said, grounds) = words(told);
            (said, false, grounds)
        }
        Seen::NotSeen(instead) => ("not seen".to_owned(), false, instead.clone()),
        Seen::TooFew(missing) => ("cannot tell".to_owned(), true, missing.clone()),
    };
    BehaviourRow { about, said: text::line(&said, 300), is_unknown, grounds: text::line(&grounds, 600) }
}

fn requests(calm: Load, faulted: Load) -> BehaviourRow {
    let ratio = |load: Load| {
        let (least, most) = load.per_logical_call()?;
        let same = (most - least) < 0.005;
        Some(if same { format!("{least:.2}") } else { format!("{least:.2} to {most:.2}") })
    };
    let said = match (ratio(calm), ratio(faulted)) {
        (Some(calm), Some(faulted)) => format!("{calm} without a fault, {faulted} while one was on"),
        (Some(calm), None) => calm,
        (None, Some(faulted)) => format!("{faulted} while a fault was on"),
        (None, None) => figures::NONE.to_owned(),
    };
    let part = |load: Load, when: &str| {
        let Load { calls, retries, unclear, .. } = load;
        let unclear = match unclear {
            0 => String::new(),
            n => format!(" and {} that may be retries or the same asked again", figures::count(n)),
        };
        (calls > 0).then(|| {
            format!(
                "{when}{}, of which {} {}{unclear}",
                figures::plural(calls, "call", "calls"),
                figures::count(retries),
                if retries == 1 { "retry" } else { "retries" }
            )
        })
    };
    let parts: Vec<String> = [part(calm, ""), part(faulted, "while a fault was on ")].into_iter().flatten().collect();
    BehaviourRow { about: "Requests for each call", said, is_unknown: false, grounds: parts.join("; ") }
}

fn outcomes(outcomes: &[(CallOutcome, u32, u64)]) -> BehaviourRow {
    let total = |wanted: CallOutcome| -> u64 { outcomes.iter().filter(|(o, ..)| *o == wanted).map(|(.., n)| n).sum() };
    let (well, gave_up, unknown) =
        (total(CallOutcome::Succeeded), total(CallOutcome::GaveUp), total(CallOutcome::Unknown));
    let refused = total(CallOutcome::Refused);
    let all = well + refused + gave_up + unknown;
    if all == 0 {
        let (said, grounds) = ("cannot tell".to_owned(), "no call failed whose fate could be followed".to_owned());
        return BehaviourRow { about: "After a failure", said, is_unknown: true, grounds };
    }
    let mut said = format!(
        "{} went well when tried again, {} given up",
        figures::share_of(well, all),
        figures::share_of(gave_up, all)
    );
    if refused > 0 {
        said.push_str(&format!(", {} refused when tried again", figures::share_of(refused, all)));
    }
    if unknown > 0 {
        said.push_str(&format!(", {} not known when the run ended", figures::share_of(unknown, all)));
    }
    let mut sorted: Vec<_> = outcomes.iter().filter(|(.., n)| *n > 0).collect();
    sorted.sort();
    let grounds: Vec<String> = sorted
        .into_iter()
        .take(8)
        .map(|(outcome, tries, n)| {
            let what = match outcome {
                CallOutcome::Succeeded => "well after",
                CallOutcome::Refused => "refused after",
                CallOutcome::GaveUp => "given up after",
                CallOutcome::Unknown => "open after",
            };
            format!("{} {what} {}", figures::count(*n), figures::plural(u64::from(*tries), "try", "tries"))
        })
        .collect();
    BehaviourRow { about: "After a failure", said, is_unknown: false, grounds: grounds.join(", ") }
}

fn back_off(all: &[BackOff]) -> (String, String) {
    let layer = |layer: Layer| match layer {
        Layer::Client => "",
        Layer::Above => "above the client library: ",
    };
    let said: Vec<String> = all
        .iter()
        .map(|back_off| {
            let pauses: Vec<String> = back_off.pauses.iter().map(|pause| figures::span(pause.median)).collect();
            let shape = match back_off.shape {
                BackOffShape::None => "none, tried again at once",
                BackOffShape::Fixed => "always the same",
                BackOffShape::Growing => "growing",
                BackOffShape::Exponential => "growing exponentially",
                BackOffShape::Linear => "growing, by less and less",
                BackOffShape::Irregular => "irregular",
                BackOffShape::Unclear => "varying too much to say how they grow",
                BackOffShape::OnePause => "one seen",
            };
            let chance = match back_off.jitter {
                Some(true) => ", with chance in it",
                Some(false) => ", without chance",
                None => "",
            };
            format!("{}{shape}{chance} ({})", layer(back_off.layer), pauses.join(", "))
        })
        .collect();
    let grounds: Vec<String> = all
        .iter()
        .flat_map(|back_off| back_off.pauses.iter().map(move |pause| (back_off.layer, pause)))
        .map(|(of, pause)| {
            let Pause { retry, count, low, high, .. } = pause;
            format!(
                "{}before retry {retry}: median between {} and {} (95 %), {} seen",
                layer(of),
                figures::span(*low),
                figures::span(*high),
                figures::count(*count)
            )
        })
        .collect();
    (said.join("; "), grounds.join("; "))
}

fn retry_after(waits: &RetryWaits) -> (String, String) {
    let RetryWaits { asked, obeyed, early, first_early } = waits;
    let said = match (*obeyed, *early) {
        (_, 0) => format!("obeyed by all {}", figures::plural(*obeyed, "retry", "retries")),
        (0, early) => format!("not obeyed: all {} came too early", figures::plural(early, "retry", "retries")),
        (obeyed, early) => {
            format!("obeyed by {} of {} retries", figures::count(obeyed), figures::count(obeyed + early))
        }
    };
    let mut grounds = format!("{} asked for a pause", figures::plural(*asked, "answer", "answers"));
    if let Some((at, gap, wanted)) = first_early {
        grounds.push_str(&format!(
            "; the first too early at {at}, after {} of {}",
            figures::span(*gap),
            figures::span(*wanted)
        ));
    }
    (said, grounds)
}

fn timeouts(all: &[TimeoutInForce]) -> (String, String) {
    let said: Vec<String> = all.iter().map(|timeout| figures::span(timeout.median)).collect();
    let grounds: Vec<String> = all
        .iter()
        .map(|timeout| {
            let TimeoutInForce { count, low, high, may_be_ours, .. } = timeout;
            let ours = may_be_ours
                .as_ref()
                .map(|step| format!(" (may be the deadline of our own step `{}`, handed on)", text::line(step, 60)));
            let clients = figures::plural(*count, "client left", "clients left");
            format!(
                "{clients}, nine in ten after {} to {}{}",
                figures::span(*low),
                figures::span(*high),
                ours.unwrap_or_default()
            )
        })
        .collect();
    (format!("clients leave after {}", said.join(" or ")), grounds.join("; "))
}

fn breaker(breaker: &Breaker) -> (String, String) {
    let resumed = match breaker.resumed_after {
        Some(after) => format!("calls were back {} after its end", figures::span(after)),
        None => "calls were not seen to come back after its end".to_owned(),
    };
    let probes = match breaker.probes {
        0 => "no single calls were seen to try".to_owned(),
        n => format!("{} of single calls in between", figures::plural(n, "try", "tries")),
    };
    (
        format!(
            "calls stopped {} after the fault came on, as by a circuit breaker; {resumed}",
            figures::span(breaker.after)
        ),
        format!(
            "{} without a call in which at least {} were to be expected; {probes}",
            figures::span(Span::from_secs(breaker.silent_seconds)),
            figures::count(breaker.expected)
        ),
    )
}

fn duplicates(duplicates: &Duplicates) -> (String, String) {
    let first: Vec<String> = duplicates
        .first
        .iter()
        .take(3)
        .map(|(at, request, tries)| {
            format!("{} at {at}, {}", text::line(request, 120), figures::plural(u64::from(*tries), "try", "tries"))
        })
        .collect();
    (
        format!(
            "{} too many, by {}",
            figures::plural(duplicates.rows, "row", "rows"),
            figures::plural(
                duplicates.calls,
                "call whose tries were both stored",
                "calls whose tries were stored several times"
            )
        ),
        first.join("; "),
    )
}

fn concurrency(told: Concurrency) -> (String, String) {
    let Concurrency { most, is_limit, wanted_seconds } = told;
    let wanted = figures::span(Span::from_secs(wanted_seconds));
    if is_limit {
        let said = format!("never more than {most}, which is a limit: a pool's size, or the app's own");
        return (
            said,
            format!("reached and in use throughout {wanted} in which half as many users again were waiting"),
        );
    }
    (format!("at most {most}; no limit seen"), format!("half as many users again were waiting in {wanted}"))
}

fn traced(traced: Traced) -> BehaviourRow {
    let Traced { calls, by_header, by_user, by_only } = traced;
    let about = "Traced to a step";
    if calls == 0 {
        let grounds = "no call failed, was hit or was a retry".to_owned();
        return BehaviourRow { about, said: figures::NONE.to_owned(), is_unknown: false, grounds };
    }
    let known = by_header + by_user + by_only;
    let said = format!("{} of {}", figures::share_of(known, calls), figures::plural(calls, "call", "calls"));
    let grounds = format!(
        "calls that failed, were hit or were retries; {} by a header handed on, {} by the user they name, {} because only \
         one step was under way",
        figures::count(by_header),
        figures::count(by_user),
        figures::count(by_only)
    );
    BehaviourRow { about, said, is_unknown: false, grounds }
}
