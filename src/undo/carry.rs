//! [`settle`]: whether an action has left anything, and taking that away.

use super::control::Api;
use super::line::{Action, Opening};
use super::moment::Moment;
use super::processes::{kill, marked, we_listen_on};
use super::read::Open;
use super::{groups, limits};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long what ends by itself (a guardian that lost its firedrill, a ballast) is given to do so.
const BY_ITSELF: Duration = Duration::from_secs(6);
/// How long what was killed may take to be gone.
const AFTER_KILL: Duration = Duration::from_secs(5);
/// How often the process table is looked at meanwhile: processes that are not our children announce nothing.
const LOOK: Duration = Duration::from_millis(50);

/// How far to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Wait for what ends by itself, and look.
    Look,
    /// Take away what is left.
    Clear,
}

/// What became of an action, with the evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// Nothing of it is left.
    Gone(String),
    /// Something of it may be left.
    Left(String),
}

/// Looks whether anything of an action is left, takes it away if told to, and looks again.
///
/// `token` is for control APIs that want one.
pub async fn settle(opening: &Opening, open: &Open, mode: Mode, token: Option<&str>) -> Settled {
    match &open.action {
        Action::Fault { address, .. } => {
            if opening.owner.pid != std::process::id() || !opening.owner.lives() {
                return if opening.owner.lives() {
                    Settled::Left(format!("process {}, which injects it, lives", opening.owner.pid))
                } else {
                    Settled::Gone(format!("process {}, which injected it, is gone", opening.owner.pid))
                };
            }
            let listening = async || {
                let until = Instant::now() + BY_ITSELF;
                while let Some(address) = address.filter(|address| we_listen_on(*address)) {
                    if Instant::now() >= until {
                        return Some(address);
                    }
                    // An upstream that was only dropped ends in its own task.
                    sleep(LOOK).await;
                }
                None
            };
            match listening().await {
                Some(address) => Settled::Left(format!("its upstream still listens on {address}")),
                None => Settled::Gone("its upstream listens no more".to_owned()),
            }
        }
        Action::App { groups, .. } => app(opening, groups, mode).await,
        Action::Ballast { process, limits, .. } => {
            let holder = app(opening, "", mode).await;
            let (Settled::Gone(evidence), Some(process)) = (&holder, process) else { return holder };
            let lowered = limits::lowered(process, limits);
            if lowered.is_empty() {
                return Settled::Gone(format!("{evidence}; process {} has the limits that it had", process.pid));
            }
            if mode == Mode::Look {
                return Settled::Left(format!("the memory limits of process {} are still lowered", process.pid));
            }
            let restored = limits::restore(process, &lowered);
            match (restored, limits::lowered(process, limits).is_empty()) {
                (Ok(()), true) => Settled::Gone(format!("process {} got its limits back", process.pid)),
                (Err(error), _) => {
                    Settled::Left(format!("process {} cannot get its limits back: {error}", process.pid))
                }
                (Ok(()), false) => Settled::Left(format!("process {} keeps lowered limits", process.pid)),
            }
        }
        Action::Control { api, toxics, disabled } => {
            let asked = async {
                let client = Api::new(api, token)?;
                let before = client.remains(toxics, disabled).await?;
                if before.is_empty() || mode == Mode::Look {
                    return Ok((before, false));
                }
                client.clear(&before).await?;
                Ok::<_, String>((client.remains(toxics, disabled).await?, true))
            };
            match asked.await {
                Ok((remains, false)) if remains.is_empty() => Settled::Gone(format!("{api} has none of it on")),
                Ok((remains, true)) if remains.is_empty() => {
                    Settled::Gone(format!("taken off; {api} has none of it on"))
                }
                Ok((remains, _)) => Settled::Left(remains.words()),
                Err(why) => match &open.lease {
                    // Proxies that are switched off have no lease: only toxics go by themselves.
                    Some(lease) if disabled.is_empty() && lease.is_over(&Moment::now()) => Settled::Gone(format!(
                        "its lease ended at {}, and {api} cannot be asked ({why})",
                        lease.until.wall
                    )),
                    _ => Settled::Left(format!("{api} cannot be asked: {why}")),
                },
            }
        }
    }
}

/// Processes that bear the journal's name, and memory groups whose names begin so.
async fn app(opening: &Opening, prefix: &str, mode: Mode) -> Settled {
    let look = || (marked(opening.journal), groups::named(prefix));
    let is_gone = |(processes, groups): &(Vec<u32>, Vec<std::path::PathBuf>)| processes.is_empty() && groups.is_empty();
    let mut seen = look();
    let mut until = Instant::now() + BY_ITSELF;
    while !seen.0.is_empty() && Instant::now() < until {
        sleep(LOOK).await;
        seen = look();
    }
    if seen.0.is_empty() {
        // A group without processes limits nobody; only an empty one can be removed so.
        seen.1.retain(|group| std::fs::remove_dir(group).is_err() && group.exists());
    }
    if is_gone(&seen) {
        return Settled::Gone("no process and no memory group of it is there".to_owned());
    }
    let words = |(processes, groups): &(Vec<u32>, Vec<std::path::PathBuf>)| {
        let processes = processes.iter().map(|pid| format!("process {pid}"));
        let groups = groups.iter().map(|group| format!("memory group {}", group.display()));
        format!("{} still there", processes.chain(groups).collect::<Vec<_>>().join(", "))
    };
    if mode == Mode::Look {
        return Settled::Left(words(&seen));
    }
    let killed = words(&seen);
    until = Instant::now() + AFTER_KILL;
    loop {
        for pid in &seen.0 {
            kill(*pid);
        }
        for group in &seen.1 {
            groups::clear(group);
        }
        seen = look();
        if is_gone(&seen) {
            return Settled::Gone(format!("ended and removed: {}", killed.trim_end_matches(" still there")));
        }
        if Instant::now() >= until {
            return Settled::Left(words(&seen));
        }
        sleep(LOOK).await;
    }
}
