//! Where a panic happened: only the panic hook can see it, so it is asked to write it down.

use std::backtrace::Backtrace;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::panic::{self, PanicHookInfo};
use std::sync::Once;
use std::thread;

use crate::panics::panic_message;

pub(crate) struct PanicSite {
    message: String,
    /// `file:line:column`.
    pub(crate) location: String,
    pub(crate) backtrace: Backtrace,
}

/// Lets captured panics know where they happened (E1): from now on each has a
/// [location](crate::PanicPayload::location) and, if `RUST_BACKTRACE` asks for it, a
/// [backtrace](crate::PanicPayload::backtrace).
///
/// Installs a panic hook that writes them down and then calls the hook that was there before. Later
/// calls do nothing. A hook that is set after this one replaces it, unless it calls it.
///
/// A panic is recognised by its thread and its text. If a task panics and its destructor then panics
/// with the same text, the place is the destructor's. A panic that is raised again on another thread,
/// as that of an inner group is, has no place. Called while its thread unwinds from a panic this does
/// nothing.
///
/// # Examples
///
/// ```
/// anyscope_core::record_panic_sites(); // first thing in `main`
/// ```
pub fn record_panic_sites() {
    static INSTALLED: Once = Once::new();
    // The hook cannot be changed then.
    if thread::panicking() {
        return;
    }
    INSTALLED.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            PanicSite::record(info);
            before(info);
        }));
    });
}

thread_local! {
    /// The last panics of this thread, the latest at the end. Several, because destructors may panic
    /// between a panic and its being asked about here.
    static SITES: RefCell<VecDeque<PanicSite>> = const { RefCell::new(VecDeque::new()) };
}

impl PanicSite {
    fn record(info: &PanicHookInfo<'_>) {
        let Some(location) = info.location() else { return };
        let message = panic_message(info.payload()).to_owned();
        let (location, backtrace) = (location.to_string(), Backtrace::capture());
        let site = Self { message, location, backtrace };
        // Not there while the thread ends: then nothing of ours will ask.
        let _ = SITES.try_with(|sites| {
            let mut sites = sites.borrow_mut();
            if sites.len() == KEPT {
                sites.pop_front();
            }
            sites.push_back(site);
        });
    }

    /// The latest panic of this thread with this text, and forgets all others.
    pub(crate) fn take(message: &str) -> Option<Self> {
        let sites = SITES.try_with(RefCell::take).unwrap_or_default();
        sites.into_iter().rev().find(|site| site.message == message)
    }
}

const KEPT: usize = 4;
