//! When a fault is on, and how it goes on in that time: [`FaultFile`] → [`FaultWindow`], [`Course`].

use super::collector::Collector;
use super::fault_profile_file::FaultFile;
use super::inject_file::InjectFile;
use super::when_file::UntilFile;
use crate::model::fault::{Course, DutyCycle, FaultWindow, Ramped};
use crate::units::{Offset, Span};
use std::time::Duration;
use toml::Spanned;

/// How the times of an included profile are changed: first stretched, then put off.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Timing {
    /// How much longer everything lasts; 1 is as written.
    pub(super) scale: f64,
    /// How much later it is.
    pub(super) shift: Duration,
}

impl Timing {
    /// As written.
    pub(super) const AS_WRITTEN: Self = Self { scale: 1.0, shift: Duration::ZERO };

    /// The times of a profile that is included with `inner` by one that has these.
    pub(super) fn with(self, inner: Self) -> Self {
        Self { scale: self.scale * inner.scale, shift: self.lasting(Span(inner.shift)).get() + self.shift }
    }

    fn lasting(self, span: Span) -> Span {
        // `config` bounds the scale; what is too long for a duration lasts as long as any run.
        let secs = span.get().as_secs_f64() * self.scale;
        Span(Duration::try_from_secs_f64(secs).unwrap_or(Duration::MAX))
    }

    fn moment(self, from: Span) -> Offset {
        Offset::ZERO.plus(self.lasting(from).get()).plus(self.shift)
    }
}

/// When a fault is on and how it goes on meanwhile; one that begins after `load_end` gets a warning.
pub(super) fn course(
    out: &mut Collector,
    file: &FaultFile,
    name: &str,
    timing: Timing,
    load_end: Option<Offset>,
) -> (FaultWindow, Course) {
    let from = timing.moment(out.quantity_or(file.from.as_ref(), Span::default()));
    let lasts = file.lasts.as_ref().map(|written| {
        let lasts: Span = out.quantity(written, Span::from_secs(1));
        if lasts.get().is_zero() {
            out.error(written.span(), "a fault cannot last for no time")
                .help("write how long, or leave `for` away: to the end");
        }
        timing.lasting(lasts)
    });
    let window = FaultWindow { from, until: lasts.map(|lasts| from.plus(lasts.get())) };
    if let Some(load_end) = load_end
        && from >= load_end
    {
        let span = file.from.as_ref().map_or_else(|| file.upstream.span(), Spanned::span);
        out.warn(span, format!("fault `{name}` never fires: it begins at {from}, the load ends at {load_end}"));
    }
    let (ramp_up, ramp_down, ramps) = ramps(out, file, timing, lasts);
    let cycle = cycle(out, file, timing);
    let (hits, quiet) = file.until.as_ref().map(|until| until_of(out, until, cycle.is_some())).unwrap_or_default();
    (window, Course { ramp_up, ramp_down, ramps, cycle, hits, quiet })
}

fn ramps(out: &mut Collector, file: &FaultFile, timing: Timing, lasts: Option<Span>) -> (Span, Span, Ramped) {
    let up = timing.lasting(out.quantity_or(file.ramp_up.as_ref(), Span::default()));
    let down = timing.lasting(out.quantity_or(file.ramp_down.as_ref(), Span::default()));
    let last = file.ramp_down.as_ref().or(file.ramp_up.as_ref()).map(Spanned::span);
    if let Some(span) = last.clone() {
        match lasts {
            Some(lasts) if up.get().saturating_add(down.get()) > lasts.get() => {
                out.error(span, "the ramps are longer than the fault lasts, so it never gets to its full strength")
                    .help(format!("it lasts {lasts}, its ramps {up} and {down}"));
            }
            None if !down.get().is_zero() => {
                out.error(span, "a fault without an end has nothing to ramp down to")
                    .help("say how long it lasts: for = \"1m\"");
            }
            _ => {}
        }
    }
    let is_delay = matches!(file.inject.get_ref(), InjectFile::Latency(_));
    let ramps = match file.ramps.as_ref().map(|ramps| (ramps.get_ref().as_str(), ramps.span())) {
        None | Some(("share", _)) => Ramped::Share,
        Some(("delay", span)) => {
            if !is_delay {
                out.error(span, "only a latency has a delay that can be ramped")
                    .help("leave `ramps` away: the share of requests that are hit grows and fades");
            }
            Ramped::Delay
        }
        Some((typed, span)) => {
            out.unknown(span, "thing to ramp", typed, ["share", "delay"]);
            Ramped::Share
        }
    };
    match (&file.ramps, &last) {
        (Some(ramps), None) => {
            out.error(ramps.span(), "`ramps` says what changes, but not over which time")
                .help("add ramp-up = \"30s\" or ramp-down = \"30s\"");
        }
        (_, Some(span)) if ramps == Ramped::Share && (file.when.nth.is_some() || file.when.first.is_some()) => {
            let by = if file.when.nth.is_some() { "nth" } else { "first" };
            let error =
                out.error(span.clone(), format!("`{by}` chooses requests by number: there is no share to ramp"));
            error.help(if is_delay { "write ramps = \"delay\", or choose by `share`" } else { "choose by `share`" });
        }
        _ => {}
    }
    (up, down, ramps)
}

fn cycle(out: &mut Collector, file: &FaultFile, timing: Timing) -> Option<DutyCycle> {
    match (&file.on, &file.off) {
        (None, None) => None,
        (Some(on), Some(off)) => {
            let on = out.positive(Some(on), "`on`", Span::from_secs(10));
            let off = out.positive(Some(off), "`off`", Span::from_secs(10));
            Some(DutyCycle { on: timing.lasting(on), off: timing.lasting(off) })
        }
        (Some(one), None) | (None, Some(one)) => {
            let (there, missing) = if file.on.is_some() { ("on", "off") } else { ("off", "on") };
            out.error(one.span(), format!("`{there}` needs `{missing}`"))
                .help("a fault that comes and goes has both: on = \"10s\" and off = \"20s\"");
            None
        }
    }
}

fn until_of(out: &mut Collector, until: &Spanned<UntilFile>, cycles: bool) -> (Option<u64>, Option<Span>) {
    let UntilFile { hits, quiet } = until.get_ref();
    if hits.is_none() && quiet.is_none() {
        out.error(until.span(), "this never ends the fault")
            .help("write hits = 20 (so many requests were hit), or quiet = \"5s\" (none came for so long)");
    }
    if let Some(quiet) = quiet.as_ref().filter(|_| cycles) {
        out.error(quiet.span(), "with `on` and `off`, nothing tells an app that holds back from a fault that is off")
            .help("leave `quiet`, or `on` and `off` away");
    }
    let hits = hits.as_ref().map(|hits| out.number(hits, "`hits`", 1, u64::from(u32::MAX)));
    let quiet = quiet.as_ref().map(|quiet| out.positive(Some(quiet), "`quiet`", Span::from_secs(5)));
    (hits, quiet)
}
