//! What the upstreams cost, side by side with a bare axum handler and with wiremock, and how well they keep the pace
//! of streams. `benches/README.md` says how to run it and how to read it.
//!
//! Every server is a process of its own (this program again, with `serve`), so that its CPU time and memory are its
//! own; the client is this process. Servers are measured in turns, so that a change of the machine's speed hits all.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a bench prints what it measured")]
#![expect(clippy::unwrap_used, reason = "a bench that cannot measure ends")]

mod client;
mod compare;
mod million;
mod process;
mod server;
mod streams;

use std::process::ExitCode;

const HELP: &str = "cargo bench --bench upstreams -- [compare] [--rounds N] [--requests N]
cargo bench --bench upstreams -- million [--requests N]
cargo bench --bench upstreams -- streams [--streams N] [--rate R] [--seconds S]";

/// What was asked for on the command line.
pub struct Options {
    rounds: usize,
    requests: Option<u64>,
    streams: Option<usize>,
    rate: u64,
    seconds: u64,
}

fn main() -> ExitCode {
    // cargo adds `--bench`; everything else is ours.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    if let [serve, kind, setting] = &words[..]
        && serve == "serve"
    {
        server::serve(kind, setting);
        return ExitCode::SUCCESS;
    }
    let mut options = Options { rounds: 9, requests: None, streams: None, rate: 20, seconds: 20 };
    let mut mode = "compare".to_owned();
    let mut rest = words.into_iter();
    while let Some(word) = rest.next() {
        let mut number = || rest.next().and_then(|text| text.parse::<u64>().ok());
        let known = match word.as_str() {
            "--rounds" => number().map(|n| options.rounds = usize::try_from(n).unwrap_or(1)),
            "--requests" => number().map(|n| options.requests = Some(n)),
            "--streams" => number().map(|n| options.streams = usize::try_from(n).ok()),
            "--rate" => number().map(|n| options.rate = n.max(1)),
            "--seconds" => number().map(|n| options.seconds = n.max(2)),
            "compare" | "million" | "streams" => {
                mode = word;
                Some(())
            }
            _ => None,
        };
        if known.is_none() {
            eprintln!("{HELP}");
            return ExitCode::from(64);
        }
    }
    if cfg!(debug_assertions) {
        // `cargo test --all-targets` comes here: figures of a debug build would say nothing.
        println!("nothing is measured in a debug build; run {HELP}");
        return ExitCode::SUCCESS;
    }
    process::raise_file_limit();
    println!("{}", process::machine());
    match mode.as_str() {
        "million" => million::run(&options),
        "streams" => streams::run(&options),
        _ => compare::run(&options),
    }
    ExitCode::SUCCESS
}
