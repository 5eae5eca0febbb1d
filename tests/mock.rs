//! `firedrill mock` as people use it: what it prints, what it serves, how it ends.
#![expect(clippy::unwrap_used, reason = "a test may fail where it stands; helpers are tests too")]

use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpListener;
use std::process::{Child, Command, Output, Stdio};

fn firedrill(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_firedrill"));
    command.arg("mock").args(args).env("NO_COLOR", "1").stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn output(args: &[&str]) -> Output {
    firedrill(args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// An address that was free a moment ago.
fn free() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// A `firedrill mock` that serves, ended with the test.
struct Serving {
    child: Child,
    first: String,
}

impl Serving {
    fn start(args: &[&str]) -> Self {
        let mut child = firedrill(args).stderr(Stdio::inherit()).spawn().unwrap();
        let mut first = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
        Self { child, first }
    }

    fn end(mut self, signal: &str) -> Option<i32> {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &id]).status().unwrap().success());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn serves_where_it_was_told_and_says_what_to_export() {
    let (openai, supabase) = (free(), free());
    let serving = Serving::start(&["--json", "--quiet", "--openai", &openai, "--supabase", &supabase]);
    let told: Value = serde_json::from_str(&serving.first).unwrap();
    let environment = &told["environment"];
    assert_eq!(environment["OPENAI_BASE_URL"], format!("http://{openai}/v1"));
    assert_eq!(environment["SUPABASE_URL"], format!("http://{supabase}"));

    let client = reqwest::Client::new();
    let chat = json!({"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]});
    let key = environment["OPENAI_API_KEY"].as_str().unwrap();
    let url = format!("http://{openai}/v1/chat/completions");
    let answer = client.post(url).bearer_auth(key).json(&chat).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let key = environment["SUPABASE_SERVICE_KEY"].as_str().unwrap();
    let health = client.get(format!("http://{supabase}/auth/v1/health")).header("apikey", key).send().await.unwrap();
    assert_eq!(health.status(), 200);
    assert_eq!(serving.end("INT"), Some(0), "Ctrl-C is how it ends");
}

#[tokio::test]
async fn its_upstreams_can_be_broken_by_hand() {
    let (openai, supabase, control) = (free(), free(), free());
    let args = ["--json", "--quiet", "--openai", &openai, "--supabase", &supabase, "--control", &control];
    let serving = Serving::start(&args);
    let told: Value = serde_json::from_str(&serving.first).unwrap();
    assert_eq!(told["environment"]["FIREDRILL_CONTROL_URL"], format!("http://{control}"));
    let client = reqwest::Client::new();
    let proxies: Value = client.get(format!("http://{control}/proxies")).send().await.unwrap().json().await.unwrap();
    assert_eq!(proxies["openai"]["listen"], openai);
    let health = || client.get(format!("http://{supabase}/auth/v1/health")).header("apikey", "k").send();
    assert_eq!(health().await.unwrap().status(), 200);
    let toxic = json!({"type": "timeout", "attributes": {"timeout": 1}});
    let put = client.post(format!("http://{control}/proxies/supabase/toxics")).json(&toxic).send().await.unwrap();
    assert_eq!(put.status(), 200);
    assert!(health().await.is_err());
    assert_eq!(client.post(format!("http://{control}/reset")).send().await.unwrap().status(), 204);
    assert_eq!(health().await.unwrap().status(), 200);
    assert_eq!(serving.end("TERM"), Some(0));
    let open = output(&["--openai", &openai, "--supabase", &supabase, "--control", "0.0.0.0:0"]);
    assert_eq!(open.status.code(), Some(64));
    assert!(text(&open.stderr).contains("give it a token"), "{}", text(&open.stderr));
}

#[test]
fn lines_to_export_can_be_read_by_a_shell() {
    let (openai, supabase) = (free(), free());
    let serving = Serving::start(&["--quiet", "--openai", &openai, "--supabase", &supabase]);
    assert!(serving.first.starts_with("export OPENAI_API_KEY="), "{}", serving.first);
    assert_eq!(serving.end("TERM"), Some(0));
}

#[test]
fn a_command_gets_the_environment_and_its_exit_code_is_ours() {
    let script = r#"echo "$OPENAI_BASE_URL $SUPABASE_URL $NO_PROXY"; exit 7"#;
    let done = output(&["--", "sh", "-c", script]);
    assert_eq!(done.status.code(), Some(7), "{}", text(&done.stderr));
    let said = text(&done.stdout);
    let (openai, rest) = said.split_once(' ').unwrap();
    assert!(openai.starts_with("http://127.0.0.1:") && openai.ends_with("/v1"), "{said}");
    assert!(!openai.contains(":9101"), "a free port, so that two commands do not collide: {said}");
    assert!(rest.starts_with("http://127.0.0.1:") && rest.contains("127.0.0.1,localhost"), "{said}");
    assert_eq!(output(&["--", "sh", "-c", "kill -s KILL $$"]).status.code(), Some(128 + 9));
}

#[test]
fn the_scenarios_faults_and_those_of_the_command_line_hit() {
    let folder = tempfile::tempdir().unwrap();
    let profile = folder.path().join("down.toml");
    let fault = "[[fault]]\nupstream = \"openai\"\ninject.abort = { error = \"server_error\" }\n";
    std::fs::write(&profile, fault).unwrap();
    let ask =
        r#"exec 3<>/dev/tcp/${OPENAI_BASE_URL:7:-3}; printf 'GET /v1/models HTTP/1.0\r\n\r\n' >&3; head -n 1 <&3"#;
    let ask = ask.replace("${OPENAI_BASE_URL:7:-3}", "127.0.0.1/$port");
    let script = format!("address=${{OPENAI_BASE_URL#http://127.0.0.1:}}; port=${{address%/v1}}; {ask}");
    let faults = ["--faults", profile.to_str().unwrap(), "--", "bash", "-c", &script];
    for args in [&faults[..], &[&["smoke"], &faults[..]].concat()] {
        let done = output(args);
        assert!(text(&done.stdout).contains(" 500 "), "{args:?}: {}{}", text(&done.stdout), text(&done.stderr));
    }
    let calm = output(&["--", "bash", "-c", &script]);
    assert!(text(&calm.stdout).contains(" 401 "), "{}{}", text(&calm.stdout), text(&calm.stderr));
}

#[test]
fn a_taken_address_is_named_with_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let done = output(&["--openai", &address]);
    assert_eq!(done.status.code(), Some(69));
    let said = text(&done.stderr);
    assert!(said.contains(&format!("cannot listen on {address} for `openai`")), "{said}");
    assert!(said.contains("ss -ltnp") && said.contains("--openai 127.0.0.1:PORT"), "{said}");
}

#[test]
fn mistakes_are_named() {
    let cases: [(&[&str], &str); 5] = [
        (&["no-such-scenario"], "there is no scenario `no-such-scenario`"),
        (&["--faults", "no-such-profile"], "there is no fault profile `no-such-profile`"),
        (&["--seed-file", "no/such/file.json"], "no/such/file.json"),
        (&["--openai", "nonsense"], "invalid value 'nonsense' for '--openai <ADDRESS>'"),
        (&["--", "/no/such/program"], "cannot run `/no/such/program`"),
    ];
    for (args, words) in cases {
        let done = output(args);
        let said = text(&done.stderr);
        assert!(said.contains(words), "{args:?}: {said}");
        assert_eq!(done.status.code(), Some(64), "{args:?}: the command line is wrong");
    }
}

#[test]
fn a_real_service_is_asked_only_where_that_was_said_twice() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = folder.path().join("real.toml");
    let shipped = include_str!("../scenarios/smoke.toml");
    let real = "allow-hosts = [\"api.example.com\"]\n".to_owned()
        + &shipped.replacen("openai = {", "openai = { pass-through = \"https://api.example.com\",", 1);
    assert_ne!(real.len(), shipped.len());
    std::fs::write(&scenario, real).unwrap();
    let scenario = scenario.to_str().unwrap();
    let refused = output(&[scenario, "--", "true"]);
    assert_eq!(refused.status.code(), Some(64));
    assert!(text(&refused.stderr).contains("--i-may-test api.example.com"), "{}", text(&refused.stderr));
    let confirmed = output(&[scenario, "--i-may-test", "api.example.com", "--", "true"]);
    assert_eq!(confirmed.status.code(), Some(0), "{}", text(&confirmed.stderr));
}

#[test]
fn a_signal_reaches_the_command() {
    let script = "trap 'exit 5' TERM; echo ready; while :; do sleep 0.05; done";
    let mut child = firedrill(&["--quiet", "--", "sh", "-c", script]).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    assert!(Command::new("kill").args(["-s", "TERM", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(5));
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
}

fn validate(folder: &std::path::Path, file: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_firedrill"));
    command.args(["validate", file]).current_dir(folder).env("NO_COLOR", "1").output().unwrap()
}

#[tokio::test]
async fn a_scenario_of_upstreams_alone_is_served_where_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let (scenario, address) = (folder.path().join("two.toml"), free());
    std::fs::write(&scenario, format!("[upstreams.supabase]\nlisten = \"{address}\"\n")).unwrap();
    let serving = Serving::start(&["--json", "--quiet", scenario.to_str().unwrap()]);
    let told: Value = serde_json::from_str(&serving.first).unwrap();
    assert_eq!(told["environment"]["SUPABASE_URL"], format!("http://{address}"));
    assert_eq!(serving.end("INT"), Some(0));
    let done = output(&[scenario.to_str().unwrap(), "--", "sh", "-c", "echo $SUPABASE_URL"]);
    assert!(!text(&done.stdout).contains(&address), "a command is told, so two of them do not collide");
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
}

#[test]
fn a_built_in_seed_is_found_outside_of_its_tree() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = firedrill(&["--seed-file", "seeds/holisticos.sql", "--", "true"]);
    let done = command.current_dir(folder.path()).output().unwrap();
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
}

#[test]
fn what_upstreams_cannot_begin_with_is_a_bad_file() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("seed.sql", "create table a (id int primary key);\ncreate table b (id int refer);");
    write("rpc.toml", "[[function]]\nname = \"f\"\nargs = [\"a nosuchtype\"]\nreturns = \"int\"\njson = 1\n");
    write("old.jsonl", "{\"no\": \"recording\"}\n");
    for (key, said) in [
        ("seed = \"seed.sql\"", "seed.sql:2"),
        ("functions = \"rpc.toml\"", "nosuchtype"),
        ("replay = \"old.jsonl\"", "old.jsonl:1"),
    ] {
        let whole = "target = { reference = {} }\n[load.closed]\nusers = 1\nhold = \"1s\"\n[[journey]]\nname = \"a\"\n\
                     step = [{ name = \"b\", get = \"/\" }]\n";
        write("s.toml", &format!("{whole}[upstreams.supabase]\n{key}\n"));
        let checked = validate(folder.path(), "s.toml");
        assert_eq!(checked.status.code(), Some(78), "{key}: {}", text(&checked.stdout));
        assert!(text(&checked.stderr).contains(said), "{key}: {}", text(&checked.stderr));
        let served = firedrill(&["s.toml", "--", "true"]).current_dir(folder.path()).output().unwrap();
        assert_eq!(served.status.code(), Some(78), "{key}: {}", text(&served.stderr));
    }
    let checked = validate(folder.path(), "rpc.toml");
    let (said, warned) = (text(&checked.stdout), text(&checked.stderr));
    assert_eq!(checked.status.code(), Some(0), "{said}{warned}");
    assert!(said.contains("a valid file of database functions") && warned.contains("nosuchtype"), "{said}{warned}");
    write("rpc.toml", "[[function]]\nname = \"f\"\nreturns = \"int\"\ntemplate = \"{{ 1 \"\n");
    assert_eq!(validate(folder.path(), "rpc.toml").status.code(), Some(78));
}

#[test]
fn warnings_of_a_seed_come_in_the_order_of_its_lines() {
    let folder = tempfile::tempdir().unwrap();
    let seed = folder.path().join("s.sql");
    let filler = "\n".repeat(7);
    let function = "create function f() returns int language sql as 'select 1';";
    std::fs::write(&seed, format!("create table a (id int primary key);\n{function}\n{filler}\n{function}\n")).unwrap();
    let done = output(&["--seed-file", seed.to_str().unwrap(), "--", "true"]);
    let said = text(&done.stderr);
    let place = |line: &str| said.find(line).unwrap_or_else(|| panic!("no {line} in {said}"));
    assert!(place("s.sql:2:") < place("s.sql:11:"), "{said}");
}

#[test]
fn the_certificate_lies_where_nobody_else_can_look() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = folder.path().join("tls.toml");
    std::fs::write(&scenario, "[upstreams.openai]\ntls = true\n").unwrap();
    let script = "stat -c '%a %n' \"$SSL_CERT_FILE\" \"$(dirname \"$SSL_CERT_FILE\")\"";
    let done = output(&[scenario.to_str().unwrap(), "--", "sh", "-c", script]);
    let said = text(&done.stdout);
    let rights: Vec<&str> = said.lines().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(rights, ["600", "700"], "{said}{}", text(&done.stderr));
    let path = said.lines().next().unwrap().split(' ').nth(1).unwrap();
    assert!(!std::path::Path::new(path).exists(), "it is removed");
}
