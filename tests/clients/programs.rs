//! The official clients: which ones, their versions by the pins, and running a program with one of them.

use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// No program may take longer.
const LONGEST: Duration = Duration::from_secs(150);

/// One column of the matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Client {
    /// Its name in upstreams.
    pub id: &'static str,
    /// The package, as people know it.
    pub title: &'static str,
    /// Its environment, for Python; its module, for Node.
    environment: &'static str,
    /// The programs of its family: `python/<this>_calls.py`.
    family: &'static str,
    is_python: bool,
}

const fn python(id: &'static str, title: &'static str, environment: &'static str, family: &'static str) -> Client {
    Client { id, title, environment, family, is_python: true }
}

const fn node(id: &'static str, title: &'static str, module: &'static str, family: &'static str) -> Client {
    Client { id, title, environment: module, family, is_python: false }
}

/// The clients of OpenAI, in the order of the columns of every table.
pub const OPENAI: [Client; 4] = [
    python("openai-py", "Python `openai`", "openai", "openai"),
    python("openai-py-1", "Python `openai`", "openai-1", "openai"),
    node("openai-js", "npm `openai`", "openai", "openai"),
    node("openai-js-6", "npm `openai`", "openai-6", "openai"),
];

/// The clients of Supabase, likewise.
pub const SUPABASE: [Client; 3] = [
    python("supabase-py", "Python `supabase`", "supabase", "supabase"),
    node("supabase-js", "npm `@supabase/supabase-js`", "@supabase/supabase-js", "supabase"),
    node("supabase-js-2.109", "npm `@supabase/supabase-js`", "supabase-js-2.109", "supabase"),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients")
}

impl Client {
    /// Its version, as pinned.
    pub fn version(&self) -> String {
        let pins = folder().join("environments");
        let version = if self.is_python {
            let pinned = std::fs::read_to_string(pins.join(format!("{}.txt", self.environment))).unwrap();
            pinned.lines().find_map(|line| line.strip_prefix(&format!("{}==", self.family)).map(str::to_owned))
        } else {
            let lock = std::fs::read_to_string(pins.join("package-lock.json")).unwrap();
            let lock: Value = serde_json::from_str(&lock).unwrap();
            lock["packages"][format!("node_modules/{}", self.environment)]["version"].as_str().map(str::to_owned)
        };
        version.unwrap_or_else(|| panic!("{} is not pinned", self.id))
    }

    /// Runs one of its programs on `input`, with these variables; a line of JSON for each case.
    pub async fn run<T: for<'a> Deserialize<'a>>(
        &self,
        clients: &Path,
        program: &str,
        mut input: Value,
        variables: &BTreeMap<String, String>,
    ) -> Vec<T> {
        let mut command = if self.is_python {
            let mut command = Command::new(clients.join(self.environment).join("bin/python"));
            command.arg("-B").arg(folder().join(format!("python/{}_{program}.py", self.family)));
            command
        } else {
            input["module"] = self.environment.into();
            let mut command = Command::new(clients.join("node/bin/node"));
            command.arg("--no-warnings").arg(folder().join(format!("node/{}_{program}.mjs", self.family)));
            command
        };
        // Whatever this machine's environment says of keys, bases and proxies must not reach the clients.
        for (name, _) in std::env::vars_os() {
            let known = name.to_string_lossy().to_ascii_uppercase();
            if known.starts_with("OPENAI") || known.starts_with("SUPABASE") || known.ends_with("_PROXY") {
                command.env_remove(name);
            }
        }
        command.envs(variables);
        command.env("FIREDRILL_CLIENTS", clients).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.to_string().as_bytes()).await.unwrap();
        let ended = tokio::time::timeout(LONGEST, child.wait_with_output()).await;
        let output = ended.unwrap_or_else(|_| panic!("{} {program} did not end", self.id)).unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{} {program}: {}\n{complaint}", self.id, output.status);
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines()
            .map(|line| {
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{} {program}: {error}: {line}", self.id))
            })
            .collect()
    }
}

/// The folder of the clients' environments, built if it is not there.
pub async fn clients() -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/setup-clients");
    let output = Command::new(script).stderr(Stdio::inherit()).output().await.unwrap();
    assert!(output.status.success(), "scripts/setup-clients failed");
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
}
