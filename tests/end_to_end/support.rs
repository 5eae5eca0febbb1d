//! Starting firedrill as a user would, and reading what it leaves.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

/// firedrill with an own reports folder.
pub struct Firedrill {
    home: TempDir,
}

/// What a finished run left.
pub struct Finished {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
    pub dir: Option<PathBuf>,
}

impl Firedrill {
    pub fn new() -> Self {
        Self { home: tempfile::tempdir().expect("a temporary folder") }
    }

    /// The folder that everything is run from.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    pub fn out(&self) -> PathBuf {
        self.home.path().join("reports")
    }

    /// A command line, run from an empty folder: the shipped files must be found without the repository.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_firedrill"));
        command
            .args(args)
            .current_dir(self.home.path())
            .env_remove("API_KEY")
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs to the end.
    pub fn run(&self, args: &[&str]) -> Finished {
        let output = self.command(args).output().expect("firedrill starts");
        self.finished(output)
    }

    /// Runs the quickstart's journeys on a reference app of twenty times the real instance's speed.
    pub fn quick(&self, args: &[&str]) -> Finished {
        let fast = ["run", "quickstart", "--set", "target.reference.speed=20"];
        self.run(&[&fast, args].concat())
    }

    pub fn finished(&self, output: Output) -> Finished {
        Finished {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            dir: self.folder(),
        }
    }

    /// The newest run's folder.
    pub fn folder(&self) -> Option<PathBuf> {
        let mut folders: Vec<PathBuf> =
            std::fs::read_dir(self.out()).ok()?.filter_map(|entry| Some(entry.ok()?.path())).collect();
        folders.sort();
        folders.pop()
    }

    pub fn write(&self, name: &str, text: &str) -> String {
        let path = self.home.path().join(name);
        std::fs::write(&path, text).expect("the file is written");
        path.to_str().expect("an utf-8 path").to_owned()
    }
}

impl Finished {
    pub fn record(&self) -> Value {
        let path = self.dir.as_ref().expect("a run's folder").join("run.json");
        let text =
            std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}\n{}", path.display(), self.stderr));
        serde_json::from_str(&text).expect("run.json is JSON")
    }

    /// Asserts a go. A machine so busy that firedrill itself doubts the run makes it inconclusive, which is right and says
    /// nothing about the app; then only the absence of P0 and P1 is asserted.
    pub fn assert_go(&self) {
        let record = self.record();
        let worst: Vec<String> =
            breached(&record).into_iter().filter(|id| id.starts_with("P0") || id.starts_with("P1")).collect();
        assert!(worst.is_empty(), "{worst:?}\n{}\n{}", self.stdout, self.stderr);
        let doubted = record["verdict"]["trust"]["doubts"].as_array().is_some_and(|doubts| {
            !doubts.is_empty()
                && doubts.iter().all(|doubt| doubt.as_str().is_some_and(|d| d.contains("firedrill itself")))
        });
        assert_eq!(self.code, if doubted { 11 } else { 0 }, "{}\n{}", self.stdout, self.stderr);
    }

    pub fn events(&self) -> Vec<Value> {
        events(self.dir.as_ref().expect("a run's folder"))
    }
}

/// The complete lines of a journal.
pub fn events(dir: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(dir.join("events.jsonl")).expect("a journal");
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// One criterion's result in a record.
pub fn criterion(record: &Value, id: &str) -> Value {
    record["verdict"]["criteria"]
        .as_array()
        .and_then(|all| all.iter().find(|c| c["id"] == id).cloned())
        .unwrap_or_else(|| panic!("no criterion {id}"))
}

/// The ids of the criteria that are breached.
pub fn breached(record: &Value) -> Vec<String> {
    record["verdict"]["criteria"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|c| c["state"] == "breached")
        .map(|c| c["id"].as_str().unwrap_or_default().to_owned())
        .collect()
}

/// All descendants of a process, by /proc.
pub fn descendants(pid: u32) -> Vec<u32> {
    let mut found = vec![];
    let mut queue = vec![pid];
    while let Some(parent) = queue.pop() {
        for process in procfs::process::all_processes().into_iter().flatten().flatten() {
            if let Ok(stat) = process.stat()
                && stat.ppid == i32::try_from(parent).unwrap_or(-1)
                && stat.state != 'Z'
            {
                let child = u32::try_from(stat.pid).expect("a pid is positive");
                found.push(child);
                queue.push(child);
            }
        }
    }
    found
}

/// Whether a process is there and not a zombie.
pub fn alive(pid: u32) -> bool {
    procfs::process::Process::new(i32::try_from(pid).expect("a pid fits"))
        .and_then(|process| process.stat())
        .is_ok_and(|stat| stat.state != 'Z')
}

/// Waits for a condition, bounded; the only polling in these tests, for facts that announce themselves nowhere.
pub fn wait_for(what: &str, bound: Duration, mut holds: impl FnMut() -> bool) {
    let begin = SystemTime::now();
    while !holds() {
        let waited = begin.elapsed().unwrap_or_default();
        assert!(waited < bound, "{what}: not within {bound:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until the run's journal shows that steps are being made.
pub fn wait_for_load(firedrill: &Firedrill, child: &mut Child) {
    wait_for("the load to begin", Duration::from_secs(60), || {
        assert!(child.try_wait().expect("a child").is_none(), "firedrill ended before the load began");
        firedrill.folder().is_some_and(|dir| {
            dir.join("events.jsonl").exists()
                && events(&dir).iter().any(|e| e["event"] == "interval" && e["endpoints"] != Value::Array(vec![]))
        })
    });
}
