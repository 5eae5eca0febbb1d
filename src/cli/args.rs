//! What can be typed.

use crate::model::verdict::Severity;
use crate::units::Span;
use clap::{Args, Parser, Subcommand};
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Load and chaos testing for web apps that depend on OpenAI and Supabase.
///
/// Without a command it runs the quickstart: the built-in reference app, with OpenAI failing half way, in under a
/// minute, with a report at the end.
#[derive(Debug, Parser)]
#[command(version, after_help = EXIT_CODES)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Option<Command>,
}

const EXIT_CODES: &str = "Exit codes:
  0 go · 10 no-go · 11 inconclusive · 21 something may still be in place (firedrill undo) · 64 usage
  69 target not reachable at the start · 70 failure of firedrill itself · 78 bad file
  130/143 interrupted, everything undone, report written";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Runs a scenario, judges it and writes the report
    Run(Box<RunArgs>),
    /// Serves only the mocks of OpenAI and Supabase, for developing by hand
    Mock(MockArgs),
    /// Runs only the reference app, a stand-in of HolisticOS's HTTP surface
    Target(TargetArgs),
    /// Judges a run again, by its own playbook or another
    Judge(JudgeArgs),
    /// Writes a run's report again; also for a run that was killed
    Report(ReportArgs),
    /// Takes away what a run that was killed may have left, by its undo journal, and makes sure
    Undo(UndoArgs),
    /// Checks scenario, fault profile and playbook files
    Validate(ValidateArgs),
    #[command(name = "__guard", hide = true)]
    Guard(HiddenArgs),
    #[command(name = "__exec", hide = true)]
    Exec(HiddenArgs),
    #[command(name = "__ballast", hide = true)]
    Ballast(HiddenArgs),
}

/// `firedrill run`.
#[derive(Debug, Default, Args)]
pub(super) struct RunArgs {
    /// A scenario file, or the name of a shipped one (quickstart, smoke, weekly-load)
    pub(super) scenario: Option<String>,
    /// Test this running app instead of the scenario's target
    #[arg(long, value_name = "URL")]
    pub(super) target: Option<String>,
    /// Process id of the running app, for its memory
    #[arg(long, value_name = "PID", requires = "target")]
    pub(super) pid: Option<u32>,
    /// Virtual users
    #[arg(long, value_name = "N")]
    pub(super) users: Option<u32>,
    /// How long all users walk, after the ramp-up (such as 60s or 5m)
    #[arg(long, value_name = "D")]
    pub(super) duration: Option<Span>,
    /// A fault profile file, the name of a shipped one, or none
    #[arg(long, value_name = "PROFILE")]
    pub(super) faults: Option<String>,
    /// The seed of every random choice
    #[arg(long, value_name = "N")]
    pub(super) seed: Option<u64>,
    /// Any other key of the scenario, such as load.closed.ramp-up=5s
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    pub(super) set: Vec<(String, String)>,
    /// A defect of the reference app, such as broken-agent=nutrition (see `firedrill target --help`)
    #[arg(long, value_name = "NAME[=VALUE]", conflicts_with = "target")]
    pub(super) defect: Vec<String>,
    /// A playbook file to judge by
    #[arg(long, value_name = "FILE")]
    pub(super) playbook: Option<PathBuf>,
    /// The folder below which the run's own folder is made
    #[arg(long, value_name = "DIR", default_value = "reports")]
    pub(super) out: Option<PathBuf>,
    /// The severity from which on a finding is a no-go
    #[arg(long, value_name = "P0..P3")]
    pub(super) fail_on: Option<Severity>,
    /// Confirms that you may test this host; needed for hosts other than this machine
    #[arg(long, value_name = "HOST")]
    pub(super) i_may_test: Vec<String>,
    /// Print the verdict as JSON on stdout
    #[arg(long)]
    pub(super) json: bool,
    /// Say nothing while running
    #[arg(long)]
    pub(super) quiet: bool,
    /// Open the report in the browser at the end
    #[arg(long)]
    pub(super) open: bool,
}

/// `firedrill mock`.
#[derive(Debug, Args)]
pub(super) struct MockArgs {
    /// A scenario whose upstreams are served; without it, OpenAI and an empty Supabase
    pub(super) scenario: Option<String>,
    /// Where OpenAI listens [default: 127.0.0.1:9101; with a command, a free port]
    #[arg(long, value_name = "ADDRESS")]
    pub(super) openai: Option<SocketAddr>,
    /// Where Supabase listens [default: 127.0.0.1:9102; with a command, a free port]
    #[arg(long, value_name = "ADDRESS")]
    pub(super) supabase: Option<SocketAddr>,
    /// A fault profile file, the name of a shipped one, or none; its times count from the start
    #[arg(long, value_name = "PROFILE")]
    pub(super) faults: Option<String>,
    /// What is in Supabase's tables at the start
    #[arg(long, value_name = "FILE")]
    pub(super) seed_file: Option<PathBuf>,
    /// The seed of every random choice
    #[arg(long, value_name = "N")]
    pub(super) seed: Option<u64>,
    /// Serve Toxiproxy's HTTP API there, with a proxy before every upstream; its clients look at 127.0.0.1:8474
    #[arg(long, value_name = "ADDRESS")]
    pub(super) control: Option<SocketAddr>,
    /// What callers of that API must show; needed where other machines can reach it
    #[arg(long, value_name = "TOKEN", env = "FIREDRILL_CONTROL_TOKEN", hide_env_values = true, requires = "control")]
    pub(super) control_token: Option<String>,
    /// Confirms that calls may pass through to this host, where the scenario says that they do
    #[arg(long, value_name = "HOST")]
    pub(super) i_may_test: Vec<String>,
    /// Print the environment as JSON instead of lines to export
    #[arg(long)]
    pub(super) json: bool,
    /// Say nothing while serving
    #[arg(long)]
    pub(super) quiet: bool,
    /// A command to run with the environment; the mocks end when it does, and with its exit code
    #[arg(last = true, value_name = "COMMAND")]
    pub(super) command: Vec<OsString>,
}

/// `firedrill target`.
#[derive(Debug, Args)]
pub(super) struct TargetArgs {
    /// Where to listen
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8001")]
    pub(super) listen: SocketAddr,
    /// Print one JSON line with the address once listening
    #[arg(long)]
    pub(super) announce: bool,
    /// Base URL of OpenAI, with /v1
    #[arg(long, value_name = "URL", env = "OPENAI_BASE_URL", default_value = "http://127.0.0.1:9101/v1")]
    pub(super) openai_url: String,
    /// Base URL of Supabase
    #[arg(long, value_name = "URL", env = "SUPABASE_URL", default_value = "http://127.0.0.1:9102")]
    pub(super) supabase_url: String,
    /// The key sent to OpenAI
    #[arg(long, value_name = "KEY", env = "OPENAI_API_KEY", hide_env_values = true, default_value = "sk-firedrill")]
    pub(super) openai_key: String,
    /// The key sent to Supabase
    #[arg(
        long,
        value_name = "KEY",
        env = "SUPABASE_SERVICE_KEY",
        hide_env_values = true,
        default_value = "firedrill-service-key"
    )]
    pub(super) supabase_key: String,
    /// Base URL of the health-data services; without it they have no data
    #[arg(long, value_name = "URL")]
    pub(super) side_url: Option<String>,
    /// The X-API-Key that guarded endpoints want
    #[arg(long, value_name = "KEY", default_value = "firedrill-reference-key")]
    pub(super) api_key: String,
    /// Behave well instead of like HolisticOS
    #[arg(long)]
    pub(super) resilient: bool,
    /// How much faster its own work is than on the real instance
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0)]
    pub(super) speed: f64,
    /// Switch a defect on: leak=1MiB, no-upstream-timeout, broken-agent=AGENT, slow-endpoint=NAME:12s
    #[arg(long, value_name = "NAME[=VALUE]")]
    pub(super) defect: Vec<String>,
}

/// `firedrill judge`.
#[derive(Debug, Args)]
pub(super) struct JudgeArgs {
    /// The run's folder
    pub(super) dir: PathBuf,
    /// Judge by this playbook instead of the run's own
    #[arg(long, value_name = "FILE")]
    pub(super) playbook: Option<PathBuf>,
    /// Print the verdict as JSON on stdout
    #[arg(long)]
    pub(super) json: bool,
    /// Write run.json and report.html with the new verdict; otherwise it is only printed
    #[arg(long)]
    pub(super) write: bool,
}

/// `firedrill report`.
#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    /// The run's folder
    pub(super) dir: PathBuf,
}

/// `firedrill undo`.
#[derive(Debug, Args)]
pub(super) struct UndoArgs {
    /// A reports folder, all of whose open journals are worked through, or a run's folder
    #[arg(default_value = "reports", conflicts_with = "journal")]
    pub(super) dir: PathBuf,
    /// Work from this undo journal
    #[arg(long, value_name = "FILE")]
    pub(super) journal: Option<PathBuf>,
    /// Only say what the journals hold and how it would be undone
    #[arg(long)]
    pub(super) dry_run: bool,
    /// The token of a control API that wants one
    #[arg(long, value_name = "TOKEN", env = "FIREDRILL_CONTROL_TOKEN", hide_env_values = true)]
    pub(super) token: Option<String>,
    /// Print what was done as JSON on stdout
    #[arg(long)]
    pub(super) json: bool,
}

/// `firedrill validate`.
#[derive(Debug, Args)]
pub(super) struct ValidateArgs {
    /// Files to check
    #[arg(required = true)]
    pub(super) files: Vec<PathBuf>,
}

/// A helper process of ours: its arguments are its own business.
#[derive(Debug, Args)]
pub(super) struct HiddenArgs {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub(super) args: Vec<OsString>,
}

fn key_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write KEY=VALUE, such as load.closed.users=5")?;
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}
