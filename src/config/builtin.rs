//! The files that ship inside the program. They are the commented files of the repository, so what a newcomer reads
//! is what runs.

/// A built-in file: its name and its text.
pub(super) type BuiltIn = (&'static str, &'static str);

pub(super) const SCENARIOS: [BuiltIn; 3] = [
    ("quickstart", include_str!("../../scenarios/quickstart.toml")),
    ("smoke", include_str!("../../scenarios/smoke.toml")),
    ("weekly-load", include_str!("../../scenarios/weekly-load.toml")),
];

pub(super) const FAULT_PROFILES: [BuiltIn; 5] = [
    ("network-flaky", include_str!("../../fault-profiles/network-flaky.toml")),
    ("openai-brownout", include_str!("../../fault-profiles/openai-brownout.toml")),
    ("openai-outage", include_str!("../../fault-profiles/openai-outage.toml")),
    ("supabase-auth-outage", include_str!("../../fault-profiles/supabase-auth-outage.toml")),
    ("supabase-outage", include_str!("../../fault-profiles/supabase-outage.toml")),
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
