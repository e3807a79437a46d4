//! Random completion orders and cancellations: nothing is lost, nothing comes twice (W3, W4, W6).

use std::cell::Cell;
use std::collections::BTreeSet;
use std::pin::Pin;
use std::task::Poll;

use anyscope_core::{
    BoxError, LocalHandle, Supervise, TaskError, TaskId, WaitFor, as_completed, map_concurrent,
    scope, wait,
};
use futures_util::{Stream, StreamExt};
use proptest::collection::vec;
use proptest::prelude::{Just, ProptestConfig, Strategy};
use proptest::{prop_oneof, proptest};

use crate::support::{Manual, drive, poll_once, yield_now};

/// What happens to the tasks, one step after the other.
#[derive(Clone, Copy, Debug)]
enum Step {
    Finish(usize),
    Fail(usize),
    Cancel(usize),
    /// The combinator looks.
    Look,
    /// The tasks get to run.
    Run,
}

const TASKS: usize = 9;

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0..TASKS).prop_map(Step::Finish),
        (0..TASKS).prop_map(Step::Fail),
        (0..TASKS).prop_map(Step::Cancel),
        Just(Step::Look),
        Just(Step::Run),
    ];
    vec(step, 0..5 * TASKS)
}

fn what() -> impl Strategy<Value = WaitFor> {
    use WaitFor::{All, FirstCompleted, FirstFailed};
    prop_oneof![Just(FirstCompleted), Just(FirstFailed), Just(All)]
}

/// Tasks that end as the steps say, and what was heard of each.
struct Tasks {
    gates: Vec<Manual<Result<usize, BoxError>>>,
    ids: Vec<TaskId>,
    /// Those that nothing was heard of.
    unheard: Vec<LocalHandle<usize>>,
    heard: Vec<usize>,
}

impl Tasks {
    fn hear(&mut self, outcome: &Result<usize, TaskError>) {
        let number = match outcome {
            Ok(value) => *value,
            Err(error) => {
                assert!(!error.is_taken() && !error.is_refused(), "{error}");
                self.ids.iter().position(|id| *id == error.task()).expect("one of the tasks")
            }
        };
        assert!(!self.heard.contains(&number), "{number} came twice");
        self.heard.push(number);
        let id = self.ids[number];
        self.unheard.retain(|task| task.id() != id);
    }

    /// What the step does to a task. The first end of a task is its end.
    fn apply(&self, step: Step) {
        match step {
            Step::Finish(at) => self.gates[at].finish(Ok(at)),
            Step::Fail(at) => self.gates[at].finish(Err(BoxError::msg("by the test"))),
            Step::Cancel(at) => {
                let task = self.unheard.iter().find(|task| task.id() == self.ids[at]);
                task.into_iter().for_each(LocalHandle::cancel);
            }
            Step::Look | Step::Run => {}
        }
    }
}

/// Lets the steps happen to tasks of a scope, `listen`s to them in between and dropping that again,
/// and in the end until all were heard of. Each comes once.
fn each_comes_once(steps: &[Step], mut listen: impl AsyncFnMut(&mut Tasks, bool)) {
    let outcome = scope(async |s| {
        let gates: Vec<_> = (0..TASKS).map(|_| Manual::new()).collect();
        let unheard: Vec<_> = gates.iter().map(|gate| s.spawn(gate.future())).collect();
        let ids = unheard.iter().map(LocalHandle::id).collect();
        let mut tasks = Tasks { gates, ids, unheard, heard: Vec::new() };
        for step in steps {
            match step {
                Step::Look => listen(&mut tasks, false).await,
                Step::Run => yield_now().await,
                step => tasks.apply(*step),
            }
        }
        (0..TASKS).for_each(|at| tasks.apply(Step::Finish(at)));
        while !tasks.unheard.is_empty() {
            listen(&mut tasks, true).await;
        }
        assert_eq!(tasks.heard.len(), TASKS, "none is lost");
        Ok::<(), BoxError>(())
    });
    drop(drive(outcome.policy(Supervise)));
}

/// One poll, after which the combinator is dropped; or all it takes.
async fn look<F: Future + Unpin>(mut future: F, to_the_end: bool) -> Option<F::Output> {
    match poll_once(&mut future) {
        Poll::Ready(value) => Some(value),
        Poll::Pending if to_the_end => Some(future.await),
        Poll::Pending => None,
    }
}

/// Maps the positions to tasks that the steps let end, and checks what comes against what was pulled.
fn map_as_the_steps_say(steps: &[Step], limit: usize, ordered: bool) {
    let outcome = scope(async |s| {
        let gates: Vec<_> = (0..TASKS).map(|_| Manual::<Result<usize, BoxError>>::new()).collect();
        let pulled = Cell::new(0);
        let items = (0..TASKS).inspect(|_| pulled.set(pulled.get() + 1));
        let map = map_concurrent(items, limit, |at| s.spawn(gates[at].future()));
        let mut map: Pin<Box<dyn Stream<Item = _>>> =
            if ordered { Box::pin(map.ordered()) } else { Box::pin(map.as_completed()) };
        let (mut values, mut failed) = (Vec::new(), None);
        let rest = (0..TASKS).flat_map(|at| [Step::Finish(at), Step::Run, Step::Look]);
        for step in steps.iter().copied().chain(rest) {
            match step {
                Step::Finish(at) => gates[at].finish(Ok(at)),
                Step::Fail(at) => gates[at].finish(Err(BoxError::msg("by the test"))),
                Step::Run => yield_now().await,
                Step::Look | Step::Cancel(_) => match poll_once(&mut map.next()) {
                    Poll::Ready(Some(Ok(value))) => values.push(value),
                    Poll::Ready(Some(Err(error))) => {
                        failed = Some(error);
                        assert!(
                            gates[..pulled.get()].iter().all(Manual::is_gone),
                            "all have ended"
                        );
                    }
                    Poll::Ready(None) | Poll::Pending => {}
                },
            }
            assert!(pulled.get() <= values.len() + limit, "at most {limit} at once");
        }
        while let Some(outcome) = map.next().await {
            outcome.map_or_else(|error| failed = Some(error), |value| values.push(value));
        }
        check_map(&values, failed.map(|error| error.index()), pulled.get(), ordered);
        let ended = gates[..pulled.get()].iter().filter(|gate| gate.is_gone());
        assert_eq!(ended.count(), pulled.get(), "all that ran have ended");
        Ok::<(), BoxError>(())
    });
    drop(drive(outcome.policy(Supervise)));
}

fn check_map(values: &[usize], failed: Option<usize>, pulled: usize, ordered: bool) {
    let each: BTreeSet<_> = values.iter().copied().collect();
    assert_eq!(each.len(), values.len(), "none comes twice: {values:?}");
    if ordered {
        assert!(values.iter().copied().eq(0..values.len()), "in order: {values:?}");
    }
    match failed {
        None => assert_eq!(values.len(), TASKS, "none is lost"),
        Some(index) => assert!(index < pulled && !each.contains(&index)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn wait_loses_and_doubles_nothing(steps in steps(), what in what()) {
        each_comes_once(&steps, async |tasks, to_the_end| {
            let given = tasks.unheard.len();
            let waited = look(wait(tasks.unheard.iter_mut(), what), to_the_end).await;
            let Some((done, pending)) = waited else { return };
            assert_eq!(done.len() + pending.len(), given);
            let mut outcomes = Vec::new();
            for mut task in done {
                assert!(task.is_finished());
                let Poll::Ready(outcome) = poll_once(&mut task) else { panic!("it is done") };
                outcomes.push(outcome);
            }
            outcomes.iter().for_each(|outcome| tasks.hear(outcome));
        });
    }

    #[test]
    fn as_completed_loses_and_doubles_nothing(steps in steps()) {
        each_comes_once(&steps, async |tasks, to_the_end| {
            let mut outcomes = Vec::new();
            let mut completed = as_completed(tasks.unheard.iter_mut());
            while let Some(outcome) = look(StreamExt::next(&mut completed), to_the_end).await.flatten() {
                outcomes.push(outcome);
            }
            drop(completed);
            outcomes.iter().for_each(|outcome| tasks.hear(outcome));
        });
    }

    #[test]
    fn map_gives_each_value_once_up_to_the_first_failure(
        steps in steps(),
        limit in 1..TASKS + 2,
        ordered in proptest::bool::ANY,
    ) {
        map_as_the_steps_say(&steps, limit, ordered);
    }
}
