//! A program that a test runs: what it prints, signals to it, and its end.

use std::env;
use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// The command that runs an example. Cargo builds those of a package with its tests, beside them.
pub(crate) fn example(name: &str) -> Command {
    let test = env::current_exe().unwrap();
    let mut command = Command::new(test.ancestors().nth(2).unwrap().join("examples").join(name));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A run of a program, which is killed if its test does not see its end.
pub(crate) struct Running {
    child: Child,
    out: Output,
    err: Output,
}

/// How a run ended.
pub(crate) struct End {
    pub(crate) status: ExitStatus,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let child = command.spawn();
        let mut child = child.expect("`cargo test` builds examples, `cargo test --test` does not");
        let (out, err) = (Output::of(child.stdout.take()), Output::of(child.stderr.take()));
        Self { child, out, err }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal, by its name without SIG.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    /// What it has printed so far.
    pub(crate) fn output(&self) -> Vec<u8> {
        self.out.bytes.lock().unwrap().clone()
    }

    pub(crate) fn end(&mut self) -> End {
        let mut status = None;
        wait_until("the program has ended", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        let (out, err) = (self.out.all(), self.err.all());
        End { status: status.unwrap(), out, err }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Read beside the test: a full pipe would stop the program.
struct Output {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Output {
    fn of(pipe: Option<impl Read + Send + 'static>) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let read = bytes.clone();
        let reader = pipe.map(|mut pipe| {
            thread::spawn(move || {
                let mut piece = [0; 4096];
                loop {
                    match pipe.read(&mut piece).unwrap() {
                        0 => break,
                        some => read.lock().unwrap().extend_from_slice(&piece[..some]),
                    }
                }
            })
        });
        Self { bytes, reader }
    }

    /// Once the program has ended.
    fn all(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        String::from_utf8_lossy(&self.bytes.lock().unwrap()).into()
    }
}

pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < BOUND, "not after {BOUND:?}: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Far more than anything here takes.
const BOUND: Duration = Duration::from_secs(60);
