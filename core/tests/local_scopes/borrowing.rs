//! What children may hold (S1), and how a scope may be written.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use anyscope_core::{
    BoxError, GroupError, LocalHandle, Scope, ScopeFuture, Supervise, TaskError, scope,
};

use crate::support::{Outcome, run, yield_now};

async fn count(text: &str) -> Result<usize, BoxError> {
    yield_now().await;
    Ok(text.split_whitespace().count())
}

#[test]
fn s1_children_borrow_shared() {
    async fn total(text: &str) -> Outcome<usize> {
        let mid = text.len() / 2;
        scope(async |s| {
            let a = s.spawn(async { count(&text[..mid]).await });
            let b = s.spawn(async { count(&text[mid..]).await });
            Ok(a.await? + b.await?)
        })
        .await
    }
    assert_eq!(run(total("a b c d")).unwrap(), 4);
}

#[test]
fn s1_each_child_borrows_its_part_mutably() {
    let mut numbers = [1, 2, 3, 4, 5];
    let (head, tail) = numbers.split_at_mut(2);
    let outcome: Outcome<()> = run(scope(async |s| {
        s.spawn(async {
            yield_now().await;
            Ok(head.iter_mut().for_each(|n| *n *= 10))
        });
        s.spawn(async { Ok(tail.iter_mut().for_each(|n| *n *= 100)) });
        Ok(())
    }));
    outcome.unwrap();
    assert_eq!(numbers, [10, 20, 300, 400, 500]);
}

#[test]
fn s1_mutable_borrow_is_free_again_after_the_scope() {
    async fn push(words: &mut Vec<String>) -> Outcome<()> {
        scope(async |s| {
            s.spawn(async {
                words.push("one".into());
                Ok(())
            });
            Ok(())
        })
        .await?;
        words.push("two".into());
        Ok(())
    }
    let mut words = Vec::new();
    run(push(&mut words)).unwrap();
    assert_eq!(words, ["one", "two"]);
}

#[test]
fn s1_children_are_not_send() {
    let (shared, list) = (Rc::new(Cell::new(0)), RefCell::new(Vec::new()));
    let outcome: Outcome<()> = run(scope(async |s| {
        for n in 0..3 {
            let (shared, list) = (shared.clone(), &list);
            s.spawn(async move {
                yield_now().await;
                shared.set(shared.get() + n);
                list.borrow_mut().push(Rc::new(n));
                Ok(())
            });
        }
        Ok(())
    }));
    outcome.unwrap();
    assert_eq!((shared.get(), list.borrow().len(), Rc::strong_count(&shared)), (3, 3, 1));
}

#[test]
fn s1_values_may_borrow_and_need_not_be_send() {
    let text = String::from("key=value");
    let outcome: Outcome<(Rc<str>, &str)> = run(scope(async |s| {
        let parts = s.spawn(async { Ok(text.split_once('=').unwrap()) });
        let (key, value) = parts.await?;
        Ok((Rc::from(key), value))
    }));
    assert_eq!(outcome.unwrap(), (Rc::from("key"), "value"));
}

#[test]
fn s1_children_spawn_children_that_borrow() {
    fn visit<'env>(
        s: &Scope<'env>,
        tree: &'env HashMap<u32, Vec<u32>>,
        at: u32,
        sum: &'env Cell<u32>,
    ) {
        let inner = s.clone();
        s.spawn(async move {
            sum.set(sum.get() + at);
            for child in &tree[&at] {
                visit(&inner, tree, *child, sum);
            }
            Ok(())
        });
    }
    let tree = HashMap::from([(1, vec![2, 3]), (2, vec![4]), (3, vec![]), (4, vec![])]);
    let sum = Cell::new(0);
    run(scope::<BoxError, _>(async |s| Ok(visit(&s, &tree, 1, &sum)))).unwrap();
    assert_eq!(sum.get(), 10);
}

#[test]
fn s1_written_as_async_closure_that_borrows() {
    let text = String::from("a b");
    let outcome: Outcome<usize> = run(scope(async |s| Ok(s.spawn(count(&text)).await?)));
    assert_eq!(outcome.unwrap(), 2);
}

#[test]
fn s1_written_as_async_closure_that_owns() {
    let text = String::from("a b");
    let outcome: Outcome<usize> = run(scope(async move |s| {
        let words = s.spawn(async move { count(&text).await });
        Ok(words.await?)
    }));
    assert_eq!(outcome.unwrap(), 2);
}

#[test]
fn s1_written_as_closure_that_returns_a_future() {
    let text = String::from("a b");
    let text = &text;
    let outcome: Outcome<usize> = run(scope(|s| async move {
        let words = s.spawn(async move { count(text).await });
        Ok(words.await?)
    }));
    assert_eq!(outcome.unwrap(), 2);
}

#[test]
fn s1_written_as_function() {
    async fn body(s: Scope<'_>) -> Result<u8, BoxError> {
        Ok(s.spawn(async { Ok(1) }).await?)
    }
    assert_eq!(run(scope(body)).unwrap(), 1);
}

#[test]
fn s1_error_type_is_inferred_from_the_return_type() {
    async fn typed(n: &u8) -> Result<u8, GroupError<TaskError>> {
        scope(async |s| {
            let a = s.spawn(async { Ok(*n) });
            Ok(a.await? + 1)
        })
        .await
    }
    assert_eq!(run(typed(&1)).unwrap(), 2);
}

#[test]
fn s1_error_type_is_annotated() {
    async fn mixed(text: &str) -> Result<i32, BoxError> {
        let n = scope::<BoxError, _>(async |s| {
            let n = s.spawn(async { Ok(text.parse::<i32>()?) });
            Ok(n.await?)
        })
        .await?;
        let m: i32 =
            scope(async |s: Scope<'_, TaskError>| Ok(s.spawn(async { Ok(n) }).await?)).await?;
        Ok(m + 1)
    }
    assert_eq!(run(mixed("41")).unwrap(), 42);
    assert!(run(mixed("x")).unwrap_err().is::<GroupError<BoxError>>());
}

#[test]
fn s1_scope_in_a_generic_function() {
    async fn all<'env, T, I>(futures: I) -> Outcome<Vec<T>>
    where
        T: 'env,
        I: IntoIterator<Item: Future<Output = Result<T, BoxError>> + 'env> + 'env,
    {
        scope(|s: Scope<'env>| async move {
            let handles: Vec<LocalHandle<T>> = futures.into_iter().map(|f| s.spawn(f)).collect();
            let mut values = Vec::new();
            for handle in handles {
                values.push(handle.await?);
            }
            Ok(values)
        })
        .await
    }
    let words = ["a b", "c", ""];
    assert_eq!(run(all(words.iter().map(|text| count(text)))).unwrap(), [2, 1, 0]);
}

#[test]
fn s1_scope_future_can_be_named_stored_and_configured() {
    let text = String::from("a b c");
    let stored: ScopeFuture<'_, BoxError, _> = scope(async |s| {
        let words = s.spawn(count(&text));
        Ok(words.await?)
    });
    let stored = stored.name("stored").policy(Supervise);
    assert!(format!("{stored:?}").contains("begun: false"));
    assert_eq!(run(stored).unwrap(), 3);
}

#[test]
fn s1_runs_on_any_executor() {
    let text = String::from("a b c");
    let outcome: Outcome<usize> =
        futures_executor::block_on(scope(async |s| Ok(s.spawn(count(&text)).await?)));
    assert_eq!(outcome.unwrap(), 3);
    let mut pool = futures_executor::LocalPool::new();
    let outcome: Outcome<usize> =
        pool.run_until(scope(async |s| Ok(s.spawn(count(&text)).await?)));
    assert_eq!(outcome.unwrap(), 3);
}
