//! The share of failed and masked steps, all endpoints together.

use super::context::Context;
use super::exemplars;
use super::gathered::{Gathered, Story};
use super::rates::{Subject, judge_subject};
use super::scan::{Question, Rule, Sight, looks, seconds};
use super::series::Tally;
use super::words;
use crate::stats::family_z;
use crate::units::{Share, Span};

/// Judges the error rate.
pub(super) fn judge(ctx: &Context<'_>, over: Share, window: Span, min: u32) -> Gathered {
    if ctx.all.total().n == 0 {
        return Gathered::not_measured("no step of this run had an outcome");
    }
    let groups = ctx.segments.groups(1);
    let length = seconds(window);
    let question = Question {
        rule: Rule::Above(over.fraction()),
        hits: Tally::errors,
        bad: Tally::errors,
        length,
        min: u64::from(min),
        z: family_z(looks(&groups, length, true)),
    };
    let phrase = |sight: &Sight| phrase(ctx, sight);
    let mut gathered = Gathered::default();
    let seen = judge_subject(
        ctx,
        &groups,
        &question,
        &Subject {
            name: None,
            what: "errors".to_owned(),
            series: &ctx.all,
            phrase: &phrase,
            story: &|sight| Story::Said(phrase(sight)),
            evidence: &exemplars::is_error,
            qualifies: &|_| true,
        },
        &mut gathered,
    );
    if seen.windows == 0 {
        gathered.gaps.push(format!("at most {} of {min} steps in {length} s", seen.most));
    }
    gathered
}

/// `71 of 80 steps failed or were masked, most of them at routine (40 of 41)`.
fn phrase(ctx: &Context<'_>, sight: &Sight) -> String {
    let mut text =
        format!("{} of {} failed or were masked", words::count(sight.hits), words::counted(sight.tally.n, "step"));
    let parts = ctx.endpoints.iter().map(|(id, series)| (id, series.sum(sight.window.from, sight.window.to)));
    if let Some((id, tally)) = parts.max_by_key(|(_, tally)| tally.errors())
        && ctx.endpoints.len() > 1
        && tally.errors() > 0
    {
        let (name, errors, n) = (ctx.endpoint(*id), words::count(tally.errors()), words::count(tally.n));
        text.push_str(&format!(", worst {name} ({errors} of {n})"));
    }
    text
}
