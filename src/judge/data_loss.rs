//! Acknowledged writes that are lost, changed or doubled.

use super::context::Context;
use super::gathered::{Found, Gathered, Story, Suspicion};
use super::segments::Stretch;
use super::words;
use crate::model::checks::{Fate, Observation, RowFate};
use crate::model::verdict::{Figure, Finding, Origin, Unit};

/// Rows named in a sentence.
const NAMED: usize = 3;

/// Judges the rows of the durability checks.
///
/// A breach needs at least one row of the same check that was read back as it was written: it proves that the reading
/// itself works. Without it, a mistake in the check looks exactly like the loss of everything.
pub(super) fn judge(ctx: &Context<'_>, min_rows: u32) -> Gathered {
    let checks = &ctx.plan.checks.durability;
    if checks.is_empty() {
        return Gathered::not_measured("the scenario writes nothing that it reads back: [[durability]]");
    }
    let mut gathered = Gathered::default();
    for (index, check) in checks.iter().enumerate() {
        let rows: Vec<&RowFate> = ctx
            .timeline
            .observations
            .iter()
            .filter_map(|seen| match seen {
                Observation::Row(row) if row.check == index && row.acknowledged => Some(row),
                _ => None,
            })
            .collect();
        gathered.samples += rows.len() as u64;
        let intact = rows.iter().filter(|row| row.fate == Fate::Intact).count();
        let unread: Vec<&&RowFate> = rows.iter().filter(|row| matches!(row.fate, Fate::Unread(_))).collect();
        let harmed: Vec<&RowFate> =
            rows.iter().copied().filter(|row| !matches!(row.fate, Fate::Intact | Fate::Unread(_))).collect();
        if let Some(Fate::Unread(why)) = unread.first().map(|row| &row.fate) {
            let text = format!(
                "{} of `{}` could not be read back ({why})",
                words::counted(unread.len() as u64, "row"),
                check.name
            );
            gathered.gaps.push(text);
        }
        if rows.len() < min_rows as usize {
            gathered.gaps.push(format!(
                "{} of `{}` acknowledged; {min_rows} are needed",
                words::counted(rows.len() as u64, "write"),
                check.name
            ));
        }
        if intact == 0 && !harmed.is_empty() {
            gathered.suspicions.push(Suspicion {
                origin: harmed.iter().map(|row| origin(ctx, row)).min_by_key(|o| *o != Origin::Spontaneous).unwrap_or(Origin::Spontaneous),
                text: format!(
                    "none of {} of `{}` was read back as it was written: either all are lost, or the check reads the wrong place",
                    words::counted(rows.len() as u64, "acknowledged row"),
                    check.name
                ),
            });
            continue;
        }
        if intact > 0 {
            gathered.windows += 1;
        }
        // What a fault of ours may have lost is told apart from what nothing explains.
        let (calm, faulted): (Vec<&RowFate>, Vec<&RowFate>) =
            harmed.into_iter().partition(|row| origin(ctx, row) == Origin::Spontaneous);
        for harmed in [calm, faulted] {
            if !harmed.is_empty() {
                gathered.found.push(found(ctx, &check.name, &harmed, rows.len()));
            }
        }
    }
    if gathered.windows > 0 {
        let figure = Figure {
            what: "lost or changed rows".to_owned(),
            value: 0.0,
            interval: None,
            limit: 0.0,
            unit: Unit::Count,
        };
        gathered.consider(0.0, figure);
    }
    gathered
}

/// What may have lost a row: a fault while it was written, or while it was read back.
fn origin(ctx: &Context<'_>, row: &RowFate) -> Origin {
    let at = |from: crate::units::Offset, to: crate::units::Offset| {
        ctx.segments.origin(Stretch { from: from.second(), to: to.second().saturating_add(1) })
    };
    match at(row.sent, row.written) {
        Origin::Spontaneous => row.read.map_or(Origin::Spontaneous, |read| at(read, read)),
        induced => induced,
    }
}

fn found(ctx: &Context<'_>, check: &str, harmed: &[&RowFate], rows: usize) -> Found {
    let count = |is: fn(&Fate) -> bool| harmed.iter().filter(|row| is(&row.fate)).count() as u64;
    let mut parts = Vec::new();
    for (n, word) in [
        (count(|fate| matches!(fate, Fate::Lost(_))), "lost"),
        (count(|fate| matches!(fate, Fate::Altered(_))), "lost or changed"),
        (count(|fate| matches!(fate, Fate::Duplicated(_))), "doubled"),
    ] {
        if n > 0 {
            parts.push(format!("{n} {word}"));
        }
    }
    let (first, last) = (harmed[0], harmed[harmed.len() - 1]);
    let said =
        format!("of {} of `{check}`, {}", words::counted(rows as u64, "acknowledged write"), words::list(&parts));
    let named: Vec<String> =
        harmed.iter().take(NAMED).map(|row| format!("{} (written at {})", row.row, row.written)).collect();
    let more = if harmed.len() > NAMED { " and others" } else { "" };
    let within = Stretch { from: first.sent.second(), to: last.written.second().saturating_add(1) };
    let origin = origin(ctx, first);
    let when =
        if origin == Origin::Spontaneous { ctx.segments.during_calm(within) } else { ctx.segments.during(within) };
    Found {
        finding: Finding {
            sentence: format!("{said} {when}: {}{more}", words::list(&named)),
            subject: Some(check.to_owned()),
            origin,
            gated: false,
            first: first.written,
            last: last.written,
            figure: Some(Figure {
                what: "lost or changed rows".to_owned(),
                value: harmed.len() as f64,
                interval: None,
                limit: 0.0,
                unit: Unit::Count,
            }),
            samples: rows as u64,
            exemplars: Vec::new(),
        },
        story: Story::Said(said),
        when,
    }
}
