//! The answers' shapes, exactly as HolisticOS has them (observed).

pub(super) mod analyses;
pub(super) mod health;
pub(super) mod insights;
pub(super) mod plans;
