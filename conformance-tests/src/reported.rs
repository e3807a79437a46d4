//! What the hook for lost failures has seen. There is one hook for the whole process, so that cases tell
//! by their texts which failures are theirs.

use std::cell::RefCell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use anyscope_core::TaskInfo;
use anyscope_core::unhandled::{Unhandled, UnhandledKind};

/// A text that no other case uses, nor this one on another flavour. Failures with it are kept from now on.
pub(crate) fn unique(text: &str) -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let text = format!("{text}-{}-", NEXT.fetch_add(1, Ordering::Relaxed));
    OWN.with_borrow_mut(|own| own.push(text.clone()));
    reported().texts.push(text.clone());
    text
}

/// A failure that could be returned to nobody, as the hook saw it.
#[derive(Clone, Debug)]
pub(crate) struct Lost {
    pub(crate) kind: UnhandledKind,
    /// The task's name.
    pub(crate) name: Option<String>,
    /// The whole line.
    pub(crate) text: String,
}

/// All that the hook has seen with this text in it, which has a [`unique`] one in it. The first call in the
/// process sets the hook: it must come before what is to be seen.
pub(crate) fn lost(text: &str) -> Vec<Lost> {
    static SET: Once = Once::new();
    SET.call_once(|| anyscope_core::set_unhandled_hook(note));
    let reported = reported();
    reported.lost.iter().filter(|lost| lost.text.contains(text)).cloned().collect()
}

/// The case that ran on this thread is over: nobody asks for its texts any more. Otherwise a thousand seeds
/// would leave a thousand times as much behind.
pub(crate) fn forget() {
    let own = OWN.take();
    let is_own = |text: &str| own.iter().any(|own| text.contains(own));
    let mut reported = reported();
    reported.texts.retain(|text| !own.contains(text));
    reported.lost.retain(|lost| !is_own(&lost.text));
}

/// A failure with this in its text makes the hook panic.
pub(crate) const HARMS_THE_HOOK: &str = "harms the hook";

#[derive(Default)]
struct Reported {
    /// Those that cases ask for.
    texts: Vec<String>,
    lost: Vec<Lost>,
}

static REPORTED: Mutex<Reported> = Mutex::new(Reported { texts: Vec::new(), lost: Vec::new() });

thread_local! {
    /// The texts of the case that runs on this thread.
    static OWN: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

fn note(lost: &Unhandled<'_>) {
    let name = lost.task().and_then(TaskInfo::name).map(str::to_owned);
    let (kind, text) = (lost.kind(), lost.to_string());
    let harmful = text.contains(HARMS_THE_HOOK);
    {
        let mut reported = reported();
        if reported.texts.iter().any(|known| text.contains(known)) {
            reported.lost.push(Lost { kind, name, text });
        }
    }
    assert!(!harmful, "the hook panics");
}

fn reported() -> MutexGuard<'static, Reported> {
    REPORTED.lock().unwrap_or_else(PoisonError::into_inner)
}
