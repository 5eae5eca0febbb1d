//! Faults that requests ask for by themselves.

use super::*;

fn asked_for(what: AskedFor) -> FaultRule {
    let when = FaultMatch { asked: Some(what), ..FaultMatch::default() };
    match what {
        AskedFor::Delay => rule("delay", when, Injection::Latency(Delay::NONE)),
        AskedFor::Abort => rule("abort", when, Injection::Abort(Abort::default())),
        AskedFor::Throughput => {
            let drip = Drip { bytes: ByteSize(1 << 10), every: Span::from_secs(1) };
            rule("throughput", when, Injection::Drip(drip))
        }
    }
}

#[tokio::test]
async fn requests_get_the_faults_that_they_ask_for_in_envoys_words() {
    let rules = vec![asked_for(AskedFor::Delay), asked_for(AskedFor::Abort)];
    let bench = bench(openai(SourcePlan::Mock), rules, Seed(1)).await;
    let ask = async |headers: &str| once(bench.openai, "GET", "/v1/models", headers, "").await;
    let plain = ask("").await;
    assert!(plain.starts_with("HTTP/1.1 200"));
    let started = tokio::time::Instant::now();
    let aborted = ask("x-envoy-fault-abort-request: 418\r\nx-envoy-fault-delay-request: 150\r\n").await;
    assert!(started.elapsed() >= Duration::from_millis(150), "a delay comes before an abort");
    assert!(aborted.starts_with("HTTP/1.1 418") && aborted.ends_with("fault filter abort"), "{aborted}");
    for ignored in [
        "x-envoy-fault-abort-request: 99\r\n",
        "x-envoy-fault-abort-request: soon\r\n",
        "x-envoy-fault-abort-request-percentage: 100\r\n",
        "x-envoy-fault-abort-request: 503\r\nx-envoy-fault-abort-request-percentage: 0\r\n",
    ] {
        assert!(ask(ignored).await.starts_with("HTTP/1.1 200"), "{ignored}");
    }
    let mut aborted = 0;
    for _ in 0..100 {
        let answer = ask("x-envoy-fault-abort-request: 503\r\nx-envoy-fault-abort-request-percentage: 30\r\n").await;
        aborted += usize::from(answer.starts_with("HTTP/1.1 503"));
    }
    assert!((12..=48).contains(&aborted), "{aborted} of 100 at 30 %");
    // A second later nothing is left of it, and it can come again.
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    assert!(ask("x-envoy-fault-abort-request: 503\r\n").await.starts_with("HTTP/1.1 503"));
    let seen = bench.finish().await;
    assert_eq!(seen.fired.len(), 3 + aborted);
    assert_eq!(seen.opened, [0, 1, 1], "each hit lies in a time that the fault is on");
    assert_eq!(seen.closed.iter().copied().collect::<BTreeSet<_>>(), BTreeSet::from([0, 1]));
}

#[tokio::test]
async fn a_closed_door_stays_closed() {
    let bench = bench(openai(SourcePlan::Mock), vec![], Seed(1)).await;
    let answer = once(bench.openai, "GET", "/v1/models", "x-envoy-fault-abort-request: 503\r\n", "").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "a scenario has to allow it");
    assert_eq!(bench.finish().await.fired, []);
}
