//! The shipped scenarios run unchanged against the reference app, a running app by URL, and a command.

use crate::support::Firedrill;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::process::Child;

/// An app that somebody else started.
struct Elsewhere(Child);

impl Drop for Elsewhere {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn an_app_that_runs_elsewhere_is_tested_by_its_url_and_watched_by_its_pid() {
    let firedrill = Firedrill::new();
    let (openai, supabase, side) = (free_port(), free_port(), free_port());
    let mut app = Elsewhere(
        firedrill
            .command(&[
                "target",
                "--listen",
                "127.0.0.1:0",
                "--announce",
                "--resilient",
                "--openai-url",
                &format!("http://127.0.0.1:{openai}/v1"),
                "--supabase-url",
                &format!("http://127.0.0.1:{supabase}"),
            ])
            .spawn()
            .unwrap(),
    );
    let mut line = String::new();
    BufReader::new(app.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let url = serde_json::from_str::<serde_json::Value>(&line).unwrap()["listening"].as_str().unwrap().to_owned();
    let pid = app.0.id().to_string();
    let run = firedrill.run(&[
        "run",
        "smoke",
        "--target",
        &url,
        "--pid",
        &pid,
        "--set",
        &format!("upstreams.openai.listen=127.0.0.1:{openai}"),
        "--set",
        &format!("upstreams.supabase.listen=127.0.0.1:{supabase}"),
        "--set",
        &format!("upstreams.stub.sahha.listen=127.0.0.1:{side}"),
    ]);
    run.assert_go();
    let record = run.record();
    let calls: u64 =
        record["timeline"]["upstreams"].as_array().unwrap().iter().map(|u| u["calls"].as_u64().unwrap()).sum();
    assert!(calls > 0, "the app talked to our upstreams");
    let rss = record["timeline"]["readings"].as_array().unwrap().iter().find_map(|r| r["memory"]["rss"].as_u64());
    assert!(rss.is_some_and(|rss| rss > 10 << 20), "its memory was read: {rss:?}");
}

#[test]
fn a_command_gets_a_port_and_the_upstreams_in_its_environment_also_over_tls() {
    let firedrill = Firedrill::new();
    let target = format!(
        r#"target={{ command = ["sh", "-c", "echo no_proxy=$NO_PROXY; exec {} target --resilient --listen 127.0.0.1:{{port}}"], url = "http://127.0.0.1:{{port}}", ready = "/" }}"#,
        env!("CARGO_BIN_EXE_firedrill")
    );
    let output = firedrill
        .command(&["run", "smoke", "--set", &target, "--set", "upstreams.supabase.tls=true"])
        .env("HTTP_PROXY", "http://127.0.0.1:1")
        .env("NO_PROXY", "example.com")
        .output()
        .unwrap();
    let run = firedrill.finished(output);
    run.assert_go();
    // A proxy of the machine must not stand between the app and our upstreams.
    let dir = run.dir.as_ref().unwrap();
    let log = std::fs::read_to_string(dir.join("target.log")).unwrap();
    assert!(log.contains("no_proxy=example.com,127.0.0.1,localhost"), "{log}");
    // It trusts the run's own CA, by a file that says nothing but whom to trust.
    let means: Vec<String> = serde_json::from_value(run.record()["header"]["means"].clone()).unwrap();
    assert!(means.iter().any(|means| means.starts_with("supabase is our mock at https://")), "{means:?}");
    let ca = std::fs::read_to_string(dir.join("ca.pem")).unwrap();
    assert!(ca.starts_with("-----BEGIN CERTIFICATE-----") && !ca.contains("PRIVATE"), "{ca}");
}

#[test]
fn a_target_that_does_not_answer_is_said_at_once() {
    let firedrill = Firedrill::new();
    let url = format!("http://127.0.0.1:{}", free_port());
    let run = firedrill.run(&["run", "smoke", "--target", &url]);
    assert_eq!(run.code, 69, "{}", run.stderr);
    let said: Vec<&str> = run.stderr.lines().take(3).collect();
    let undone = "making sure that nothing is left behind";
    assert_eq!(said, [&format!("reaching the app at {url}"), undone, "error: cannot reach the app under test"]);
    assert!(run.stderr.contains(&format!("does not answer at {url}")), "{}", run.stderr);
    assert!(run.dir.is_none(), "a run that never began leaves no folder");
}

#[test]
fn a_host_that_is_not_this_machine_needs_a_confirmation() {
    let firedrill = Firedrill::new();
    let run = firedrill.run(&["run", "smoke", "--target", "http://app.example.com"]);
    assert!([64, 78].contains(&run.code), "{}", run.stderr);
    assert!(run.stderr.contains("app.example.com"), "{}", run.stderr);
}
