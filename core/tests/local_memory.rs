//! Memory of local scopes grows with live children only (G13). A program of its own, because it
//! looks at the whole process.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::{Rc, Weak};
use std::task::Poll;

use anyscope_core::{BoxError, LocalHandle, Scope, acquire, scope};
use futures_executor::block_on;

#[test]
fn g13_a_million_short_children_keep_the_heap_flat() {
    const AT_ONCE: usize = 100;
    const ROUNDS: usize = 1_000_000 / AT_ONCE;
    let mut after_warming_up = None;
    block_on(scope::<BoxError, _>(async |s| {
        for round in 0..ROUNDS {
            spawn_some(&s, AT_ONCE, round % 2 == 0).await?;
            assert_eq!(s.live(), 1);
            if round == ROUNDS / 10 {
                after_warming_up = resident_bytes();
            }
        }
        Ok(())
    }))
    .unwrap();
    assert_flat_since(after_warming_up);
}

#[test]
fn g13_a_child_that_releases_its_resources_keeps_nothing_of_them() {
    const ROUNDS: usize = 200_000;
    let mut after_warming_up = None;
    block_on(scope::<BoxError, _>(async |_| {
        let open = async || acquire(async { Ok::<_, BoxError>(7) }, async |_, _| {}).await;
        let mut before = open().await?;
        for round in 0..ROUNDS {
            let next = open().await?;
            std::mem::replace(&mut before, next).release().await?;
            if round == ROUNDS / 10 {
                after_warming_up = resident_bytes();
            }
        }
        Ok(())
    }))
    .unwrap();
    assert_flat_since(after_warming_up);
}

/// Where it can be seen, the process has hardly grown since.
fn assert_flat_since(before: Option<usize>) {
    if let (Some(before), Some(after)) = (before, resident_bytes()) {
        let grown = after.saturating_sub(before);
        assert!(grown < 4 << 20, "grew by {grown} bytes, from {before}");
    }
}

/// Spawns children that suspend once; awaits their handles, or drops these and waits for the end.
async fn spawn_some(s: &Scope<'_>, count: usize, by_handle: bool) -> Result<(), BoxError> {
    let handles: Vec<LocalHandle<[u8; 64]>> = (0..count)
        .map(|_| {
            s.spawn(async {
                let bytes = [7; 64];
                yield_now().await;
                Ok(bytes)
            })
        })
        .collect();
    if by_handle {
        for handle in handles {
            handle.await?;
        }
        return Ok(());
    }
    drop(handles);
    for _ in 0..100 {
        if s.live() == 1 {
            return Ok(());
        }
        yield_now().await;
    }
    panic!("{} children are still alive", s.live())
}

#[test]
fn g13_finished_child_keeps_nothing_but_the_value_of_its_handle() {
    let (captured, values) = (RefCell::new(Vec::new()), RefCell::new(Vec::new()));
    block_on(scope::<BoxError, _>(async |s| {
        let mut kept = Vec::new();
        for n in 0..10 {
            let (held, value) = (Rc::new(n), Rc::new(n));
            captured.borrow_mut().push(Rc::downgrade(&held));
            values.borrow_mut().push(Rc::downgrade(&value));
            let handle = s.spawn(async move {
                yield_now().await;
                drop(held);
                Ok(value)
            });
            if n % 2 == 0 {
                kept.push(handle);
            }
        }
        while s.live() > 1 {
            yield_now().await;
        }
        assert_eq!((alive(&captured), alive(&values)), (0, 5));
        for handle in kept {
            handle.await?;
        }
        assert_eq!(alive(&values), 0);
        Ok(())
    }))
    .unwrap();
}

/// Wakers that are kept elsewhere keep neither the future nor the scope.
#[test]
fn g13_waker_that_is_kept_keeps_nothing() {
    let (token, waker) = (Rc::new(()), RefCell::new(None));
    let weak = Rc::downgrade(&token);
    block_on(scope::<BoxError, _>(async |s| {
        let (token, waker) = (token.clone(), &waker);
        s.spawn(poll_fn(move |cx| {
            let _held = &token;
            *waker.borrow_mut() = Some(cx.waker().clone());
            Poll::Ready(Ok(()))
        }));
        Ok(())
    }))
    .unwrap();
    drop(token);
    assert!(weak.upgrade().is_none());
    waker.take().unwrap().wake();
}

fn alive<T>(list: &RefCell<Vec<Weak<T>>>) -> usize {
    list.borrow().iter().filter(|weak| weak.strong_count() > 0).count()
}

/// Suspends once, and wakes itself.
async fn yield_now() {
    let mut yielded = false;
    poll_fn(|cx| {
        if yielded {
            return Poll::Ready(());
        }
        yielded = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// What the process has in memory, where the system says so.
fn resident_bytes() -> Option<usize> {
    let pages = std::fs::read_to_string("/proc/self/statm").ok()?;
    Some(pages.split(' ').nth(1)?.parse::<usize>().ok()? * 4096)
}
