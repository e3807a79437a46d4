//! Trees of failures for `serde` (feature `serde`).

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use crate::cancel::CancelCause;
use crate::error::tree::Options;
use crate::error::{AsDynError, ErrorGroup, Failure, FailureKind, GroupError, Tree};

/// Within the tree's default bounds; [`tree`](GroupError::tree) sets others.
impl<E: AsDynError> Serialize for GroupError<E> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.tree().serialize(serializer)
    }
}

/// Within the tree's default bounds; [`tree`](ErrorGroup::tree) sets others.
impl<E: AsDynError> Serialize for ErrorGroup<E> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.tree().serialize(serializer)
    }
}

/// A map of `kind` (`"error"`, `"panic"`, `"group"`, `"cancelled"`), `message`, and where they are
/// known `id`, `name`, `location` and `elapsed` (in seconds); `sources`, a list of texts; for a group
/// `notes`, `cause`, `children` and, where the bounds of the tree have cut some off, their number as
/// `left_out`.
///
/// Serialising recurses, and so does reading: no more than 60 levels are written, whatever `max_depth` says,
/// which `serde_json` can read with its limit of 128.
impl<E: AsDynError> Serialize for Tree<'_, E> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (group, cause, mut options) = self.parts();
        options.depth = options.depth.min(MOST_LEVELS);
        let mut map = serializer.serialize_map(None)?;
        match group {
            Some(group) => Body { group, cause, options }.write(&mut map)?,
            None => {
                map.serialize_entry("kind", "cancelled")?;
                map.serialize_entry("message", &cause.map(ToString::to_string))?;
            }
        }
        map.end()
    }
}

/// Each is a map in a list, and `serde_json` reads no more than 127 of both within each other.
const MOST_LEVELS: usize = 60;

/// What is said of a group: the outermost, or that of a nested node.
struct Body<'a, E> {
    group: &'a ErrorGroup<E>,
    cause: Option<&'a CancelCause>,
    /// The depth is what is left of it.
    options: Options,
}

impl<E: AsDynError> Body<'_, E> {
    fn write<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        let Self { group, mut options, .. } = *self;
        map.serialize_entry("kind", "group")?;
        map.serialize_entry("message", group.message())?;
        if !group.notes().is_empty() {
            map.serialize_entry("notes", group.notes())?;
        }
        if let Some(cause) = self.cause {
            map.serialize_entry("cause", &cause.to_string())?;
        }
        let shown = if options.depth == 0 { 0 } else { group.len().min(options.width) };
        options.depth = options.depth.saturating_sub(1);
        map.serialize_entry("children", &Children { group, shown, options })?;
        if shown < group.len() {
            map.serialize_entry("left_out", &(group.len() - shown))?;
        }
        Ok(())
    }
}

struct Children<'a, E> {
    group: &'a ErrorGroup<E>,
    shown: usize,
    options: Options,
}

impl<E: AsDynError> Serialize for Children<'_, E> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.shown))?;
        for failure in self.group.iter().take(self.shown) {
            list.serialize_element(&Node { failure, options: self.options })?;
        }
        list.end()
    }
}

struct Node<'a, E> {
    failure: &'a Failure<E>,
    options: Options,
}

impl<E: AsDynError> Serialize for Node<'_, E> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { failure, options } = *self;
        let task = failure.task();
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &task.id().0)?;
        map.serialize_entry("name", &task.name())?;
        map.serialize_entry("location", &task.location().to_string())?;
        map.serialize_entry("elapsed", &failure.elapsed().map(|elapsed| elapsed.as_secs_f64()))?;
        let kind = match failure.kind() {
            FailureKind::Error(_) => "error",
            FailureKind::Panic(_) => "panic",
            FailureKind::Group(inner) => {
                let (group, cause) = (inner.nested(), inner.cause());
                Body { group, cause, options }.write(&mut map)?;
                return map.end();
            }
        };
        let error = failure.as_error();
        let sources = std::iter::successors(error.source(), |error| error.source());
        let sources: Vec<_> = sources.take(options.sources).map(ToString::to_string).collect();
        map.serialize_entry("kind", kind)?;
        map.serialize_entry("message", &error.to_string())?;
        map.serialize_entry("sources", &sources)?;
        map.end()
    }
}
