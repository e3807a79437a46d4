//! Programs that are stopped without signals: what a `Stopper` reaches, and how its groups end.

#![cfg(any(feature = "tokio", feature = "smol", feature = "async-std"))]

#[path = "support/bounded.rs"]
mod bounded;
#[path = "support/each.rs"]
mod each;

use std::future::{Future, pending};
use std::pin::pin;
use std::process::Termination;
use std::sync::Barrier;
use std::task::{Context, Waker};
use std::thread;
use std::time::Duration;

use anyscope::prelude::*;
use anyscope::{CauseKind, Ended, Reached, StopReason, Stopper, cancelled};

use each::on_each;

const HOUR: Duration = Duration::from_secs(3600);

/// Ends when it is told.
async fn polite() -> Result<(), BoxError> {
    cancelled().await;
    Ok(())
}

/// Has the program stopped, and goes on.
async fn stubborn(stopper: Stopper) -> Result<(), BoxError> {
    assert_eq!(stopper.stop(StopReason::from("first").with_code(7)), Reached::Told);
    pending().await
}

/// A shutdown was the cause; names of those who were late.
fn stopped<T>(ended: &Ended<T>) -> Vec<&str> {
    let Err(error) = ended.result() else { panic!("it has a value") };
    assert_eq!(error.cause().expect("cancelled").root().kind(), &CauseKind::Shutdown);
    ended.overdue().iter().filter_map(|task| task.name()).collect()
}

#[test]
fn a_group_that_nobody_stops_ends_as_ever() {
    on_each(async || {
        let ended = Stopper::new().watch(group(async |_| Ok(7))).await;
        assert_eq!((ended.code(), ended.stopped_by()), (0, None));
        assert_eq!(ended.to_string(), "ended");
        assert_eq!(ended.into_result().unwrap(), 7);
        let unwatched: Ended = group(async |_| Err(BoxError::msg("too early"))).await.into();
        assert_eq!((unwatched.code(), unwatched.stopped_by()), (1, None));
    });
}

#[test]
fn a_group_that_fails_or_is_cancelled_by_itself_has_code_1() {
    on_each(async || {
        let failing = group(async |_| Err::<(), _>(BoxError::msg("boom")));
        let ended = Stopper::new().watch(failing).await;
        assert_eq!((ended.code(), ended.stopped_by()), (1, None));
        let report = ended.to_string();
        assert!(report.starts_with("failed\ngroup failed: 1 failure\n"), "{report}");
        assert!(report.contains("boom"), "{report}");

        let cancelling = group(async |g| {
            g.cancel_because("enough");
            pending::<Result<(), _>>().await
        });
        let ended = Stopper::new().watch(cancelling).await;
        assert_eq!((ended.code(), ended.stopped_by()), (1, None));
        assert_eq!(ended.to_string(), "cancelled: requested: enough");
    });
}

#[test]
fn a_reason_stays_in_its_line() {
    on_each(async || {
        let stopper = Stopper::new();
        let watched = stopper.clone();
        let body = group(async move |_| {
            watched.stop("first\nsecond");
            polite().await
        });
        let ended = stopper.watch(body).await;
        assert_eq!(ended.to_string(), r"stopped by first\nsecond");
        let cancelling = group(async |g| {
            g.cancel_because("first\nsecond");
            pending::<Result<(), _>>().await
        });
        let ended: Ended = cancelling.await.into();
        assert_eq!(ended.to_string(), r"cancelled: requested: first\nsecond");
    });
}

#[test]
fn each_request_reaches_further() {
    on_each(async || {
        let stopper = Stopper::new();
        assert_eq!(stopper.stop("nobody is there"), Reached::Nobody);
        let inside = stopper.clone();
        let group = group(async move |g| {
            g.task(polite()).name("polite").spawn();
            g.task(stubborn(inside.clone())).name("stubborn").spawn();
            // Told, and with an hour to go on.
            g.cancelled().await;
            assert_eq!(inside.stop("second"), Reached::Cut);
            assert_eq!(inside.stop("third"), Reached::Waiting);
            Ok(())
        });
        let ended = stopper.watch(group.grace(HOUR)).await;
        assert!(stopped(&ended).contains(&"stubborn"));
        assert_eq!(ended.stopped_by().unwrap().to_string(), "first");
        assert_eq!(ended.code(), 7);
        assert!(ended.to_string().starts_with("stopped by first; "), "{ended}");
        assert!(ended.to_string().contains("'stubborn' (facade/tests/stopper.rs:"), "{ended}");
        assert_eq!(stopper.stop("nobody is there any more"), Reached::Nobody);
    });
}

#[test]
fn the_grace_period_ends_by_itself() {
    on_each(async || {
        let stopper = Stopper::new();
        let inside = stopper.clone();
        let group = group(async move |g| {
            g.task(stubborn(inside)).name("stubborn").spawn();
            Ok(())
        });
        let ended = stopper.watch(group.grace(Duration::from_millis(5))).await;
        assert_eq!(stopped(&ended), ["stubborn"]);
    });
}

#[test]
fn a_request_before_the_group_has_opened_is_not_lost() {
    on_each(async || {
        let stopper = Stopper::new();
        let early = stopper.clone();
        let group = group(async |_| pending::<Result<(), _>>().await);
        let ended = stopper.watch(group.on_open(move |g| {
            assert!(!g.is_cancelled());
            assert_eq!(early.stop("early"), Reached::Told);
        }));
        assert!(stopped(&ended.await).is_empty());
    });
}

#[test]
fn a_request_to_what_is_cancelled_already_is_not_why_it_ends() {
    on_each(async || {
        let stopper = Stopper::new();
        let inside = stopper.clone();
        let group = group(async move |g| {
            g.cancel_because("enough");
            g.cancelled().await;
            inside.stop("maintenance");
            pending::<Result<(), _>>().await
        });
        let ended = stopper.watch(group.grace(Duration::from_millis(5))).await;
        assert_eq!((ended.code(), ended.stopped_by()), (1, None));
        assert!(ended.to_string().starts_with("cancelled: requested: enough; "), "{ended}");
    });
}

#[test]
fn a_failure_while_stopping_is_not_hidden_by_the_stop() {
    on_each(async || {
        let stopper = Stopper::new();
        let inside = stopper.clone();
        let group = group(async move |g| {
            g.spawn(async move {
                inside.stop("stop");
                polite().await?;
                Err::<(), _>(BoxError::msg("not saved"))
            });
            Ok(())
        });
        let ended = stopper.watch(group.grace(HOUR)).await;
        assert_eq!((ended.code(), stopped(&ended).len()), (1, 0));
        assert!(ended.to_string().contains("not saved"), "{ended}");
        let report = ended.to_string();
        assert!(report.starts_with("stopped by stop\ngroup failed: 1 failure\n"), "{report}");
    });
}

#[test]
fn a_watch_that_is_dropped_is_reached_no_more() {
    on_each(async || {
        let stopper = Stopper::new();
        {
            let never = group(async |_| pending::<Result<(), _>>().await);
            let mut watching = pin!(stopper.watch(never));
            assert_eq!(stopper.stop("not polled yet"), Reached::Nobody);
            let polled = watching.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(polled.is_pending());
            assert_eq!(format!("{stopper:?}"), "Stopper { watched: 1 }");
        }
        assert_eq!(stopper.stop("gone"), Reached::Nobody);
    });
}

#[test]
fn all_groups_that_are_watched_are_stopped() {
    on_each(async || {
        let stopper = Stopper::new();
        let outcome = group(async |g| {
            let watch = || {
                let waits = group(async |_| pending::<Result<(), _>>().await);
                let watching = stopper.watch(waits);
                g.spawn(async { Ok(watching.await) })
            };
            let (one, other, watched) = (watch(), watch(), stopper.clone());
            let stopping = g.spawn(async move {
                while format!("{watched:?}") != "Stopper { watched: 2 }" {
                    sleep(Duration::from_millis(1)).await;
                }
                Ok(watched.stop("both"))
            });
            assert_eq!(stopping.await?, Reached::Told);
            for ended in [one.await?, other.await?] {
                assert!(stopped(&ended).is_empty());
            }
            Ok(())
        });
        outcome.await.unwrap();
    });
}

#[test]
fn requests_of_many_threads_at_once_are_one_shutdown() {
    on_each(async || {
        for _ in 0..200 {
            let stopper = Stopper::new();
            let inside = stopper.clone();
            let group = group(async move |_| {
                let (start, stopper) = (&Barrier::new(3), &inside);
                let mut reached = thread::scope(|threads| {
                    let ask = || {
                        start.wait();
                        stopper.stop("stop")
                    };
                    [(); 3].map(|()| threads.spawn(ask)).map(|thread| thread.join().unwrap())
                });
                reached.sort_unstable();
                assert_eq!(reached, [Reached::Told, Reached::Cut, Reached::Waiting]);
                pending::<Result<(), _>>().await
            });
            let ended = stopper.watch(group.grace(HOUR)).await;
            stopped(&ended);
        }
    });
}

#[test]
fn as_the_value_of_main_it_gives_the_exit_code() {
    on_each(async || {
        let ended = Stopper::new().watch(group(async |_| Ok(()))).await;
        assert_eq!(
            format!("{:?}", ended.report()),
            format!("{:?}", std::process::ExitCode::SUCCESS)
        );
        let failed = group(async |_| Err::<(), _>(BoxError::msg("boom")));
        let ended = Stopper::new().watch(failed).await;
        assert_eq!(
            format!("{:?}", ended.report()),
            format!("{:?}", std::process::ExitCode::FAILURE)
        );
    });
}
