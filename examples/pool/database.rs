//! Stands in for a database: in memory, with a protocol of one request and one answer at a time.

use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{io, mem};

use anyscope::prelude::*;

/// From a request to its answer.
pub(crate) const ROUND_TRIP: Duration = Duration::from_millis(1);

pub(crate) struct Database {
    rt: AnyRuntime,
    most_links: usize,
    seen: Mutex<Seen>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Seen {
    pub(crate) rows: Vec<String>,
    /// Links that are open now, and that ever were.
    pub(crate) links: usize,
    pub(crate) opened: usize,
    /// Transactions, those that a request has rolled back, and those that a lost link has.
    pub(crate) begun: usize,
    pub(crate) rolled_back: usize,
    pub(crate) cut_off: usize,
}

pub(crate) enum Request {
    Begin,
    Insert(String),
    Commit,
    RollBack,
}

impl Database {
    pub(crate) fn new(rt: impl Runtime, most_links: usize) -> Arc<Self> {
        Arc::new(Self { rt: AnyRuntime::new(rt), most_links, seen: Mutex::default() })
    }

    pub(crate) fn seen(&self) -> Seen {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) async fn connect(self: &Arc<Self>) -> io::Result<Link> {
        if self.seen.lock().unwrap().links == self.most_links {
            return Err(io::Error::other("too many connections"));
        }
        self.see(|seen| (seen.links, seen.opened) = (seen.links + 1, seen.opened + 1));
        let link = Link { database: self.clone(), transaction: None, answered: true };
        self.rt.sleep(ROUND_TRIP).await; // dropped here, it is closed
        Ok(link)
    }

    fn see(&self, f: impl FnOnce(&mut Seen)) {
        f(&mut self.seen.lock().unwrap());
    }
}

/// A connection as the network has it. Dropping it closes it, and loses what is not committed.
pub(crate) struct Link {
    database: Arc<Database>,
    /// What is to be committed, in a transaction.
    transaction: Option<Vec<String>>,
    /// Whether the last request was. If it was cut, nobody can tell whose the next answer is.
    answered: bool,
}

impl Link {
    pub(crate) async fn request(&mut self, request: Request) -> io::Result<()> {
        if !mem::take(&mut self.answered) {
            return Err(io::Error::other("the request before was cut"));
        }
        self.execute(request);
        self.database.rt.sleep(ROUND_TRIP).await;
        self.answered = true;
        Ok(())
    }

    fn execute(&mut self, request: Request) {
        let open = &mut self.transaction;
        self.database.see(|seen| match request {
            Request::Begin => (*open, seen.begun) = (Some(Vec::new()), seen.begun + 1),
            Request::Insert(row) => open.as_mut().unwrap_or(&mut seen.rows).push(row),
            Request::Commit => seen.rows.extend(open.take().unwrap_or_default()),
            Request::RollBack => seen.rolled_back += usize::from(open.take().is_some()),
        });
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.answered && self.transaction.is_none()
    }

    pub(crate) fn can_roll_back(&self) -> bool {
        self.answered && self.transaction.is_some()
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let cut_off = usize::from(self.transaction.is_some());
        self.database
            .see(|seen| (seen.links, seen.cut_off) = (seen.links - 1, seen.cut_off + cut_off));
    }
}
