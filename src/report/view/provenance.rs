//! Where the run comes from, and how to make it again.

use super::banner::date;
use super::figures;
use super::plan_words;
use super::text;
use crate::model::run_record::RunRecord;

/// The section on provenance.
#[derive(Debug)]
pub struct Provenance {
    /// Facts: name and value.
    pub facts: Vec<(&'static str, String)>,
    /// The command that runs it again.
    pub again: String,
}

/// The section on provenance.
pub fn provenance(record: &RunRecord) -> Provenance {
    let header = &record.header;
    let (plan, machine) = (&header.plan, &header.machine);
    let cores = figures::plural(u64::from(machine.cores), "core", "cores");
    let (ballast, gate) = (plan.ballast, plan.gate);
    let mut facts = vec![
        ("firedrill", text::line(&header.firedrill, 60)),
        ("Run", text::line(&header.run, 120)),
        ("Started", date(record)),
        ("Scenario", text::line(&format!("{} ({})", plan.name, plan.source), 200)),
        ("Seed", plan.seed.to_string()),
        ("Target", plan_words::target(plan)),
        ("Load", plan_words::load(plan)),
        ("Faults", plan_words::faults(plan)),
        (
            "Gate",
            format!(
                "fails on {} and worse; a fault may cause {} at worst; effects count as induced for {} after it",
                gate.fail_on,
                gate.while_faulted,
                figures::span(gate.recovery)
            ),
        ),
        (
            "Machine",
            text::line(&format!("{}, {cores}, {}", machine.system, figures::bytes(machine.memory as f64)), 200),
        ),
        ("Schema", header.schema.to_string()),
    ];
    if let Some(ballast) = ballast {
        let (size, hold) = (figures::bytes(ballast.size.get() as f64), figures::span(ballast.hold));
        facts.insert(8, ("Ballast", format!("{size} from {}, held {hold}", ballast.from)));
    }
    Provenance { facts, again: text::line(&header.again, 1000) }
}
