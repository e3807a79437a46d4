//! What only smol has: executors of the user's own, held weakly (R1), and several in one program
//! (R2, R6).

use std::cell::OnceCell;
use std::sync::Arc;

use anyscope_core::{BoxError, Group, GroupError};
use anyscope_smol::Smol;
use smol::Executor;

type Outcome<T> = Result<T, GroupError<BoxError>>;

#[test]
fn r1_executor_is_gone_with_its_last_owner() {
    let executor = Arc::new(Executor::new());
    let rt = Smol::from_executor(&executor);
    let parked = rt.spawn_detached(std::future::pending::<()>());
    let kept: Outcome<_> = smol::block_on(executor.run(rt.group(async |g| Ok(g))));
    let weak = Arc::downgrade(&executor);
    drop(executor);
    assert!(weak.upgrade().is_none(), "neither values, tasks nor handles keep it");
    assert!(smol::block_on(parked).unwrap_err().is_cancelled());
    let late = smol::block_on(rt.spawn_detached(async {}));
    assert!(late.unwrap_err().is_cancelled());
    drop(kept);
}

#[test]
fn r2_tasks_run_on_the_executor_that_they_were_given_to() {
    let (first, second) = (Arc::new(Executor::new()), Arc::new(Executor::new()));
    let on_second = Smol::from_executor(&second);
    let outcome: Outcome<()> = smol::block_on(first.run(on_second.group(async |g| {
        let task = g.spawn(async { Ok(()) });
        for _ in 0..100 {
            smol::future::yield_now().await;
        }
        assert!(!task.is_finished(), "nobody runs the second executor yet");
        second.run(task).await?;
        Ok(())
    })));
    outcome.unwrap();
}

#[test]
fn r6_values_of_one_executor_share_the_root() {
    let executor = Arc::new(Executor::new());
    let (finish, finished) = smol::channel::bounded::<()>(1);
    drop(Smol::from_executor(&executor).spawn_detached(async move { finished.recv().await }));
    let other = Arc::new(Executor::new());
    smol::block_on(Smol::from_executor(&other).drained());
    let mut drained = Smol::from_executor(&executor).drained();
    smol::block_on(executor.run(async {
        assert!(smol::future::poll_once(&mut drained).await.is_none());
        finish.send(()).await.unwrap();
        drained.await;
    }));
}

thread_local! {
    /// Counts this thread for as long as it is there.
    static PRESENT: OnceCell<Arc<()>> = const { OnceCell::new() };
}

/// With one job after the other, each for a value of its own: one thread or a few, not one for each.
#[test]
fn b2_values_that_are_dropped_share_their_threads_with_those_that_come() {
    let (executor, threads) = (Arc::new(Executor::new()), Arc::new(()));
    for _ in 0..3 * THREADS {
        let (rt, threads) = (Smol::from_executor(&executor), threads.clone());
        let job = rt.spawn_blocking(move || PRESENT.with(|own| drop(own.set(threads))));
        drop(rt);
        smol::block_on(job).unwrap();
    }
    let present = Arc::strong_count(&threads) - 1;
    assert!(present <= THREADS, "{present} threads");
}

/// As many as all values of a runtime have.
const THREADS: usize = 64;
