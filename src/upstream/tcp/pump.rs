//! [`Pump`]: one direction of a connection. Without toxics it is a plain copy; with them, what came waits in a queue
//! until it is due.

use super::course::{Course, Occasion, Passage, Severance};
use super::shaper::Due;
use super::toxics::{Placed, ToxicSet};
use crate::model::toxic::Direction;
use bytes::{Buf, Bytes};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// What is read at a time; the same as `tokio::io::copy_bidirectional`.
const CHUNK: usize = 8 << 10;
/// What may wait to be due; then the sender has to wait, as on a real line.
const QUEUE: usize = 1 << 20;

/// How a direction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Its sender finished; the other direction may go on.
    Finished,
    /// A toxic, or a peer that broke off: both directions end with a close.
    Closed,
    /// Both directions end with a reset.
    Reset,
}

/// One direction of a connection.
pub struct Pump<'a> {
    pub(super) from: ReadHalf<'a>,
    pub(super) to: WriteHalf<'a>,
    pub(super) direction: Direction,
    pub(super) connection: u64,
    pub(super) toxics: watch::Receiver<Arc<ToxicSet>>,
    pub(super) on_hit: &'a (dyn Fn(&Placed) + Send + Sync),
}

/// What is on its way through a pump.
#[derive(Default)]
struct Transit {
    queue: VecDeque<Due>,
    waiting: usize,
    /// The end that follows once the queue is empty, and when.
    end: Option<(Instant, Severance)>,
    /// Whether the sender has finished.
    finished: bool,
}

impl Pump<'_> {
    /// Passes bytes on until one side or a toxic ends it.
    pub async fn run(mut self) -> Ending {
        let mut course = Course::default();
        let mut transit = Transit::default();
        let mut buffer = vec![0; CHUNK];
        if !self.turn(&mut course) {
            return Ending::Closed;
        }
        loop {
            let passage = course.passage();
            if let Some(ending) = self.settle(&mut transit).await {
                return ending;
            }
            let deadline = course.deadline();
            let due = transit.queue.front().map(|due| due.at).filter(|_| passage != Passage::Held);
            let end = transit.end.filter(|_| transit.queue.is_empty() && passage != Passage::Held).map(|(at, _)| at);
            let may_read =
                !transit.finished && transit.end.is_none() && passage != Passage::Held && transit.waiting < QUEUE;
            // What is held back is not read; that it is there must be known all the same.
            let may_wait = !transit.finished && passage == Passage::Held && course.may_strike();
            tokio::select! {
                biased;
                changed = self.toxics.changed() => {
                    if changed.is_err() || !self.turn(&mut course) {
                        return Ending::Closed;
                    }
                    if course.shaper().is_none() {
                        // What a toxic held back goes on at once when it is gone.
                        transit.release();
                    }
                }
                () = until(deadline.map(|(at, _)| at)), if deadline.is_some() => {
                    self.strike(&mut course, Occasion::Deadline);
                    return ending_of(deadline.map_or(Severance::Close, |(_, how)| how));
                }
                written = write_due(&mut self.to, transit.queue.front().map(|due| &due.bytes), due), if due.is_some() => {
                    match written {
                        Ok(written) => transit.wrote(written),
                        Err(_) => return Ending::Closed,
                    }
                }
                () = until(end), if end.is_some() => {
                    if let Some((at, _)) = &mut transit.end {
                        *at = Instant::now();
                    }
                }
                read = incoming(&mut self.from, &mut buffer, may_read), if may_read || may_wait => {
                    match read {
                        // Something waits to be let in.
                        Ok(_) if !may_read => self.strike(&mut course, Occasion::Bytes),
                        Ok(0) if passage == Passage::Lost => {
                            self.strike(&mut course, Occasion::End);
                            transit.finished = true;
                        }
                        Ok(0) => {
                            self.strike(&mut course, Occasion::End);
                            transit.finished = true;
                            transit.end = Some((Instant::now() + course.close_delay(), Severance::HalfClose));
                        }
                        Ok(length) => {
                            if passage == Passage::Open
                                && self.take(&buffer[..length], &mut course, &mut transit).is_err()
                            {
                                return Ending::Closed;
                            }
                            self.strike(&mut course, Occasion::Bytes);
                        }
                        Err(error) => return broken(&error),
                    }
                }
            }
        }
    }

    /// Takes over the present toxics; whether the connection can go on.
    fn turn(&mut self, course: &mut Course) -> bool {
        let set = Arc::clone(&self.toxics.borrow_and_update());
        course.turn(&set, self.direction, self.connection, Instant::now())
    }

    /// Tells of toxics that do something for the first time.
    fn strike(&self, course: &mut Course, occasion: Occasion) {
        if course.may_strike() {
            course.strike(occasion).for_each(self.on_hit);
        }
    }

    /// Passes a chunk on, or lets it wait until it is due.
    fn take(&mut self, chunk: &[u8], course: &mut Course, transit: &mut Transit) -> io::Result<()> {
        if course.is_clear() && transit.queue.is_empty() {
            let written = match self.to.try_write(chunk) {
                Ok(written) => written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
                Err(error) => return Err(error),
            };
            if written < chunk.len() {
                transit.push(Due { at: Instant::now(), bytes: Bytes::copy_from_slice(&chunk[written..]) });
            }
            return Ok(());
        }
        let now = Instant::now();
        let (admitted, severance) = course.admit(chunk.len() as u64);
        let bytes = Bytes::copy_from_slice(&chunk[..usize::try_from(admitted).unwrap_or(chunk.len())]);
        match course.shaper() {
            Some(shaper) => shaper.shape(now, bytes, |due| transit.push(due)),
            None if bytes.is_empty() => {}
            None => transit.push(Due { at: now, bytes }),
        }
        if let Some(severance) = severance {
            transit.end = Some((now, severance));
        }
        Ok(())
    }

    /// The ending, if everything has gone out that had to.
    async fn settle(&mut self, transit: &mut Transit) -> Option<Ending> {
        let (at, severance) = transit.end.filter(|_| transit.queue.is_empty())?;
        if at > Instant::now() {
            return None;
        }
        match severance {
            Severance::Close => Some(Ending::Closed),
            Severance::Reset => Some(Ending::Reset),
            Severance::HalfClose => {
                // The other direction may have ended the connection already.
                let _ = self.to.shutdown().await;
                Some(Ending::Finished)
            }
        }
    }
}

impl Transit {
    fn push(&mut self, due: Due) {
        self.waiting += due.bytes.len();
        self.queue.push_back(due);
    }

    fn wrote(&mut self, length: usize) {
        self.waiting -= length;
        if let Some(front) = self.queue.front_mut() {
            front.bytes.advance(length);
            if front.bytes.is_empty() {
                self.queue.pop_front();
            }
        }
    }

    fn release(&mut self) {
        let now = Instant::now();
        for due in &mut self.queue {
            due.at = due.at.min(now);
        }
    }
}

/// Reads what comes, or only waits until there is something to read.
async fn incoming(from: &mut ReadHalf<'_>, buffer: &mut [u8], may_read: bool) -> io::Result<usize> {
    if may_read {
        return from.read(buffer).await;
    }
    from.readable().await.map(|()| 0)
}

/// Writes some of the bytes once they are due. Nothing is lost if it is dropped before it is ready.
async fn write_due(to: &mut WriteHalf<'_>, bytes: Option<&Bytes>, due: Option<Instant>) -> io::Result<usize> {
    until(due).await;
    match bytes {
        Some(bytes) => to.write(bytes).await,
        None => Ok(0),
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) if at > Instant::now() => sleep_until(at).await,
        _ => {}
    }
}

const fn ending_of(severance: Severance) -> Ending {
    match severance {
        Severance::Reset => Ending::Reset,
        Severance::Close | Severance::HalfClose => Ending::Closed,
    }
}

/// A peer that resets is passed on as a reset: the other side would otherwise see an orderly close.
fn broken(error: &io::Error) -> Ending {
    if error.kind() == io::ErrorKind::ConnectionReset { Ending::Reset } else { Ending::Closed }
}
