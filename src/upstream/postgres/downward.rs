//! [`Downward`]: what a server answers, with the faults that strike answers.

use super::faults::Faults;
use super::ledger::{Ledger, Strike};
use super::wire::{Head, Messages, error_response, message, without_origin};
use std::io;
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::{ReadHalf, WriteHalf};

/// The longest error that is looked at.
const LONGEST_ERROR: usize = 64 << 10;

/// What a server answers.
pub struct Downward<'a> {
    pub(super) messages: Messages<ReadHalf<'a>>,
    pub(super) to: WriteHalf<'a>,
    pub(super) ledger: &'a Ledger,
    pub(super) faults: &'a Faults,
    /// Rows of the answer that is coming.
    pub(super) rows: u64,
}

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The server ended it.
    Finished,
    /// It was told a last error.
    Farewell,
    /// Its connection is to be reset.
    Reset,
}

impl Downward<'_> {
    /// Passes on what the server answers until it, or a fault, ends the session.
    ///
    /// # Errors
    /// When a socket breaks.
    pub async fn run(mut self) -> io::Result<Ending> {
        loop {
            if let Some((strike, error)) = self.ledger.farewell() {
                self.faults.fired(&strike, "statement");
                self.to.write_all(&error_response(&error)).await?;
                self.to.shutdown().await?;
                return Ok(Ending::Farewell);
            }
            let head = tokio::select! {
                biased;
                head = self.messages.head() => head?,
                () = self.ledger.told_to_end() => continue,
            };
            let Some(head) = head else {
                self.to.shutdown().await?;
                return Ok(Ending::Finished);
            };
            match head.kind {
                b'Z' => {
                    let body = self.messages.body(head.length).await?;
                    self.ledger.ready(body.first().copied().unwrap_or(b'I'));
                    self.rows = 0;
                    self.to.write_all(&message(b'Z', &body)).await?;
                }
                b'E' if head.length <= LONGEST_ERROR => {
                    let body = self.messages.body(head.length).await?;
                    let struck = self.ledger.answering(|awaited| awaited.fails.take()).flatten();
                    let body = match &struck {
                        Some(strike) => {
                            self.faults.fired(strike, "statement");
                            without_origin(&body)
                        }
                        None => body.to_vec(),
                    };
                    self.to.write_all(&message(b'E', &body)).await?;
                }
                b'D' => {
                    if let Some(strike) = self.cut() {
                        self.faults.fired(&strike, "statement");
                        self.to.write_all(&head.bytes()).await?;
                        self.messages.pass(head.length / 2, &mut self.to).await?;
                        self.to.flush().await?;
                        return Ok(Ending::Reset);
                    }
                    self.rows += 1;
                    self.pass(head).await?;
                }
                // CopyInResponse.
                b'G' => {
                    self.ledger.copies();
                    self.pass(head).await?;
                }
                _ => self.pass(head).await?,
            }
        }
    }

    /// The fault that cuts the next row off.
    fn cut(&self) -> Option<Strike> {
        let rows = self.rows;
        let struck = |awaited: &mut super::ledger::Awaited| {
            awaited.cut.take_if(|(_, after)| rows >= *after).map(|(strike, _)| strike)
        };
        self.ledger.answering(struck).flatten()
    }

    async fn pass(&mut self, head: Head) -> io::Result<()> {
        self.to.write_all(&head.bytes()).await?;
        self.messages.pass(head.length, &mut self.to).await
    }
}
