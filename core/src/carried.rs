//! `Carried`: values that a task is given when it is spawned, and can ask for (X4).

use std::any::{Any, TypeId, type_name};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::panics::Contained;
use crate::stack::enclosing;

/// Values that tasks, jobs and bodies carry, one of each type: the id of a request, a user, a locale.
///
/// They are given at the spawn and never change: nothing is inherited unless it is handed on by
/// [`here`](Self::here), which is a snapshot. Only a group's body has what the task carries that opens
/// the group, because it runs in place of that; [`GroupFuture::carrying`](crate::GroupFuture::carrying)
/// gives it something else.
///
/// Code that runs as the task finds them: destructors of its future, its done-callback and its deferred
/// clean-ups too. They are gone when it has ended, but for what was taken out of them. A thread that helps a
/// job, as those of a data-parallel computation do, asks the job's
/// [`TaskContext::carried`](crate::TaskContext::carried).
///
/// Other runtimes carry all to each child ([`contextvars`] of Python, Swift's task-local values). Which
/// values are meant for a child only the program knows; Kotlin's contexts are given at the spawn too.
///
/// [`contextvars`]: https://docs.python.org/3/library/contextvars.html
///
/// # Examples
///
/// ```
/// use anyscope_core::{Carried, Group, GroupError, Runtime};
///
/// struct RequestId(u64);
///
/// fn log(line: &str) -> String {
///     match Carried::here().get::<RequestId>() {
///         Some(id) => format!("[{}] {line}", id.0),
///         None => line.to_owned(),
///     }
/// }
///
/// async fn serve<R: Runtime>(rt: &R) -> Result<(), GroupError> {
///     rt.group(async |g| {
///         let request = async move { Ok(log("accepted")) };
///         let accepted = g.task(request).carrying(Carried::of(RequestId(7))).spawn();
///         assert_eq!(accepted.await?, "[7] accepted");
///         Ok(())
///     })
///     .await
/// }
/// ```
#[derive(Clone, Default)]
pub struct Carried {
    /// `None` is none: most tasks carry nothing, and have nothing to drop.
    values: Option<Arc<BTreeMap<TypeId, Value>>>,
}

#[derive(Clone)]
struct Value {
    value: Contained<Arc<dyn Any + Send + Sync>>,
    type_name: &'static str,
}

impl Carried {
    /// Nothing.
    pub const fn new() -> Self {
        Self { values: None }
    }

    /// One value.
    pub fn of<T: Send + Sync + 'static>(value: T) -> Self {
        Self::new().with(value)
    }

    /// What the current task, job or body carries: to be handed on, or looked into. Nothing outside any.
    pub fn here() -> Self {
        enclosing().map(|(node, key)| node.carried_by(key, None)).unwrap_or_default()
    }

    /// The same with this value, in place of one of its type.
    #[must_use]
    pub fn with<T: Send + Sync + 'static>(mut self, value: T) -> Self {
        let value: Arc<dyn Any + Send + Sync> = Arc::new(value);
        let values = Arc::make_mut(self.values.get_or_insert_default());
        let value = Value { value: Contained::new(value), type_name: type_name::<T>() };
        values.insert(TypeId::of::<T>(), value);
        self
    }

    /// The value of this type, if there is one.
    pub fn get<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        let value = &self.values.as_ref()?.get(&TypeId::of::<T>())?.value;
        Arc::clone(value).downcast().ok()
    }

    /// Whether there is no value.
    pub fn is_empty(&self) -> bool {
        self.values.is_none()
    }
}

/// The types of the values.
impl fmt::Debug for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let types =
            self.values.iter().flat_map(|values| values.values().map(|value| value.type_name));
        f.debug_set().entries(types).finish()
    }
}
