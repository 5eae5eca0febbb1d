//! As clients meet it.

use super::*;

#[tokio::test]
async fn a_rule_on_bodies_comes_behind_the_others_and_counts_bodies() {
    let heads = down("heads", FaultMatch { nth: Some(2), ..FaultMatch::default() });
    let bodies = down("bodies", FaultMatch { nth: Some(2), ..model("gpt-4o") });
    // In this order in the plan; applied the other way round.
    let bench = bench(openai(SourcePlan::Mock), vec![bodies, heads], Seed(1)).await;
    let mut statuses = Vec::new();
    for model in ["gpt-4o", "gpt-4o", "o3", "o3", "gpt-4o"] {
        let answer = once(bench.openai, "POST", "/v1/chat/completions", "", &chat(model, false)).await;
        statuses.push(answer[9..12].to_owned());
    }
    assert_eq!(statuses, ["200", "503", "200", "503", "503"]);
    let fired: Vec<_> = bench.finish().await.fired.into_iter().map(|(rule, n, _)| (rule, n)).collect();
    // The second request was ended by its head: its body was not counted. The fifth's is the second body.
    assert_eq!(fired, [(1, 2), (1, 4), (0, 2)]);
}

#[tokio::test]
async fn a_fault_that_is_spent_says_so() {
    let course = Course { hits: Some(2), ..Course::default() };
    let twice = down("twice", FaultMatch { course, ..FaultMatch::default() });
    let bench = bench(openai(SourcePlan::Mock), vec![twice], Seed(1)).await;
    for status in ["503", "503", "200"] {
        let answer = once(bench.openai, "GET", "/v1/models", "", "").await;
        assert_eq!(&answer[9..12], status);
    }
    let seen = bench.finish().await;
    assert_eq!((seen.fired.len(), seen.closed), (2, vec![0]));
}

#[tokio::test]
async fn connections_are_told_apart() {
    let bench = bench(openai(SourcePlan::Mock), vec![down("r", first(1, Some(Key::Connection)))], Seed(1)).await;
    let url = format!("http://{}/v1/models", bench.openai);
    for _ in 0..2 {
        // Each client has a pool of its own, hence one connection.
        let client = reqwest::Client::new();
        for status in [503, 200, 200] {
            let answer = client.get(&url).bearer_auth("k").send().await.unwrap();
            assert_eq!(answer.status(), status);
            answer.bytes().await.unwrap();
        }
    }
    assert_eq!(bench.finish().await.fired.len(), 2);
}

/// A real service, as far as a mock behind a pass-through is one.
async fn passing(rules: Vec<FaultRule>) -> (Bench, Bench) {
    let real = bench(openai(SourcePlan::Mock), vec![], Seed(2)).await;
    let url = format!("http://{}", real.openai);
    let front = bench(openai(SourcePlan::PassThrough { url, record: None }), rules, Seed(1)).await;
    (front, real)
}

#[tokio::test]
async fn a_body_that_is_passed_on_can_be_looked_at_and_arrives_whole() {
    let when = FaultMatch { nth: Some(2), ..model("gpt-4o") };
    let (front, real) = passing(vec![down("r", when)]).await;
    // Longer than one read, so that it comes and is held in several pieces.
    let long = "word ".repeat(60_000);
    let body = |model: &str| json!({"model": model, "messages": [{"role": "user", "content": long}]}).to_string();
    let mut seen = Vec::new();
    for model in ["gpt-4o", "o3", "gpt-4o"] {
        let answer = once(front.openai, "POST", "/v1/chat/completions", "", &body(model)).await;
        let tokens: u64 = answer
            .split_once("\"prompt_tokens\":")
            .map_or(0, |(_, rest)| rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap());
        seen.push((answer[9..12].to_owned(), tokens > 50_000));
    }
    assert_eq!(seen, [("200".to_owned(), true), ("200".to_owned(), true), ("503".to_owned(), false)]);
    let (front, real) = (front.finish().await, real.finish().await);
    assert_eq!((front.calls, front.fired.len(), real.calls), (3, 1, 2), "what is aborted does not reach the service");
    assert_eq!(front.warnings, Vec::<String>::new());
}

#[tokio::test]
async fn a_body_too_long_to_be_looked_at_is_passed_on_and_told() {
    let (front, real) = passing(vec![down("r", model("*"))]).await;
    let body = json!({"model": "gpt-4o", "input": "x".repeat(9 << 20)}).to_string();
    let answer = once(front.openai, "POST", "/v1/moderations", "", &body).await;
    assert!(!answer.starts_with("HTTP/1.1 503"), "{:.100}", answer);
    let (front, real) = (front.finish().await, real.finish().await);
    assert_eq!((front.fired.len(), real.calls), (0, 1));
    let [warning] = &front.warnings[..] else { panic!("{:?}", front.warnings) };
    assert!(warning.contains("longer than 8 MiB"), "{warning}");
}

#[tokio::test]
async fn users_of_postgrest_are_found_on_the_wire() {
    let mut only = down("r", user("u-7"));
    only.upstream = "supabase".into();
    let plan = UpstreamPlan::new(
        "supabase",
        UpstreamKind::Supabase(SupabasePlan {
            seed: BTreeMap::from([("notes".to_owned(), vec![json!({"id": 1, "user_id": "u-7"})])]),
            ..SupabasePlan::default()
        }),
    );
    let (sink, _events) = EventSink::channel();
    let upstreams = Upstreams::start(&[plan], Arc::new(Engine::new(vec![only], Seed(1))), Seed(1), sink).await.unwrap();
    upstreams.begin(RunClock::start());
    let address = upstreams.address("supabase").unwrap();
    let status = |answer: String| answer[9..12].to_owned();
    let (key, json) = ("apikey: k\r\n", "apikey: k\r\ncontent-type: application/json\r\n");
    assert_eq!(status(once(address, "GET", "/rest/v1/notes?user_id=eq.u-7", key, "").await), "503");
    assert_eq!(status(once(address, "GET", "/rest/v1/notes?user_id=eq.u-8", key, "").await), "200");
    assert_eq!(status(once(address, "POST", "/rest/v1/notes", json, r#"{"id": 2, "user_id": "u-7"}"#).await), "503");
    assert_eq!(status(once(address, "POST", "/rest/v1/notes", json, r#"{"id": 2, "user_id": "u-8"}"#).await), "201");
    upstreams.shutdown().await;
}
