//! The hook for failures that can be returned to nobody (C9).

use std::error::Error;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use crate::error::{INDENTED, escape};
use crate::panics::{Payload, catch, drop_payload, panic_message};
use crate::task::TaskInfo;

/// Why a failure has no caller that could take it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnhandledKind {
    /// An `Err` of a task or body whose group's future was dropped, or was displaced by a panic.
    Failure,
    /// A panic of a task, body or job that nobody waited for, or of an error that was asked for its source.
    Panic,
    /// A panic in the destructor of an output, of an error, or of a closure.
    Destructor,
    /// A panic in a done-callback.
    Callback,
    /// A panic in a waker.
    Waker,
    /// A panic in a completion policy.
    Policy,
    /// An error or panic of a deferred clean-up, or one that was dropped before its end (C5).
    Cleanup,
    /// A task that did not stop within a grace period, where no error could say so (C3).
    Overdue,
    /// A task that was cancelled by the deadline of a group of its own, under a policy that reports (E6).
    Expired,
}

/// A failure that can be returned to nobody, as the hook sees it.
///
/// `Display` is one line, for a log, with line breaks and control characters in names and texts escaped (E5).
/// The alternate form (`{:#}`) keeps the line breaks, and indents what comes after them.
#[derive(Debug)]
pub struct Unhandled<'a> {
    kind: UnhandledKind,
    task: Option<&'a TaskInfo>,
    error: Option<&'a (dyn Error + 'static)>,
    message: &'a str,
}

impl<'a> Unhandled<'a> {
    /// Why nobody could take it.
    pub fn kind(&self) -> UnhandledKind {
        self.kind
    }

    /// The task it comes from, where there is one.
    pub fn task(&self) -> Option<&'a TaskInfo> {
        self.task
    }

    /// The error, where it was not a panic.
    pub fn error(&self) -> Option<&'a (dyn Error + 'static)> {
        self.error
    }
}

impl fmt::Display for Unhandled<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            UnhandledKind::Failure => "unhandled failure",
            UnhandledKind::Panic => "unhandled panic",
            UnhandledKind::Destructor => "panic in a destructor",
            UnhandledKind::Callback => "panic in a done-callback",
            UnhandledKind::Waker => "panic in a waker",
            UnhandledKind::Policy => "panic in a completion policy",
            UnhandledKind::Cleanup => "failed clean-up",
            UnhandledKind::Overdue => "not stopped in time",
            UnhandledKind::Expired => "time was up",
        };
        f.write_str(what)?;
        if let Some(task) = self.task {
            write!(f, " of {task}")?;
        }
        let text: &dyn fmt::Display = match &self.error {
            Some(error) => error,
            None if self.message.is_empty() => return Ok(()),
            None => &self.message,
        };
        let at_break = f.alternate().then_some(&INDENTED as &dyn fmt::Display);
        f.write_str(": ")?;
        escape::write(f, text, at_break, false)
    }
}

type Hook = Arc<dyn Fn(&Unhandled<'_>) + Send + Sync>;

/// Read for the time of one clone; never held while a hook runs.
static HOOK: RwLock<Option<Hook>> = RwLock::new(None);

/// Sets what is called with each failure that can be returned to nobody (C9). The default writes a
/// `tracing` event at level `ERROR`. A panic of the hook is swallowed.
///
/// The hook is one for the process; it may be called from any thread, also from a destructor.
///
/// # Examples
///
/// ```
/// anyscope_core::set_unhandled_hook(|lost| eprintln!("lost: {lost}"));
/// ```
pub fn set_unhandled_hook(hook: impl Fn(&Unhandled<'_>) + Send + Sync + 'static) {
    let hook: Hook = Arc::new(hook);
    let old = HOOK.write().unwrap_or_else(PoisonError::into_inner).replace(hook);
    drop(old);
}

pub(crate) fn report_error(
    kind: UnhandledKind,
    task: Option<&TaskInfo>,
    error: &(dyn Error + 'static),
) {
    report(&Unhandled { kind, task, error: Some(error), message: "" });
}

pub(crate) fn report_text(kind: UnhandledKind, task: Option<&TaskInfo>, message: &str) {
    report(&Unhandled { kind, task, error: None, message });
}

/// And drops what was raised.
pub(crate) fn report_panic(kind: UnhandledKind, task: Option<&TaskInfo>, payload: Payload) {
    report(&Unhandled { kind, task, error: None, message: panic_message(&*payload) });
    drop_payload(payload);
}

fn report(lost: &Unhandled<'_>) {
    let hook = HOOK.read().unwrap_or_else(PoisonError::into_inner).clone();
    let outcome = catch(|| match hook {
        Some(hook) => hook(lost),
        None => tracing::error!(target: "anyscope", "{lost}"),
    });
    if let Err(payload) = outcome {
        drop_payload(payload);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_one_line_unless_lines_are_asked_for() {
        let task = TaskInfo { name: Some("a\nname".into()), ..TaskInfo::here() };
        let kind = UnhandledKind::Panic;
        let lost = Unhandled { kind, task: Some(&task), error: None, message: "left\nright\u{7}" };
        let [line, lines] = [format!("{lost}"), format!("{lost:#}")];
        assert!(line.starts_with(&format!("unhandled panic of task {} 'a\\nname' (", task.id())));
        assert!(line.ends_with(r"): left\nright\u{7}"), "{line}");
        assert!(lines.ends_with("): left\n  right\\u{7}"), "{lines}");
        let error = std::fmt::Error;
        let lost = Unhandled { task: None, error: Some(&error), ..lost };
        assert_eq!(lost.to_string(), format!("unhandled panic: {error}"));
    }
}
