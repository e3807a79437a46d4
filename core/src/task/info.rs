//! A task's id, name and spawn location (G17).

use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::OneLine;

/// The id of a task or job, unique in the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(pub(crate) u64);

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// What is known of a task: id, spawn location, and the name if it was given one. `Display` is one line,
/// whatever the name (E5).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TaskInfo {
    pub(crate) id: TaskId,
    pub(crate) name: Option<Arc<str>>,
    pub(crate) location: &'static Location<'static>,
}

impl TaskInfo {
    /// With a new id.
    #[inline]
    pub(crate) fn new(name: Option<Arc<str>>, location: &'static Location<'static>) -> Self {
        Self { id: TaskId(next_id()), name, location }
    }

    /// A new id, and the caller's place.
    #[track_caller]
    pub(crate) fn here() -> Self {
        Self::new(None, Location::caller())
    }

    /// The same place and name, and another id.
    pub(crate) fn with_new_id(&self) -> Self {
        Self::new(self.name.clone(), self.location)
    }

    /// Writes its name, or its id if it has none.
    pub(crate) fn write_label(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "'{}'", OneLine(name)),
            None => write!(f, "{}", self.id),
        }
    }

    /// The id.
    pub fn id(&self) -> TaskId {
        self.id
    }

    /// The name, where one was given.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Where it was spawned.
    pub fn location(&self) -> &'static Location<'static> {
        self.location
    }
}

impl fmt::Display for TaskInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "task {} '{}' ({})", self.id, OneLine(name), self.location),
            None => write!(f, "task {} ({})", self.id, self.location),
        }
    }
}

/// Ids of tasks and groups come from one sequence, so that each is unique among both.
pub(crate) fn next_id() -> u64 {
    /// Relaxed: only uniqueness is needed.
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
