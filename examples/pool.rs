//! pool: the connection pool of a database driver, which names no runtime.
//!
//! [`Pool`] and its clones own the state, and by it the group of the pool's tasks. Those tasks, and
//! connections in use, have a `Weak` of it: a task that owned it would keep its own group alive. So the pool
//! ends when it is closed, or when its last clone is dropped; the group around that drop waits for its tasks.
//!
//! No transaction is left open. A connection that is dropped goes back into the pool, after a roll-back if
//! need be; where that cannot be done it is closed, and then the database rolls back by itself.

#![forbid(unsafe_code)]

use std::io;
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use anyscope::prelude::*;
use anyscope::{Elapsed, OpenGroup, PanicPolicy, Permit, Semaphore, Supervise};

#[path = "pool/database.rs"]
pub(crate) mod database;

use database::{Database, Link, Request};

#[derive(Clone, Copy)]
pub(crate) struct Options {
    pub(crate) size: usize,
    /// How long `acquire` waits for a connection, and for the database to accept it.
    pub(crate) wait: Duration,
    /// How long a connection that nobody uses stays open.
    pub(crate) idle: Duration,
    /// How long `close` waits for what is in use.
    pub(crate) grace: Duration,
}

#[derive(Clone)]
pub(crate) struct Pool(Arc<State>);

struct State {
    rt: AnyRuntime,
    database: Arc<Database>,
    options: Options,
    /// One each for what is being opened, in use, or being rolled back.
    permits: Semaphore,
    /// Of `group`, to spawn into it also while it is being closed.
    tasks: GroupHandle,
    /// `None` once it is being closed.
    open: Mutex<Option<Open>>,
}

struct Open {
    group: OpenGroup,
    /// Each since when, the oldest first.
    idle: Vec<(Instant, Link)>,
}

impl Pool {
    pub(crate) fn new(rt: impl Runtime, database: Arc<Database>, options: Options) -> Self {
        let rt = AnyRuntime::new(rt);
        // What fails in one task is told at once, and is no concern of the others.
        let report = Supervise::reporting(|failure| eprintln!("pool: {failure}"));
        let group = rt.group(async |_| Ok(())).policy(report).panics(PanicPolicy::Capture).open();
        let (tasks, permits) = (group.handle(), Semaphore::new(options.size));
        let open = Mutex::new(Some(Open { group, idle: Vec::new() }));
        let state = Arc::new(State { rt, database, options, permits, tasks, open });
        state.tasks.spawn_background(close_old(state.rt.clone(), Arc::downgrade(&state)));
        Self(state)
    }

    /// A connection, when one is free. Dropped at any await it leaves nothing behind.
    pub(crate) async fn acquire(&self) -> Result<Connection, PoolError> {
        let Self(state) = self;
        let connection = async {
            state.if_open(|_| ())?; // one that is closed is not waited for
            let permit = state.permits.acquire().await; // dropped here: leaves the line
            let link = match state.if_open(|open| open.idle.pop())? {
                Some((_, link)) => link, // the last that was used: those not needed grow old
                None => state.database.connect().await?, // dropped here: closes it, frees the permit
            };
            Ok(Connection { held: Some((link, permit)), pool: Arc::downgrade(state) })
        };
        state.rt.timeout(state.options.wait, connection).await?
    }

    /// Gives out no more, waits for what is in use, and ends. Says how many did not come back in time.
    ///
    /// Dropped, it drops the group, and so ends the pool at once, as the drop of the pool does.
    pub(crate) async fn close(&self) -> Result<usize, PoolError> {
        let Self(state) = self;
        let Open { group, idle } = state.open.lock().unwrap().take().ok_or(PoolError::Closed)?;
        drop(idle);
        // As long as `group` is here it takes roll-backs. Each has the permit of its connection: when all
        // permits are here, none is left. Who has asked for one before gets it, and learns of the end.
        let mut all = Vec::new();
        let return_of_all = async {
            while all.len() < state.options.size {
                all.push(state.permits.acquire().await);
            }
        };
        state.rt.move_on_after(state.options.grace, return_of_all).await;
        let missing = state.options.size - all.len();
        if missing > 0 {
            // A roll-back is cut now, or refused when it comes: its connection is closed with its future.
            group.cancel_because("the pool's grace period is over");
        }
        let _ = group.close().await; // what failed was told; that it is cancelled is no failure
        Ok(missing)
    }
}

impl State {
    fn if_open<T>(&self, f: impl FnOnce(&mut Open) -> T) -> Result<T, PoolError> {
        self.open.lock().unwrap().as_mut().map(f).ok_or(PoolError::Closed)
    }

    /// Closes what is idle for too long, and says when to look again: nothing is due before.
    fn close_old(&self) -> Result<Instant, PoolError> {
        let (now, idle) = (self.rt.now(), self.options.idle);
        self.if_open(|open| {
            let old = open.idle.partition_point(|(since, _)| *since + idle <= now);
            open.idle.drain(..old);
            open.idle.first().map_or(now, |(since, _)| *since) + idle
        })
    }
}

/// Owns the state for as long as it looks, and not while it sleeps.
async fn close_old(rt: AnyRuntime, pool: Weak<State>) -> Result<(), BoxError> {
    while let Some(next) = pool.upgrade().and_then(|state| state.close_old().ok()) {
        rt.sleep_until(next).await;
    }
    Ok(())
}

/// Goes back to the pool when it is dropped; if a transaction is open, after a roll-back.
pub(crate) struct Connection {
    /// `None` when it is dropped. A link goes before its permit does.
    held: Option<(Link, Permit)>,
    pool: Weak<State>,
}

impl Connection {
    pub(crate) async fn execute(&mut self, request: Request) -> io::Result<()> {
        self.held.as_mut().expect("until it is dropped").0.request(request).await
    }
}

impl Drop for Connection {
    /// In the middle of a request, or without a pool, it is closed. So it is when its roll-back is cut or
    /// refused, because the pool has ended: perhaps by the drop of `state` here, if it is the last.
    fn drop(&mut self) {
        let Some(mut held) = self.held.take() else { return };
        let Some(state) = self.pool.upgrade() else { return };
        if held.0.is_idle() {
            let _ = state.if_open(|open| open.idle.push((state.rt.now(), held.0)));
        } else if held.0.can_roll_back() {
            let pool = self.pool.clone();
            let roll_back = async move {
                held.0.request(Request::RollBack).await?; // with its answer it is idle
                drop(Self { held: Some(held), pool });
                Ok(())
            };
            state.tasks.task(roll_back).name("roll-back").spawn();
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum PoolError {
    #[error("no connection was free in time")]
    TimedOut(#[from] Elapsed),
    #[error("the pool is closed")]
    Closed,
    #[error("the database: {0}")]
    Database(#[from] io::Error),
}

fn main() -> Result<(), BoxError> {
    anyscope::tokio::run(program()) // the one place that names a runtime
}

/// Nine orders over three connections. One in three has second thoughts.
pub(crate) async fn program() -> Result<(), BoxError> {
    let rt = anyscope::current_runtime();
    let [wait, idle, grace] = [1000, 20, 1000].map(Duration::from_millis);
    let database = Database::new(rt.clone(), 3);
    let pool = Pool::new(rt, database.clone(), Options { size: 3, wait, idle, grace });
    group(async |g| {
        for order in 0..9 {
            let pool = pool.clone();
            g.spawn(async move {
                let mut connection = pool.acquire().await?;
                connection.execute(Request::Begin).await?;
                connection.execute(Request::Insert(format!("order {order}"))).await?;
                if order % 3 != 0 {
                    connection.execute(Request::Commit).await?;
                }
                Ok(())
            });
        }
        Ok(())
    })
    .await?;
    sleep(2 * idle).await;
    println!("after a rest: {:?}", database.seen());
    println!("not back in time: {}", pool.close().await?);
    println!("at the end: {:?}", database.seen());
    Ok(())
}
