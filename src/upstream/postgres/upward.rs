//! [`Upward`]: what a client asks, with the faults that strike statements.
//!
//! A statement is a simple Query, or the batch up to a Sync in which something is executed. Such a batch is held back
//! until it is known to be one. Of what is longer than [`HELD`], and where the client waits in between (Flush), the
//! beginning is passed on, and the rest is what fails. What ends a transaction is left alone.

use super::faults::Faults;
use super::ledger::{Awaited, Ledger};
use super::raising::{is_control, raising};
use super::wire::{Head, Messages};
use crate::model::fault::PostgresFault;
use bytes::{BufMut, Bytes, BytesMut};
use std::collections::HashSet;
use std::io;
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::{ReadHalf, WriteHalf};

/// How much of a batch, or of a query, is held back to be looked at.
const HELD: usize = 1 << 20;
/// How many names of prepared statements are kept.
const MOST_NAMES: usize = 1_000;

/// What a client asks.
pub struct Upward<'a> {
    messages: Messages<ReadHalf<'a>>,
    to: WriteHalf<'a>,
    ledger: &'a Ledger,
    faults: &'a Faults,
    batch: Batch,
    /// Prepared statements that end transactions.
    control: HashSet<Vec<u8>>,
}

/// The messages since the last Sync that are held back.
#[derive(Default)]
struct Batch {
    bytes: BytesMut,
    /// Whether something is executed in it.
    executes: bool,
    /// Whether that ends a transaction.
    is_control: bool,
}

/// What becomes of a statement.
enum Course {
    /// It is passed on, its answer with these faults.
    Pass(Awaited),
    /// The server is made to fail with this instead.
    Fail(Bytes, Awaited),
    /// The session ends here.
    End,
}

impl<'a> Upward<'a> {
    /// Passes on what comes from a client to a server.
    pub fn new(messages: Messages<ReadHalf<'a>>, to: WriteHalf<'a>, ledger: &'a Ledger, faults: &'a Faults) -> Self {
        Self { messages, to, ledger, faults, batch: Batch::default(), control: HashSet::new() }
    }

    /// Passes on what the client asks until it, or a fault, ends the session.
    ///
    /// # Errors
    /// When a socket breaks.
    pub async fn run(mut self) -> io::Result<()> {
        while let Some(head) = self.messages.head().await? {
            let ends = match head.kind {
                b'Q' if head.length <= HELD && self.faults.strike_statements() => self.query(head).await?,
                // FunctionCall, an old way of asking, is answered like a query.
                b'Q' | b'F' => {
                    self.release().await?;
                    self.ledger.asked(Awaited::default());
                    self.pass(head).await?;
                    false
                }
                b'S' => self.sync(head).await?,
                b'P' | b'B' | b'D' | b'E' | b'C' if self.may_hold(head) => {
                    let body = self.messages.body(head.length).await?;
                    self.hold(head, &body);
                    false
                }
                kind => {
                    // Flush, too: the client waits for what it has asked so far.
                    self.release().await?;
                    if matches!(kind, b'c' | b'f') {
                        self.ledger.copied();
                    }
                    self.pass(head).await?;
                    false
                }
            };
            if ends {
                // The other direction says the last words.
                return std::future::pending().await;
            }
        }
        self.release().await?;
        self.to.shutdown().await
    }

    /// A simple Query; whether the session ends with it.
    async fn query(&mut self, head: Head) -> io::Result<bool> {
        self.release().await?;
        let body = self.messages.body(head.length).await?;
        let course = if is_control(&body) { Course::Pass(Awaited::default()) } else { self.statement().await };
        match course {
            Course::Pass(awaited) => {
                self.ledger.asked(awaited);
                self.to.write_all(&head.bytes()).await?;
                self.to.write_all(&body).await?;
            }
            Course::Fail(instead, awaited) => {
                self.ledger.asked(awaited);
                self.to.write_all(&instead).await?;
            }
            Course::End => return Ok(true),
        }
        Ok(false)
    }

    /// The end of a batch; whether the session ends with it.
    async fn sync(&mut self, head: Head) -> io::Result<bool> {
        self.messages.body(head.length).await?;
        let hit = self.batch.executes && !self.batch.is_control;
        let course = if hit { self.statement().await } else { Course::Pass(Awaited::default()) };
        match course {
            Course::Pass(awaited) => {
                self.ledger.synced(awaited);
                self.batch.bytes.put_slice(&head.bytes());
                self.release().await?;
            }
            Course::Fail(instead, awaited) => {
                self.batch = Batch::default();
                self.ledger.asked(awaited);
                self.to.write_all(&instead).await?;
            }
            Course::End => return Ok(true),
        }
        Ok(false)
    }

    /// Whether a message of a batch can be held back.
    fn may_hold(&self, head: Head) -> bool {
        self.batch.bytes.len() + head.length <= HELD
            && (!self.batch.bytes.is_empty() || self.faults.strike_statements())
    }

    fn hold(&mut self, head: Head, body: &[u8]) {
        self.batch.bytes.put_slice(&head.bytes());
        self.batch.bytes.put_slice(body);
        let mut texts = body.split(|byte| *byte == 0);
        match head.kind {
            // The statement's name and its text.
            b'P' => {
                let name = texts.next().unwrap_or_default();
                let controls = texts.next().is_some_and(is_control);
                self.batch.is_control |= controls;
                if !controls {
                    self.control.remove(name);
                } else if self.control.len() < MOST_NAMES {
                    self.control.insert(name.to_vec());
                }
            }
            // The portal's name and the statement's.
            b'B' => self.batch.is_control |= texts.nth(1).is_some_and(|name| self.control.contains(name)),
            b'E' => self.batch.executes = true,
            _ => {}
        }
    }

    async fn pass(&mut self, head: Head) -> io::Result<()> {
        self.to.write_all(&head.bytes()).await?;
        self.messages.pass(head.length, &mut self.to).await
    }

    /// Passes on what is held back.
    async fn release(&mut self) -> io::Result<()> {
        let held = std::mem::take(&mut self.batch).bytes;
        self.to.write_all(&held).await
    }

    /// What strikes the next statement: all delays, and the first fault that leaves no answer of its own.
    async fn statement(&self) -> Course {
        let mut awaited = Awaited::default();
        // In a transaction that has failed, every statement fails already.
        let failed = self.ledger.has_failed();
        for (strike, fault) in self.faults.on_statement(failed) {
            match fault {
                PostgresFault::Slow { delay } => {
                    self.faults.fired(&strike, "statement");
                    tokio::time::sleep(delay.get()).await;
                }
                PostgresFault::CutRows { after } => awaited.cut = Some((strike, after)),
                PostgresFault::Error(error) => {
                    awaited.fails = Some(strike);
                    return Course::Fail(raising(&error), awaited);
                }
                PostgresFault::Terminate(error) => {
                    self.ledger.end_with(strike, error);
                    return Course::End;
                }
                _ => {}
            }
        }
        Course::Pass(awaited)
    }
}
