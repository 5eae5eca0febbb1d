//! How bodies go out, with and without faults.

use super::*;
use crate::units::ByteSize;
use http_body_util::BodyExt;
use proptest::prelude::*;
use std::sync::Mutex;
use tokio::time::Instant;

type Log = Arc<Mutex<Vec<&'static str>>>;

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn pieces(all: &[(&'static str, u64)]) -> Box<dyn Iterator<Item = Piece> + Send> {
    let all: Vec<Piece> = all
        .iter()
        .map(|(text, after)| Piece { bytes: Bytes::from_static(text.as_bytes()), after: millis(*after) })
        .collect();
    Box::new(all.into_iter())
}

fn fault(after: BodyPoint, kind: BodyFaultKind, log: &Log) -> BodyFault {
    let log = Arc::clone(log);
    BodyFault { after, kind, fire: Fire::new(move || log.lock().unwrap().push("fired")) }
}

fn stream(all: &[(&'static str, u64)], faults: Vec<BodyFault>, log: &Log) -> ReplyBody {
    let log = Arc::clone(log);
    let on_end = Box::new(move |ending| {
        log.lock().unwrap().push(match ending {
            Ending::Whole => "whole",
            Ending::Broken | Ending::Lost => "broken",
        });
    });
    ReplyBody::stream(pieces(all), faults, Arc::default(), None, on_end)
}

/// Every frame with the time at which it came, in milliseconds, reading `pauses` late before each.
async fn read(body: &mut ReplyBody, pauses: &[u64]) -> Vec<(String, u64)> {
    let started = Instant::now();
    let mut pauses = pauses.iter().copied();
    let mut seen = Vec::new();
    loop {
        if let Some(pause) = pauses.next() {
            tokio::time::sleep(millis(pause)).await;
        }
        let Some(frame) = body.frame().await else { return seen };
        let text = String::from_utf8(frame.unwrap().into_data().unwrap().to_vec()).unwrap();
        seen.push((text, u64::try_from(started.elapsed().as_millis()).unwrap()));
    }
}

fn expected(all: &[(&str, u64)]) -> Vec<(String, u64)> {
    all.iter().map(|(text, at)| ((*text).to_owned(), *at)).collect()
}

#[tokio::test(start_paused = true)]
async fn pieces_come_at_their_times_and_a_late_one_delays_no_other() {
    let log = Log::default();
    let all = [("a", 0), ("b", 50), ("", 10), ("c", 40), ("d", 50), ("e", 0)];
    let mut body = stream(&all, vec![], &log);
    assert_eq!(read(&mut body, &[]).await, expected(&[("a", 0), ("b", 50), ("c", 100), ("d", 150), ("e", 150)]));
    assert_eq!(*log.lock().unwrap(), ["whole"]);
    let mut body = stream(&all, vec![], &log);
    let late = read(&mut body, &[0, 0, 57]).await;
    assert_eq!(late, expected(&[("a", 0), ("b", 50), ("c", 107), ("d", 150), ("e", 150)]), "no drift");
}

#[tokio::test(start_paused = true)]
async fn a_stall_holds_back_what_becomes_due_and_shifts_nothing_behind_it() {
    let log = Log::default();
    let stall = fault(BodyPoint::Events(1), BodyFaultKind::Stall(Some(millis(120))), &log);
    let mut body = stream(&[("a", 0), ("b", 50), ("c", 50), ("d", 50)], vec![stall], &log);
    assert_eq!(read(&mut body, &[]).await, expected(&[("a", 0), ("b", 120), ("c", 120), ("d", 150)]));
    assert_eq!(*log.lock().unwrap(), ["fired", "whole"]);
}

#[tokio::test(start_paused = true)]
async fn bytes_count_across_pieces_and_a_cut_asks_for_the_connections_end() {
    let log = Log::default();
    let cut = fault(BodyPoint::Bytes(ByteSize(4)), BodyFaultKind::Cut, &log);
    let mut body = stream(&[("abc", 5), ("def", 5), ("ghi", 5)], vec![cut], &log);
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "abc");
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "d");
    let rest = tokio::time::timeout(millis(1_000), body.frame()).await;
    assert!(rest.is_err(), "the connection ends instead");
    assert_eq!(*log.lock().unwrap(), ["fired", "broken"]);
    let ended = body.control.drive(std::future::pending::<()>());
    tokio::time::timeout(millis(10), ended).await.expect("the connection is ended");
}

#[tokio::test(start_paused = true)]
async fn a_body_can_end_in_good_order_too_early() {
    for (after, left) in [
        (BodyPoint::LastEvent, "abcdef"),
        (BodyPoint::Events(1), "abc"),
        (BodyPoint::Events(0), ""),
        (BodyPoint::Bytes(ByteSize(5)), "abcde"),
    ] {
        let log = Log::default();
        let truncate = fault(after, BodyFaultKind::Truncate, &log);
        let mut body = stream(&[("abc", 5), ("def", 5), ("ghi", 5), ("", 5)], vec![truncate], &log);
        let text: String = read(&mut body, &[]).await.into_iter().map(|(text, _)| text).collect();
        assert_eq!(text, left, "{after:?}");
        assert_eq!(*log.lock().unwrap(), ["fired", "whole"]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_takes_the_place_of_what_was_to_come() {
    let log = Log::default();
    let error = fault(BodyPoint::Events(2), BodyFaultKind::Replace("error".into()), &log);
    let mut body = stream(&[("a", 0), ("b", 50), ("c", 50)], vec![error], &log);
    assert_eq!(read(&mut body, &[]).await, expected(&[("a", 0), ("b", 50), ("error", 50)]));
    assert!(body.is_end_stream());
    assert_eq!(*log.lock().unwrap(), ["fired", "whole"]);
}

#[tokio::test(start_paused = true)]
async fn what_has_no_effect_does_not_fire() {
    let log = Log::default();
    let far = vec![
        fault(BodyPoint::Bytes(ByteSize(6)), BodyFaultKind::Cut, &log),
        fault(BodyPoint::Events(2), BodyFaultKind::Truncate, &log),
    ];
    let mut body = stream(&[("abc", 5), ("def", 5)], far, &log);
    assert_eq!(read(&mut body, &[]).await.len(), 2);
    assert_eq!(*log.lock().unwrap(), ["whole"]);
}

#[test]
fn a_request_is_under_way_for_as_long_as_its_body_lives() {
    let counter = Arc::new(AtomicU64::new(0));
    let body = ReplyBody::plain("x".into(), Arc::default(), Some(Busy::new(&counter)));
    let other = Busy::new(&counter);
    assert_eq!((other.now, counter.load(Ordering::Relaxed)), (2, 2));
    drop(body);
    assert_eq!(counter.load(Ordering::Relaxed), 1);
}

proptest! {
    /// Whatever the pieces and faults, nothing panics, every fault fires at most once, and what comes is a
    /// beginning of the whole (an error behind it aside).
    #[test]
    fn any_faults_leave_a_beginning(
        lengths in proptest::collection::vec((0..5_usize, 0..3_u64), 0..8),
        faults in proptest::collection::vec((0..3_u8, 0..12_u64, 0..4_u8), 0..4),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let log = Log::default();
            let count = faults.len();
            let faults = faults.into_iter().map(|(point, at, kind)| {
                let after = match point {
                    0 => BodyPoint::Bytes(ByteSize(at)),
                    1 => BodyPoint::Events(at),
                    _ => BodyPoint::LastEvent,
                };
                let kind = match kind {
                    0 => BodyFaultKind::Cut,
                    1 => BodyFaultKind::Stall(Some(millis(at))),
                    2 => BodyFaultKind::Truncate,
                    _ => BodyFaultKind::Replace("!".into()),
                };
                fault(after, kind, &log)
            }).collect();
            let all: Vec<(&'static str, u64)> = lengths.iter().map(|(length, after)| (&"abcde"[..*length], *after)).collect();
            let whole: String = all.iter().map(|(text, _)| *text).collect();
            let mut body = stream(&all, faults, &log);
            let mut seen = String::new();
            while let Ok(Some(frame)) = tokio::time::timeout(millis(1_000), body.frame()).await {
                let frame = frame.unwrap().into_data().unwrap();
                assert!(!frame.is_empty());
                seen.push_str(std::str::from_utf8(&frame).unwrap());
            }
            assert!(whole.starts_with(seen.trim_end_matches('!')), "{seen} of {whole}");
            let log = log.lock().unwrap();
            assert!(log.iter().filter(|entry| **entry == "fired").count() <= count);
            assert_eq!(log.iter().filter(|entry| **entry != "fired").count(), 1, "one end: {log:?}");
        });
    }
}
