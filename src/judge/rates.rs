//! What all criteria on a share of steps have in common: scan a subject, word what was seen.

use super::context::Context;
use super::exemplars;
use super::gathered::{Found, Gathered, Story, Suspicion};
use super::scan::{Question, Rule, Sight, scan};
use super::segments::{Group, Stretch};
use super::series::Series;
use super::words;
use crate::model::timeline::Exemplar;
use crate::model::verdict::{Figure, Finding, Unit};

/// A series with the words for it.
pub(super) struct Subject<'s> {
    /// What findings are about, where that is narrower than the app.
    pub name: Option<String>,
    /// What the figure is called.
    pub what: String,
    /// What was counted.
    pub series: &'s Series,
    /// What is wrong in a window: `71 of 80 steps failed or were masked`.
    pub phrase: &'s dyn Fn(&Sight) -> String,
    /// The same for the verdict's sentence.
    pub story: &'s dyn Fn(&Sight) -> Story,
    /// Which requests are evidence.
    pub evidence: &'s dyn Fn(&Exemplar) -> bool,
    /// Whether a window's breach is this criterion's.
    pub qualifies: &'s dyn Fn(Stretch) -> bool,
}

/// What the scans of one subject left open.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    /// Windows with enough samples.
    pub windows: u64,
    /// The most samples in one window.
    pub most: u64,
    /// A breach that was not this criterion's.
    pub refused: Option<Sight>,
}

/// Scans one subject in every group.
pub(super) fn judge_subject(
    ctx: &Context<'_>,
    groups: &[Group],
    question: &Question,
    subject: &Subject<'_>,
    into: &mut Gathered,
) -> Seen {
    let mut seen = Seen::default();
    into.samples = into.samples.saturating_add(subject.series.total().n);
    for group in groups {
        let scan = scan(subject.series, group, question, subject.qualifies);
        into.windows += scan.windows;
        seen.windows += scan.windows;
        seen.most = seen.most.max(scan.most);
        seen.refused = seen.refused.or(scan.refused);
        if let Some(sight) = scan.closest {
            into.consider(question.rule.risk(sight.observed), figure(&subject.what, &sight, question.rule));
        }
        if let Some(sight) = scan.worst {
            let span = scan.span.unwrap_or(sight.window);
            let limit = match question.rule {
                Rule::Above(limit) => format!("the limit is {}", words::share(limit)),
                Rule::Broken(limit) => format!("under {} is completely broken", words::share(limit)),
            };
            let sentence = format!(
                "{} ({}) {}; {limit}",
                (subject.phrase)(&sight),
                interval(&sight),
                ctx.segments.place(sight.window)
            );
            into.found.push(Found {
                finding: Finding {
                    sentence,
                    subject: subject.name.clone(),
                    origin: ctx.segments.origin(sight.window),
                    gated: false,
                    first: words::moment(span.from),
                    last: words::moment(span.to),
                    figure: Some(figure(&subject.what, &sight, question.rule)),
                    samples: sight.tally.n,
                    exemplars: exemplars::within(ctx.timeline, span, subject.evidence),
                },
                story: (subject.story)(&sight),
                when: ctx.segments.during(sight.window),
            });
        } else if let Some(sight) = scan.straddling {
            let why = format!("{} is too wide an interval to be sure, more samples are needed", bounds(&sight));
            into.suspicions.push(suspicion(ctx, subject, &sight, &why));
        }
        if let Some(sight) = scan.thin {
            into.consider(question.rule.risk(sight.observed), figure(&subject.what, &sight, question.rule));
            into.suspicions.push(suspicion(ctx, subject, &sight, &format!("{} are needed to tell", question.min)));
        }
    }
    seen
}

/// What was seen, where, and why it does not suffice.
fn suspicion(ctx: &Context<'_>, subject: &Subject<'_>, sight: &Sight, why: &str) -> Suspicion {
    Suspicion {
        origin: ctx.segments.origin(sight.window),
        text: format!("{} {}; {why}", (subject.phrase)(sight), ctx.segments.place(sight.window)),
    }
}

/// The figure of a window.
pub(super) fn figure(what: &str, sight: &Sight, rule: Rule) -> Figure {
    Figure {
        what: what.to_owned(),
        value: sight.observed,
        interval: Some((sight.bounds.low, sight.bounds.high)),
        limit: rule.limit(),
        unit: Unit::Share,
    }
}

/// `89%, 95% interval 80%–94%`.
pub(super) fn interval(sight: &Sight) -> String {
    format!("{}, 95% interval {}", words::share(sight.observed), bounds(sight))
}

fn bounds(sight: &Sight) -> String {
    format!("{}–{}", words::share(sight.bounds.low), words::share(sight.bounds.high))
}
