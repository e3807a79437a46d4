//! smol as the suite starts it: the global executor, and an executor of the user's own.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use anyscope_conformance::Harness;
use anyscope_smol::Smol;
use smol::Executor;

pub(crate) struct Global;

impl Harness for Global {
    type Runtime = Smol;

    fn runtime(&self) -> Smol {
        Smol::global()
    }

    fn block_on(&self, future: Pin<Box<dyn Future<Output = ()> + '_>>) {
        smol::block_on(future);
    }
}

pub(crate) struct Own(Arc<Executor<'static>>);

impl Harness for Own {
    type Runtime = Smol;

    fn runtime(&self) -> Smol {
        Smol::from_executor(&self.0)
    }

    fn block_on(&self, future: Pin<Box<dyn Future<Output = ()> + '_>>) {
        smol::block_on(self.0.run(future));
    }

    fn shut_down(self: Box<Self>) {
        drop(self.0);
    }
}

impl Own {
    pub(crate) fn start() -> Self {
        Self(Arc::new(Executor::new()))
    }
}
