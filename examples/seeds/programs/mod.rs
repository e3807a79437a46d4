//! The programs of five documents on asyncio's structured concurrency, in their order: a file for
//! each document, a module for each section that has code.
//!
//! They use the ambient functions, as an application does: `group`, `sleep`, `spawn_cpu` name no
//! runtime, and all of them run on whichever `run` was called. A library would take `R: Runtime`.

mod advanced_concepts;
mod asyncio_tasks;
mod notebook;
mod out;
mod short_course;
mod structured_concurrency;

use std::future::Future;
use std::pin::Pin;

use anyscope::BoxError;

pub(crate) use out::Out;

/// A program that can be run by its name.
pub(crate) struct Program {
    /// Document and section, as `asyncio_tasks::gather`.
    pub(crate) name: &'static str,
    main: Box<dyn Fn(Out) -> Running>,
}

pub(crate) type Running = Pin<Box<dyn Future<Output = Result<(), BoxError>>>>;

impl Program {
    fn new<F>(name: &'static str, main: impl Fn(Out) -> F + 'static) -> Self
    where
        F: Future<Output = Result<(), BoxError>> + 'static,
    {
        Self { name, main: Box::new(move |out| Box::pin(main(out))) }
    }

    pub(crate) fn main(&self, out: Out) -> Running {
        (self.main)(out)
    }
}

/// All of them, in the order of the documents.
pub(crate) fn programs() -> Vec<Program> {
    let documents = [
        structured_concurrency::programs(),
        advanced_concepts::programs(),
        short_course::programs(),
        asyncio_tasks::programs(),
        notebook::programs(),
    ];
    documents.into_iter().flatten().collect()
}
