//! `Worker`: a worker process as the pool's side talks to it.

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use crate::builder::Config;
use crate::call::{Call, Outcome};
use crate::codec;
use crate::error::Kind;
use crate::frame::{self, Frame, TEXT_LIMIT, Tag};
use crate::seat::Seat;
use crate::sys;

/// A worker that is ready for requests. Its process is in the seat, and is ended there.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) id: u32,
    channel: sys::Stream,
}

/// A worker that can serve no further call.
#[derive(Debug)]
pub(crate) struct Broken {
    /// Whether it may have begun the job.
    pub(crate) begun: bool,
    pub(crate) how: How,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// Its channel is closed, as it is when it has ended.
    Gone,
    /// It sent what is no answer.
    Garbage,
    /// It has not answered within the call's limit.
    Late,
}

impl Worker {
    /// Starts one and waits until it is ready. If that fails, its process is gone.
    pub(crate) fn start(config: &Config, seat: &Seat) -> Result<Self, Kind> {
        let (channel, end) = sys::pair().map_err(Kind::Start)?;
        let id = {
            let mut command = config.command().map_err(Kind::Start)?;
            sys::connect(&mut command, end);
            let child = command.spawn().map_err(Kind::Start)?;
            let id = child.id();
            seat.seat(child);
            id
            // With the command goes our copy of the worker's end.
        };
        let worker = Self { id, channel };
        match worker.shake_hands(config) {
            Ok(()) => Ok(worker),
            Err(error) => Err(Kind::NotReady { status: seat.reap(), why: why_not_ready(&error) }),
        }
    }

    fn shake_hands(&self, config: &Config) -> io::Result<()> {
        (&self.channel).write_all(&hello(config)?)?;
        let frame = self.read(0, Instant::now().checked_add(config.start_timeout))?;
        if frame.tag == Tag::Ready { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
    }

    /// Whether it is as an idle one should be.
    pub(crate) fn is_well(&self) -> bool {
        sys::is_quiet(&self.channel) && !sys::has_ended(self.id)
    }

    pub(crate) fn channel(&self) -> &sys::Stream {
        &self.channel
    }

    /// Has it run a job. After an outcome it is ready for the next.
    pub(crate) fn ask(&self, call: &Call, max_payload: usize) -> Result<Outcome, Broken> {
        let deadline = call.limit.and_then(|limit| Instant::now().checked_add(limit));
        let mut begun = false;
        // What was not sent whole has not been begun.
        let sent = self.until(deadline).write_all(&call.request);
        sent.map_err(|error| Broken { begun, how: How::from(&error) })?;
        loop {
            let frame = self.read(max_payload, deadline).map_err(|error| Broken {
                begun: begun || error.kind() == io::ErrorKind::InvalidData,
                how: How::from(&error),
            })?;
            match (frame.tag, begun) {
                _ if frame.call != call.id => break,
                (Tag::Started, false) => begun = true,
                (_, false) => break,
                (_, true) => match outcome(frame, max_payload) {
                    Some(outcome) => return Ok(outcome),
                    None => break,
                },
            }
        }
        Err(Broken { begun: true, how: How::Garbage })
    }

    fn read(&self, max_payload: usize, deadline: Option<Instant>) -> io::Result<Frame> {
        Frame::read(&mut self.until(deadline), max_payload.max(TEXT_LIMIT))
    }

    fn until(&self, deadline: Option<Instant>) -> Until<'_> {
        Until { worker: self, deadline }
    }
}

/// What an answer says; `None` if it is none.
fn outcome(frame: Frame, limit: usize) -> Option<Outcome> {
    Some(Err(match frame.tag {
        Tag::Done => return Some(Ok(frame.body)),
        Tag::Panicked => Kind::Panicked(frame.text()),
        Tag::Unknown => Kind::Unknown(frame.text()),
        Tag::Undecodable => Kind::Undecodable(frame.text()),
        Tag::Unencodable => Kind::Unencodable(frame.text()),
        Tag::TooLarge => Kind::OutputTooLarge(limit),
        Tag::Hello | Tag::Ready | Tag::Request | Tag::Started => return None,
    }))
}

fn hello(config: &Config) -> io::Result<Vec<u8>> {
    let limits = (config.max_payload as u64, config.memory_limit);
    let frame = codec::encode(&limits, frame::begin(Tag::Hello), usize::MAX);
    frame::finish(frame.map_err(|_| io::ErrorKind::InvalidInput)?, 0)
}

fn why_not_ready(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::InvalidData => "it speaks another protocol".to_owned(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => "its time was up".to_owned(),
        _ => "it ended".to_owned(),
    }
}

impl From<&io::Error> for How {
    fn from(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::InvalidData => Self::Garbage,
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Self::Late,
            _ => Self::Gone,
        }
    }
}

/// Reads and writes until an instant, where there is one, or until the worker has ended. That is not always
/// the end of its channel: what a job has started by a `fork` may have it too.
struct Until<'a> {
    worker: &'a Worker,
    deadline: Option<Instant>,
}

impl Until<'_> {
    /// Has the system do something with the channel. `None` if it never will, because the worker has ended.
    fn wait<T>(
        &self,
        set_timeout: fn(&sys::Stream, Option<Duration>) -> io::Result<()>,
        mut f: impl FnMut(&sys::Stream) -> io::Result<T>,
    ) -> io::Result<Option<T>> {
        let channel = &self.worker.channel;
        let mut has_ended = false;
        loop {
            set_timeout(channel, Some(self.patience()?)).or_else(if_not_closed)?;
            match f(channel) {
                Err(error) if How::from(&error) != How::Late => return Err(error),
                Err(_) if has_ended => return Ok(None),
                // What it has written before its end is still to be read.
                Err(_) => has_ended = sys::has_ended(self.worker.id),
                Ok(done) => return Ok(Some(done)),
            }
        }
    }

    /// How long the system may wait before the worker is looked at.
    fn patience(&self) -> io::Result<Duration> {
        let left = self.deadline.map(|at| at.saturating_duration_since(Instant::now()));
        match left {
            Some(Duration::ZERO) => Err(io::ErrorKind::TimedOut.into()),
            Some(left) => Ok(left.clamp(SHORTEST, PATIENCE)),
            None => Ok(PATIENCE),
        }
    }
}

/// macOS refuses to set a timeout once the other end is closed. Then nothing waits, and what was written
/// before that is still to be read: whether the job has begun, for one.
fn if_not_closed(error: io::Error) -> io::Result<()> {
    match error.kind() {
        io::ErrorKind::InvalidInput => Ok(()),
        _ => Err(error),
    }
}

impl Read for Until<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.wait(sys::Stream::set_read_timeout, |mut channel| channel.read(into))?;
        Ok(read.unwrap_or(0))
    }
}

impl Write for Until<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written =
            self.wait(sys::Stream::set_write_timeout, |mut channel| channel.write(bytes))?;
        written.ok_or_else(|| io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The system counts in no smaller steps, and takes zero for "without end".
const SHORTEST: Duration = Duration::from_micros(1);

/// How often a worker that says nothing is looked at.
const PATIENCE: Duration = Duration::from_millis(500);
