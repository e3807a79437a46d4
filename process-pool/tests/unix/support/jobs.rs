//! The jobs of the tests: healthy ones, and one for each fault.

use std::env;
use std::fs::{self, File, OpenOptions};
use std::future::Future;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, abort, exit, id};
use std::sync::OnceLock;
use std::task::{Context, Waker};
use std::thread;

use anyscope_process::{AnyJob, Job, ProcessPool};
use futures_executor::block_on;
use rustix::process::Signal;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::processes::signal;
use super::until_sync;

pub(crate) const ALL: [&dyn AnyJob; 10] =
    [&ECHO, &MARK, &FAULT, &HANG, &GATE, &PRINT, &NEST, &FAIL, &STDIN, &PICKY];

/// Gives what it gets.
pub(crate) const ECHO: Job<String, String> = Job::new("echo", 1, |text| text);

/// The same by name and version, of another type: what it takes is not what `echo` takes.
pub(crate) const ECHO_OF_NUMBERS: Job<(u64, u64), String> = Job::new("echo", 1, |_| unreachable!());
/// Not registered, or so only in another version.
pub(crate) const ECHO_2: Job<String, String> = Job::new("echo", 2, |text| text);
pub(crate) const UNKNOWN: Job<String, String> = Job::new("unknown", 1, |text| text);
/// The same as `echo`, and what comes back is no number.
pub(crate) const ECHO_TO_NUMBER: Job<String, u64> = Job::new("echo", 1, |_| unreachable!());

/// Writes a number into a file, and gives it back.
pub(crate) const MARK: Job<(PathBuf, u64), u64> = Job::new("mark", 1, |(file, number)| {
    mark(&file, number);
    number
});

/// Does what is wrong, after it has written a number.
pub(crate) const FAULT: Job<(PathBuf, u64, Fault), BadOutput> = Job::new("fault", 1, fault);

/// Writes the ids of its process, and of one that it has started, into a file, and hangs.
pub(crate) const HANG: Job<PathBuf, ()> = Job::new("hang", 1, hang);

#[expect(clippy::zombie_processes, reason = "its end comes first")]
fn hang(file: PathBuf) {
    let sleep = Command::new("sleep").arg("1000").spawn().unwrap();
    let draft = file.with_extension("draft");
    fs::write(&draft, format!("{} {}", id(), sleep.id())).unwrap();
    fs::rename(draft, file).unwrap();
    loop {
        thread::park();
    }
}

/// Writes its number, waits until a file is there.
pub(crate) const GATE: Job<(PathBuf, u64, PathBuf), u64> =
    Job::new("gate", 1, |(file, number, gate)| {
        mark(&file, number);
        until_sync("the gate is open", || gate.exists());
        number
    });

/// Prints, the last line without its end.
pub(crate) const PRINT: Job<String, ()> = Job::new("print", 1, |text| {
    println!("{text} from a job");
    print!("and more of it, ");
});

/// Whether it can have a pool of its own.
pub(crate) const NEST: Job<(), bool> = Job::new("nest", 1, |()| ProcessPool::new().is_ok());

/// Fails as a job may.
pub(crate) const FAIL: Job<String, Result<u64, String>> = Job::new("fail", 1, Err);

/// What it can read from stdin.
pub(crate) const STDIN: Job<(), String> = Job::new("stdin", 1, |()| {
    let mut text = String::new();
    io::stdin().read_to_string(&mut text).unwrap();
    text
});

/// Takes what cannot be decoded.
pub(crate) const PICKY: Job<Undecodable, ()> = Job::new("picky", 1, |_| unreachable!());

/// What a job can do wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Fault {
    Panic,
    Abort,
    Exit(i32),
    Killed,
    OverflowStack,
    Memory,
    CloseChannel,
    /// Aborts when it has started a process that has the channel too, as after a `fork`.
    LendChannel,
    /// Writes this to the channel and ends as if nothing had been.
    Garbage(Vec<u8>),
    /// An output that cannot be encoded.
    Output,
    /// An output that is larger than the pool allows.
    LargeOutput,
}

/// What [`FAULT`] would give.
#[derive(Debug, Deserialize)]
pub(crate) struct BadOutput {
    pub(crate) filler: Vec<u8>,
    pub(crate) is_encodable: bool,
}

impl Serialize for BadOutput {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.is_encodable {
            true => (&self.filler, true).serialize(serializer),
            false => Err(serde::ser::Error::custom("bad output")),
        }
    }
}

#[derive(Serialize)]
pub(crate) struct Undecodable;

impl<'de> Deserialize<'de> for Undecodable {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(serde::de::Error::custom("bad input"))
    }
}

fn fault((file, number, fault): (PathBuf, u64, Fault)) -> BadOutput {
    mark(&file, number);
    let mut output = BadOutput { filler: Vec::new(), is_encodable: true };
    match fault {
        Fault::Panic => panic!("a panic of number {number}"),
        Fault::Abort => abort(),
        Fault::Exit(code) => exit(code),
        Fault::Killed => {
            signal(id(), Signal::KILL);
            loop {
                thread::park();
            }
        }
        Fault::OverflowStack => output.filler.push(overflow(number) as u8),
        Fault::Memory => output.filler = vec![1; 1 << 30],
        Fault::CloseChannel => {
            channel().shutdown(Shutdown::Both).unwrap();
            loop {
                thread::park();
            }
        }
        Fault::LendChannel => {
            let lent = channel().as_fd().try_clone_to_owned().unwrap();
            Command::new("sleep").arg("1000").stdin(lent).spawn().unwrap();
            abort()
        }
        Fault::Garbage(bytes) => channel().write_all(&bytes).unwrap(),
        Fault::Output => output.is_encodable = false,
        Fault::LargeOutput => output.filler = vec![1; MAX_PAYLOAD + 1],
    }
    output
}

#[expect(unconditional_recursion, reason = "that is the fault")]
fn overflow(depth: u64) -> u64 {
    std::hint::black_box([depth; 100]);
    overflow(depth + 1) + std::hint::black_box(1)
}

fn mark(file: &Path, number: u64) {
    let mut file = OpenOptions::new().create(true).append(true).open(file).unwrap();
    file.write_all(format!("{number}\n").as_bytes()).unwrap();
}

/// The workers' end of their channel, which jobs do not have: `before_init` kept it.
fn channel() -> &'static UnixStream {
    CHANNEL.get().unwrap()
}

static CHANNEL: OnceLock<UnixStream> = OnceLock::new();

/// In a worker, before it becomes one: what its further arguments ask for.
pub(crate) fn before_init() {
    let args: Vec<_> = env::args().skip(1).collect();
    if args.first().is_none_or(|first| !first.starts_with("--anyscope-process")) {
        return;
    }
    match args.get(1).map(String::as_str) {
        Some("--never-init") => loop {
            thread::park();
        },
        Some("--exit") => exit(7),
        Some("--pool-before-init") => {
            let error = ProcessPool::builder().program("/bin/false").build().unwrap_err();
            assert!(error.is_no_pool());
        }
        _ => {}
    }
    let stdin = io::stdin().as_fd().try_clone_to_owned().unwrap();
    CHANNEL.set(UnixStream::from(stdin)).unwrap();
    // What crashes says so, a thousand times, with backtraces where they are asked for.
    std::panic::set_hook(Box::new(|_| ()));
    rustix::stdio::dup2_stderr(File::create("/dev/null").unwrap()).unwrap();
}

/// A program that prints, has workers at work and an idle one, tells who they are, and waits for its
/// end.
pub(crate) fn be_a_parent() -> ! {
    let dir = PathBuf::from(env::args().nth(2).unwrap());
    if cfg!(target_os = "linux") {
        fs::remove_file(dir.join("program")).unwrap(); // as when it is replaced by a newer one
    }
    let pool = ProcessPool::builder().workers(3).build().unwrap();
    let hang = [pool.run(&HANG, dir.join("hang 0")), pool.run(&HANG, dir.join("hang 1"))];
    let mut hanging = hang.map(Box::pin);
    for hang in &mut hanging {
        let mut cx = Context::from_waker(Waker::noop());
        assert!(hang.as_mut().poll(&mut cx).is_pending());
    }
    until_sync("both hang", || (0..2).all(|at| dir.join(format!("hang {at}")).exists()));
    block_on(pool.run(&PRINT, "text".to_owned())).unwrap();
    let ids: Vec<_> = pool.worker_ids().iter().map(u32::to_string).collect();
    println!("workers: {}", ids.join(", "));
    loop {
        thread::park();
    }
}

/// The ids that [`HANG`] has written.
pub(crate) fn hanging(file: &Path) -> Option<[u32; 2]> {
    let text = fs::read_to_string(file).ok()?;
    let mut ids = text.split_whitespace().map(|id| id.parse().unwrap());
    Some([ids.next()?, ids.next()?])
}

/// What the pools of the fault suite allow.
pub(crate) const MAX_PAYLOAD: usize = 1 << 16;
