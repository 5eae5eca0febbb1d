//! All charts of the page, in order.

use super::answers::answers;
use super::chart::Chart;
use super::frame::Data;
use super::health::health;
use super::latency::latency;
use super::load::load;
use super::memory::memory;
use super::strip::strip;
use super::upstreams::upstreams;
use crate::model::playbook::Measure;
use crate::model::run_record::RunRecord;
use crate::report::error::ReportError;
use crate::report::view::series::{NARROW, Series, TABLE, bands};

/// The charts of a record; those that nothing was measured for are left out.
pub fn charts(record: &RunRecord) -> Result<Vec<Chart>, ReportError> {
    let of =
        |wide: Series| Data { narrow: wide.coarser(NARROW), table: wide.coarser(TABLE), wide, bands: bands(record) };
    let data = of(Series::of(record));
    let percentiles = of(data.wide.steadier());
    let slow = record.playbook.criteria.iter().find_map(|criterion| match criterion.measure {
        Measure::SlowResponses { from, .. } => Some(from.get().as_secs_f64()),
        _ => None,
    });
    let mut charts = vec![strip(record, &data)?, load(&data)?, latency(&percentiles, slow)?, answers(&data)?];
    charts.extend(memory(record, &data)?);
    charts.extend(upstreams(record, &data)?);
    charts.extend(health(&data)?);
    Ok(charts)
}
