//! What anyscope costs, measured beside what people use today.
//!
//! A [`Scenario`] is one piece of work; its [`Contender`]s do it in different ways, in turns, in one
//! process. The ratio of two of them is the median of the ratios of their rounds, so that a machine
//! that slows down for a while slows both. What each contender gives is checked.

#![forbid(unsafe_code)]

mod backend;
mod contender;
pub mod goals;
pub mod heap;
mod machine;
pub mod options;
mod page;
mod plot;
pub mod results;
mod rounds;
pub mod scenarios;
pub mod stats;
pub mod table;

pub use backend::{Backend, Build, Setting};
pub use contender::{Contender, Sample, Skipped};
pub use machine::Machine;
pub use page::write_page;
pub use plot::write_plots;
pub use rounds::{Measure, Plan, Scenario};
