//! What alterations make of bodies and events of the shapes that the providers send.

use super::*;
use crate::model::fault::{BodyPoint, DuplicateChunk, FinishReason, Garbage, InvalidOutput, MalformedJson};
use crate::units::{ByteSize, Share};
use proptest::prelude::*;
use rstest::rstest;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const CHAT: &str = r#"{"id":"c","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"{\"a\":1}"},"finish_reason":"stop"}],"usage":{"total_tokens":7}}"#;
const RESPONSE: &str = r#"{"id":"r","object":"response","status":"completed","output":[{"id":"m","type":"message","status":"completed","content":[{"type":"output_text","text":"{\"a\":1}"}]}],"usage":{"total_tokens":7}}"#;
const ROWS: &str = r#"[{"id":1},{"id":2},{"id":3}]"#;

fn fault(name: &str) -> ContentFault {
    match name {
        "malformed_json" => ContentFault::MalformedJson(MalformedJson { events: 1 }),
        "empty_object" => ContentFault::EmptyObject {},
        "html_page" => ContentFault::HtmlPage {},
        "garbage" => ContentFault::Garbage(Garbage { after: BodyPoint::Bytes(ByteSize(2)), bytes: ByteSize(9) }),
        "duplicate_chunk" => ContentFault::DuplicateChunk(DuplicateChunk { events: 1 }),
        "missing_usage" => ContentFault::MissingUsage {},
        "empty_choices" => ContentFault::EmptyChoices {},
        "finish_reason" => ContentFault::FinishReason(FinishReason {
            reason: "length".into(),
            keep: Share::from_fraction(0.5).unwrap(),
            events: 1,
        }),
        "cut" => ContentFault::InvalidOutput(InvalidOutput::Cut),
        "fence" => ContentFault::InvalidOutput(InvalidOutput::Fence),
        "prose" => ContentFault::InvalidOutput(InvalidOutput::Prose),
        "reordered_rows" => ContentFault::ReorderedRows {},
        other => panic!("{other}"),
    }
}

const ALL: [&str; 12] = [
    "malformed_json",
    "empty_object",
    "html_page",
    "garbage",
    "duplicate_chunk",
    "missing_usage",
    "empty_choices",
    "finish_reason",
    "cut",
    "fence",
    "prose",
    "reordered_rows",
];

/// The alterations of these names, and how many have fired.
fn alterations(names: &[&str]) -> (Alterations, Arc<AtomicU64>) {
    let headers = HeaderMap::new();
    let path = "/rest/v1/items";
    let call = Call { number: 0, method: &Method::GET, path, query: "", headers: &headers, body: b"", in_flight: 1 };
    let fired = Arc::<AtomicU64>::default();
    let mut all = Alterations::default();
    for name in names {
        let fired = Arc::clone(&fired);
        let fire = Fire::new(move || {
            fired.fetch_add(1, Ordering::Relaxed);
        });
        all.add(&fault(name), Seed(5), &call, fire);
    }
    (all, fired)
}

fn whole(names: &[&str], body: &str) -> (String, u64) {
    let (all, fired) = alterations(names);
    let body = all.whole(&mut HeaderMap::new(), Bytes::copy_from_slice(body.as_bytes()));
    (String::from_utf8_lossy(&body).into_owned(), fired.load(Ordering::Relaxed))
}

fn stream(names: &[&str], events: &str) -> (String, u64) {
    let (all, fired) = alterations(names);
    let mut editor = all.editor();
    let mut seen = Vec::new();
    for event in sse::events(Bytes::copy_from_slice(events.as_bytes())) {
        if editor.is_over() {
            break;
        }
        editor.push(event);
        seen.extend(std::iter::from_fn(|| editor.pop()).flatten());
    }
    (String::from_utf8_lossy(&seen).into_owned(), fired.load(Ordering::Relaxed))
}

#[rstest]
#[case("malformed_json", ROWS, r#"[{"id":1},{"id":2},{"id":3},"#)]
#[case("missing_usage", r#"{"a":1,"usage":{"t":1}, "b":2.50}"#, r#"{"a":1,"b":2.50}"#)]
#[case("empty_choices", r#"{"b":1.0,"choices":[{}],"a":2}"#, r#"{"b":1.0,"choices":[],"a":2}"#)]
#[case("empty_choices", r#"{"object":"list","data":[{"object":"embedding"}]}"#, r#"{"object":"list","data":[]}"#)]
#[case("empty_object", ROWS, "{}")]
fn a_whole_body_is_changed_and_all_else_stays(#[case] name: &str, #[case] body: &str, #[case] expected: &str) {
    assert_eq!(whole(&[name], body), (expected.to_owned(), 1));
}

#[rstest]
#[case("malformed_json", "not JSON")]
#[case("malformed_json", "7")]
#[case("missing_usage", r#"{"usage":null}"#)]
#[case("empty_choices", r#"{"choices":[ ]}"#)]
#[case("empty_choices", r#"{"data":[{"object":"model"}]}"#)]
#[case("finish_reason", ROWS)]
#[case("cut", r#"{"choices":[{"message":{"content":"plain words"}}]}"#)]
#[case("fence", r#"{"choices":[{"message":{"content":null}}]}"#)]
#[case("reordered_rows", r#"[{"id":1}]"#)]
#[case("reordered_rows", r#"[{"id":1},{"id":1}]"#)]
#[case("garbage", "ab")]
#[case("duplicate_chunk", CHAT)]
#[case("empty_object", "{}")]
fn what_cannot_be_changed_stays_and_does_not_fire(#[case] name: &str, #[case] body: &str) {
    assert_eq!(whole(&[name], body), (body.to_owned(), 0));
}

#[test]
fn structured_output_is_spoilt_in_each_way() {
    let content = |name, body: &str, pointer: &str| {
        let (body, fired) = whole(&[name], body);
        assert_eq!(fired, 1);
        serde_json::from_str::<Value>(&body).unwrap().pointer(pointer).unwrap().as_str().unwrap().to_owned()
    };
    for (body, pointer) in [(CHAT, "/choices/0/message/content"), (RESPONSE, "/output/0/content/0/text")] {
        assert_eq!(content("cut", body, pointer), "{\"a\":1");
        assert_eq!(content("fence", body, pointer), "```json\n{\"a\":1}\n```");
        assert!(content("prose", body, pointer).ends_with(":\n\n{\"a\":1}"));
        assert_eq!(content("finish_reason", body, pointer), "{\"a");
    }
    let broken: Value = serde_json::from_str(&whole(&["finish_reason"], RESPONSE).0).unwrap();
    assert_eq!(broken["status"], "incomplete");
    assert_eq!(broken["incomplete_details"]["reason"], "max_output_tokens");
    assert_eq!(broken["output"][0]["status"], "incomplete");
}

#[test]
fn deltas_are_spoilt_where_the_json_closes_wherever_it_is_cut() {
    let json = r#"{"a":"}\"{","b":[1,{}]}"#;
    for split in 0..json.len() {
        let event = |text: &str| {
            let text = serde_json::to_string(text).unwrap();
            format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":{text}}}}}]}}\n\n")
        };
        let events = event(&json[..split]) + &event(&json[split..]) + "data: [DONE]\n\n";
        for (how, expected) in [
            ("cut", json[..json.len() - 1].to_owned()),
            ("fence", format!("```json\n{json}\n```")),
            ("prose", format!("Here is the JSON that you asked for:\n\n{json}")),
        ] {
            let (seen, fired) = stream(&[how], &events);
            let said: String = sse::events(Bytes::from(seen.into_bytes()))
                .filter_map(|event| sse::object(&event))
                .filter_map(|data| data.objects("choices")?.first()?.object("delta")?.text("content"))
                .collect();
            assert_eq!((said, fired), (expected, 1), "split at {split}");
        }
    }
}

#[test]
fn a_chat_stream_is_broken_off_and_says_so() {
    let events = concat!(
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"one\"},\"finish_reason\":null}]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"two\"},\"finish_reason\":null}]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
        "data: {\"choices\":[],\"usage\":{\"total_tokens\":3}}\n\n",
        "data: [DONE]\n\n",
    );
    let (seen, fired) = stream(&["finish_reason"], events);
    assert_eq!(fired, 1);
    assert!(seen.contains("one") && !seen.contains("two") && seen.contains("\"finish_reason\":\"length\""), "{seen}");
    assert!(seen.contains("total_tokens") && seen.ends_with("data: [DONE]\n\n"), "{seen}");
    let (uncounted, fired) = stream(&["missing_usage"], events);
    assert_eq!(fired, 1);
    assert!(!uncounted.contains("usage") && uncounted.ends_with("[DONE]\n\n"), "{uncounted}");
    let (doubled, _) = stream(&["duplicate_chunk"], events);
    assert_eq!(doubled.matches("one").count(), 2);
    let (empty, _) = stream(&["empty_choices"], events);
    assert_eq!(empty.matches("\"choices\":[]").count(), 5, "{empty}");
    let (broken, _) = stream(&["malformed_json"], events);
    assert!(broken.contains("\"finish_reason\":null}],\n\n"), "{broken}");
    let (garbage, _) = stream(&["garbage"], events);
    assert!(garbage.starts_with("da\u{FFFD}"), "{garbage}");
}

#[test]
fn rows_come_in_another_order_and_always_in_the_same_one() {
    let (seen, fired) = whole(&["reordered_rows"], ROWS);
    assert_eq!(fired, 1);
    assert_ne!(seen, ROWS);
    assert_eq!(seen.len(), ROWS.len());
    assert_eq!(whole(&["reordered_rows"], ROWS).0, seen);
}

#[test]
fn each_works_on_what_the_one_before_left() {
    assert_eq!(whole(&["empty_object", "malformed_json"], CHAT), ("{,".to_owned(), 2));
    // Broken JSON has no choices any more: the second finds nothing and does not fire.
    assert_eq!(whole(&["malformed_json", "empty_choices"], CHAT).1, 1);
}

proptest! {
    /// Whatever comes, nothing panics, and what did not fire changed nothing.
    #[test]
    fn any_body_and_any_events_are_survived(which in 0..ALL.len(), body in any::<Vec<u8>>(), json in "[\\[\\]{}\":,a-z0-9\\\\ ]{0,60}") {
        for text in [body, json.into_bytes(), CHAT.as_bytes().to_vec()] {
            let (all, fired) = alterations(&[ALL[which]]);
            let bytes = Bytes::from(text);
            let after = all.whole(&mut HeaderMap::new(), bytes.clone());
            prop_assert_eq!(after != bytes, fired.load(Ordering::Relaxed) == 1);
            let (all, fired) = alterations(&[ALL[which]]);
            let mut editor = all.editor();
            let mut seen = Vec::new();
            let event: Vec<u8> = [b"data: ".as_slice(), &bytes, b"\n\n"].concat();
            let mut was = Vec::new();
            for event in sse::events(Bytes::from(event)) {
                was.extend_from_slice(&event);
                editor.push(event);
                seen.extend(std::iter::from_fn(|| editor.pop()).flatten());
            }
            prop_assert_eq!(seen != was, fired.load(Ordering::Relaxed) == 1);
        }
    }
}
