//! What of a group does not depend on any type.
//!
//! A `node` is one group: its place among others (`tree`), its deadline and grace period (`time`), its
//! live units (`table`; each is a `unit`, of which there is a `record` in a `slab`), how they come and go
//! (`entry`, `leaving`), how single ones are cancelled (`cancel_unit`), who has a `place` (`limit`), who is
//! `live`, and who waits for what becomes of it (`watch`). Inner groups that are left open (`abandon`), and
//! who waits for one that is a value (`adopt`).

pub(super) mod abandon;
pub(super) mod adopt;
pub(super) mod cancel_unit;
pub(super) mod entry;
pub(super) mod leaving;
pub(super) mod limit;
pub(super) mod live;
pub(super) mod node;
pub(super) mod place;
pub(super) mod record;
pub(super) mod slab;
pub(super) mod table;
pub(super) mod time;
pub(super) mod tree;
pub(super) mod unit;
pub(super) mod watch;

pub(crate) use entry::Admission;
pub use live::{LiveGroup, LiveTask, LiveWatch};
pub(crate) use node::{AnyCore, Node, NodeOptions};
pub(crate) use table::UnitKey;
pub(crate) use time::report_overdue;
pub(crate) use unit::Unit;
pub(crate) use watch::Watch;
