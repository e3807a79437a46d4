//! What goes on after a group's future was dropped: its body's clean-ups, and its grace period.

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use crate::error::AsDynError;
use crate::group::core::Core;
use crate::group::end::Fault;
use crate::group::lone::single;
use crate::group::state::node::Node;
use crate::group::state::time::Alarm;
use crate::group::state::unit::Unit;
use crate::panics::{catch, drop_contained, drop_payload};
use crate::protect::CleanupRun;
use crate::runtime::{GuardedSleep, Runtime};
use crate::task::{NoCallback, TaskFuture, TaskInfo};

/// Runs the clean-ups of a body on the runtime. The group counts them, and so the enclosing group
/// waits (C5). If the group was told already not to wait for the body, the root waits for them, as for a
/// detached task (X1).
pub(crate) fn leave_cleanups<R: Runtime>(runtime: &R, unit: Unit, run: CleanupRun) {
    let (unit, run) = match unit.claim_body() {
        true => (unit, run),
        false => {
            let node = single(runtime);
            let heir = node.enter_first(unit.info());
            node.leave_to(runtime.root().node());
            heir.carry(unit.carried());
            // With a place of its own, where what they defer is found.
            let run = run.handed_to(heir.cover());
            unit.end_body();
            (heir, run)
        }
    };
    drop(runtime.start(Leftover { run: Some(run), unit: Some(unit.running()) }));
}

/// Dropped before its end, because the runtime was shut down, it reports what did not run.
struct Leftover {
    run: Option<CleanupRun>,
    unit: Option<Unit>,
}

impl Leftover {
    fn end(&mut self) {
        let run = self.run.take();
        drop_contained(run);
        if let Some(unit) = self.unit.take() {
            unit.end();
        }
    }
}

impl Future for Leftover {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        if let (Some(run), Some(unit)) = (&mut this.run, this.unit.take()) {
            let (unit, polled) = run.poll_as(unit, cx);
            this.unit = Some(unit);
            ready!(polled);
        }
        this.end();
        Poll::Ready(())
    }
}

impl Drop for Leftover {
    fn drop(&mut self) {
        self.end();
    }
}

/// Measures what is left of the grace period of a group whose future is being dropped (C3): a
/// background task, so that nobody waits for it longer than for the others.
pub(crate) fn watch_grace<R: Runtime, E: AsDynError>(runtime: &R, node: &Arc<Node>) {
    let Some(Alarm::GraceEnds(at)) = node.next_alarm(|grace| runtime.after(grace)) else {
        return;
    };
    let Some(unit) = node.enter_watch(TaskInfo::here()) else {
        return;
    };
    let watched = node.clone();
    let watch = async move {
        // Not made before, where its thread may be ending and without the runtime's context.
        let sleep = catch(|| Core::<R, E>::of(&watched).runtime.sleep_until(at));
        match sleep {
            Ok(sleep) => GuardedSleep::new(sleep).await,
            // A runtime without timers, or one that is gone: nobody can measure it.
            Err(payload) => drop_payload(payload),
        }
        watched.harden();
        // Cut by what it just did.
        pending::<Result<(), Fault<E>>>().await
    };
    let watch = TaskFuture::<R, E, _, _>::new(watch, unit.running(), NoCallback);
    drop(runtime.start(GraceWatch { watch, node: node.clone(), has_ended: false }));
}

pin_project! {
    /// What measures a grace period. Dropped before its end, because the runtime was shut down, it ends the
    /// period: nobody else would (C3, R1).
    struct GraceWatch<F> {
        #[pin]
        watch: F,
        node: Arc<Node>,
        has_ended: bool,
    }

    impl<F> PinnedDrop for GraceWatch<F> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if !*this.has_ended {
                this.node.harden();
            }
        }
    }
}

impl<F: Future> Future for GraceWatch<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        drop(ready!(this.watch.poll(cx)));
        *this.has_ended = true;
        Poll::Ready(())
    }
}
