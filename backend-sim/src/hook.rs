//! What becomes of the panics of a run: those that are repeated only to learn from them are not printed, and
//! it is kept where each was.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{self, PanicHookInfo};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::thread;

use anyscope_core::panic_message;

/// What the hook does with the panics of a thread.
#[derive(Clone, Default)]
pub(crate) struct Listener {
    is_quiet: bool,
    places: Option<Places>,
}

thread_local! {
    static LISTENER: RefCell<Listener> = const { RefCell::new(Listener { is_quiet: false, places: None }) };
}

impl Listener {
    /// That of this thread.
    pub(crate) fn here() -> Self {
        LISTENER.try_with(|own| own.borrow().clone()).unwrap_or_default()
    }

    /// For a thread that works for another one.
    pub(crate) fn listen_here(self) {
        LISTENER.set(self);
    }

    fn during<T>(self, f: impl FnOnce() -> T) -> T {
        wrap_hook();
        let _restore = Restore(LISTENER.replace(self));
        f()
    }

    fn hear(&self, info: &PanicHookInfo<'_>) {
        if let (Some(places), Some(place)) = (&self.places, info.location()) {
            places.lock().insert(panic_message(info.payload()).to_owned(), place.to_string());
        }
    }
}

/// Where the panics of a run were, by their texts; of several with the same text, the latest.
#[derive(Clone, Default)]
pub(crate) struct Places(Arc<Mutex<BTreeMap<String, String>>>);

impl Places {
    /// Those of the panics that a message tells of: its own, and those whose texts it quotes, as an error
    /// does that was unwrapped.
    pub(crate) fn of(&self, message: &str) -> BTreeSet<String> {
        let places = self.lock();
        let told = places.iter().filter(|(text, _)| !text.is_empty() && message.contains(*text));
        told.map(|(_, place)| place.clone()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs `f`; panics on this thread are not printed meanwhile.
pub(crate) fn quietly<T>(f: impl FnOnce() -> T) -> T {
    Listener { is_quiet: true, ..Listener::here() }.during(f)
}

/// Runs `f`, and gives where the panics in it were.
pub(crate) fn with_places<T>(f: impl FnOnce() -> T) -> (T, Places) {
    let places = Places::default();
    let listener = Listener { places: Some(places.clone()), ..Listener::here() };
    (listener.during(f), places)
}

/// The process's panic hook is wrapped once, and does as before for all others. While a panic unwinds that is
/// not possible.
fn wrap_hook() {
    static WRAP: Once = Once::new();
    if thread::panicking() {
        return;
    }
    WRAP.call_once(|| {
        let loud = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let listener = Listener::here();
            listener.hear(info);
            if !listener.is_quiet {
                loud(info);
            }
        }));
    });
}

struct Restore(Listener);

impl Drop for Restore {
    fn drop(&mut self) {
        LISTENER.set(std::mem::take(&mut self.0));
    }
}
