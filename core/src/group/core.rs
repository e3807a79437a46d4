//! The typed part of a group: its runtime and its ledger.

use std::any::Any;
use std::sync::Arc;

use crate::error::AsDynError;
use crate::group::end::{End, Ending, Fault, Role, Settled};
use crate::group::ledger::Ledger;
use crate::group::leftover::watch_grace;
use crate::group::state::node::{AnyCore, Node, NodeOptions};
use crate::group::state::unit::Unit;
use crate::job::{Job, Pool, when_permitted};
use crate::runtime::{AnyRuntime, Runtime};
use crate::task::TaskError;

pub(crate) struct Core<R, E> {
    pub(crate) runtime: R,
    pub(crate) ledger: Ledger<E>,
}

impl<R: Runtime, E: AsDynError> Core<R, E> {
    /// A new group of these types. Of its ledger its node knows what the end of a task would have to ask.
    pub(crate) fn open(runtime: R, ledger: Ledger<E>, options: NodeOptions) -> Arc<Node> {
        let options =
            NodeOptions { is_lone: ledger.is_lone(), asks_policy: ledger.asks_policy(), ..options };
        Node::new(Box::new(Self { runtime, ledger }), options)
    }

    /// The typed part of a group that is known to have these types.
    pub(crate) fn of(node: &Node) -> &Self {
        Self::get(node).expect("a handle is made with the types of its group")
    }

    pub(crate) fn get(node: &Node) -> Option<&Self> {
        node.core().as_any().downcast_ref()
    }

    /// Enters the end of a unit of this group, and cancels the group if that says so (T1).
    pub(crate) fn settle<T>(
        &self,
        unit: &Unit,
        role: Role,
        end: End<Result<T, Fault<E>>>,
    ) -> Result<T, TaskError> {
        let node = unit.node();
        let ending = Ending {
            group: node.id(),
            role,
            info: &|| unit.info(),
            now: &|| self.runtime.now(),
            is_cancelled: &|| node.cause().is_some(),
        };
        let Settled { outcome, cancel } = self.ledger.settle(&ending, end);
        if let Some(cause) = cancel {
            node.cancel(cause);
        }
        outcome
    }
}

impl<R: Runtime, E: AsDynError> AnyCore for Core<R, E> {
    fn runtime(&self) -> Option<AnyRuntime> {
        Some(AnyRuntime::new(self.runtime.clone()))
    }

    fn is_root(&self) -> bool {
        false
    }

    fn within(&self, f: &mut dyn FnMut()) {
        self.runtime.within(f);
    }

    fn report_leftovers(&self) {
        self.ledger.report_leftovers();
    }

    fn watch_grace(&self, node: &Arc<Node>) {
        watch_grace::<R, E>(&self.runtime, node);
    }

    fn block_until(&self, condition: &mut dyn FnMut() -> bool) {
        self.runtime.block_until(condition);
    }

    fn launch(&self, pool: Pool, mut job: Job) {
        match job.take_semaphore() {
            None => pool.run(&self.runtime, job),
            Some(semaphore) => {
                let runtime = self.runtime.clone();
                let go = move |job| pool.run(&runtime, job);
                when_permitted(semaphore, job, go, |watch| drop(self.runtime.start(watch)));
            }
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
