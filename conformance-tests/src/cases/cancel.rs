//! When a cancelled task is dropped, and what beats a cancellation (rules C1, C6).

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, OnceLock};
use std::task::Poll;

use anyscope_core::{BoxError, GroupHandle, Runtime, TaskContext, TaskHandle, TaskId};

use super::{Case, case};
use crate::env::Env;
use crate::probe::{
    Count, Gate, Outcome, counted, eventually, eventually_blocking, holding, never, on_drop,
    poll_once, yield_now,
};
use crate::thread::{self, ThreadId};

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case(c1_suspended_task_is_dropped_without_a_wake_up_of_its_own::<R>),
        case(c1_suspended_body_is_dropped_without_a_wake_up_of_its_own::<R>),
        case(c1_task_that_always_wakes_itself_is_dropped::<R>),
        case(c1_wake_up_after_the_cancellation_comes_too_late::<R>),
        case(c1_poll_is_never_interrupted::<R>),
        case(c1_future_is_dropped_on_its_executor_in_its_context::<R>),
        case(c6_value_of_the_poll_that_was_cancelled_is_kept::<R>),
        case(c6_value_of_a_poll_cancelled_from_another_thread_is_kept::<R>),
        case(c6_value_of_a_running_job_is_kept::<R>),
        case(c6_value_that_was_there_before_is_kept::<R>),
        case(c6_value_of_a_group_that_has_ended_is_kept::<R>),
    ]
}

fn c1_suspended_task_is_dropped_without_a_wake_up_of_its_own<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let (polls, dropped) = (Count::new(), Count::new());
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let started = Gate::new();
                let begun = started.clone();
                // It never registers a waker: only the library's own can reach it.
                let waiting = counted(polls.clone(), async move {
                    begun.open();
                    never::<()>().await
                });
                g.spawn(holding(dropped.on_drop(), waiting));
                started.wait().await;
                g.cancel();
                Ok(())
            })
            .await;
        outcome.unwrap();
        assert_eq!((polls.get(), dropped.get()), (1, 1));
    });
}

/// Cancels the group from a thread outside of all runtimes once the gate is open.
fn cancel_from_a_thread<R: Runtime>(
    g: GroupHandle<BoxError, R>,
    begun: &Gate,
) -> thread::JoinHandle<ThreadId> {
    let begun = begun.clone();
    thread::spawn(move || {
        begun.wait_blocking();
        g.cancel();
        thread::current().id()
    })
}

fn c1_suspended_body_is_dropped_without_a_wake_up_of_its_own<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let (polls, dropped) = (Count::new(), Count::new());
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let begun = Gate::new();
                cancel_from_a_thread(g, &begun);
                let waiting = counted(polls.clone(), async move {
                    begun.open();
                    never::<()>().await
                });
                holding(dropped.on_drop(), waiting).await
            })
            .await;
        assert!(outcome.unwrap_err().is_cancelled());
        assert_eq!((polls.get(), dropped.get()), (1, 1));
    });
}

fn c1_task_that_always_wakes_itself_is_dropped<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let polls = Count::new();
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (started, busy) = (Gate::new(), polls.clone());
                let begun = started.clone();
                g.spawn::<_, ()>(async move {
                    begun.open();
                    loop {
                        busy.add();
                        yield_now().await;
                    }
                });
                started.wait().await;
                g.cancel();
                Ok(())
            })
            .await;
        outcome.unwrap();
        let at_the_end = polls.get();
        yield_now().await;
        assert_eq!(polls.get(), at_the_end);
    });
}

fn c1_wake_up_after_the_cancellation_comes_too_late<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let went_on = Count::new();
        for _ in 0..50 {
            let outcome: Outcome<()> = rt
                .group(async |g| {
                    let (started, gate) = (Gate::new(), Gate::new());
                    let (begun, waiting, late) = (started.clone(), gate.clone(), went_on.clone());
                    g.spawn(async move {
                        begun.open();
                        waiting.wait().await;
                        late.add();
                        Ok(())
                    });
                    started.wait().await;
                    while gate.waiters() == 0 {
                        yield_now().await;
                    }
                    g.cancel();
                    gate.open();
                    Ok(())
                })
                .await;
            outcome.unwrap();
        }
        assert_eq!(went_on.get(), 0);
    });
}

/// Stays in its poll until the group has been cancelled from a thread, and then gives `end`.
async fn cancelled_in_its_poll<R: Runtime>(
    g: GroupHandle<BoxError, R>,
    polls: Count,
    end: Poll<i32>,
) -> i32 {
    let begun = Gate::new();
    let canceller = Mutex::new(Some(cancel_from_a_thread(g, &begun)));
    poll_fn(move |_| {
        begun.open();
        // Holds the executor's thread for as long as the other thread needs to cancel.
        if let Some(canceller) = canceller.lock().unwrap().take() {
            canceller.join().unwrap();
        }
        polls.add();
        end
    })
    .await
}

fn c1_poll_is_never_interrupted<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let (polls, seen) = (Count::new(), Arc::new(Mutex::new(Vec::new())));
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (ended, drops) = (polls.clone(), seen.clone());
                let probe = on_drop(move || drops.lock().unwrap().push(ended.get()));
                let polling = cancelled_in_its_poll(g.clone(), polls.clone(), Poll::Pending);
                g.spawn(holding(probe, async { Ok(polling.await) }));
                never().await
            })
            .await;
        assert!(outcome.unwrap_err().is_cancelled());
        // Dropped after the one poll had come to its end, and not polled again.
        assert_eq!((polls.get(), &*seen.lock().unwrap()), (1, &vec![1]));
    });
}

fn c1_future_is_dropped_on_its_executor_in_its_context<R: Runtime>(env: &Env<R>) {
    type Seen = Arc<Mutex<Option<(ThreadId, TaskId)>>>;
    fn seeing(seen: &Seen) -> impl Send + use<> {
        let seen = seen.clone();
        on_drop(move || {
            let id = TaskContext::current().expect("the task's context").id();
            *seen.lock().unwrap() = Some((thread::current().id(), id));
        })
    }
    env.block_on(async |rt: R| {
        let (in_task, in_body) = (Seen::default(), Seen::default());
        let (mut ids, mut canceller) = (Vec::new(), None);
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let begun = Gate::new();
                canceller = Some(cancel_from_a_thread(g.clone(), &begun));
                let waiting = holding(seeing(&in_task), async move {
                    begun.open();
                    never::<()>().await
                });
                ids.push(g.spawn(waiting).id());
                ids.push(TaskContext::current().unwrap().id());
                let _probe = seeing(&in_body);
                never().await
            })
            .await;
        assert!(outcome.unwrap_err().is_cancelled());
        let canceller = canceller.unwrap().join().unwrap();
        for (seen, id) in [in_task, in_body].iter().zip(ids) {
            let (thread, context) = seen.lock().unwrap().unwrap();
            assert_ne!(thread, canceller);
            assert_eq!(context, id);
        }
    });
}

fn c6_value_of_the_poll_that_was_cancelled_is_kept<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<(TaskHandle<_, R>, TaskHandle<_, R>)> = rt
            .group(async |g| {
                let group = g.clone();
                let cancels_all = async move {
                    group.cancel();
                    Ok(7)
                };
                let own: Arc<Mutex<Option<TaskHandle<i32, R>>>> = Arc::default();
                let (gate, mine) = (Gate::new(), own.clone());
                let shelved = gate.clone();
                let cancels_itself = g.spawn(async move {
                    shelved.wait().await;
                    mine.lock().unwrap().as_ref().unwrap().cancel();
                    Ok(8)
                });
                *own.lock().unwrap() = Some(cancels_itself);
                gate.open();
                while !own.lock().unwrap().as_ref().unwrap().is_finished() {
                    yield_now().await;
                }
                let cancelled = own.lock().unwrap().take().unwrap();
                Ok((g.spawn(cancels_all), cancelled))
            })
            .await;
        let (all, itself) = outcome.unwrap();
        assert_eq!((all.await.unwrap(), itself.await.unwrap()), (7, 8));
    });
}

fn c6_value_of_a_poll_cancelled_from_another_thread_is_kept<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<TaskHandle<_, R>> = rt
            .group(async |g| {
                let value = cancelled_in_its_poll(g.clone(), Count::new(), Poll::Ready(7));
                Ok(g.spawn(async { Ok(value.await) }))
            })
            .await;
        assert_eq!(outcome.unwrap().await.unwrap(), 7);
        let outcome: Outcome<i32> = rt
            .group(async |g| {
                let value = cancelled_in_its_poll(g.clone(), Count::new(), Poll::Ready(8));
                Ok(value.await)
            })
            .await;
        assert_eq!(outcome.unwrap(), 8, "the body's");
    });
}

fn c6_value_of_a_running_job_is_kept<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<TaskHandle<_, R>> = rt
            .group(async |g| {
                let started = Gate::new();
                let (begun, group) = (started.clone(), g.clone());
                let job = g.spawn_blocking(move || {
                    begun.open();
                    eventually_blocking("the group is cancelled", || group.is_cancelled());
                    7
                });
                started.wait().await;
                job.cancel();
                g.cancel();
                Ok(job)
            })
            .await;
        assert_eq!(outcome.unwrap().await.unwrap(), 7);
    });
}

fn c6_value_that_was_there_before_is_kept<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<TaskHandle<_, R>> = rt
            .group(async |g| {
                let task = g.spawn(async { Ok(7) });
                while !task.is_finished() {
                    yield_now().await;
                }
                task.cancel();
                g.cancel();
                Ok(task)
            })
            .await;
        let task = outcome.unwrap();
        task.cancel();
        assert_eq!(task.await.unwrap(), 7);
    });
}

/// Whoever awaits the group has yet to be told that all have ended.
fn c6_value_of_a_group_that_has_ended_is_kept<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let (finish, handle) = (Gate::new(), OnceLock::new());
        let group = rt.group::<BoxError, _>(async |g| {
            let last = finish.clone();
            g.spawn(async move {
                last.wait().await;
                Ok(())
            });
            handle.get_or_init(|| g);
            Ok(7)
        });
        let mut group = pin!(group);
        assert!(poll_once(group.as_mut()).is_pending());
        let g = handle.get().expect("the body was polled");
        finish.open();
        eventually(&rt, "all have ended", || g.live() == 0).await;
        g.shut_down();
        assert_eq!(group.await.unwrap(), 7);
    });
}
