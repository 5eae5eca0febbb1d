//! [`Context`]: a run made ready for judging, once for all criteria.

use super::segments::Segments;
use super::series::{Series, Tally};
use crate::model::plan::Plan;
use crate::model::run_record::EndReason;
use crate::model::sample::EndpointId;
use crate::model::timeline::Timeline;
use crate::units::Offset;
use std::collections::BTreeMap;

/// What every measure works on.
pub(super) struct Context<'a> {
    pub plan: &'a Plan,
    pub timeline: &'a Timeline,
    pub ended: Offset,
    pub end: &'a EndReason,
    pub segments: Segments,
    /// All endpoints together.
    pub all: Series,
    /// Each endpoint with results.
    pub endpoints: BTreeMap<EndpointId, Series>,
    /// Each agent of the plan, in its order.
    pub agents: Vec<Agent>,
}

/// One agent of the plan.
pub(super) struct Agent {
    pub name: String,
    /// Its endpoints.
    pub endpoints: Vec<EndpointId>,
    pub series: Series,
}

impl<'a> Context<'a> {
    pub(super) fn new(plan: &'a Plan, timeline: &'a Timeline, ended: Offset, end: &'a EndReason) -> Self {
        let mut rows: BTreeMap<EndpointId, Vec<(u64, Tally)>> = BTreeMap::new();
        for interval in &timeline.intervals {
            for endpoint in &interval.endpoints {
                rows.entry(endpoint.endpoint).or_default().push((interval.second, Tally::of(endpoint)));
            }
        }
        let all = Series::new(rows.values().flatten().copied().collect());
        let agents = plan
            .agents()
            .into_iter()
            .map(|name| {
                let endpoints: Vec<EndpointId> = (0..=EndpointId::MAX)
                    .zip(&plan.endpoints)
                    .filter(|(_, endpoint)| endpoint.agent.as_deref() == Some(name))
                    .map(|(id, _)| id)
                    .collect();
                let series = Series::new(endpoints.iter().filter_map(|id| rows.get(id)).flatten().copied().collect());
                Agent { name: name.to_owned(), endpoints, series }
            })
            .collect();
        let endpoints = rows.into_iter().map(|(id, rows)| (id, Series::new(rows))).collect();
        Self { plan, timeline, ended, end, segments: Segments::new(plan, timeline, ended), all, endpoints, agents }
    }

    /// An endpoint's name.
    pub(super) fn endpoint(&self, id: EndpointId) -> String {
        self.plan.endpoints.get(usize::from(id)).map_or_else(|| format!("endpoint {id}"), |e| e.name.clone())
    }
}
