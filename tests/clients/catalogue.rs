//! What clients make of answers whose content, headers, pace or data is wrong: the kinds of `docs/faults.md` that no
//! status shows. `openai` and `supabase` have the failures that do.

use crate::retries::{BACKOFF, Condition, Expected, Wait, after, expect};
use firedrill::model::fault::{
    BodyPoint, ContentFault, DataFault, Drip, DuplicateChunk, FinishReason, Garbage, Headers, HugeBody, Injection,
    InvalidOutput, MalformedJson, PartialBatch, SlowTokens, WrongContentLength, WrongContentType,
};
use firedrill::units::{ByteSize, Share, Span};
use std::collections::BTreeMap;
use std::time::Duration;

const CHAT: &str = "chat";
const STREAM: &str = "chat.stream";
const PARSE: &str = "chat.parse";

fn millis(millis: u64) -> Span {
    Span(Duration::from_millis(millis))
}

fn row(name: &'static str, ask: &'static str, inject: Injection, expected: Vec<Expected>) -> Condition {
    Condition { name, ask, faults: Some(vec![inject]), timeout: None, expected }
}

fn timed(row: Condition, seconds: f64) -> Condition {
    Condition { timeout: Some(seconds), ..row }
}

fn garbage(after: BodyPoint) -> Injection {
    Injection::Content(ContentFault::Garbage(Garbage { after, bytes: ByteSize(200) }))
}

fn malformed() -> Injection {
    Injection::Content(ContentFault::MalformedJson(MalformedJson { events: 1 }))
}

fn broken_off(reason: &str) -> Injection {
    let half = Share::from_fraction(0.5).unwrap();
    Injection::Content(ContentFault::FinishReason(FinishReason { reason: reason.into(), keep: half, events: 1 }))
}

fn wrong_type() -> Injection {
    Injection::WrongContentType(WrongContentType { value: "text/html".into() })
}

fn wrong_length(off: i64) -> Injection {
    Injection::WrongContentLength(WrongContentLength { off })
}

fn reset_behind_headers() -> Injection {
    Injection::ResetMidway { after: BodyPoint::Bytes(ByteSize(0)) }
}

fn without(header: &str) -> Injection {
    Injection::Headers(Headers { set: BTreeMap::new(), remove: vec![header.into()] })
}

/// Columns: Python 3, Python 1, Node 7, Node 6.
pub fn openai() -> Vec<Condition> {
    let all = |outcome| vec![expect(outcome, 1); 4];
    let each = |outcomes: [Expected; 4]| outcomes.to_vec();
    let raw = |python, node| each([expect(python, 1), expect(python, 1), expect(node, 1), expect(node, 1)]);
    let huge = Injection::HugeBody(HugeBody { size: ByteSize(20_000_000) });
    vec![
        row("`malformed_json`", CHAT, malformed(), raw("JSONDecodeError", "SyntaxError")),
        row("`malformed_json` in a stream", STREAM, malformed(), raw("JSONDecodeError", "SyntaxError")),
        row("`empty_object`", CHAT, Injection::Content(ContentFault::EmptyObject {}), all("empty object")),
        row(
            "`empty_object` for a stream",
            STREAM,
            Injection::Content(ContentFault::EmptyObject {}),
            all("empty stream"),
        ),
        row("`html_page`", CHAT, Injection::Content(ContentFault::HtmlPage {}), all("text")),
        row("`html_page` for a stream", STREAM, Injection::Content(ContentFault::HtmlPage {}), all("empty stream")),
        row("`wrong_content_type`", CHAT, wrong_type(), raw("answer", "text")),
        row("`garbage`", CHAT, garbage(BodyPoint::Bytes(ByteSize(0))), raw("UnicodeDecodeError", "SyntaxError")),
        row("`garbage` in a stream", STREAM, garbage(BodyPoint::Events(2)), raw("UnicodeDecodeError", "stream")),
        row("`wrong_content_length`, too short", CHAT, wrong_length(-20), raw("JSONDecodeError", "SyntaxError")),
        row(
            "`reset_peer` behind the headers",
            CHAT,
            reset_behind_headers(),
            each([
                after("APIConnectionError", 3, BACKOFF),
                after("APIConnectionError", 3, BACKOFF),
                expect("TypeError: terminated", 1),
                expect("TypeError: terminated", 1),
            ]),
        ),
        row(
            "`reset_peer` in a stream",
            STREAM,
            Injection::ResetMidway { after: BodyPoint::Events(2) },
            each([
                expect("APIConnectionError", 1),
                expect("ReadError", 1),
                expect("TypeError: terminated", 1),
                expect("TypeError: terminated", 1),
            ]),
        ),
        row("`empty_choices`", CHAT, Injection::Content(ContentFault::EmptyChoices {}), all("no choices")),
        row("`empty_choices` in a stream", STREAM, Injection::Content(ContentFault::EmptyChoices {}), all("stream")),
        row("`missing_usage`", CHAT, Injection::Content(ContentFault::MissingUsage {}), all("answer without usage")),
        row("`finish_reason` `length`", CHAT, broken_off("length"), all("answer, length")),
        row("`finish_reason` `length`, parsed", PARSE, broken_off("length"), all("LengthFinishReasonError")),
        row(
            "`finish_reason` `content_filter`, parsed",
            PARSE,
            broken_off("content_filter"),
            all("ContentFilterFinishReasonError"),
        ),
        row(
            "`invalid_output`, parsed",
            PARSE,
            Injection::Content(ContentFault::InvalidOutput(InvalidOutput::Fence)),
            raw("ValidationError", "SyntaxError"),
        ),
        row(
            "`duplicate_chunk`",
            STREAM,
            Injection::Content(ContentFault::DuplicateChunk(DuplicateChunk { events: 2 })),
            all("stream"),
        ),
        row("`huge_body` of 20 MB", CHAT, huge, all("answer")),
        timed(
            row(
                "`drip` for longer than the timeout of 2 s",
                CHAT,
                Injection::Drip(Drip { bytes: ByteSize(10), every: millis(60) }),
                each([
                    expect("answer", 1),
                    expect("answer", 1),
                    expect("APIConnectionTimeoutError", 3),
                    expect("answer", 1),
                ]),
            ),
            2.0,
        ),
        timed(
            row(
                "`slow_tokens` for longer than the timeout of 2 s",
                STREAM,
                Injection::SlowTokens(SlowTokens { every: millis(400) }),
                all("stream"),
            ),
            2.0,
        ),
        row("`headers`: no `content-type`", CHAT, without("content-type"), raw("answer", "text")),
    ]
}

/// Columns: Python, Node newest, Node 2.109.
pub fn supabase() -> Vec<Condition> {
    let each = |python: Expected, node: Expected| vec![python, node, node];
    let all = |outcome| vec![expect(outcome, 1); 3];
    // One request that writes, and one that reads.
    let twice = |outcome| vec![expect(outcome, 2); 3];
    const BACKOFF: Wait = Wait::Of(&[1.0, 2.0, 4.0]);
    vec![
        row("GET, `malformed_json`", "get", malformed(), each(expect("text", 1), expect("error with status 200", 1))),
        // An empty object is false in Python and true in JavaScript: programs look at it as programs do.
        row(
            "GET, `empty_object`",
            "get",
            Injection::Content(ContentFault::EmptyObject {}),
            each(expect("nothing", 1), expect("rows", 1)),
        ),
        row(
            "GET, `html_page`",
            "get",
            Injection::Content(ContentFault::HtmlPage {}),
            each(expect("text", 1), expect("error of HTML", 1)),
        ),
        row("GET, `wrong_content_type`", "get", wrong_type(), all("rows")),
        row(
            "GET, `garbage`",
            "get",
            garbage(BodyPoint::Bytes(ByteSize(0))),
            each(expect("text", 1), expect("error with status 200", 1)),
        ),
        row(
            "GET, `wrong_content_length`, too short",
            "get",
            wrong_length(-20),
            each(expect("text", 1), expect("error with status 200", 1)),
        ),
        row(
            "GET, `reset_peer` behind the headers",
            "get",
            reset_behind_headers(),
            each(after("ReadError", 4, BACKOFF), expect("error `TypeError: terminated`", 1)),
        ),
        row("GET, `reordered_rows`", "get", Injection::Content(ContentFault::ReorderedRows {}), all("rows")),
        row("HEAD, no `content-range`", "head", without("content-range"), all("no count")),
        row(
            "POST and read back, `lost_write`",
            "post one",
            Injection::Data(DataFault::LostWrite {}),
            twice("0 of 1 rows"),
        ),
        row(
            "POST and read back, `duplicate_write`",
            "post one",
            Injection::Data(DataFault::DuplicateWrite {}),
            twice("2 of 1 rows"),
        ),
        row(
            "POST of four and read back, `partial_batch`",
            "post four",
            Injection::Data(DataFault::PartialBatch(PartialBatch { keep: Share::from_fraction(0.5).unwrap() })),
            twice("2 of 4 rows"),
        ),
    ]
}
