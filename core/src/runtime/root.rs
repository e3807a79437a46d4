//! `Root`: what counts the groups of a runtime that no other group encloses (R6).

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::task::{Context, Poll};

use crate::group::{AnyCore, Node, NodeOptions, Watch};
use crate::job::{Job, Pool, park_until};
use crate::runtime::AnyRuntime;

/// Counts what was left to the underlying runtime: groups that were opened where no other encloses
/// them and whose futures were dropped, detached tasks, and jobs that were given up (R6).
///
/// # Implementing
///
/// A backend keeps one for each native runtime and gives the same to all values made from it.
#[derive(Clone)]
pub struct Root {
    node: Arc<Node>,
}

impl Root {
    /// A root that nothing belongs to yet.
    #[expect(clippy::new_without_default, reason = "each is another identity, as with `Arc`")]
    pub fn new() -> Self {
        Self { node: Node::new(Box::<RootCore>::default(), NodeOptions::default()) }
    }

    /// Waits until nothing that was left to the runtime is alive.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if it is dropped.
    pub fn drained(&self) -> Drained {
        Drained { watch: Watch::new(self.node.clone()) }
    }

    /// What a backend shares among all values made from one native runtime beside this, as the threads
    /// for blocking jobs. `make` makes it at the first call.
    ///
    /// # Panics
    ///
    /// If it has been made before with another type.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use anyscope_core::Root;
    ///
    /// let root = Root::new();
    /// let first = root.shared(|| Arc::new(7));
    /// assert!(Arc::ptr_eq(&first, &root.clone().shared(|| Arc::new(8))));
    /// ```
    pub fn shared<T: Clone + Send + Sync + 'static>(&self, make: impl FnOnce() -> T) -> T {
        let core: Option<&RootCore> = self.node.core().as_any().downcast_ref();
        let shared =
            core.expect("a root's node has its core").shared.get_or_init(|| Box::new(make()));
        shared.downcast_ref::<T>().expect("a backend shares one type by a root").clone()
    }

    pub(crate) fn node(&self) -> &Arc<Node> {
        &self.node
    }
}

impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Root").field("live", &(self.node.live() - 1)).finish()
    }
}

/// The roots of native runtimes of which a program may have several, by what tells them apart.
///
/// # Examples
///
/// ```
/// use anyscope_core::Roots;
///
/// static ROOTS: Roots<u32> = Roots::new();
/// let of_runtime_seven = ROOTS.of(7);
/// # let _ = of_runtime_seven;
/// ```
#[derive(Debug)]
pub struct Roots<K> {
    /// Those that somebody still holds. The keys' `PartialEq` runs under the lock and is a backend's.
    /// The standard library's own lock, which a static can have.
    known: Mutex<Vec<(K, Weak<Node>)>>,
}

impl<K: PartialEq> Roots<K> {
    /// None yet.
    #[expect(clippy::new_without_default, reason = "meant for a static")]
    pub const fn new() -> Self {
        Self { known: Mutex::new(Vec::new()) }
    }

    /// The root of the runtime that is called `key`: the same as long as anybody holds it.
    pub fn of(&self, key: K) -> Root {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|(_, node)| node.strong_count() > 0);
        let found = known.iter().find(|(k, _)| *k == key).and_then(|(_, node)| node.upgrade());
        if let Some(node) = found {
            return Root { node };
        }
        let root = Root::new();
        known.push((key, Arc::downgrade(&root.node)));
        root
    }
}

/// The future of [`Root::drained`].
#[must_use = "futures do nothing unless awaited"]
pub struct Drained {
    watch: Watch,
}

impl Future for Drained {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // The one that is left is the root's own.
        self.watch.poll(cx, |node| (node.live() == 1).then_some(()))
    }
}

impl fmt::Debug for Drained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drained").finish_non_exhaustive()
    }
}

/// A root has no runtime of its own, so that the two do not keep each other alive.
#[derive(Default)]
struct RootCore {
    shared: OnceLock<Box<dyn Any + Send + Sync>>,
}

impl AnyCore for RootCore {
    fn runtime(&self) -> Option<AnyRuntime> {
        None
    }

    fn is_root(&self) -> bool {
        true
    }

    fn within(&self, f: &mut dyn FnMut()) {
        f();
    }

    fn report_leftovers(&self) {}

    /// A root is never cancelled.
    fn watch_grace(&self, _: &Arc<Node>) {}

    /// A job is given to the root only when its thread no longer asks for its group.
    fn block_until(&self, condition: &mut dyn FnMut() -> bool) {
        park_until(condition);
    }

    /// A root has no limit, so that no job waits in it.
    fn launch(&self, _: Pool, job: Job) {
        drop(job);
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
