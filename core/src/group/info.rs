//! A group's id, name and place (C2, G17).

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use crate::error::OneLine;
use crate::task::next_id;

/// The id of a group, unique in the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(u64);

impl GroupId {
    pub(crate) fn new() -> Self {
        Self(next_id())
    }
}

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// What is known of a group: id, the place where it was made, and the name if it was given one. `Display` is
/// one line, whatever the name (E5).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GroupInfo {
    pub(crate) id: GroupId,
    pub(crate) name: Option<Arc<str>>,
    pub(crate) location: &'static Location<'static>,
}

impl GroupInfo {
    /// The id.
    pub fn id(&self) -> GroupId {
        self.id
    }

    /// The name, where [one was given](crate::GroupFuture::name).
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Where it was made.
    pub fn location(&self) -> &'static Location<'static> {
        self.location
    }
}

impl fmt::Display for GroupInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "group {} '{}' ({})", self.id, OneLine(name), self.location),
            None => write!(f, "group {} ({})", self.id, self.location),
        }
    }
}
