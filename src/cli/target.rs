//! `firedrill target`: the reference app alone.

use super::args::TargetArgs;
use super::exit::Exit;
use super::{out, render_error};
use crate::target::reference::{Defect, ReferenceConfig, serve};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Serves until Ctrl-C or SIGTERM.
pub(super) fn execute(args: &TargetArgs) -> Exit {
    let mut defects = Vec::new();
    for text in &args.defect {
        match text.parse::<Defect>() {
            Ok(defect) => defects.push(defect),
            Err(error) => {
                out::stderr(&format!("error: --defect {text}: {error}"));
                return Exit::Usage;
            }
        }
    }
    if !(args.speed.is_finite() && args.speed > 0.0) {
        out::stderr(&format!("error: --speed {} is no speed; write a number above 0, such as 1 or 4", args.speed));
        return Exit::Usage;
    }
    let config = ReferenceConfig {
        openai_url: args.openai_url.clone(),
        supabase_url: args.supabase_url.clone(),
        openai_key: args.openai_key.clone(),
        supabase_key: args.supabase_key.clone(),
        side_url: args.side_url.clone(),
        resilient: args.resilient,
        speed: args.speed,
        defects,
        api_key: args.api_key.clone(),
        log: |line| out::stderr(line),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            out::stderr(&render_error::chain(&error));
            return Exit::Failure;
        }
    };
    let exit = runtime.block_on(async {
        let listener = match TcpListener::bind(args.listen).await {
            Ok(listener) => listener,
            Err(error) => {
                out::stderr(&format!("error: cannot listen on {}\n  because: {error}", args.listen));
                return Exit::Unreachable;
            }
        };
        let address = listener.local_addr().unwrap_or(args.listen);
        if args.announce {
            out::stdout(&json!({ "listening": format!("http://{address}") }).to_string());
        } else {
            out::stderr(&format!("reference app on http://{address}, Ctrl-C ends it"));
        }
        let stop = CancellationToken::new();
        let (mut interrupt, mut terminate) = match (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) {
            (Ok(interrupt), Ok(terminate)) => (interrupt, terminate),
            (Err(error), _) | (_, Err(error)) => {
                out::stderr(&format!("error: cannot listen for signals\n  because: {error}"));
                return Exit::Failure;
            }
        };
        tokio::select! {
            served = serve(listener, config, stop) => match served {
                Ok(()) => Exit::Go,
                Err(error) => {
                    out::stderr(&render_error::chain(&error));
                    Exit::Failure
                }
            },
            // Work that hangs on an upstream must not hold the process: the app ends as a killed one would.
            _ = interrupt.recv() => Exit::Go,
            _ = terminate.recv() => Exit::Go,
        }
    });
    runtime.shutdown_background();
    exit
}
