//! What is a retry, what only looks like one, and what becomes of both.

use super::*;
use proptest::prelude::*;

struct Client {
    table: Table,
    calls: u64,
}

fn secs(secs: f64) -> Offset {
    Offset::from_secs_f64(secs)
}

impl Client {
    fn new() -> Self {
        Self { table: Table::default(), calls: 0 }
    }

    fn come(&mut self, key: u64, at: f64, mark: Option<u32>, step: Option<u64>) -> Known {
        self.calls += 1;
        self.table.come(Coming { number: self.calls, key: Some(key), mark, step, at: secs(at) })
    }

    fn end(&mut self, key: u64, known: Known, at: f64, failed: bool) -> Option<Settling> {
        self.end_with(key, known, at, failed, None, 0)
    }

    fn end_with(
        &mut self,
        key: u64,
        known: Known,
        at: f64,
        failed: bool,
        asked: Option<f64>,
        inserted: u32,
    ) -> Option<Settling> {
        self.table.end(&Ended {
            key,
            logical: known.logical,
            at: secs(at),
            failed,
            doubtful: false,
            asked: asked.map(|asked| Span(secs(asked).as_duration())),
            inserted,
            step: None,
            request: &|| "POST /x".to_owned(),
        })
    }

    /// A call that fails at once.
    fn fail(&mut self, key: u64, at: f64, mark: Option<u32>) -> Known {
        let known = self.come(key, at, mark, None);
        assert_eq!(self.end(key, known, at, true), None);
        known
    }

    fn succeed(&mut self, key: u64, at: f64, mark: Option<u32>) -> (Known, Option<Settling>) {
        let known = self.come(key, at, mark, None);
        let settled = self.end(key, known, at, false);
        (known, settled)
    }

    fn settled(&mut self, at: f64) -> Vec<(u64, u32, CallOutcome)> {
        let settled = self.table.settle(secs(at), |_| false);
        settled.into_iter().map(|(settling, outcome)| (settling.logical, settling.tries, outcome)).collect()
    }
}

fn gap(known: Known) -> Option<f64> {
    known.retry.and_then(|retry| retry.gap).map(|gap| gap.get().as_secs_f64())
}

#[test]
fn an_equal_call_after_a_failure_is_a_retry_and_one_after_a_success_is_none() {
    let mut client = Client::new();
    let first = client.fail(1, 1.0, None);
    assert_eq!((first.attempt, first.retry), (1, None));
    let second = client.fail(1, 1.5, None);
    assert_eq!((second.logical, second.attempt, gap(second)), (first.logical, 2, Some(0.5)));
    assert_eq!(
        second.retry.map(|retry| (retry.by, retry.layer, retry.number)),
        Some((RetrySign::Equal, Layer::Client, 1))
    );
    let (third, settled) = client.succeed(1, 2.5, None);
    assert_eq!((third.attempt, gap(third), third.retry.unwrap().number), (3, Some(1.0), 2));
    assert_eq!(settled.map(|settling| (settling.logical, settling.tries)), Some((first.logical, 3)));
    let (again, settled) = client.succeed(1, 3.0, None);
    assert_eq!((again.retry, again.attempt, again.unclear, settled), (None, 1, false, None));
    assert!(client.settled(100.0).is_empty(), "nothing is open");
}

#[test]
fn another_call_is_no_retry() {
    let mut client = Client::new();
    client.fail(1, 1.0, None);
    assert_eq!(client.fail(2, 1.1, None).retry, None);
    assert_eq!(client.settled(31.2), [(1, 1, CallOutcome::GaveUp), (2, 1, CallOutcome::GaveUp)]);
}

#[test]
fn marks_say_which_layer_retries() {
    let mut client = Client::new();
    let signs: Vec<_> = [(1.0, 0), (1.5, 1), (2.5, 2), (4.0, 0), (4.5, 1)]
        .into_iter()
        .map(|(at, mark)| client.fail(1, at, Some(mark)).retry.map(|retry| (retry.by, retry.layer, retry.number)))
        .collect();
    assert_eq!(
        signs,
        [
            None,
            Some((RetrySign::Mark, Layer::Client, 1)),
            Some((RetrySign::Mark, Layer::Client, 2)),
            Some((RetrySign::Equal, Layer::Above, 1)),
            Some((RetrySign::Mark, Layer::Client, 1)),
        ]
    );
}

#[test]
fn a_marked_retry_of_something_unknown_is_a_retry_without_a_pause() {
    let mut client = Client::new();
    let known = client.fail(1, 1.0, Some(2));
    assert_eq!((known.attempt, known.retry.map(|retry| (retry.by, retry.gap))), (3, Some((RetrySign::Mark, None))));
    let unread = client.table.come(Coming { number: 9, key: None, mark: Some(1), step: None, at: secs(2.0) });
    assert_eq!((unread.attempt, unread.retry.is_some()), (2, true));
}

#[test]
fn what_is_polled_or_asked_by_several_at_once_is_unclear() {
    // Polled: it goes well and comes again.
    let mut client = Client::new();
    client.succeed(1, 1.0, None);
    client.succeed(1, 3.0, None);
    client.fail(1, 5.0, None);
    let next = client.fail(1, 7.0, None);
    assert_eq!((next.retry, next.unclear), (None, true));
    assert_eq!(client.settled(100.0), [], "nor is it said to be given up");
    // Several at once.
    let first = client.come(2, 1.0, None, None);
    let second = client.come(2, 1.1, None, None);
    assert_eq!((second.retry, second.unclear, second.attempt), (None, false, 1));
    client.end(2, first, 1.2, true);
    client.end(2, second, 1.3, true);
    let third = client.come(2, 2.0, None, None);
    assert_eq!((third.retry, third.unclear), (None, true));
    client.end(2, third, 2.1, true);
    // The client's mark is a mark all the same.
    assert!(client.come(2, 3.0, Some(1), None).retry.is_some());
}

#[test]
fn calls_of_two_steps_are_no_retries_of_each_other() {
    let mut client = Client::new();
    let first = client.come(1, 1.0, None, Some(7));
    client.end(1, first, 1.1, true);
    let other = client.come(1, 1.5, None, Some(8));
    assert_eq!((other.retry, other.unclear), (None, false));
    client.end(1, other, 1.6, true);
    let retry = client.come(1, 2.0, None, Some(8));
    assert!(retry.retry.is_some());
}

#[test]
fn a_retry_that_comes_too_late_is_a_new_call_unless_it_was_asked_to_wait() {
    let mut client = Client::new();
    client.fail(1, 0.0, None);
    assert_eq!(client.fail(1, 31.0, None).retry, None);
    let known = client.come(2, 100.0, None, None);
    client.end_with(2, known, 100.0, true, Some(60.0), 0);
    assert!(client.settled(150.0).iter().all(|(logical, ..)| *logical != known.logical), "it may still come");
    let retry = client.fail(2, 161.0, None).retry.unwrap();
    assert_eq!(retry.asked, Some(Span::from_secs(60)));
}

#[test]
fn giving_up_is_told_once_it_is_certain_and_set_right_if_it_was_not() {
    let mut client = Client::new();
    let first = client.come(1, 1.0, None, Some(7));
    client.end(1, first, 1.0, true);
    assert!(client.settled(3.9).is_empty());
    // The step that triggered it is over for long enough.
    let early = client.table.settle(secs(4.0), |step| step == 7);
    assert_eq!(early.len(), 1);
    assert_eq!(early[0].1, CallOutcome::GaveUp);
    // A retry all the same: work went on behind the answer.
    let second = client.come(1, 9.0, None, None);
    assert_eq!(second.attempt, 2);
    let settled = client.end(1, second, 9.1, false).unwrap();
    assert_eq!((settled.tries, settled.corrects), (2, Some(1)));
}

#[test]
fn at_the_end_only_long_pauses_are_ends() {
    let mut client = Client::new();
    client.fail(1, 1.0, None);
    client.fail(2, 15.0, None);
    let under_way = client.come(3, 16.0, None, None);
    let _ = under_way;
    let told = client.table.flush(secs(20.0), |_| false);
    let told: Vec<_> = told.into_iter().map(|(settling, outcome)| (settling.logical, outcome)).collect();
    assert_eq!(told, [(1, CallOutcome::GaveUp), (2, CallOutcome::Unknown)]);
}

#[test]
fn rows_are_doubled_only_where_two_tries_inserted() {
    for (inserts, again) in [(vec![3, 3], 3), (vec![3, 0], 0), (vec![0, 2], 0), (vec![1, 1, 1], 2), (vec![2, 1], 1)] {
        let mut client = Client::new();
        let mut settled = None;
        for (n, inserted) in inserts.iter().enumerate() {
            let known = client.come(1, n as f64, None, None);
            settled = client.end_with(1, known, n as f64 + 0.1, n + 1 < inserts.len(), None, *inserted);
        }
        assert_eq!(settled.unwrap().inserted_again, again, "{inserts:?}");
    }
}

#[test]
fn memory_is_bounded_and_what_was_lately_asked_for_is_remembered() {
    let mut client = Client::new();
    for key in 0..100_000 {
        client.fail(key, 1.0, None);
    }
    assert!(client.table.young.len() + client.table.old.len() <= KEPT);
    assert!(client.table.waiting.len() <= KEPT);
    assert!(client.fail(99_999 - KEPT as u64 / 4, 2.0, None).retry.is_some());
    assert!(client.fail(3, 2.0, None).retry.is_none());
}

proptest! {
    /// Whatever comes and ends in whatever order: nothing panics, tries count up by one, and a logical call is told to
    /// have gone well only after at least two tries.
    #[test]
    fn any_traffic(moves in proptest::collection::vec((0..4_u64, proptest::option::of(0..3_u32), any::<bool>(), 0..3_u8, 0..9_u32), 0..200)) {
        let mut client = Client::new();
        let mut under_way: Vec<(u64, Known)> = Vec::new();
        for (n, (key, mark, failed, what, inserted)) in moves.into_iter().enumerate() {
            let at = n as f64 * 0.7;
            match what {
                0 | 1 => {
                    let known = client.come(key, at, mark, None);
                    prop_assert!(known.attempt >= 1 && !(known.unclear && known.retry.is_some()));
                    under_way.push((key, known));
                }
                _ => {
                    if let Some((key, known)) = under_way.pop()
                        && let Some(settling) = client.end_with(key, known, at, failed, None, inserted)
                    {
                        prop_assert!(!failed && settling.tries >= 2);
                    }
                }
            }
            if n % 10 == 0 {
                client.settled(at);
            }
        }
        client.table.flush(secs(1000.0), |_| true);
        prop_assert!(client.table.waiting.is_empty());
    }
}
