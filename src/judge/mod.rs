//! Timeline and playbook to [`Verdict`](crate::model::verdict::Verdict): pure.
