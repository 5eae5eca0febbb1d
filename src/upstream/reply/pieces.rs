//! [`Pieces`]: a body that is made while it is sent.

use crate::upstream::answer::Piece;
use bytes::Bytes;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// The pieces of a stream, each in its time.
pub struct Pieces {
    pieces: Box<dyn Iterator<Item = Piece> + Send>,
    /// Whether it must be known of each piece if it is the last.
    look_ahead: bool,
    ahead: Option<Piece>,
    /// When the present piece is due. Counts from the first question for a piece, which is when the headers go.
    due: Option<Instant>,
    waiting: bool,
    /// One timer for all pieces, made when the first has to wait.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Pieces {
    /// These pieces; `look_ahead` if it must be known of each whether it is the last.
    pub fn new(pieces: Box<dyn Iterator<Item = Piece> + Send>, look_ahead: bool) -> Self {
        Self { pieces, look_ahead, ahead: None, due: None, waiting: false, timer: None }
    }

    /// The next piece that has bytes.
    pub fn next(&mut self) -> Option<Bytes> {
        let mut due = self.due.unwrap_or_else(Instant::now);
        let piece = loop {
            let piece = self.ahead.take().or_else(|| self.pieces.next())?;
            // A time beyond the clock's end is no time to wait for.
            due = due.checked_add(piece.after).unwrap_or(due);
            self.waiting |= !piece.after.is_zero();
            if !piece.bytes.is_empty() {
                break piece.bytes;
            }
        };
        self.due = Some(due);
        if self.look_ahead {
            // Pieces without bytes end nothing; their time counts for the piece behind them.
            let mut skipped = Duration::ZERO;
            self.ahead = self.pieces.by_ref().find_map(|piece| {
                skipped += piece.after;
                (!piece.bytes.is_empty()).then(|| Piece { bytes: piece.bytes, after: skipped })
            });
        }
        Some(piece)
    }

    /// Whether nothing comes behind the present piece; only known with looking ahead.
    pub fn is_last(&self) -> bool {
        self.look_ahead && self.ahead.is_none()
    }

    /// Ready once the present piece is due.
    pub fn poll_due(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.waiting {
            return Poll::Ready(());
        }
        let due = self.due.unwrap_or_else(Instant::now);
        let timer = match &mut self.timer {
            _ if due <= Instant::now() => {
                self.waiting = false;
                return Poll::Ready(());
            }
            Some(timer) => {
                if timer.deadline() != due {
                    timer.as_mut().reset(due);
                }
                timer
            }
            None => self.timer.insert(Box::pin(tokio::time::sleep_until(due))),
        };
        ready!(timer.as_mut().poll(cx));
        self.waiting = false;
        Poll::Ready(())
    }
}
