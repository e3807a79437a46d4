//! `run` of each backend: waits for all that was opened in it, and refuses to block a task.

#![cfg(any(feature = "tokio", feature = "smol", feature = "async-std"))]

#[path = "support/bounded.rs"]
mod bounded;
#[path = "support/each.rs"]
mod each;
#[path = "support/panics.rs"]
mod panics;

use std::future::{Future, pending};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::mpsc::{Sender, TryRecvError, channel};
use std::task::{Context, Waker};

use anyscope::prelude::*;

use bounded::bounded;
use each::on_each;
use panics::panic_of;

#[test]
fn inside_a_task_run_panics_and_says_to_await() {
    on_each(async || {
        let texts = [
            #[cfg(feature = "tokio")]
            panic_of(|| anyscope::tokio::run(async {})),
            #[cfg(feature = "smol")]
            panic_of(|| anyscope::smol::run(async {})),
            #[cfg(feature = "async-std")]
            panic_of(|| anyscope::async_std::run(async {})),
        ];
        for text in texts {
            assert!(text.contains("await the future instead"), "{text}");
        }
    });
}

/// Leaves a group whose future is dropped while a task of it holds `held`.
async fn leave_a_group(held: Sender<()>) {
    let dropped = group(async move |g| {
        g.spawn(async move {
            let _held = held;
            pending::<Result<(), BoxError>>().await
        });
        pending::<()>().await;
        Ok(())
    });
    let mut dropped = pin!(dropped);
    assert!(dropped.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
}

#[test]
fn run_returns_after_all_that_was_opened_in_it_has_ended() {
    let check = |name, run: fn(Sender<()>)| {
        bounded(name, move || {
            let (held, gone) = channel();
            run(held);
            assert_eq!(gone.try_recv(), Err(TryRecvError::Disconnected));
        });
    };
    #[cfg(feature = "tokio")]
    check("tokio", |held| anyscope::tokio::run(leave_a_group(held)));
    #[cfg(feature = "smol")]
    check("smol", |held| anyscope::smol::run(leave_a_group(held)));
    #[cfg(feature = "async-std")]
    check("async-std", |held| anyscope::async_std::run(leave_a_group(held)));
}

#[test]
fn a_panic_of_the_main_future_comes_out_of_run_after_the_rest_has_ended() {
    async fn main(held: Sender<()>) {
        leave_a_group(held).await;
        panic!("main");
    }
    let check = |name, run: fn(Sender<()>)| {
        bounded(name, move || {
            let (held, gone) = channel();
            let outcome = catch_unwind(AssertUnwindSafe(|| run(held)));
            assert_eq!(anyscope::panic_message(&*outcome.unwrap_err()), "main");
            assert_eq!(gone.try_recv(), Err(TryRecvError::Disconnected));
        });
    };
    #[cfg(feature = "tokio")]
    check("tokio", |held| anyscope::tokio::run(main(held)));
    #[cfg(feature = "smol")]
    check("smol", |held| anyscope::smol::run(main(held)));
    #[cfg(feature = "async-std")]
    check("async-std", |held| anyscope::async_std::run(main(held)));
}
