//! The page: every section's view and the charts, filled into the templates.

use super::charts::{Chart, charts};
use crate::model::run_record::RunRecord;
use crate::report::error::ReportError;
use crate::report::view::app_says::{AppSays, app_says};
use crate::report::view::banner::{Banner, banner};
use crate::report::view::behaviour::{Behaviour, behaviour};
use crate::report::view::criteria::{CriterionRow, criteria};
use crate::report::view::endpoints::{Truth, tallies, truth};
use crate::report::view::faults::{Faults, faults};
use crate::report::view::findings::{Findings, findings};
use crate::report::view::journeys::{JourneyRow, journeys};
use crate::report::view::provenance::{Provenance, provenance};
use crate::report::view::sure::{Sure, sure};
use crate::report::view::tiles::{Tile, tiles};
use crate::report::view::upstreams::{UpstreamRow, upstreams};
use askama::Template;

/// What the templates see.
#[derive(Template)]
#[template(path = "page.html")]
struct Page {
    banner: Banner,
    tiles: Vec<Tile>,
    findings: Findings,
    charts: Vec<Chart>,
    criteria: Vec<CriterionRow>,
    truth: Truth,
    app: AppSays,
    upstreams: Vec<UpstreamRow>,
    behaviour: Vec<Behaviour>,
    faults: Faults,
    journeys: Vec<JourneyRow>,
    sure: Sure,
    provenance: Provenance,
}

/// The self-contained page of a run: no network, no script, light and dark, phone and print.
///
/// # Errors
/// If a chart or a template fails, which no record should be able to cause.
pub fn render(record: &RunRecord) -> Result<String, ReportError> {
    let tallies = tallies(record);
    let page = Page {
        banner: banner(record),
        tiles: tiles(record, &tallies),
        findings: findings(record),
        charts: charts(record)?,
        criteria: criteria(record),
        truth: truth(record, &tallies),
        app: app_says(record),
        upstreams: upstreams(record),
        behaviour: behaviour(record),
        faults: faults(record),
        journeys: journeys(record),
        sure: sure(record),
        provenance: provenance(record),
    };
    page.render().map_err(ReportError::Template)
}
