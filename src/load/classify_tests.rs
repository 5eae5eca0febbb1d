//! Tests of [`super::classify`]: every combination of rule and answer, and every check.

use super::*;
use proptest::prelude::*;
use rstest::rstest;
use serde_json::json;
use std::collections::BTreeMap;

fn condition(status: &[u16], checks: &[(&str, JsonCheck)]) -> Condition {
    let json: BTreeMap<String, JsonCheck> =
        checks.iter().map(|(at, check)| ((*at).to_owned(), check.clone())).collect();
    Condition { status: status.to_vec(), json, contains: None }
}

fn judge(expect: &Condition, degraded: Option<&Condition>, status: u16, body: &str) -> Judgement {
    let json: Option<Value> = serde_json::from_str(body).ok();
    let answer = Answer { status, body: body.as_bytes(), length: body.len() as u64, json: json.as_ref() };
    classify(expect, degraded, answer)
}

/// The routine step of HolisticOS as the shipped scenarios have it.
#[rstest]
#[case::fine(200, r#"{"status":"success","plan":{"content":"eat"}}"#, Outcome::Ok, "")]
#[case::fallback(
    200,
    r#"{"status":"success","plan":{"content":"eat","error":"no key"}}"#,
    Outcome::Degraded,
    r#"fallback: /plan/error: "no key""#
)]
#[case::fallback_without_content(
    200,
    r#"{"status":"success","plan":{"error":"x"}}"#,
    Outcome::Degraded,
    r#"fallback: /plan/error: "x""#
)]
#[case::masked(200, r#"{"status":"success","plan":{}}"#, Outcome::Masked, "/plan/content: missing")]
#[case::masked_null(200, r#"{"status":"success","plan":{"content":null}}"#, Outcome::Masked, "/plan/content: null")]
#[case::masked_twice(
    200,
    r#"{"status":"error"}"#,
    Outcome::Masked,
    r#"/plan/content: missing; /status: "error", expected "success""#
)]
#[case::masked_html(200, "<h1>Bad gateway</h1>", Outcome::Masked, "the body is not JSON")]
#[case::masked_nothing(200, "", Outcome::Masked, "the body is empty, expected JSON")]
#[case::other_2xx(201, r#"{"status":"success","plan":{"content":"eat"}}"#, Outcome::Status, "status 201, expected 200")]
#[case::failed(500, r#"{"detail":"x"}"#, Outcome::Status, "status 500, expected 200")]
#[case::failed_with_a_trace_of_fallback(500, r#"{"plan":{"error":"x"}}"#, Outcome::Status, "status 500, expected 200")]
fn answers_of_a_plan_generator(#[case] status: u16, #[case] body: &str, #[case] outcome: Outcome, #[case] why: &str) {
    let expect = condition(
        &[200],
        &[("/status", JsonCheck::Equals(json!("success"))), ("/plan/content", JsonCheck::Exists(true))],
    );
    let degraded = condition(&[], &[("/plan/error", JsonCheck::Exists(true))]);
    assert_eq!(judge(&expect, Some(&degraded), status, body), Judgement { outcome, why: why.to_owned() });
}

/// All combinations of: the degraded rule (none, holds, does not), the expected status (any 2xx, this, other),
/// the content (as expected or not), the status' family.
#[test]
fn every_combination_has_its_outcome() {
    for degraded in [None, Some(true), Some(false)] {
        for expected_status in [None, Some(true), Some(false)] {
            for (content, status) in [true, false].into_iter().flat_map(|c| [200, 204, 302, 404, 500].map(|s| (c, s))) {
                combination(degraded, expected_status, content, status);
            }
        }
    }
}

fn combination(degraded: Option<bool>, expected_status: Option<bool>, content: bool, status: u16) {
    let statuses = match expected_status {
        None => vec![],
        Some(true) => vec![418, status],
        Some(false) => vec![418],
    };
    let expect = condition(&statuses, &[("/good", JsonCheck::Equals(json!(content)))]);
    // Whether the rule holds is decided by its content; its status is this one.
    let rule = degraded.map(|holds| condition(&[status], &[("/good", JsonCheck::Equals(json!(holds)))]));
    let is_2xx = (200..300).contains(&status);
    let status_ok = expected_status.unwrap_or(is_2xx);
    let wanted = match (degraded, status_ok, content) {
        (Some(true), _, _) => Outcome::Degraded,
        (_, false, _) => Outcome::Status,
        (_, true, true) => Outcome::Ok,
        (_, true, false) if is_2xx => Outcome::Masked,
        (_, true, false) => Outcome::Assertion,
    };
    let judgement = judge(&expect, rule.as_ref(), status, r#"{"good":true}"#);
    let case = format!("{degraded:?} {expected_status:?} {content} {status}: {}", judgement.why);
    assert_eq!(judgement.outcome, wanted, "{case}");
    assert_eq!(judgement.why.is_empty(), wanted == Outcome::Ok, "{case}");
}

#[test]
fn a_degraded_rule_without_a_status_holds_for_2xx_only_and_all_its_parts_must_hold() {
    let mut rule = condition(&[], &[("/a", JsonCheck::Exists(true)), ("/b", JsonCheck::Exists(true))]);
    let outcome = |rule: &Condition, status, body| judge(&condition(&[], &[]), Some(rule), status, body).outcome;
    assert_eq!(outcome(&rule, 200, r#"{"a":1,"b":2}"#), Outcome::Degraded);
    assert_eq!(outcome(&rule, 200, r#"{"a":1}"#), Outcome::Ok);
    assert_eq!(outcome(&rule, 503, r#"{"a":1,"b":2}"#), Outcome::Status);
    rule.contains = Some("2".into());
    assert_eq!(outcome(&rule, 200, r#"{"a":1,"b":2}"#), Outcome::Degraded);
    rule.contains = Some("9".into());
    assert_eq!(outcome(&rule, 200, r#"{"a":1,"b":2}"#), Outcome::Ok);
    assert_eq!(outcome(&Condition::default(), 200, "{}"), Outcome::Ok, "a rule that says nothing");
    // A body that is no JSON fulfils no JSON rule, not even "absent".
    assert_eq!(outcome(&condition(&[], &[("/x", JsonCheck::Exists(false))]), 200, "plain"), Outcome::Ok);
}

#[rstest]
#[case(JsonCheck::Equals(json!(1)), "/n", true)]
#[case(JsonCheck::Equals(json!(1.0)), "/n", true)]
#[case(JsonCheck::Equals(json!(2)), "/n", false)]
#[case(JsonCheck::Equals(json!(null)), "/null", true)]
#[case(JsonCheck::Equals(json!(null)), "/absent", false)]
#[case(JsonCheck::Equals(json!({"k": [1.0]})), "/deep", true)]
#[case(JsonCheck::Not(json!("error")), "/s", true)]
#[case(JsonCheck::Not(json!("text")), "/s", false)]
#[case(JsonCheck::Not(json!(["no", "text"])), "/s", false)]
#[case(JsonCheck::Not(json!("error")), "/absent", true)]
#[case(JsonCheck::Exists(true), "/s", true)]
#[case(JsonCheck::Exists(true), "/null", false)]
#[case(JsonCheck::Exists(true), "/absent", false)]
#[case(JsonCheck::Exists(false), "/null", true)]
#[case(JsonCheck::Exists(false), "/absent", true)]
#[case(JsonCheck::Exists(false), "/n", false)]
#[case(JsonCheck::OneOf(vec![json!("a"), json!("text")]), "/s", true)]
#[case(JsonCheck::OneOf(vec![json!("a")]), "/s", false)]
#[case(JsonCheck::OneOf(vec![json!("a")]), "/absent", false)]
#[case(JsonCheck::NotEmpty(true), "/s", true)]
#[case(JsonCheck::NotEmpty(true), "/list", true)]
#[case(JsonCheck::NotEmpty(true), "/empty", false)]
#[case(JsonCheck::NotEmpty(true), "/null", false)]
#[case(JsonCheck::NotEmpty(true), "/n", false)]
#[case(JsonCheck::NotEmpty(false), "/empty", true)]
#[case(JsonCheck::NotEmpty(false), "/null", true)]
#[case(JsonCheck::NotEmpty(false), "/absent", true)]
#[case(JsonCheck::NotEmpty(false), "/s", false)]
#[case(JsonCheck::NotEmpty(false), "/n", false)]
#[case(JsonCheck::Contains("ex".into()), "/s", true)]
#[case(JsonCheck::Contains("zz".into()), "/s", false)]
#[case(JsonCheck::Contains("1".into()), "/n", false)]
#[case::pointer_with_escapes(JsonCheck::Equals(json!(3)), "/a~1b/m~0n", true)]
#[case::pointer_into_a_list(JsonCheck::Equals(json!(8)), "/list/1", true)]
#[case::pointer_with_a_leading_zero(JsonCheck::Exists(true), "/list/01", false)]
#[case::pointer_to_the_whole(JsonCheck::NotEmpty(true), "", true)]
fn every_check_holds_when_it_should(#[case] check: JsonCheck, #[case] at: &str, #[case] holds: bool) {
    let body = json!({"n": 1, "s": "text", "null": null, "empty": "", "list": [7, 8], "deep": {"k": [1]},
        "a/b": {"m~n": 3}});
    let judgement = judge(&condition(&[], &[(at, check)]), None, 200, &body.to_string());
    assert_eq!(judgement.outcome, if holds { Outcome::Ok } else { Outcome::Masked }, "{}", judgement.why);
}

#[test]
fn says_exactly_what_failed_and_not_too_much_of_it() {
    let many: Vec<(&str, JsonCheck)> = ["/a", "/b", "/c", "/d", "/e"].map(|at| (at, JsonCheck::Exists(true))).to_vec();
    assert_eq!(judge(&condition(&[], &many), None, 200, "{}").why, "/a: missing; /b: missing; /c: missing; and 2 more");
    let long = json!({ "a": "ä".repeat(500) }).to_string();
    let why = judge(&condition(&[], &[("/a", JsonCheck::Equals(json!("x")))]), None, 200, &long).why;
    assert!(why.chars().count() < 100, "{why}");
    assert_eq!(judge(&condition(&[200, 202], &[]), None, 404, "").why, "status 404, expected 200 or 202");
    assert_eq!(judge(&condition(&[], &[]), None, 404, "").why, "status 404, expected 2xx");
}

#[test]
fn says_so_when_a_body_was_too_long_to_be_checked() {
    let expect = Condition { contains: Some("end".into()), ..condition(&[], &[("/a", JsonCheck::Exists(true))]) };
    let answer = Answer { status: 200, body: b"{\"a\":1", length: 99, json: None };
    assert_eq!(
        classify(&expect, None, answer).why,
        "the body is too long to be checked as JSON (99 bytes, 6 kept); the first 6 bytes of the body does not \
         contain \"end\""
    );
}

proptest! {
    #[test]
    fn never_panics(status: u16, body in "\\PC{0,40}", at in "(/[a-z~/0-9]{0,6}){0,3}", text in "\\PC{0,6}") {
        let expect = Condition { contains: Some(text.clone()), ..condition(&[], &[(&at, JsonCheck::Contains(text))]) };
        let _ = judge(&expect, Some(&expect), status, &body);
    }
}
