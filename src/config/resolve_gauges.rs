//! Pages of the app's own figures → [`GaugeProbe`].

use super::collector::Collector;
use super::resolve_journeys::pointer;
use super::resolve_target;
use super::scenario_file::GaugesFile;
use crate::model::gauge::GaugeProbe;
use crate::units::Span;

/// How often a page is read if nothing is said.
const PROBE_EVERY: Span = Span::from_secs(30);

/// Figures of a JSON document.
pub(super) fn json_gauges(out: &mut Collector, file: &GaugesFile) -> GaugeProbe {
    let probe = gauges(out, file);
    for place in file.gauges.values() {
        pointer(out, place.get_ref(), place.span());
    }
    probe
}

/// Figures of a page.
pub(super) fn gauges(out: &mut Collector, file: &GaugesFile) -> GaugeProbe {
    if file.gauges.is_empty() {
        out.error(file.path.span(), "no gauge is read from this page")
            .help("name one: gauges = { error_rate = \"…\" }");
    }
    GaugeProbe {
        path: resolve_target::path(out, &file.path),
        every: out.positive(file.every.as_ref(), "`every`", PROBE_EVERY),
        gauges: file.gauges.iter().map(|(name, place)| (name.get_ref().clone(), place.get_ref().clone())).collect(),
        blocks_app: out.quantity_or(file.blocks_app.as_ref(), Span::default()),
    }
}
