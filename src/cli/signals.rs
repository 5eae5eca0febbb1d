//! Ctrl-C, SIGTERM and SIGHUP as numbers in a channel.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{Receiver, channel};

/// Listens for signals from now on; needs to be called inside the runtime, once per process.
///
/// SIGINT goes through the `ctrlc` crate, because goose installs its own handler with that crate and stays away
/// only if one is there already; its handler would end the process by itself on a second Ctrl-C.
pub(super) fn listen() -> std::io::Result<Receiver<i32>> {
    let (sender, receiver) = channel(8);
    let interrupt = sender.clone();
    ctrlc::set_handler(move || {
        let _ = interrupt.try_send(2);
    })
    .map_err(std::io::Error::other)?;
    for (kind, number) in [(SignalKind::terminate(), 15), (SignalKind::hangup(), 1)] {
        let mut stream = signal(kind)?;
        let sender = sender.clone();
        // Owned by the runtime: it ends with the process, and there is nothing to clean up.
        tokio::spawn(async move {
            while stream.recv().await.is_some() {
                let _ = sender.try_send(number);
            }
        });
    }
    Ok(receiver)
}
