//! `AnyRuntime`: a runtime whose type is erased, for code that cannot be generic (R3).

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use crate::job::Job;
use crate::runtime::erased::{AnyHandle, Erased, ErasedHandle};
use crate::runtime::{Blocking, CpuPool, Root, Runtime, Sleep, Spawner, Timer};

/// A runtime of any type. It behaves like the one inside (R3) and costs two allocations more for
/// each task: the boxed future, in which its value stays, and the boxed handle.
///
/// # Examples
///
/// A library whose types have no parameter for the runtime, and that takes whichever there is:
///
/// ```
/// use anyscope_core::{AnyRuntime, Group, GroupError, Runtime};
///
/// #[derive(Clone, Debug)]
/// pub struct Client {
///     rt: AnyRuntime,
/// }
///
/// impl Client {
///     pub fn new(rt: impl Runtime) -> Self {
///         Self { rt: AnyRuntime::new(rt) }
///     }
///
///     pub async fn ping(&self) -> Result<(), GroupError> {
///         self.rt.group(async |_| Ok(())).await
///     }
/// }
/// ```
#[derive(Clone)]
pub struct AnyRuntime {
    inner: Arc<dyn ErasedRuntime>,
}

impl AnyRuntime {
    /// Erases the type of a runtime. An `AnyRuntime` is not wrapped twice.
    pub fn new<R: Runtime>(runtime: R) -> Self {
        match (&runtime as &dyn Any).downcast_ref::<Self>() {
            Some(erased) => erased.clone(),
            None => Self { inner: Arc::new(runtime) },
        }
    }
}

impl fmt::Debug for AnyRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AnyRuntime").field(&self.inner.type_name()).finish()
    }
}

/// The dyn-compatible form of the traits.
trait ErasedRuntime: Send + Sync {
    fn start(&self, future: Erased) -> ErasedHandle;
    fn root(&self) -> &Root;
    fn within(&self, f: &mut dyn FnMut());
    fn run_blocking(&self, job: Job);
    fn with_blocking_threads(&self, threads: usize) -> AnyRuntime;
    fn block_until(&self, condition: &mut dyn FnMut() -> bool);
    fn run_cpu(&self, job: Job);
    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>>;
    fn now(&self) -> Instant;
    fn type_name(&self) -> &'static str;
}

impl<R: Runtime> ErasedRuntime for R {
    fn start(&self, future: Erased) -> ErasedHandle {
        Box::new(Spawner::start(self, future))
    }

    fn root(&self) -> &Root {
        Spawner::root(self)
    }

    fn within(&self, f: &mut dyn FnMut()) {
        Spawner::within(self, f);
    }

    fn run_blocking(&self, job: Job) {
        Blocking::run_blocking(self, job);
    }

    fn with_blocking_threads(&self, threads: usize) -> AnyRuntime {
        AnyRuntime::new(Blocking::with_blocking_threads(self, threads))
    }

    fn block_until(&self, condition: &mut dyn FnMut() -> bool) {
        Blocking::block_until(self, condition);
    }

    fn run_cpu(&self, job: Job) {
        CpuPool::run_cpu(self, job);
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(Timer::sleep_until(self, deadline))
    }

    fn now(&self) -> Instant {
        Timer::now(self)
    }

    fn type_name(&self) -> &'static str {
        std::any::type_name::<R>()
    }
}

impl Spawner for AnyRuntime {
    type Handle<T: Send + 'static> = AnyHandle<T>;

    fn start<F>(&self, future: F) -> AnyHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        AnyHandle::new(self.inner.start(Erased::new(future)))
    }

    fn root(&self) -> &Root {
        self.inner.root()
    }

    fn within<T>(&self, f: impl FnOnce() -> T) -> T {
        let (mut f, mut value) = (Some(f), None);
        self.inner.within(&mut || value = f.take().map(|f| f()));
        value.expect("`within` runs its closure")
    }
}

impl Blocking for AnyRuntime {
    fn run_blocking(&self, job: Job) {
        self.inner.run_blocking(job);
    }

    fn with_blocking_threads(&self, threads: usize) -> Self {
        self.inner.with_blocking_threads(threads)
    }

    fn block_until(&self, condition: &mut dyn FnMut() -> bool) {
        self.inner.block_until(condition);
    }
}

impl CpuPool for AnyRuntime {
    fn run_cpu(&self, job: Job) {
        self.inner.run_cpu(job);
    }
}

impl Timer for AnyRuntime {
    type Sleep = Pin<Box<dyn Sleep>>;

    fn sleep_until(&self, deadline: Instant) -> Self::Sleep {
        self.inner.sleep_until(deadline)
    }

    fn now(&self) -> Instant {
        self.inner.now()
    }
}
