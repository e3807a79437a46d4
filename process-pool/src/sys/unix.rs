//! Unix: a socket pair for each worker, process groups, resource limits.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{
    Pid, Resource, Rlimit, Signal, getpgrp, getpid, kill_current_process_group, kill_process,
    kill_process_group, setrlimit,
};

use super::{Event, LONGEST};

pub(crate) type Stream = UnixStream;

/// The two ends of a channel. Neither is inherited by other processes.
pub(crate) fn pair() -> io::Result<(Stream, Stream)> {
    UnixStream::pair()
}

/// The two ends of a bell: [`ring`] at one, [`wait`] at the other.
pub(crate) fn bell() -> io::Result<(Stream, Stream)> {
    let (ours, theirs) = UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    theirs.set_nonblocking(true)?;
    Ok((ours, theirs))
}

/// This program: on Linux the very file that runs, though another may have its name by now.
pub(crate) fn itself() -> io::Result<Command> {
    if cfg!(target_os = "linux") {
        let mut command = Command::new("/proc/self/exe");
        if let Some(name) = std::env::args_os().next() {
            command.arg0(name);
        }
        return Ok(command);
    }
    std::env::current_exe().map(Command::new)
}

/// The process will have `end` as its stdin, which leaves stdout and stderr to what jobs print. It
/// leads a process group: a Ctrl-C at the terminal is for the program, and what a job starts can be
/// ended with it.
pub(crate) fn connect(command: &mut Command, end: Stream) {
    command.stdin(OwnedFd::from(end)).process_group(0);
}

/// Ends a worker and what it has started, at once. Called before anybody waits for `child`: until
/// then its id belongs to no other process.
pub(crate) fn kill(child: &mut Child) {
    let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
    let _ = child.kill();
}

/// Whether a child has ended. It is left to whoever waits for it.
#[cfg(not(any(target_os = "openbsd", target_os = "redox")))]
pub(crate) fn has_ended(child: u32) -> bool {
    use rustix::process::{WaitId, WaitIdOptions, waitid};

    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    let child = i32::try_from(child).ok().and_then(Pid::from_raw);
    let status = child.map(|child| waitid(WaitId::Pid(child), options));
    matches!(status, Some(Ok(Some(_)) | Err(Errno::CHILD)))
}

/// These cannot look at a child without waiting for it: there it is the end of its channel that tells.
#[cfg(any(target_os = "openbsd", target_os = "redox"))]
pub(crate) fn has_ended(_: u32) -> bool {
    false
}

/// In a worker: its channel, in whose place stdin becomes empty. Jobs, and what they start, do not
/// get at the channel, so that its end is the worker's end.
pub(crate) fn take_channel() -> io::Result<Stream> {
    let channel = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    channel.peer_addr()?;
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    Ok(channel)
}

/// In a worker: bounds what this process may allocate.
pub(crate) fn limit_memory(bytes: u64) -> io::Result<()> {
    // On Linux `As` would count what is only reserved, such as the allocator's arenas.
    let resource = if cfg!(target_os = "linux") { Resource::Data } else { Resource::As };
    let limit = Rlimit { current: Some(bytes), maximum: Some(bytes) };
    Ok(setrlimit(resource, limit)?)
}

/// In a worker: ends it, and what its jobs have started.
pub(crate) fn end_this_process() -> ! {
    if getpgrp() == getpid() {
        let _ = kill_current_process_group(Signal::KILL);
    }
    let _ = kill_process(getpid(), Signal::KILL);
    std::process::abort()
}

/// Waits until the bell is rung or something comes from the worker, if there is one.
pub(crate) fn wait(bell: &Stream, worker: Option<&Stream>, limit: Duration) -> Event {
    let mut polled = vec![PollFd::new(bell, PollFlags::IN)];
    polled.extend(worker.map(|worker| PollFd::new(worker, PollFlags::IN)));
    ready(&mut polled, limit);
    let has_come = |at: usize| polled.get(at).is_some_and(|fd| !fd.revents().is_empty());
    match (has_come(0), has_come(1)) {
        (true, _) => {
            silence(bell);
            Event::Rung
        }
        (false, true) => Event::Worker,
        (false, false) => Event::TimedOut,
    }
}

/// Whether nothing comes from an idle worker, not even its end.
pub(crate) fn is_quiet(worker: &Stream) -> bool {
    let mut polled = [PollFd::new(worker, PollFlags::IN)];
    ready(&mut polled, Duration::ZERO);
    polled[0].revents().is_empty()
}

/// Rings a bell; one that nobody has heard yet is heard once.
pub(crate) fn ring(mut bell: &Stream) {
    let _ = bell.write(&[0]);
}

fn silence(mut bell: &Stream) {
    while bell.read(&mut [0; 64]).is_ok_and(|count| count > 0) {}
}

/// Polls until one is ready or the time is up.
fn ready(polled: &mut [PollFd<'_>], limit: Duration) {
    let limit = Timespec::try_from(limit.min(LONGEST)).ok();
    while let Err(Errno::INTR) = poll(polled, limit.as_ref()) {}
}
