//! U4: each fault of a job, a hundred times, beside jobs that are well: none of those is lost or run
//! twice, and in the end no process and no thread is left.

use std::path::Path;
use std::time::Duration;

use crate::support::jobs::{
    ECHO_2, ECHO_OF_NUMBERS, ECHO_TO_NUMBER, FAIL, FAULT, Fault, HANG, MARK, MAX_PAYLOAD, PICKY,
    UNKNOWN, Undecodable, hanging,
};
use crate::support::processes::{children, signal, threads};
use crate::support::{Dir, On, numbers, on_each, until, until_sync};
use anyscope_core::{AnyRuntime, Timer};
use anyscope_process::{ProcessError, ProcessPool};
use futures_util::future::{join, join_all};
use libtest_mimic::Trial;
use rustix::process::Signal;

pub(crate) fn tests() -> Vec<Trial> {
    let tests = [
        on_each("each_fault_is_of_its_job_alone", each_fault_is_of_its_job_alone),
        on_each("what_cannot_travel_is_of_its_job_alone", what_cannot_travel_is_of_its_job_alone),
        on_each("kill_from_outside_is_of_its_job_alone", kill_from_outside_is_of_its_job_alone),
        on_each("worker_that_has_lent_its_channel_is_lost_all_the_same", lent_channel),
    ];
    tests.into_iter().flatten().collect()
}

fn each_fault_is_of_its_job_alone(on: On) {
    with_pool(on, async |_, pool, dir| {
        for (at, (fault, is_expected)) in faults().into_iter().enumerate() {
            let faulty = dir.path(&format!("faulty {at}"));
            beside_healthy(pool, dir, async |number| {
                let call = pool.run(&FAULT, (faulty.clone(), number, fault.clone()));
                let error = call.await.unwrap_err();
                assert!(is_expected(&error), "{fault:?}: {error}");
                assert!(error.has_begun(), "{fault:?}: {error}");
            })
            .await;
            assert_eq!(sorted(&faulty), Vec::from_iter(0..TIMES), "{fault:?}: run once each");
        }
    });
}

/// What a job does, and whether that is the error of its call.
type Expected = (Fault, fn(&ProcessError) -> bool);

fn faults() -> Vec<Expected> {
    let header = |call: u64, length: u32| {
        [&b"ap1\x04"[..], &call.to_le_bytes(), &length.to_le_bytes()].concat()
    };
    let garbage = |bytes: &[u8]| Fault::Garbage(bytes.to_vec());
    vec![
        (Fault::Panic, |error| error.panic_message().is_some_and(|text| text.contains("number"))),
        (Fault::Abort, |error| has_exited(error, None)),
        (Fault::Exit(0), |error| has_exited(error, Some(0))),
        (Fault::Exit(3), |error| has_exited(error, Some(3))),
        (Fault::Killed, |error| has_exited(error, None)),
        (Fault::OverflowStack, |error| has_exited(error, None)),
        (Fault::Memory, |error| has_exited(error, None)),
        (Fault::CloseChannel, |error| has_exited(error, None)),
        (garbage(b"x"), |error| has_exited(error, None)),
        (garbage(b"what was meant for another place"), |error| has_exited(error, None)),
        (Fault::Garbage(header(u64::MAX, 0)), |error| has_exited(error, None)),
        (Fault::Garbage(header(1, u32::MAX)), |error| has_exited(error, None)),
        (Fault::Output, |error| error.is_codec() && !error.is_too_large()),
        (Fault::LargeOutput, ProcessError::is_too_large),
    ]
}

/// Whether the worker was lost, and with this exit code.
fn has_exited(error: &ProcessError, code: Option<i32>) -> bool {
    error.is_worker_lost() && error.status().unwrap().code() == code
}

fn what_cannot_travel_is_of_its_job_alone(on: On) {
    with_pool(on, async |_, pool, dir| {
        beside_healthy(pool, dir, async |number| {
            let text = || format!("number {number}");
            let errors = [
                pool.run(&ECHO_OF_NUMBERS, (700, 7)).await.map(drop),
                pool.run(&ECHO_2, text()).await.map(drop),
                pool.run(&UNKNOWN, text()).await.map(drop),
                pool.run(&PICKY, Undecodable).await.map(drop),
                pool.run(&ECHO_2, "x".repeat(MAX_PAYLOAD)).await.map(drop),
            ]
            .map(Result::unwrap_err);
            for (at, error) in errors.iter().enumerate() {
                assert!(error.is_codec() && !error.has_begun(), "{error}");
                assert_eq!(error.is_too_large(), at == 4, "{error}");
            }
            let error = pool.run(&ECHO_TO_NUMBER, text()).await.unwrap_err();
            assert!(error.is_codec() && error.has_begun(), "{error}");
            assert_eq!(pool.run(&FAIL, text()).await.unwrap(), Err(text()));
        })
        .await;
        assert!(pool.worker_ids().len() <= WORKERS);
    });
}

fn kill_from_outside_is_of_its_job_alone(on: On) {
    with_pool(on, async |rt, pool, dir| {
        beside_healthy(pool, dir, async |number| {
            let file = dir.path(&format!("hang {number}"));
            let killed = async {
                until(rt, "the job hangs", || file.exists()).await;
                signal(hanging(&file).unwrap()[0], Signal::KILL);
            };
            let (outcome, ()) = join(pool.run(&HANG, file.clone()), killed).await;
            assert!(has_exited(&outcome.unwrap_err(), None));
        })
        .await;
    });
}

/// Its end is not that of the channel.
fn lent_channel(on: On) {
    with_pool(on, async |_, pool, dir| {
        let calls = (0..2).map(|number| {
            let input = (dir.path("faulty"), number, Fault::LendChannel);
            pool.run(&FAULT, input)
        });
        for outcome in join_all(calls).await {
            let error = outcome.unwrap_err();
            assert!(has_exited(&error, None) && error.has_begun(), "{error}");
        }
        assert_eq!(sorted(&dir.path("faulty")), [0, 1], "each has run once");
    });
}

/// A pool for a test, and whether all is as it was once that is closed.
fn with_pool(on: On, test: impl AsyncFnOnce(&AnyRuntime, &ProcessPool, &Dir)) {
    // Some runtimes keep the threads that they once had.
    on.run(async |rt| rt.sleep(Duration::from_millis(1)).await);
    let (before, dir) = (threads(), Dir::new());
    assert_eq!(children(), []);
    on.run(async |rt| {
        let builder = ProcessPool::builder().workers(WORKERS).max_payload(MAX_PAYLOAD);
        // A backtrace of a failed allocation takes longer than all the rest.
        let builder = builder.memory_limit(256 << 20).env("RUST_BACKTRACE", "0");
        let pool = builder.build().unwrap();
        test(&rt, &pool, &dir).await;
        pool.close().await;
        assert_eq!(children(), [], "no worker is left, not even as a zombie");
    });
    until_sync("the threads have ended", || threads() <= before);
}

/// Makes calls that fail, and as many that do not.
async fn beside_healthy(pool: &ProcessPool, dir: &Dir, faulty: impl AsyncFn(u64)) {
    let healthy = dir.path("healthy");
    let _ = std::fs::remove_file(&healthy);
    let pair = async |number| {
        let mark = pool.run(&MARK, (healthy.clone(), number));
        let (output, ()) = join(mark, faulty(number)).await;
        assert_eq!(output.unwrap(), number);
    };
    join_all((0..TIMES).map(pair)).await;
    assert_eq!(sorted(&healthy), Vec::from_iter(0..TIMES), "each has run once");
}

fn sorted(file: &Path) -> Vec<u64> {
    let mut numbers = numbers(file);
    numbers.sort_unstable();
    numbers
}

const TIMES: u64 = 100;
const WORKERS: usize = 4;
