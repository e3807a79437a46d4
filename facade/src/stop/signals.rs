//! Signals of the operating system as requests to stop.

use std::future::Future;
use std::io;
use std::sync::OnceLock;
use std::time::Duration;

use anyscope_core::{AnyRuntime, BoxError, GroupBody, GroupHandle};

use crate::ambient::group;
use crate::stop::{Ended, Reached, StopReason, Stopper};

/// Runs a group until it ends or a signal stops it: a program that shuts down gracefully, in one line
/// (R7). It is `signals().watch(group(body).name("main").grace(grace))`, on the
/// [current runtime](crate::current_runtime).
///
/// The first Ctrl-C, and on Unix SIGTERM as well, cancels the group with cause
/// [`Shutdown`](crate::CauseKind::Shutdown): its tasks are told, at whatever depth, and have `grace`,
/// all together, to stop by themselves. Then, or at a second signal, those that are still running are
/// dropped; their clean-ups run. A third signal does what it does by default, which is to end the
/// process.
///
/// # Panics
///
/// When polled, if there is no current runtime, or if the system refuses a handler for signals; and
/// as the group does.
///
/// # Cancel safety
///
/// As that of the group. A signal that comes afterwards does what it does by default.
///
/// # Examples
///
/// ```no_run
/// use std::time::Duration;
/// use anyscope::prelude::*;
/// use anyscope::{Ended, until_signal};
///
/// async fn serve() -> Result<(), BoxError> {
///     cancelled().await; // accept connections until then
///     Ok(()) // and answer those that there are
/// }
///
/// # #[cfg(feature = "tokio")]
/// fn main() -> Ended {
///     anyscope::tokio::run(until_signal(Duration::from_secs(10), async |g| {
///         g.task(serve()).name("server").spawn();
///         Ok(())
///     }))
/// }
/// # #[cfg(not(feature = "tokio"))]
/// # fn main() {}
/// ```
#[track_caller]
pub fn until_signal<B>(grace: Duration, body: B) -> impl Future<Output = Ended<B::Value>> + use<B>
where
    B: GroupBody<GroupHandle<BoxError, AnyRuntime>, Error = BoxError>
        + FnOnce(GroupHandle<BoxError, AnyRuntime>) -> B::Future,
{
    let group = group(body).name("main").grace(grace);
    async move { signals().watch(group).await }
}

/// The [`Stopper`] that Ctrl-C and, on Unix, SIGTERM use, for a group with options of your own. From
/// the first call on, the process handles these signals: they stop the groups that it watches. Where it
/// watches none, and from the third on, they do what they do by default.
///
/// # Panics
///
/// If the system refuses: it has no thread or no descriptor left or, on Windows, the program has set
/// a handler with the crate `ctrlc` already.
///
/// # Examples
///
/// ```no_run
/// use std::time::Duration;
/// use anyscope::{GroupError, Runtime, Supervise, signals};
///
/// async fn serve<R: Runtime>(rt: &R) -> Result<(), GroupError> {
///     let service = rt.group(async |g| Ok(g.cancelled().await));
///     let service = service.policy(Supervise).grace(Duration::from_secs(10));
///     signals().watch(service).await.into_result().map(drop)
/// }
/// ```
pub fn signals() -> Stopper {
    static SIGNALS: OnceLock<Stopper> = OnceLock::new();
    let installed = SIGNALS.get_or_init(|| {
        let stopper = Stopper::new();
        system::install(stopper.clone()).expect("the system lets a program handle its signals");
        stopper
    });
    installed.clone()
}

/// A request by a signal; whether the signal is to do what it does by default.
fn stop(stopper: &Stopper, name: &str, code: u8) -> bool {
    let reached = stopper.stop(StopReason::from(name).with_code(code));
    matches!(reached, Reached::Nobody | Reached::Waiting)
}

/// A thread waits for signals, so that they come through while all threads of a runtime are busy.
#[cfg(unix)]
mod system {
    use std::thread;

    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;
    use signal_hook::low_level::emulate_default_handler;

    use super::*;

    pub(super) fn install(stopper: Stopper) -> io::Result<()> {
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        let thread = thread::Builder::new().name("signals".into());
        thread.spawn(move || signals.forever().for_each(|signal| handle(&stopper, signal)))?;
        Ok(())
    }

    fn handle(stopper: &Stopper, signal: i32) {
        let (name, code) = if signal == SIGINT { ("SIGINT", 130) } else { ("SIGTERM", 143) };
        if stop(stopper, name, code) {
            emulate_default_handler(signal).expect("both signals have a default that is known");
        }
    }
}

#[cfg(windows)]
mod system {
    use std::process;

    use super::*;

    pub(super) fn install(stopper: Stopper) -> io::Result<()> {
        let handler = move || {
            if stop(&stopper, "Ctrl-C", INTERRUPTED) {
                process::exit(INTERRUPTED.into());
            }
        };
        ctrlc::set_handler(handler).map_err(io::Error::other)
    }

    const INTERRUPTED: u8 = 130;
}
