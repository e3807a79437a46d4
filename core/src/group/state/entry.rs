//! How units and inner groups enter a group, and how they are refused (G10).

use std::collections::BTreeSet;
use std::panic::Location;
use std::sync::{Arc, Weak};

use crate::cancel::CancelCause;
use crate::group::state::cancel_unit::Told;
use crate::group::state::node::Node;
use crate::group::state::table::{Inner, ScopeKey, Table, UnitKey};
use crate::group::state::unit::Unit;
use crate::job::RunJob;
use crate::protect::ShieldState;
use crate::sync::lock;
use crate::task::{TaskId, TaskInfo};

/// How a unit enters a group.
pub(crate) enum Admission {
    Ordinary,
    /// Not unless there is a place for it now.
    IfFree,
    /// With the place of a ticket.
    Reserved,
    /// In the background (G19).
    Background,
}

impl Admission {
    /// In the background if `background` says so.
    pub(crate) fn or_background(self, background: bool) -> Self {
        if background { Self::Background } else { self }
    }
}

/// Why a unit was not let in.
pub(crate) enum Refusal {
    /// The group was cancelled for this cause, or has ended.
    Closed(Option<CancelCause>),
    /// There is no place (G18).
    Full,
}

impl Refusal {
    pub(crate) fn into_cause(self) -> Option<CancelCause> {
        match self {
            Self::Closed(cause) => cause,
            Self::Full => None,
        }
    }
}

/// Whether a unit was let in.
pub(super) enum Entry {
    Entered {
        key: UnitKey,
        /// It waits for a place (G18).
        queued: bool,
        /// The background tasks, where nobody else is alive.
        retired: Told,
    },
    Closed,
    Full,
}

impl Node {
    /// Takes over the count that `new` made.
    pub(crate) fn enter_first(self: &Arc<Self>, info: TaskInfo) -> Unit {
        let key = lock(&self.table).insert(info);
        Unit::new(self.clone(), key)
    }

    /// Lets a unit in, or refuses it (G10). In a group with a limit it may have to wait (G18).
    #[inline]
    pub(crate) fn enter(
        self: &Arc<Self>,
        info: TaskInfo,
        admission: Admission,
    ) -> Result<Unit, Refusal> {
        if let (None, Admission::Ordinary) = (&info.name, &admission) {
            if let Some(key) = self.enter_plainly(info.id, info.location) {
                return Ok(Unit::new(self.clone(), key));
            }
        }
        self.enter_fully(info, &admission)
    }

    /// The most common case. `None` if there is more to be looked at.
    fn enter_plainly(&self, id: TaskId, location: &'static Location<'static>) -> Option<UnitKey> {
        if self.has_limit || self.cause().is_some() {
            return None;
        }
        lock(&self.table).enter_plainly(id, location)
    }

    /// All other cases. A function of its own, so that it is compiled once and each spawn is given the most
    /// common case alone.
    fn enter_fully(
        self: &Arc<Self>,
        info: TaskInfo,
        admission: &Admission,
    ) -> Result<Unit, Refusal> {
        self.enter_as(|table| table.enter(info, admission, self))
    }

    /// Lets a job in, which a cancellation finds from then on.
    pub(crate) fn enter_job(
        self: &Arc<Self>,
        info: TaskInfo,
        job: Weak<dyn RunJob>,
    ) -> Result<Unit, Refusal> {
        self.enter_as(|table| table.enter_job(info, job, self))
    }

    fn enter_as(
        self: &Arc<Self>,
        enter: impl FnOnce(&mut Table) -> Entry,
    ) -> Result<Unit, Refusal> {
        if let Some(cause) = self.cause() {
            return Err(Refusal::Closed(Some(cause.clone())));
        }
        let entry = enter(&mut lock(&self.table));
        match entry {
            Entry::Entered { key, queued, retired } => {
                retired.tell();
                Ok(Unit::entered(self.clone(), key, queued))
            }
            Entry::Closed => Err(Refusal::Closed(self.cause().cloned())),
            Entry::Full => Err(Refusal::Full),
        }
    }

    /// Lets a background task of our own in, which is not listed, also into a group that was cancelled; not
    /// into one that has ended.
    pub(crate) fn enter_watch(self: &Arc<Self>, info: TaskInfo) -> Option<Unit> {
        let entry = lock(&self.table).enter_watch(info, self);
        let Entry::Entered { key, retired, .. } = entry else {
            return None;
        };
        retired.tell();
        Some(Unit::new(self.clone(), key))
    }
}

impl Table {
    #[inline]
    fn enter_plainly(
        &mut self,
        id: TaskId,
        location: &'static Location<'static>,
    ) -> Option<UnitKey> {
        if self.count == 0 {
            return None;
        }
        self.count += 1;
        Some(self.insert_unnamed(id, location))
    }

    /// One decision under one lock: whoever has taken the count to zero was there before, and nobody is
    /// let in, or comes after, and waits (G10).
    fn enter(&mut self, info: TaskInfo, admission: &Admission, node: &Node) -> Entry {
        if self.count == 0 {
            return Entry::Closed;
        }
        let full = self.limiter.as_ref().is_some_and(|limiter| limiter.is_full());
        if full && matches!(admission, Admission::IfFree) {
            return Entry::Full;
        }
        let id = info.id;
        let key = self.insert(info);
        self.count += 1;
        let queued = !self.admit(key, admission);
        let retired = match admission {
            Admission::Background => {
                self.background.insert(key, id);
                self.in_background += 1;
                self.retire_if_alone(node)
            }
            _ => Told::default(),
        };
        Entry::Entered { key, queued, retired }
    }

    fn enter_watch(&mut self, info: TaskInfo, node: &Node) -> Entry {
        let entry = self.enter(info, &Admission::Background, node);
        if let Entry::Entered { key, .. } = entry {
            self.units.get_mut(key.0).into_iter().for_each(|unit| unit.id.mark_ended());
        }
        entry
    }

    fn enter_job(&mut self, info: TaskInfo, job: Weak<dyn RunJob>, node: &Node) -> Entry {
        let entry = self.enter(info, &Admission::Ordinary, node);
        if let Entry::Entered { key, .. } = entry {
            self.add_job(key, job);
        }
        entry
    }

    /// Whether it has a place, or needs none.
    fn admit(&mut self, key: UnitKey, admission: &Admission) -> bool {
        match (&mut self.limiter, admission) {
            (Some(limiter), Admission::Ordinary | Admission::IfFree) => limiter.admit(key),
            (Some(limiter), Admission::Reserved) => {
                limiter.redeem(key);
                true
            }
            _ => true,
        }
    }

    /// Counts an inner group; `None` if this one has ended, or has given the opener up. With the
    /// background tasks, where nobody else is alive.
    pub(super) fn enter_scope(
        &mut self,
        inner: Weak<Node>,
        opener: UnitKey,
        shield: Option<Arc<ShieldState>>,
        node: &Node,
    ) -> Option<(ScopeKey, Told)> {
        if self.count == 0 || self.is_given_up(opener) {
            return None;
        }
        self.count += 1;
        let in_background = self.background.contains_key(&opener);
        let scope = Inner { node: inner, opener, shield, in_background };
        let key = ScopeKey(self.scopes.insert(scope));
        if self.units.contains(opener.0) {
            self.extras.entry(opener).or_default().opened.insert(key);
        }
        let retired = match in_background {
            true => {
                self.in_background += 1;
                self.retire_if_alone(node)
            }
            false => Told::default(),
        };
        Some((key, retired))
    }

    /// Counts an inner group that is nobody's, as if this unit had opened it and then ended.
    pub(super) fn enter_orphan(
        &mut self,
        inner: Weak<Node>,
        dropped_by: UnitKey,
        node: &Node,
    ) -> Option<(ScopeKey, Told)> {
        let (key, retired) = self.enter_scope(inner, dropped_by, None, node)?;
        self.disown(&BTreeSet::from([key]));
        self.forget_opened(dropped_by, key);
        Some((key, retired))
    }
}
