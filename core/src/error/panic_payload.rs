//! A captured panic as an error: payload, text, and where the hook saw it (P2, E1).

use std::backtrace::Backtrace;
use std::error::Error;
use std::fmt;
use std::sync::PoisonError;

use crate::error::panic_site::PanicSite;
use crate::panics::{Payload, panic_message};
use crate::sync::{Mutex, lock};

/// A captured panic.
pub struct PanicPayload {
    /// Locked only to make a payload, which is `Send`, `Sync` as well.
    payload: Mutex<Payload>,
    site: Option<Box<PanicSite>>,
}

impl PanicPayload {
    /// Of a panic that this thread has just caught.
    pub(crate) fn new(payload: Payload) -> Self {
        let site = PanicSite::take(panic_message(&*payload)).map(Box::new);
        Self { payload: Mutex::new(payload), site }
    }

    /// The payload, to be inspected or raised again.
    pub fn into_inner(self) -> Payload {
        self.payload.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// The panic's text.
    pub fn message(&self) -> String {
        panic_message(&**lock(&self.payload)).to_owned()
    }

    /// Where it panicked, as `file:line:column`, if
    /// [`record_panic_sites`](crate::record_panic_sites) was called before.
    pub fn location(&self) -> Option<&str> {
        self.site.as_ref().map(|site| &*site.location)
    }

    /// The stack when it panicked, if [`record_panic_sites`](crate::record_panic_sites) was called
    /// before. It is captured only if the environment asks for backtraces (`RUST_BACKTRACE`).
    pub fn backtrace(&self) -> Option<&Backtrace> {
        self.site.as_ref().map(|site| &site.backtrace)
    }
}

impl fmt::Debug for PanicPayload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PanicPayload").field(&self.message()).finish()
    }
}

impl fmt::Display for PanicPayload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.location() {
            Some(location) => write!(f, "panicked at {location}: {}", self.message()),
            None => write!(f, "panicked: {}", self.message()),
        }
    }
}

impl Error for PanicPayload {}
