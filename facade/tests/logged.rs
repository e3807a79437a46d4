//! What is written to `tracing` where a program does not say otherwise (rules C9, V8). A program of its own,
//! because the hook and the subscriber are those of the process.

#![cfg(any(feature = "tokio", feature = "smol", feature = "async-std"))]

#[path = "support/bounded.rs"]
mod bounded;
#[path = "support/each.rs"]
mod each;

use std::fmt::{Debug, Write};
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyscope::prelude::*;
use anyscope::supervise::{Child, Strategy, Supervisor};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use each::on_each;

/// All that was written: the level, the target, and the fields.
static WRITTEN: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Keeps events, and knows no spans.
struct Keeps;

impl Subscriber for Keeps {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(format!("{} {}", event.metadata().level(), event.metadata().target()));
        event.record(&mut line);
        WRITTEN.lock().unwrap_or_else(PoisonError::into_inner).push(line.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {field}={value:?}").expect("a text takes all");
    }
}

/// What was written on this level with `text` in it.
fn written(level: Level, text: &str) -> Vec<String> {
    let begin = format!("{level} anyscope ");
    let all = WRITTEN.lock().unwrap_or_else(PoisonError::into_inner);
    all.iter().filter(|line| line.starts_with(&begin) && line.contains(text)).cloned().collect()
}

/// Fails with the text.
async fn failing(text: &'static str) -> Result<(), BoxError> {
    Err(BoxError::msg(text))
}

#[test]
fn failures_that_nobody_is_told_of_and_ends_of_supervised_children_are_logged() {
    tracing::subscriber::set_global_default(Keeps).expect("no other");
    on_each(async || {
        let before =
            (written(Level::ERROR, "nobody").len(), written(Level::WARN, "db is away").len());
        let error = group(async |_| failing("nobody asks").await).await.unwrap_err();
        drop(error.handle(|_: &io::Error| ()));
        let lost = written(Level::ERROR, "nobody asks");
        assert_eq!(lost.len(), before.0 + 1, "{lost:?}");
        assert!(lost[before.0].contains("message=unhandled failure of task"), "{lost:?}");

        let child = Child::new("db", || failing("db is away"));
        let supervisor = Supervisor::new(Strategy::OneForOne).intensity(0, Duration::from_secs(1));
        let ended = supervisor.child(child).run(&anyscope::current_runtime()).await;
        assert!(ended.unwrap_err().gave_up());
        let ends = written(Level::WARN, "db is away");
        assert_eq!(ends.len(), before.1 + 1, "{ends:?}");
        assert!(ends[before.1].contains("child=\"db\""), "{ends:?}");
    });
}
