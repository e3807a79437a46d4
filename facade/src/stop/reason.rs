//! `StopReason`: who or what asked a program to stop.

use std::fmt;
use std::sync::Arc;

/// Why a program is asked to stop, and with which exit code it then ends.
///
/// # Examples
///
/// ```
/// use anyscope::StopReason;
///
/// let reason = StopReason::from("maintenance");
/// assert_eq!((reason.to_string().as_str(), reason.code()), ("maintenance", 0));
/// assert_eq!(StopReason::from("no licence").with_code(77).code(), 77);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StopReason {
    text: Arc<str>,
    code: u8,
}

impl StopReason {
    /// With another exit code than 0.
    #[must_use]
    pub fn with_code(self, code: u8) -> Self {
        Self { code, ..self }
    }

    /// The exit code of a program that ended because of it, and without failures.
    pub fn code(&self) -> u8 {
        self.code
    }
}

impl From<&str> for StopReason {
    fn from(text: &str) -> Self {
        Self { text: text.into(), code: 0 }
    }
}

impl From<String> for StopReason {
    fn from(text: String) -> Self {
        text.as_str().into()
    }
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
