//! How upstreams are reached, and the faults on one service, on a body and inside a stream.

use super::*;
use firedrill::model::fault::{BodyPoint, FaultRule, Injection, StreamError, StreamErrorForm};

fn faults(folder: &Path, text: &str) -> Vec<FaultRule> {
    let path = write(folder, "profile.toml", text);
    let overrides = Overrides { faults: Some(path.display().to_string()), ..Overrides::default() };
    let plan = built_in("smoke", overrides).unwrap_or_else(|error| panic!("{error}")).plan;
    let written = serde_json::to_string(&plan).expect("a plan is serialisable");
    let read_back: Plan = serde_json::from_str(&written).expect("a plan is readable");
    assert_eq!(read_back.faults, plan.faults, "what is written to disk says the same");
    plan.faults
}

fn injected(folder: &Path, inject: &str) -> Injection {
    faults(folder, &format!("[[fault]]\nupstream = \"openai\"\ninject.{inject}\n")).remove(0).inject
}

#[test]
fn each_upstream_has_tls_or_not() {
    let folder = tempfile::tempdir().unwrap();
    let text = "upstreams = { openai = { tls = true }, supabase = {}, stub.mail = { tls = true, answer = 202 } }";
    let path = write(folder.path(), "mine.toml", &format!("{text}\n{SMALL}"));
    let plan = load_with(ScenarioRef::File(path), Overrides::default(), no_env).unwrap().plan;
    let tls: Vec<(&str, bool)> = plan.upstreams.iter().map(|up| (up.name.as_str(), up.tls)).collect();
    assert_eq!(tls, [("openai", true), ("supabase", false), ("mail", true)]);
}

#[test]
fn a_fault_can_be_for_one_service_and_leave_headers_out() {
    let folder = tempfile::tempdir().unwrap();
    let text = r#"
        [[fault]]
        upstream = "supabase"
        when = { service = "storage" }
        inject.abort = { error = "53300", omit = ["retry-after"] }
    "#;
    let fault = faults(folder.path(), text).remove(0);
    assert_eq!(fault.when.service.as_deref(), Some("storage"));
    assert!(matches!(fault.inject, Injection::Abort(abort) if abort.omit == ["retry-after"]));
}

#[test]
fn a_place_in_a_body_is_in_bytes_in_events_or_before_the_last_event() {
    let folder = tempfile::tempdir().unwrap();
    let injected = |inject: &str| injected(folder.path(), inject);
    let after = BodyPoint::Bytes(ByteSize(100));
    assert_eq!(injected("truncate = { after = \"100B\" }"), Injection::Truncate { after });
    assert_eq!(injected("truncate = { events = 2 }"), Injection::Truncate { after: BodyPoint::Events(2) });
    assert_eq!(injected("truncate = {}"), Injection::Truncate { after: BodyPoint::LastEvent });
    let stall = Injection::Stall { after: BodyPoint::Events(1), pause: Some(Span::from_secs(3)) };
    assert_eq!(injected("stall = { events = 1, pause = \"3s\" }"), stall);
    assert_eq!(injected("stall = { after = \"100B\" }"), Injection::Stall { after, pause: None });
}

#[test]
fn an_error_inside_a_stream_comes_after_the_first_event_unless_said_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let injected = |inject: &str| injected(folder.path(), inject);
    let error = |events, form| Injection::StreamError(StreamError { events, error: "overloaded".to_owned(), form });
    assert_eq!(injected("stream_error = { error = \"overloaded\" }"), error(1, None));
    assert_eq!(
        injected("stream_error = { error = \"overloaded\", events = 0, form = \"failed\" }"),
        error(0, Some(StreamErrorForm::Failed))
    );
}
