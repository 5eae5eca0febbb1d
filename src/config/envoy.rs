//! [`rules`]: faults that requests may ask for themselves, where a scenario allows it.

use super::scenario_file::UpstreamsFile;
use crate::model::fault::{Abort, AskedFor, Delay, Drip, FaultMatch, FaultRule, FaultWindow, Injection};
use crate::units::{ByteSize, Offset, Share, Span};

/// The rules for all upstreams with `envoy-fault-headers = true`. As Envoy's filter does, they come before all others,
/// a delay before an abort, and the rate of an answer last.
pub(super) fn rules(upstreams: Option<&UpstreamsFile>) -> Vec<FaultRule> {
    let Some(file) = upstreams else { return vec![] };
    let openai = file.openai.as_ref().map(|openai| ("openai", openai.get_ref().envoy_fault_headers));
    let supabase = file.supabase.as_ref().map(|supabase| ("supabase", supabase.get_ref().envoy_fault_headers));
    let stubs = file.stub.iter().map(|(name, stub)| (name.get_ref().as_str(), stub.get_ref().envoy_fault_headers));
    let allowed = openai.into_iter().chain(supabase).chain(stubs).filter(|(_, allowed)| *allowed);
    let each = [AskedFor::Delay, AskedFor::Abort, AskedFor::Throughput];
    allowed.flat_map(|(upstream, _)| each.map(|asked| rule(upstream, asked))).collect()
}

fn rule(upstream: &str, asked: AskedFor) -> FaultRule {
    let (header, inject) = match asked {
        AskedFor::Delay => ("x-envoy-fault-delay-request", Injection::Latency(Delay::NONE)),
        AskedFor::Abort => ("x-envoy-fault-abort-request", Injection::Abort(Abort::default())),
        AskedFor::Throughput => {
            let drip = Drip { bytes: ByteSize(1 << 10), every: Span::from_secs(1) };
            ("x-envoy-fault-throughput-response", Injection::Drip(drip))
        }
    };
    FaultRule {
        name: format!("{upstream}/{header}"),
        upstream: upstream.to_owned(),
        when: FaultMatch { asked: Some(asked), ..FaultMatch::default() },
        share: Share::ALL,
        window: FaultWindow { from: Offset::ZERO, until: None },
        inject,
    }
}
