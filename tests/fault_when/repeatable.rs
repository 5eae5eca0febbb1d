//! The same seed decides the same.

use super::*;

/// One rule of every sort, each of which hits only a part of what it sees.
fn every_sort() -> Vec<FaultRule> {
    let mut slow = rule("slow", FaultMatch::default(), lognormal(3));
    slow.share = share("40%");
    let mut limited =
        down("limited", FaultMatch { course: Course { hits: Some(30), ..Course::default() }, ..FaultMatch::default() });
    limited.share = share("30%");
    let third = down("third", FaultMatch { nth: Some(3), path: text("/v1/models*"), ..FaultMatch::default() });
    let mut chatty = rule("chatty", FaultMatch { model: text("gpt-4o*"), ..FaultMatch::default() }, lognormal(2));
    chatty.share = share("50%");
    let mut streamed = resets("streamed", body("/stream", BodyTest::Bool(true)));
    streamed.share = share("20%");
    vec![chatty, slow, limited, third, streamed]
}

/// Whether what fired is, for every rule, a beginning of the one sequence that the seed has for it.
fn assert_is_a_beginning(rules: &[FaultRule], seed: Seed, fired: &[(usize, u64, FaultAction)]) {
    let places: BTreeSet<(usize, u64)> = fired.iter().map(|(rule, n, _)| (*rule, *n)).collect();
    assert_eq!(places.len(), fired.len(), "no place twice");
    for (index, rule) in rules.iter().enumerate() {
        let mut own: Vec<_> = fired.iter().filter(|(rule, ..)| *rule == index).cloned().collect();
        own.sort_by_key(|(_, n, _)| *n);
        let last = own.last().map_or(0, |(_, n, _)| *n);
        let expected: Vec<_> = (1..=last)
            .filter_map(|n| decision(index, rule, seed, n))
            .map(|decision| (decision.rule, decision.n, decision.action))
            .collect();
        assert_eq!(own, expected, "{}", rule.name);
        if let Some(most) = rule.when.course.hits {
            assert!(own.len() as u64 <= most, "{}", rule.name);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn every_sort_of_rule_decides_the_same_on_any_number_of_threads(seed: u64, threads in 1_usize..9) {
        let rules = every_sort();
        let engine = Arc::new(Engine::new(rules.clone(), Seed(seed)));
        let workers: Vec<_> = (0..threads).map(|worker| {
            let engine = Arc::clone(&engine);
            std::thread::spawn(move || {
                (0..120).flat_map(|n| {
                    let body = json!({"model": if n % 2 == 0 { "gpt-4o" } else { "o3" }, "stream": n % 3 == 0});
                    let path = if (n + worker) % 4 == 0 { "/v1/models" } else { "/v1/chat/completions" };
                    asked("POST", path, &[], Some(body)).put_to(&engine, Offset::ZERO)
                }).collect::<Vec<_>>()
            })
        }).collect();
        let fired: Vec<_> = workers.into_iter().flat_map(|worker| worker.join().unwrap()).map(|d| (d.rule, d.n, d.action)).collect();
        assert_is_a_beginning(&rules, Seed(seed), &fired);
    }
}

/// Runs the same plan with so many connections at a time, and gives what fired.
fn fired_with(threads: usize, connections: usize, seed: Seed) -> Vec<(usize, u64, FaultAction)> {
    const REQUESTS: usize = 192;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build().unwrap();
    let seen = runtime.block_on(async {
        let bench = bench(openai(SourcePlan::Mock), every_sort(), seed).await;
        let address = bench.openai;
        let tasks: Vec<_> = (0..connections)
            .map(|worker| {
                tokio::spawn(async move {
                    for n in 0..REQUESTS / connections {
                        match (n + worker) % 4 {
                            0 => once(address, "GET", "/v1/models", "", "").await,
                            kind => {
                                let model = if kind == 1 { "o3" } else { "gpt-4o" };
                                once(address, "POST", "/v1/chat/completions", "", &chat(model, kind == 3)).await
                            }
                        };
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        bench.finish().await
    });
    assert_eq!(seen.calls, REQUESTS as u64);
    assert_eq!(seen.warnings, Vec::<String>::new());
    seen.fired
}

/// ★ The same seed, at 1 and at 64 connections, on 1 and on 2 threads: for every rule, what fired is a beginning of
/// the same sequence, the rules that all requests reach come just as far, and a rule's hits stop at the same one.
#[test]
fn the_same_seed_fires_the_same_at_any_concurrency() {
    let seed = Seed(7);
    let rules = every_sort();
    let runs: Vec<_> = [(1, 1), (1, 64), (2, 1), (2, 64)].map(|(t, c)| fired_with(t, c, seed)).into();
    for fired in &runs {
        assert_is_a_beginning(&rules, seed, fired);
        assert!(fired.len() > 60, "{} hits", fired.len());
        for (index, own) in rules.iter().enumerate() {
            assert!(fired.iter().any(|(rule, ..)| *rule == index), "{} was at work", own.name);
        }
    }
    // Every request reaches these two: they come just as far in every run.
    for index in [1, 2] {
        let reached = |fired: &[(usize, u64, FaultAction)]| -> BTreeSet<u64> {
            fired.iter().filter(|(rule, ..)| *rule == index).map(|(_, n, _)| *n).collect()
        };
        assert!(runs.iter().all(|run| reached(run) == reached(&runs[0])), "{}", rules[index].name);
    }
}
