//! One after the other: what an end on this thread leads to, and that to the next, without recursion.

use std::cell::RefCell;
use std::collections::VecDeque;

use crate::panics::contain;
use crate::sync::thread_local;
use crate::unhandled::UnhandledKind;

type Step = Box<dyn FnOnce()>;

/// What is under way on this thread, and what comes after it.
struct Steps {
    under_way: bool,
    waiting: VecDeque<Step>,
}

thread_local! {
    /// Borrowed for an exchange only.
    static STEPS: RefCell<Steps> =
        const { RefCell::new(Steps { under_way: false, waiting: VecDeque::new() }) };
}

/// Does it now, or after the step that is under way on this thread. A pool that is shut down drops a job
/// at once, whose permit or place then goes to the next job, and so on without end.
pub(crate) fn in_turn(step: impl FnOnce() + 'static) {
    let mut step = Some(step);
    let begun = STEPS.try_with(|steps| {
        let mut steps = steps.borrow_mut();
        if steps.under_way {
            steps.waiting.extend(step.take().map(|step| Box::new(step) as Step));
        }
        steps.under_way = true;
    });
    let Some(step) = step else {
        return;
    };
    contain(UnhandledKind::Waker, step);
    // A thread that ends has no list any more: then each goes on at once.
    if begun.is_ok() {
        while let Some(step) = STEPS.with(|steps| next(&mut steps.borrow_mut())) {
            contain(UnhandledKind::Waker, step);
        }
    }
}

fn next(steps: &mut Steps) -> Option<Step> {
    let step = steps.waiting.pop_front();
    steps.under_way = step.is_some();
    step
}
