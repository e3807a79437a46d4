//! What only tokio has: its context in polls, drops and jobs (X3), and several runtimes in one
//! program (R2, R6).

use std::sync::mpsc;

use anyscope_core::{BoxError, Group, GroupError, Timer};
use anyscope_tokio::Tokio;
use tokio::runtime::{Builder, Handle, Id, Runtime};

type Outcome<T> = Result<T, GroupError<BoxError>>;

fn multi_thread() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

fn value_of(runtime: &Runtime) -> Tokio {
    Tokio::from_handle(runtime.handle().clone())
}

fn context() -> Option<Id> {
    Handle::try_current().ok().map(|handle| handle.id())
}

/// Sends the context in which it is dropped.
struct TellOnDrop(mpsc::Sender<Option<Id>>);

impl Drop for TellOnDrop {
    fn drop(&mut self) {
        self.0.send(context()).unwrap();
    }
}

#[test]
fn x3_context_is_there_in_tasks_jobs_and_a_body_polled_elsewhere() {
    let runtime = multi_thread();
    let rt = value_of(&runtime);
    let own = Some(runtime.handle().id());
    // The group is driven by another executor: its body has tokio's context all the same.
    let outcome: Outcome<()> = futures_executor::block_on(rt.group(async |g| {
        assert_eq!(context(), own);
        assert_eq!(g.spawn(async { Ok(context()) }).await?, own);
        assert_eq!(g.spawn_blocking(context).await?, own);
        assert_eq!(g.spawn_cpu(context).await?, own);
        rt.sleep(std::time::Duration::from_millis(1)).await;
        Ok(())
    }));
    outcome.unwrap();
    assert_eq!(context(), None);
}

#[test]
fn x3_context_is_there_when_a_task_is_dropped() {
    let runtime = multi_thread();
    let (rt, own) = (value_of(&runtime), Some(runtime.handle().id()));
    let (sender, told) = mpsc::channel();
    let outcome: Outcome<()> = futures_executor::block_on(rt.group(async |g| {
        let probe = TellOnDrop(sender.clone());
        let task = g.spawn(async move {
            let _probe = probe;
            std::future::pending::<Result<(), BoxError>>().await
        });
        task.cancel();
        assert!(task.await.unwrap_err().is_cancelled());
        Ok(())
    }));
    outcome.unwrap();
    assert_eq!(told.recv().unwrap(), own);

    let probe = TellOnDrop(sender);
    drop(rt.spawn_detached(async move {
        let _probe = probe;
        std::future::pending::<()>().await;
    }));
    drop(runtime);
    assert_eq!(told.recv().unwrap(), own, "at shutdown");
}

#[test]
fn x3_context_is_there_when_a_dead_runtime_drops_a_task() {
    let runtime = multi_thread();
    let (rt, own) = (value_of(&runtime), Some(runtime.handle().id()));
    drop(runtime);
    let (sender, told) = mpsc::channel();
    let probe = TellOnDrop(sender);
    drop(rt.spawn_detached(async move { drop(probe) }));
    assert_eq!(told.recv().unwrap(), own);
}

#[test]
fn r2_two_runtimes_in_one_program_keep_their_tasks_apart() {
    let (first, second) = (multi_thread(), multi_thread());
    let outcome: Outcome<()> = first.block_on(value_of(&first).group(async |g| {
        let other = value_of(&second);
        let inner: Outcome<Option<Id>> =
            other.group(async |h| Ok(h.spawn(async { Ok(context()) }).await?)).await;
        assert_eq!(inner?, Some(second.handle().id()));
        assert_eq!(g.spawn(async { Ok(context()) }).await?, Some(first.handle().id()));
        assert_eq!(context(), Some(first.handle().id()));
        Ok(())
    }));
    outcome.unwrap();
}

#[test]
fn r2_current_is_the_runtime_that_the_code_runs_in() {
    assert!(Tokio::current().is_err());
    let runtime = multi_thread();
    let current = runtime.block_on(async { Tokio::current().unwrap() });
    assert_eq!(current.handle().id(), runtime.handle().id());
}

/// What was left to the runtime through one value is waited for through another.
#[test]
fn r6_values_of_one_runtime_share_the_root() {
    let runtime = multi_thread();
    let (sender, receiver) = tokio::sync::oneshot::channel::<()>();
    drop(value_of(&runtime).spawn_detached(async move { drop(receiver.await) }));
    let other = multi_thread();
    other.block_on(value_of(&other).drained());
    let drained = value_of(&runtime).drained();
    let mut drained = std::pin::pin!(drained);
    runtime.block_on(async {
        let waiting = std::future::poll_fn(|cx| {
            std::task::Poll::Ready(drained.as_mut().poll(cx).is_pending())
        });
        assert!(waiting.await, "the detached task is counted");
        sender.send(()).unwrap();
        drained.await;
    });
}

#[test]
fn run_waits_for_what_was_dropped_in_it_and_refuses_to_nest() {
    let nested =
        anyscope_tokio::run(async { std::panic::catch_unwind(|| anyscope_tokio::run(async {})) });
    let text = anyscope_core::panic_message(&*nested.unwrap_err()).to_owned();
    assert!(text.contains("await the future instead"), "{text}");
}

/// Runs itself again, because the process that aborts is the one that tests.
#[test]
fn p2_abort_policy_ends_the_process() {
    const INSIDE: &str = "ANYSCOPE_TEST_ABORT";
    if std::env::var_os(INSIDE).is_some() {
        let group = |g: anyscope_core::GroupHandle<BoxError, Tokio>| async move {
            g.spawn::<_, ()>(async { panic!("aborts") });
            std::future::pending::<Result<(), BoxError>>().await
        };
        let runtime = multi_thread();
        let aborting = value_of(&runtime).group(group).panics(anyscope_core::PanicPolicy::Abort);
        drop(runtime.block_on(aborting));
        std::process::exit(0);
    }
    let this = std::env::current_exe().unwrap();
    let output = std::process::Command::new(this)
        .args(["--exact", "p2_abort_policy_ends_the_process"])
        .env(INSIDE, "1")
        .output();
    let status = output.unwrap().status;
    assert!(!status.success());
    #[cfg(unix)]
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(6), "SIGABRT");
}
