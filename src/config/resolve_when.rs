//! When a fault is on and which requests it hits: [`WhenFile`] and its neighbours → [`FaultWindow`], [`FaultMatch`].

use super::collector::Collector;
use super::fault_profile_file::FaultFile;
use super::when_file::WhenFile;
use crate::model::fault::{FaultMatch, FaultWindow};
use crate::model::upstream::UpstreamKind;
use crate::units::{Offset, Share, Span};
use toml::Spanned;

const METHODS: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];

/// When a fault is on; one that begins after `load_end` gets a warning.
pub(super) fn window(out: &mut Collector, file: &FaultFile, name: &str, load_end: Option<Offset>) -> FaultWindow {
    let from = Offset::ZERO.plus(out.quantity_or(file.from.as_ref(), Span::default()).get());
    let until = file.lasts.as_ref().map(|written| {
        let lasts: Span = out.quantity(written, Span::from_secs(1));
        if lasts.get().is_zero() {
            out.error(written.span(), "a fault cannot last for no time")
                .help("write how long, or leave `for` away: to the end");
        }
        from.plus(lasts.get())
    });
    if let Some(load_end) = load_end
        && from >= load_end
    {
        let span = file.from.as_ref().map_or_else(|| file.upstream.span(), Spanned::span);
        out.warn(span, format!("fault `{name}` never fires: it begins at {from}, the load ends at {load_end}"));
    }
    FaultWindow { from, until }
}

/// Which requests a fault may hit.
pub(super) fn matcher(out: &mut Collector, when: &WhenFile, kind: Option<&UpstreamKind>) -> FaultMatch {
    let method = when.method.as_ref().map(|method| {
        let upper = method.get_ref().to_uppercase();
        if !METHODS.contains(&upper.as_str()) {
            out.unknown(method.span(), "method", method.get_ref(), METHODS);
        }
        upper
    });
    if let Some(path) = &when.path
        && !path.get_ref().starts_with(['/', '*'])
    {
        out.error(path.span(), "a path starts with `/`")
            .help(format!("write \"/{0}\", or \"*{0}\" for any beginning", path.get_ref()));
    }
    if let (Some(service), Some(kind)) = (&when.service, kind)
        && !kind.services().names().any(|known| known == service.get_ref())
    {
        out.unknown(service.span(), "service", service.get_ref(), kind.services().names());
    }
    FaultMatch {
        method,
        service: when.service.as_ref().map(|service| service.get_ref().clone()),
        path: when.path.as_ref().map(|path| path.get_ref().clone()),
        header: when.header.iter().map(|(name, value)| (name.get_ref().clone(), value.clone())).collect(),
        nth: when.nth.as_ref().map(|nth| out.number(nth, "`nth`", 1, u64::from(u32::MAX))),
    }
}

/// How many of them it hits.
pub(super) fn share(out: &mut Collector, when: &WhenFile) -> Share {
    let share = out.quantity_or(when.share.as_ref(), Share::ALL);
    if let Some(written) = &when.share
        && share.fraction() == 0.0
    {
        out.warn(written.span(), "a share of 0% hits nothing");
    }
    share
}
