//! How the judge reads what a playbook leaves open, in the words of the report.

/// The judge's own readings, for `readings` of a playbook: one sentence each.
pub const READINGS: &[&str] = &[
    "An error is a step that failed (status, transport, deadline) or was masked (2xx without the expected content); \
     an answer with a fallback is no error of its endpoint, but it counts against the agent that gave it.",
    "A limit is breached when the 95 % interval lies beyond it; the interval is widened for the number of windows \
     looked at, so that many looks raise no more false alarms than one. A figure beyond its limit whose interval \
     is not is inconclusive; a figure on its limit is within it.",
    "A window is as long as the criterion says, or as long as the stretch of the run where that is shorter; \
     failures that are too few for one window are judged over two, four, eight … windows and the whole stretch.",
    "Calm seconds and faulted seconds (from a fault's first hit until the recovery time after its end, or until the \
     last step begun under it has ended) are judged apart; a fault that never hit anything explains nothing.",
    "\"Completely broken\" and \"non-functional\" mean: the observed success is below the limit (5 %), and the \
     interval's upper end is below 50 %.",
    "All agents are down when every agent that the scenario exercises, two at least, is completely broken in one \
     window.",
    "A user is affected by a failed or masked step, a step over the slow limit, or one slower than the stated \
     multiple of the endpoint's 95th percentile before the first fault (20 responses at least; a run without \
     faults has no such baseline). A fallback alone does not make a user affected. Exactly 20 % of users is P2.",
    "\"Sustained\" means without a break for the stated time, by readings of the app's resident memory without the \
     ballast; a gap in the readings is a break.",
    "One endpoint is broken while the rest is well: the rest is every endpoint that is not broken itself. Where \
     nothing else is well, it is a matter of the overall error rate, not of an endpoint.",
    "Slow means longer than 10 s; exactly 10 s is not. Responses of 30 s and more have no class of their own: they \
     count as slow and are named.",
    "Health checks fail by what they say, not only by their status: a body that says critical is a failed check.",
    "A death of the app at its memory limit counts as an OOM crash, unless it was asked to stop.",
];
