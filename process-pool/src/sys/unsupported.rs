//! Systems without socket pairs that a process can inherit as its stdin, Windows among them: no pool
//! can be built there, so that nothing below is reached.

use std::io::{self, Read, Write};
use std::process::{Child, Command};
use std::time::Duration;

use super::Event;

/// A channel, of which there is none.
#[derive(Debug)]
pub(crate) enum Stream {}

impl Stream {
    pub(crate) fn set_read_timeout(&self, _: Option<Duration>) -> io::Result<()> {
        match *self {}
    }

    pub(crate) fn set_write_timeout(&self, _: Option<Duration>) -> io::Result<()> {
        match *self {}
    }

    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        match *self {}
    }
}

impl Read for Stream {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        match *self {}
    }
}

impl Read for &Stream {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        match **self {}
    }
}

impl Write for &Stream {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        match **self {}
    }

    fn flush(&mut self) -> io::Result<()> {
        match **self {}
    }
}

pub(crate) fn pair() -> io::Result<(Stream, Stream)> {
    unsupported()
}

pub(crate) fn bell() -> io::Result<(Stream, Stream)> {
    unsupported()
}

pub(crate) fn itself() -> io::Result<Command> {
    unsupported()
}

pub(crate) fn connect(_: &mut Command, end: Stream) {
    match end {}
}

pub(crate) fn kill(child: &mut Child) {
    let _ = child.kill();
}

pub(crate) fn has_ended(_: u32) -> bool {
    false
}

pub(crate) fn take_channel() -> io::Result<Stream> {
    unsupported()
}

pub(crate) fn limit_memory(_: u64) -> io::Result<()> {
    unsupported()
}

pub(crate) fn end_this_process() -> ! {
    std::process::abort()
}

pub(crate) fn wait(bell: &Stream, _: Option<&Stream>, _: Duration) -> Event {
    match *bell {}
}

pub(crate) fn is_quiet(worker: &Stream) -> bool {
    match *worker {}
}

pub(crate) fn ring(bell: &Stream) {
    match *bell {}
}

fn unsupported<T>() -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "worker processes need a Unix system so far"))
}
