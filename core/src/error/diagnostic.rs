//! Errors as diagnostics for `miette`, each failure a related one (feature `miette`).

use std::fmt::Display;

use miette::{Diagnostic, LabeledSpan, Severity, SourceCode};

use crate::error::{AsDynError, BoxError, ErrorGroup, Failure, GroupError};

/// An error type whose groups are diagnostics: every [`Diagnostic`], and [`BoxError`], which tells
/// nothing but its text. There is nothing to implement.
pub trait AsDiagnostic: AsDynError {
    /// The error as a diagnostic, if it is one.
    fn as_diagnostic(&self) -> Option<&dyn Diagnostic>;
}

impl<E: Diagnostic + Send + Sync + 'static> AsDiagnostic for E {
    fn as_diagnostic(&self) -> Option<&dyn Diagnostic> {
        Some(self)
    }
}

impl AsDiagnostic for BoxError {
    fn as_diagnostic(&self) -> Option<&dyn Diagnostic> {
        None
    }
}

/// What the error says of itself, under the task's name.
impl<E: AsDiagnostic> Diagnostic for Failure<E> {
    fn code<'a>(&'a self) -> Option<Box<dyn Display + 'a>> {
        self.diagnostic()?.code()
    }

    fn severity(&self) -> Option<Severity> {
        self.diagnostic()?.severity()
    }

    fn help<'a>(&'a self) -> Option<Box<dyn Display + 'a>> {
        self.diagnostic()?.help()
    }

    fn url<'a>(&'a self) -> Option<Box<dyn Display + 'a>> {
        self.diagnostic()?.url()
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.diagnostic()?.source_code()
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.diagnostic()?.labels()
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        self.diagnostic()?.related()
    }

    fn diagnostic_source(&self) -> Option<&dyn Diagnostic> {
        self.diagnostic()?.diagnostic_source()
    }
}

impl<E: AsDiagnostic> Failure<E> {
    fn diagnostic(&self) -> Option<&dyn Diagnostic> {
        self.error()?.as_diagnostic()
    }
}

/// Its leaves are the related diagnostics: flat, because `miette` would print a deep tree by
/// recursion.
impl<E: AsDiagnostic> Diagnostic for ErrorGroup<E> {
    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        Some(Box::new(self.leaves().map(|leaf| leaf.failure() as &dyn Diagnostic)))
    }
}

/// As of [`ErrorGroup`].
impl<E: AsDiagnostic> Diagnostic for GroupError<E> {
    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        self.failures()?.related()
    }
}
