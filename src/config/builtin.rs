//! The files that ship inside the program. They are the commented files of the repository, so what a newcomer reads
//! is what runs.

/// A built-in file: its name and its text.
pub(super) type BuiltIn = (&'static str, &'static str);

pub(super) const SCENARIOS: [BuiltIn; 3] = [
    ("quickstart", include_str!("../../scenarios/quickstart.toml")),
    ("smoke", include_str!("../../scenarios/smoke.toml")),
    ("weekly-load", include_str!("../../scenarios/weekly-load.toml")),
];

pub(super) const FAULT_PROFILES: [BuiltIn; 28] = [
    ("complete-breakdown", include_str!("../../fault-profiles/complete-breakdown.toml")),
    ("health-data-outage", include_str!("../../fault-profiles/health-data-outage.toml")),
    ("huge-answers", include_str!("../../fault-profiles/huge-answers.toml")),
    ("network-flaky", include_str!("../../fault-profiles/network-flaky.toml")),
    ("network-thin", include_str!("../../fault-profiles/network-thin.toml")),
    ("openai-bad-key", include_str!("../../fault-profiles/openai-bad-key.toml")),
    ("openai-brownout", include_str!("../../fault-profiles/openai-brownout.toml")),
    ("openai-first-try", include_str!("../../fault-profiles/openai-first-try.toml")),
    ("openai-malformed", include_str!("../../fault-profiles/openai-malformed.toml")),
    ("openai-no-usage", include_str!("../../fault-profiles/openai-no-usage.toml")),
    ("openai-one-agent", include_str!("../../fault-profiles/openai-one-agent.toml")),
    ("openai-outage", include_str!("../../fault-profiles/openai-outage.toml")),
    ("openai-quota", include_str!("../../fault-profiles/openai-quota.toml")),
    ("openai-rate-limit", include_str!("../../fault-profiles/openai-rate-limit.toml")),
    ("openai-slow", include_str!("../../fault-profiles/openai-slow.toml")),
    ("openai-stalled-streams", include_str!("../../fault-profiles/openai-stalled-streams.toml")),
    ("supabase-auth-outage", include_str!("../../fault-profiles/supabase-auth-outage.toml")),
    ("supabase-denied", include_str!("../../fault-profiles/supabase-denied.toml")),
    ("supabase-flapping", include_str!("../../fault-profiles/supabase-flapping.toml")),
    ("supabase-lost-writes", include_str!("../../fault-profiles/supabase-lost-writes.toml")),
    ("supabase-outage", include_str!("../../fault-profiles/supabase-outage.toml")),
    ("supabase-partition", include_str!("../../fault-profiles/supabase-partition.toml")),
    ("supabase-partition-answers", include_str!("../../fault-profiles/supabase-partition-answers.toml")),
    ("supabase-partition-requests", include_str!("../../fault-profiles/supabase-partition-requests.toml")),
    ("supabase-pool-exhausted", include_str!("../../fault-profiles/supabase-pool-exhausted.toml")),
    ("supabase-refused", include_str!("../../fault-profiles/supabase-refused.toml")),
    ("supabase-slow", include_str!("../../fault-profiles/supabase-slow.toml")),
    ("supabase-statement-timeouts", include_str!("../../fault-profiles/supabase-statement-timeouts.toml")),
];

pub(super) const PLAYBOOKS: [BuiltIn; 1] = [("holisticos", include_str!("../../playbooks/holisticos.toml"))];

/// Seeds, by their path in the repository.
pub(super) const SEEDS: [BuiltIn; 1] = [("seeds/holisticos.sql", include_str!("../../seeds/holisticos.sql"))];

/// The text of a built-in file.
pub(super) fn text(files: &[BuiltIn], name: &str) -> Option<&'static str> {
    files.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// The names of the built-in scenarios.
pub fn builtin_scenarios() -> impl Iterator<Item = &'static str> {
    SCENARIOS.iter().map(|(name, _)| *name)
}

/// The names of the built-in fault profiles.
pub fn builtin_fault_profiles() -> impl Iterator<Item = &'static str> {
    FAULT_PROFILES.iter().map(|(name, _)| *name)
}

/// The names of the built-in playbooks.
pub fn builtin_playbooks() -> impl Iterator<Item = &'static str> {
    PLAYBOOKS.iter().map(|(name, _)| *name)
}
