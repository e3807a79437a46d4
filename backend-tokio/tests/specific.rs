//! What only tokio has: its context in polls, drops and jobs (X3), and several runtimes in one
//! program (R2, R6).

use std::future::{Future, pending, poll_fn};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use anyscope_core::{BoxError, CauseKind, Group, GroupError, Sleep, TaskContext, Timer};
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

#[test]
fn x3_context_is_there_when_a_group_is_dropped_in_another_thread() {
    let runtime = multi_thread();
    let (rt, own) = (value_of(&runtime), Some(runtime.handle().id()));
    let (sender, told) = mpsc::channel();
    let mut group = Box::pin(rt.group::<BoxError, _>(async move |_| {
        let _probe = TellOnDrop(sender);
        pending::<Result<(), _>>().await
    }));
    let begin = poll_fn(|cx| Poll::Ready(group.as_mut().poll(cx).is_pending()));
    assert!(futures_executor::block_on(begin));
    let after = thread::spawn(move || {
        drop(group);
        context()
    });
    assert_eq!(after.join().unwrap(), None, "it is not left behind");
    assert_eq!(told.recv().unwrap(), own);
}

#[test]
fn x3_context_is_there_when_a_queued_job_is_cancelled_in_another_thread() {
    let runtime = one_job_at_a_time();
    let (rt, own) = (value_of(&runtime), Some(runtime.handle().id()));
    let (finish, finished) = mpsc::channel::<()>();
    let running = rt.spawn_blocking(move || finished.recv().is_err());
    let (sender, told) = mpsc::channel();
    let probe = TellOnDrop(sender);
    let queued = rt.spawn_blocking(move || drop(probe));
    thread::spawn(move || queued.cancel()).join().unwrap();
    assert_eq!(told.recv().unwrap(), own);
    drop(finish);
    assert!(futures_executor::block_on(running).unwrap());
}

/// A body of one runtime that is polled on a thread of another.
#[test]
fn x3_context_of_an_inner_group_gives_way_to_the_outer_again() {
    let (first, second) = (multi_thread(), multi_thread());
    let outcome: Outcome<()> = first.block_on(value_of(&first).group(async |_| {
        let inner: Outcome<()> = value_of(&second)
            .group(async |_| {
                assert_eq!(context(), Some(second.handle().id()));
                tokio::time::sleep(Duration::from_millis(1)).await;
                assert_eq!(context(), Some(second.handle().id()));
                Ok(())
            })
            .await;
        inner?;
        assert_eq!(context(), Some(first.handle().id()));
        Ok(())
    }));
    outcome.unwrap();
}

/// A multi-thread runtime with one blocking thread beside its workers.
fn one_job_at_a_time() -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(2).max_blocking_threads(1).enable_all().build().unwrap()
}

/// The pool's thread is used again, by code that knows nothing of us.
#[test]
fn x2_nothing_is_left_on_a_pool_thread() {
    let runtime = one_job_at_a_time();
    let rt = value_of(&runtime);
    runtime.block_on(async {
        for panics in [false, true] {
            let job = rt.spawn_blocking(move || assert!(!panics, "expected: of a job"));
            assert_eq!(job.await.is_err(), panics);
            let native = tokio::task::spawn_blocking(|| TaskContext::current().is_none());
            assert!(native.await.unwrap());
        }
    });
}

#[test]
fn b2_blocking_threads_are_bounded_and_jobs_queue() {
    const JOBS: usize = 50;
    let runtime = one_job_at_a_time();
    let (running, ran) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let outcome: Outcome<()> = runtime.block_on(value_of(&runtime).group(async |g| {
        for _ in 0..JOBS {
            let (running, ran) = (running.clone(), ran.clone());
            g.spawn_blocking(move || {
                assert_eq!(running.fetch_add(1, Ordering::SeqCst), 0, "one at a time");
                thread::yield_now();
                running.fetch_sub(1, Ordering::SeqCst);
                ran.fetch_add(1, Ordering::SeqCst);
            });
        }
        Ok(())
    }));
    outcome.unwrap();
    assert_eq!(ran.load(Ordering::SeqCst), JOBS);
}

#[test]
fn b3_cancelled_group_does_not_wait_for_jobs_that_are_queued() {
    let runtime = one_job_at_a_time();
    let rt = value_of(&runtime);
    let (finish, finished) = mpsc::channel::<()>();
    let occupied = rt.spawn_blocking(move || finished.recv().is_err());
    let ran = Arc::new(AtomicUsize::new(0));
    let outcome: Outcome<Vec<_>> = runtime.block_on(rt.group(async |g| {
        let count = || {
            let ran = ran.clone();
            move || ran.fetch_add(1, Ordering::SeqCst)
        };
        let jobs = (0..5).map(|_| g.spawn_blocking(count())).collect();
        g.cancel();
        Ok(jobs)
    }));
    assert!(!occupied.is_finished(), "it has returned while the thread is occupied");
    drop(finish);
    runtime.block_on(async {
        assert!(occupied.await.unwrap());
        for job in outcome.unwrap() {
            assert!(job.await.unwrap_err().is_cancelled());
        }
        rt.spawn_blocking(|| ()).await.expect("comes after them in the queue");
    });
    assert_eq!(ran.load(Ordering::SeqCst), 0);
}

/// tokio runs or drops them, as it happens; each is answered, and their group ends.
#[test]
fn r1_jobs_that_are_queued_at_shutdown_are_answered() {
    let runtime = one_job_at_a_time();
    let (rt, ran) = (value_of(&runtime), Arc::new(AtomicUsize::new(0)));
    let (begin, begun) = mpsc::channel();
    let (finish, finished) = mpsc::channel::<()>();
    let count = ran.clone();
    let group = thread::spawn(move || {
        let outcome: Outcome<_> = futures_executor::block_on(rt.group(async |g| {
            let begins = begin.clone();
            let running = g.spawn_blocking(move || {
                begins.send(()).unwrap();
                finished.recv().is_err()
            });
            let queued = (0..5).map(|_| {
                let count = count.clone();
                g.spawn_blocking(move || count.fetch_add(1, Ordering::SeqCst))
            });
            let queued: Vec<_> = queued.collect();
            begin.send(()).unwrap();
            Ok((running, queued))
        }));
        outcome.unwrap()
    });
    (0..2).for_each(|_| begun.recv().unwrap());
    runtime.shutdown_background();
    drop(finish);
    let (running, queued) = group.join().unwrap();
    assert!(futures_executor::block_on(running).unwrap());
    let mut values = 0;
    for job in queued {
        match futures_executor::block_on(job) {
            Ok(_) => values += 1,
            Err(error) => assert_eq!(error.cause().unwrap().kind(), &CauseKind::Shutdown),
        }
    }
    assert_eq!(values, ran.load(Ordering::SeqCst));
}

#[test]
fn d2_deadlines_follow_a_paused_clock() {
    const HOUR: Duration = Duration::from_secs(3600);
    let begin = Instant::now();
    let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let rt = value_of(&runtime);
    let before = rt.now();
    let outcome: Outcome<()> = runtime.block_on(rt.group(async |_| pending().await).deadline(HOUR));
    let error = outcome.unwrap_err();
    assert!(matches!(error.cause().unwrap().kind(), CauseKind::Deadline(_)));
    assert!(rt.now() - before >= HOUR && begin.elapsed() < HOUR);
}

/// Whose clock stands still: at first behind ours, and then far ahead of it.
#[test]
fn r4_timer_that_is_polled_in_another_runtime_goes_by_its_own_clock() {
    const HOUR: Duration = Duration::from_secs(3600);
    let other = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let runtime = multi_thread();
    let rt = value_of(&runtime);
    other.block_on(async {
        let mut timer = std::pin::pin!(rt.sleep_until(Instant::now()));
        assert!(poll_now(timer.as_mut()).await.is_ready());
        tokio::time::advance(2 * HOUR).await;
        timer.as_mut().reset(Instant::now() + HOUR);
        assert!(poll_now(timer.as_mut()).await.is_pending());
        assert!(poll_now(std::pin::pin!(rt.sleep(HOUR))).await.is_pending());
    });
}

/// Polls a future once, in the task that awaits this.
async fn poll_now<F: Future>(mut future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
}

/// What suspends only because tokio's budget is spent, as a loop over a channel that is never empty does.
async fn spends_its_budget() -> Result<(), BoxError> {
    loop {
        tokio::task::consume_budget().await;
    }
}

/// No budget is left for the timer then.
#[test]
fn d1_d2_time_is_up_for_what_spends_its_budget() {
    const SHORT: Duration = Duration::from_millis(5);
    let (done, is_done) = mpsc::channel();
    thread::spawn(move || {
        let current = Builder::new_current_thread().enable_all().build().unwrap();
        for runtime in [multi_thread(), current] {
            let rt = value_of(&runtime);
            runtime.block_on(async {
                assert!(rt.timeout(SHORT, spends_its_budget()).await.is_err());
                let outcome: Outcome<()> =
                    rt.group(async |_| spends_its_budget().await).deadline(SHORT).await;
                let error = outcome.unwrap_err();
                assert!(matches!(error.cause().unwrap().kind(), CauseKind::Deadline(_)));
            });
        }
        done.send(()).unwrap();
    });
    is_done.recv_timeout(BOUND).expect("it ends");
}

/// Far more than any test needs.
const BOUND: Duration = Duration::from_secs(60);
