//! Combinators: waiting for several things at once, without losing or leaking any of them (rules W).
//!
//! Each takes [`Branch`]es: the handles of tasks, which are cancelled and waited for, or plain
//! futures wrapped by [`in_place`], which are dropped. None needs a runtime, and none owns a task:
//! tasks belong to their groups.

mod as_completed;
mod branch;
mod first_ok;
mod for_each;
mod gather;
mod in_place;
mod item_error;
mod map;
mod map_items;
mod map_stream;
mod race;
mod wait;

pub use as_completed::{AsCompleted, as_completed};
pub use branch::Branch;
pub use first_ok::{AllFailed, FirstOk, first_ok};
pub use for_each::{for_each_concurrent, for_each_concurrent_stream};
pub use gather::{Gather, GatherSettled, gather};
pub use in_place::{InPlace, in_place};
pub use item_error::ItemError;
pub use map::{MapCollect, MapConcurrent, map_concurrent, map_concurrent_stream};
pub use map_items::MapItems;
pub use map_stream::{MapAsCompleted, MapOrdered};
pub use race::{Race, race};
pub use wait::{Wait, WaitFor, wait};
