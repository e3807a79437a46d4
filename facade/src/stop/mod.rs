//! How a program is stopped from outside: by signals of the operating system, or by whoever may ask.

mod ended;
mod reason;
#[cfg(all(feature = "signal", any(unix, windows)))]
mod signals;
mod stopper;

pub use ended::Ended;
pub use reason::StopReason;
#[cfg(all(feature = "signal", any(unix, windows)))]
pub use signals::{signals, until_signal};
pub use stopper::{Reached, Stopper};
