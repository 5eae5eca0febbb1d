//! Which requests, and how many of them.

use super::*;

#[rstest]
#[case::table(table("plan_*"), get("/rest/v1/plan_items?select=*"), true)]
#[case::other_table(table("plan_*"), get("/rest/v1/time_blocks"), false)]
#[case::no_table_is_a_function(table("*"), get("/rest/v1/rpc/plan"), false)]
#[case::no_table_is_elsewhere(table("*"), get("/auth/v1/plan"), false)]
#[case::table_decoded(table("plan items"), get("/rest/v1/plan%20items/"), true)]
#[case::query_decoded(query("select", "a,b c"), get("/x?q=1&select=a%2Cb+c"), true)]
#[case::query_repeated(query("id", "eq.2"), get("/x?id=eq.1&id=eq.2"), true)]
#[case::query_absent(query("id", "*"), get("/x?ids=eq.1"), false)]
#[case::user_by_filter(user("u-*"), get("/rest/v1/t?profile_id=eq.u-7"), true)]
#[case::user_by_header(user("u-*"), asked("GET", "/x", &[("x-user-id", "u-7")], None), true)]
#[case::user_by_token(user("u-*"), asked("GET", "/x", &[("authorization", "Bearer e30.eyJzdWIiOiJ1LTcifQ.x")], None), true)]
#[case::user_by_row(user("u-7"), asked("POST", "/rest/v1/t", &[], Some(json!([{"user_id": "u-1"}, {"user_id": "u-7"}]))), true)]
#[case::end_user(user("u-7"), asked("POST", "/v1/responses", &[], Some(json!({"safety_identifier": "u-7"}))), true)]
#[case::nobody(user("*"), asked("POST", "/x", &[("authorization", "Bearer sk-x")], Some(json!({"id": "u"}))), false)]
#[case::model(model("gpt-4*"), asked("POST", "/v1/chat/completions", &[], Some(json!({"model": "gpt-4o"}))), true)]
#[case::other_model(model("gpt-4*"), asked("POST", "/v1/chat/completions", &[], Some(json!({"model": "o3"}))), false)]
#[case::model_of_path(model("gpt-4o"), get("/v1/models/gpt-4o"), true)]
#[case::no_model(model("*"), get("/v1/models"), false)]
#[case::body_text(body("/messages/0/role", BodyTest::Text("sys*".into())), asked("POST", "/x", &[], Some(json!({"messages": [{"role": "system"}]}))), true)]
#[case::body_number(body("/n", BodyTest::Number(2.0)), asked("POST", "/x", &[], Some(json!({"n": 2}))), true)]
#[case::body_bool(body("/stream", BodyTest::Bool(true)), asked("POST", "/x", &[], Some(json!({"stream": false}))), false)]
#[case::body_there(body("/tools", BodyTest::Exists(true)), asked("POST", "/x", &[], Some(json!({"tools": null}))), true)]
#[case::body_not_there(body("/tools", BodyTest::Exists(false)), asked("POST", "/x", &[], Some(json!({"tool": 1}))), true)]
#[case::no_json(body("/tools", BodyTest::Exists(true)), asked("POST", "/x", &[], None), false)]
#[case::first_try(tries(Tries::First), get("/x"), true)]
#[case::first_try_marked(tries(Tries::First), asked("GET", "/x", &[("x-stainless-retry-count", "0")], None), true)]
#[case::not_first(tries(Tries::First), asked("GET", "/x", &[("x-stainless-retry-count", "1")], None), false)]
#[case::retry(tries(Tries::Retries), asked("GET", "/x", &[("x-retry-count", "2")], None), true)]
#[case::no_retry(tries(Tries::Retries), get("/x"), false)]
fn conditions_hold_as_said(#[case] when: FaultMatch, #[case] request: Asked, #[case] hit: bool) {
    let engine = Engine::new(vec![resets("r", when)], Seed(1));
    assert_eq!(request.is_hit(&engine, Offset::ZERO), hit);
}

proptest! {
    /// Conditions are joined by "and": a rule with two strikes where both of the rules with one of them do.
    #[test]
    fn conditions_join(method in "GET|POST", path in "/rest/v1/[ab]|/x", select in "[ab]", user in "[ab]", marked in 0..2_u8) {
        let conditions = [
            FaultMatch { method: text("POST"), ..FaultMatch::default() },
            table("a"),
            query("select", "a"),
            self::user("a"),
            tries(Tries::First),
        ];
        let request = Asked {
            body: Some(json!({"user": user})),
            ..asked(if method == "GET" { "GET" } else { "POST" }, &format!("{path}?select={select}"), &[("x-retry-count", &marked.to_string())], None)
        };
        let hit = |when: FaultMatch| request.is_hit(&Engine::new(vec![resets("r", when)], Seed(1)), Offset::ZERO);
        for (index, one) in conditions.iter().enumerate() {
            for other in &conditions[index + 1..] {
                let both = FaultMatch {
                    method: one.method.clone().or(other.method.clone()),
                    table: one.table.clone().or(other.table.clone()),
                    query: one.query.clone().into_iter().chain(other.query.clone()).collect(),
                    user: one.user.clone().or(other.user.clone()),
                    tries: one.tries.or(other.tries),
                    ..FaultMatch::default()
                };
                prop_assert_eq!(hit(both), hit(one.clone()) && hit(other.clone()));
            }
        }
    }
}

#[rstest]
#[case(Key::User, |key| asked("GET", &format!("/rest/v1/t?user_id=eq.{key}"), &[], None))]
#[case(Key::Table, |key| get(&format!("/rest/v1/t{key}")))]
#[case(Key::Path, |key| get(&format!("/p/{key}?n=1")))]
#[case(Key::Model, |key: u64| asked("POST", "/x", &[], Some(json!({"model": key.to_string()}))))]
#[case(Key::Header("x-tenant".into()), |key: u64| asked("GET", "/x", &[("x-tenant", &key.to_string())], None))]
#[case(Key::Connection, |key| Asked { connection: key, ..get("/x") })]
fn the_first_of_each_key_are_hit(#[case] key: Key, #[case] request: fn(u64) -> Asked) {
    let engine = Engine::new(vec![resets("r", first(2, Some(key.clone())))], Seed(1));
    let mut hits = BTreeMap::<u64, Vec<bool>>::new();
    for _ in 0..4 {
        for key in 1..=3 {
            hits.entry(key).or_default().push(request(key).is_hit(&engine, Offset::ZERO));
        }
    }
    for (key, hits) in hits {
        assert_eq!(hits, [true, true, false, false], "{key}");
    }
    if !matches!(key, Key::Path | Key::Connection) {
        assert!(!get("/nothing").is_hit(&engine, Offset::ZERO), "a request without the key passes");
    }
    assert_eq!(engine.take_ended(Offset::ZERO), [], "further keys may come");
}

#[test]
fn keys_take_a_bounded_room_and_what_finds_none_is_told_once() {
    let engine = Engine::new(vec![resets("r", first(1, Some(Key::Connection)))], Seed(1));
    let hits = (0..70_000).filter(|n| Asked { connection: *n, ..get("/") }.is_hit(&engine, Offset::ZERO)).count();
    assert_eq!(hits, 1 << 16);
    let warnings = engine.take_warnings();
    assert_eq!(warnings, ["fault `r` can tell 65536 apart and met more: the further ones were not hit"]);
    assert_eq!(engine.take_warnings(), Vec::<String>::new());
}

#[test]
fn the_first_of_all_are_hit_and_then_the_rule_is_over() {
    let engine = Engine::new(vec![resets("r", first(2, None))], Seed(1));
    let hits: Vec<bool> = (0..4).map(|_| get("/").is_hit(&engine, at(5))).collect();
    assert_eq!(hits, [true, true, false, false]);
    assert!(engine.has_ended(0));
    assert_eq!(engine.take_ended(at(900)), [(0, at(900))]);
    assert_eq!(engine.take_ended(at(1_900)), [], "said once");
}

#[test]
fn a_rule_that_waits_for_quiet_ends_where_the_quiet_began_to_count() {
    let course = Course { quiet: Some(millis(5_000)), ..Course::default() };
    let mut slow = resets("r", FaultMatch { course, ..FaultMatch::default() });
    slow.share = share("50%");
    let engine = Engine::new(vec![slow.clone()], Seed(3));
    let until_first = (1..).find(|n| decision(0, &slow, Seed(3), *n).is_some()).unwrap();
    assert!(until_first > 1, "the seed lets the first one pass");
    // Silence before the first hit is no answer to the fault.
    for n in 1..=until_first {
        assert_eq!(get("/").is_hit(&engine, at(n * 20_000)), n == until_first);
    }
    let hit = until_first * 20_000;
    assert_eq!(engine.take_ended(at(hit + 4_000)), []);
    let _ = get("/").put_to(&engine, at(hit + 4_000));
    assert_eq!(engine.take_ended(at(hit + 8_999)), []);
    assert!(!engine.has_ended(0));
    assert_eq!(engine.take_ended(at(hit + 12_000)), [(0, at(hit + 9_000))]);
    assert!((0..100).all(|_| !get("/").is_hit(&engine, at(hit + 12_000))));
}
