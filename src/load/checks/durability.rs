//! Rows that are written through the app while the load runs, and read back after it.

use super::context::ChecksContext;
use super::send::{Filling, Reply, Sender};
use crate::load::classify::{Answer, classify};
use crate::model::checks::{DurabilityCheck, Fate, Observation, RowFate};
use crate::model::sample::Outcome;
use crate::units::Offset;
use futures_util::StreamExt as _;
use http::HeaderMap;
use memchr::memmem;
use std::time::Duration;
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;

/// Rows written per check at most.
const MOST: u64 = 2000;
/// Rows read back at once.
const AT_ONCE: usize = 4;
/// A row that is not there is looked for again after this time: reads may lag behind writes for a moment.
const AGAIN: Duration = Duration::from_secs(2);

/// A row that was written.
#[derive(Debug)]
pub(super) struct Row {
    check: usize,
    filling: Filling,
    sent: Offset,
    written: Offset,
    acknowledged: bool,
}

/// Writes rows of every check until `over`.
pub(super) async fn write(ctx: &ChecksContext, sender: &Sender, over: &CancellationToken) -> Vec<Row> {
    let writers = ctx.plan.checks.durability.iter().enumerate().map(|(index, check)| async move {
        let mut rows = Vec::new();
        for n in 0..MOST {
            let due = Offset::ZERO.plus(check.every.get().saturating_mul(u32::try_from(n).unwrap_or(u32::MAX)));
            tokio::select! {
                biased;
                () = over.cancelled() => break,
                () = sleep_until(ctx.clock.instant(due)) => {}
            }
            // A write that was begun is waited for: whether it was acknowledged is the point.
            rows.push(write_one(ctx, sender, index, check, n).await);
        }
        rows
    });
    futures_util::future::join_all(writers).await.into_iter().flatten().collect()
}

async fn write_one(ctx: &ChecksContext, sender: &Sender, index: usize, check: &DurabilityCheck, n: u64) -> Row {
    let row = format!("firedrill_{}_{index}_{n}", ctx.run_id);
    // Derived from the key, so that a mark is found with its row and no other, whoever looks.
    let mark = format!("mark-{:016x}", ctx.plan.seed.derive("durability").derive(&row).0);
    let filling = Filling { row, mark, date: jiff::Timestamp::now().strftime("%Y-%m-%d").to_string() };
    let sent = ctx.clock.now();
    let answer = sender.send(&check.write, &filling, &[], HeaderMap::new()).await;
    let acknowledged = answer.is_ok_and(|reply| {
        let json = serde_json::from_slice(&reply.body).ok();
        let answer =
            Answer { status: reply.status, body: &reply.body, length: reply.body.len() as u64, json: json.as_ref() };
        classify(&check.acknowledged, None, answer).outcome == Outcome::Ok
    });
    Row { check: index, filling, sent, written: ctx.clock.now(), acknowledged }
}

/// Reads every acknowledged row back, and says what became of it.
pub(super) async fn read_back(ctx: &ChecksContext, sender: &Sender, rows: Vec<Row>) {
    let reads = rows.into_iter().map(|row| async move {
        let Some(check) = ctx.plan.checks.durability.get(row.check) else { return };
        let (mut read, mut fate) = (None, Fate::Unread("the write was not acknowledged".to_owned()));
        if row.acknowledged {
            fate = look(sender, check, &row.filling).await;
            if matches!(fate, Fate::Lost(_) | Fate::Altered(_) | Fate::Unread(_)) {
                tokio::time::sleep(AGAIN).await;
                fate = look(sender, check, &row.filling).await;
            }
            read = Some(ctx.clock.now());
        }
        ctx.observe(Observation::Row(RowFate {
            check: row.check,
            row: row.filling.row,
            sent: row.sent,
            written: row.written,
            acknowledged: row.acknowledged,
            read,
            fate,
        }));
    });
    futures_util::stream::iter(reads).buffer_unordered(AT_ONCE).collect::<()>().await;
}

async fn look(sender: &Sender, check: &DurabilityCheck, filling: &Filling) -> Fate {
    match sender.send(&check.read, filling, &[], HeaderMap::new()).await {
        Ok(reply) => fate(check, filling, &reply),
        Err(why) => Fate::Unread(why),
    }
}

/// What an answer says of a row. Only a 2xx, or a status that the check says means "gone", says anything.
fn fate(check: &DurabilityCheck, filling: &Filling, reply: &Reply) -> Fate {
    if check.gone.contains(&reply.status) {
        return Fate::Lost(format!("status {}", reply.status));
    }
    if !(200..300).contains(&reply.status) {
        return Fate::Unread(format!("status {}", reply.status));
    }
    let copies = memmem::find_iter(&reply.body, filling.mark.as_bytes()).count();
    let copies = u32::try_from(copies).unwrap_or(u32::MAX);
    if copies == 0 {
        let row = memmem::find(&reply.body, filling.row.as_bytes()).is_some();
        return if row {
            Fate::Altered("its key is there, what was written is not".to_owned())
        } else {
            Fate::Lost(format!("status {} without it", reply.status))
        };
    }
    if copies > check.copies { Fate::Duplicated(copies / check.copies.max(1)) } else { Fate::Intact }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::checks::CheckRequest;
    use crate::model::journey::Condition;
    use crate::units::Span;
    use rstest::rstest;
    use std::collections::BTreeMap;

    #[rstest]
    #[case(200, "key m1", Fate::Intact)]
    #[case(200, "key m1 m1", Fate::Duplicated(2))]
    #[case(200, "key other", Fate::Altered("its key is there, what was written is not".into()))]
    #[case(200, "[]", Fate::Lost("status 200 without it".into()))]
    #[case(404, "", Fate::Lost("status 404".into()))]
    #[case(500, "m1", Fate::Unread("status 500".into()))]
    #[case(302, "m1", Fate::Unread("status 302".into()))]
    fn an_answer_tells_a_rows_fate(#[case] status: u16, #[case] body: &str, #[case] expected: Fate) {
        let request = CheckRequest {
            method: "GET".into(),
            path: "/{row}".into(),
            headers: BTreeMap::new(),
            body: None,
            deadline: Span::from_secs(1),
        };
        let check = DurabilityCheck {
            name: "rows".into(),
            every: Span::from_secs(1),
            write: request.clone(),
            acknowledged: Condition::default(),
            read: request,
            gone: vec![404],
            copies: 1,
        };
        let filling = Filling { row: "key".into(), mark: "m1".into(), date: String::new() };
        let reply = Reply { status, headers: HeaderMap::new(), body: body.into() };
        assert_eq!(fate(&check, &filling, &reply), expected);
    }
}
