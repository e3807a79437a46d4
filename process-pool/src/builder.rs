//! `Builder`: the settings of a pool.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::error::{Kind, ProcessError};
use crate::init;
use crate::pool::ProcessPool;
use crate::sys;

/// The settings of a [`ProcessPool`], from [`ProcessPool::builder`].
///
/// # Examples
///
/// ```no_run
/// use std::time::Duration;
/// use anyscope_process::ProcessPool;
///
/// let pool = ProcessPool::builder()
///     .workers(2)
///     .memory_limit(512 * 1024 * 1024)
///     .idle_timeout(Duration::from_secs(10))
///     .build()?;
/// # Ok::<(), anyscope_process::ProcessError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "it makes a pool by `build`"]
pub struct Builder {
    config: Config,
}

/// What a pool was built with.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    program: Option<PathBuf>,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    pub(crate) workers: usize,
    pub(crate) idle_timeout: Duration,
    pub(crate) start_timeout: Duration,
    pub(crate) max_payload: usize,
    pub(crate) memory_limit: Option<u64>,
}

impl Default for Builder {
    fn default() -> Self {
        let config = Config {
            program: None,
            args: Vec::new(),
            env: Vec::new(),
            workers: thread::available_parallelism().map_or(1, |cores| cores.get()),
            idle_timeout: Duration::from_secs(60),
            start_timeout: Duration::from_secs(20),
            max_payload: 64 * 1024 * 1024,
            memory_limit: None,
        };
        Self { config }
    }
}

impl Builder {
    /// At most so many workers, and jobs at a time; one at least. The default is the number of cores.
    pub fn workers(mut self, workers: usize) -> Self {
        self.config.workers = workers.max(1);
        self
    }

    /// A worker that had no job for so long is ended. The default is 60 seconds; more than a day is a
    /// day.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.config.idle_timeout = timeout;
        self
    }

    /// How long a new worker may take until it has come to [`init`](crate::init()). The default is 20
    /// seconds.
    pub fn start_timeout(mut self, timeout: Duration) -> Self {
        self.config.start_timeout = timeout;
        self
    }

    /// How large an encoded input or output may be, in bytes: a larger one is an error of its call.
    /// The default is 64 MiB; none may be larger than 4 GiB.
    pub fn max_payload(mut self, bytes: usize) -> Self {
        self.config.max_payload = bytes;
        self
    }

    /// How much memory each worker may use, in bytes. A job that wants more aborts its worker, as a
    /// Rust program does that gets none. The default is no limit of the pool's own.
    ///
    /// A worker sets it on itself before its first job: on Linux as `RLIMIT_DATA`, which counts its
    /// data, heap, private mappings and the stacks of its threads; on other systems as `RLIMIT_AS`,
    /// which macOS accepts and does not enforce.
    pub fn memory_limit(mut self, bytes: u64) -> Self {
        self.config.memory_limit = Some(bytes);
        self
    }

    /// Workers run another program than this one: one whose `main` calls [`init`](crate::init()) with
    /// the same jobs. For programs that have no `main` of their own, such as tests.
    pub fn program(mut self, path: impl Into<PathBuf>) -> Self {
        self.config.program = Some(path.into());
        self
    }

    /// An argument that workers get, after the one by which [`init`](crate::init()) knows them. They
    /// get none of this program's own.
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.config.args.push(arg.into());
        self
    }

    /// An environment variable of workers, beside those of this program: `OMP_NUM_THREADS`, say, for a
    /// library that would start a thread for each core in each worker.
    pub fn env(mut self, key: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.config.env.push((key.into(), value.into()));
        self
    }

    /// Makes the pool. No worker is started before there is a job for it.
    ///
    /// # Errors
    ///
    /// In a worker, which would start workers without end; if this program is to be the workers' and
    /// its `main` has not called [`init`](crate::init()); on a system without support, which all but
    /// Unix are so far. See [`ProcessError::is_no_pool`].
    pub fn build(self) -> Result<ProcessPool, ProcessError> {
        if init::is_worker() {
            return Err(Kind::InWorker.into());
        }
        if !cfg!(unix) {
            return Err(Kind::Unsupported.into());
        }
        if self.config.program.is_none() && !init::was_called() {
            return Err(Kind::NoInit.into());
        }
        Ok(ProcessPool::with(self.config))
    }
}

impl Config {
    /// What starts a worker.
    pub(crate) fn command(&self) -> io::Result<Command> {
        let mut command = match &self.program {
            Some(program) => Command::new(program),
            None => sys::itself()?,
        };
        command.arg(init::WORKER).args(&self.args);
        command.envs(self.env.iter().map(|(key, value)| (key, value)));
        Ok(command)
    }
}
