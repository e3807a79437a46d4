//! The pool of the example: what becomes of connections and transactions, without waiting or luck.

#[path = "../pool.rs"]
#[expect(dead_code, reason = "its `main`")]
mod pool;

use std::future::pending;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use anyscope::prelude::*;
use anyscope::testing::{self, on_sim};

use pool::database::{Database, ROUND_TRIP, Request, Seen};
use pool::{Connection, Options, Pool, PoolError};

/// No test waits for so long, but in virtual time.
const HOUR: Duration = Duration::from_secs(3600);

const LASTING: Options = Options { size: 1, wait: HOUR, idle: HOUR, grace: HOUR };

/// The database accepts no more connections than the pool may have.
fn open(rt: &AnyRuntime, options: Options) -> (Arc<Database>, Pool) {
    let database = Database::new(rt.clone(), options.size);
    (database.clone(), Pool::new(rt.clone(), database, options))
}

async fn begin(pool: &Pool) -> Result<Connection, PoolError> {
    let mut connection = pool.acquire().await?;
    connection.execute(Request::Begin).await?;
    insert(&mut connection, "in a transaction").await?;
    Ok(connection)
}

async fn insert(connection: &mut Connection, row: &str) -> io::Result<()> {
    connection.execute(Request::Insert(row.into())).await
}

/// No connection, and no transaction: those here insert a row each.
fn assert_nothing_left(database: &Database) {
    let seen = database.seen();
    assert_eq!(seen.links, 0, "{seen:?}");
    assert_eq!(seen.begun, seen.rows.len() + seen.rolled_back + seen.cut_off, "{seen:?}");
}

/// Where the clock is a real one there is nothing to see of it.
fn in_virtual_time<F: Future<Output = ()>>(test: impl Fn(AnyRuntime) -> F + Send + 'static) {
    on_sim(testing::Options::new(), test);
}

#[anyscope::test]
async fn a_dropped_transaction_is_rolled_back_before_its_connection_is_given_out(rt: AnyRuntime) {
    let (database, pool) = open(&rt, LASTING);
    drop(begin(&pool).await.unwrap());
    let mut next = pool.acquire().await.unwrap();
    assert_eq!((database.seen().opened, database.seen().rolled_back), (1, 1));
    insert(&mut next, "kept").await.unwrap();
    drop(next);
    assert_eq!(pool.close().await.unwrap(), 0);
    let rows = vec!["kept".into()];
    let seen = Seen { rows, opened: 1, begun: 1, rolled_back: 1, ..Seen::default() };
    assert_eq!(database.seen(), seen);
}

#[anyscope::test]
async fn so_is_one_whose_task_is_cancelled(rt: AnyRuntime) {
    let (database, pool) = open(&rt, LASTING);
    let outcome = rt.group::<BoxError, _>(async |g| {
        let pool = pool.clone();
        let task = g.start(async move |started| {
            let _connection = begin(&pool).await?;
            started.ready(());
            pending::<Result<(), BoxError>>().await
        });
        let ((), task) = task.await?;
        task.cancel();
        Ok(())
    });
    outcome.await.unwrap();
    let _next = pool.acquire().await.unwrap();
    assert_eq!((database.seen().opened, database.seen().rolled_back), (1, 1));
}

/// In the line, while it connects, in each request, between them, or after all.
#[anyscope::test]
async fn whenever_it_is_cut_nothing_is_left_behind(rt: AnyRuntime) {
    for half_trips in 0..20 {
        let (database, pool) = open(&rt, LASTING);
        let both = [pool.clone(), pool.clone()].map(|pool| in_place(commit(pool)));
        let _ = rt.move_on_after(ROUND_TRIP / 2 * half_trips, gather(both)).await;
        drop(pool.acquire().await.unwrap());
        assert_eq!(pool.close().await.unwrap(), 0);
        assert_nothing_left(&database);
    }
}

async fn commit(pool: Pool) -> Result<(), PoolError> {
    Ok(begin(&pool).await?.execute(Request::Commit).await?)
}

#[test]
fn acquire_waits_no_longer_than_it_may_and_keeps_no_permit() {
    in_virtual_time(async |rt| {
        let wait = Duration::from_secs(30);
        let (database, pool) = open(&rt, Options { wait, ..LASTING });
        let (held, begun) = (pool.acquire().await.unwrap(), rt.now());
        assert!(matches!(pool.acquire().await, Err(PoolError::TimedOut(_))));
        assert_eq!(rt.now() - begun, wait);
        drop(held);
        drop(pool.acquire().await.unwrap());
        assert_eq!(pool.close().await.unwrap(), 0);
        assert_eq!(database.seen(), Seen { opened: 1, ..Seen::default() });
    });
}

#[test]
fn those_that_are_idle_for_too_long_are_closed_and_no_others() {
    in_virtual_time(async |rt| {
        let [second, idle] = [1, 60].map(Duration::from_secs);
        let (database, pool) = open(&rt, Options { size: 2, idle, ..LASTING });
        let (one, other) = (pool.acquire().await.unwrap(), pool.acquire().await.unwrap());
        let begun = rt.now();
        drop(one);
        rt.sleep(10 * second).await;
        drop(other);
        for (after, links) in [(59, 2), (61, 1), (69, 1), (71, 0)] {
            rt.sleep_until(begun + after * second).await;
            assert_eq!(database.seen().links, links, "after {after} seconds");
        }
        let _new = pool.acquire().await.unwrap();
        assert_eq!(database.seen().opened, 3);
    });
}

#[anyscope::test]
async fn close_waits_for_a_connection_in_use_and_for_its_roll_back(rt: AnyRuntime) {
    let (database, pool) = open(&rt, Options { size: 2, ..LASTING });
    let connection = begin(&pool).await.unwrap();
    let outcome = rt.group::<BoxError, _>(async |g| {
        let closes = pool.clone();
        let closing = g.spawn(async move { Ok(closes.close().await?) });
        while !matches!(pool.acquire().await, Err(PoolError::Closed)) {
            rt.sleep(ROUND_TRIP).await; // it has not begun
        }
        assert!(!closing.is_finished());
        drop(connection);
        assert_eq!(closing.await?, 0);
        Ok(())
    });
    outcome.await.unwrap();
    assert_nothing_left(&database);
    assert_eq!(database.seen().rolled_back, 1);
    assert!(matches!(pool.close().await, Err(PoolError::Closed)));
}

#[test]
fn close_waits_no_longer_than_its_grace_period() {
    in_virtual_time(async |rt| {
        let grace = ROUND_TRIP / 2;
        let (database, pool) = open(&rt, Options { size: 2, grace, ..LASTING });
        let (in_use, rolled_back) = (begin(&pool).await.unwrap(), begin(&pool).await.unwrap());
        let begun = rt.now();
        drop(rolled_back);
        assert_eq!(pool.close().await.unwrap(), 2);
        assert_eq!(rt.now() - begun, grace);
        assert_eq!(database.seen().links, 1);
        drop(in_use);
        assert_nothing_left(&database);
    });
}

#[anyscope::test]
async fn a_roll_back_that_is_cut_is_left_to_the_database(rt: AnyRuntime) {
    let (database, pool) = open(&rt, Options { grace: Duration::ZERO, ..LASTING });
    drop(begin(&pool).await.unwrap());
    pool.close().await.unwrap();
    assert_nothing_left(&database);
}

/// Where no group is around that would wait for it, as in the handler of a web framework.
#[anyscope::test]
async fn dropped_without_close_it_leaves_nothing_behind(rt: AnyRuntime) {
    let (database, pool) = open(&rt, Options { size: 3, ..LASTING });
    let in_use = begin(&pool).await.unwrap();
    let handler = rt.spawn_detached(async move {
        let (idle, rolled_back) = (pool.acquire().await, begin(&pool).await);
        drop((idle, rolled_back, pool));
    });
    rt.drained().await;
    assert!(handler.is_finished());
    assert_eq!(database.seen().links, 1);
    drop(in_use);
    assert_nothing_left(&database);
}

#[anyscope::test]
async fn a_group_around_its_drop_waits_for_its_tasks(rt: AnyRuntime) {
    let (database, pool) = open(&rt, LASTING);
    let outcome = rt.group::<BoxError, _>(async move |_| {
        drop((begin(&pool).await?, pool));
        Ok(())
    });
    outcome.await.unwrap();
    assert_nothing_left(&database);
}

#[anyscope::test]
async fn the_program_names_no_runtime() {
    pool::program().await.unwrap();
}
