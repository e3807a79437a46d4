//! Trees without a limit: 100,000 deep and 1,000,000 wide, in time that grows with their size
//! (rule E4).

use std::cell::Cell;
use std::error::Error;
use std::fmt::Write;
use std::future::ready;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyscope_core::{BoxError, ErrorGroup, Failure, GroupError, first_ok, in_place};
use futures_executor::block_on;

#[derive(Debug, PartialEq, thiserror::Error)]
#[error("number {0}")]
struct Number(usize);

/// Two leaves and a nested group at each level.
fn deep(levels: usize) -> ErrorGroup<Number> {
    let mut group = ErrorGroup::from_errors([Number(0), Number(1)]).unwrap();
    for level in 1..levels {
        let leaf = |number| Failure::from_error(Number(number));
        let below = Failure::from_group(group).named("below");
        group = ErrorGroup::from_failures([leaf(2 * level), below, leaf(2 * level + 1)]).unwrap();
    }
    group
}

fn wide(errors: usize) -> ErrorGroup<Number> {
    ErrorGroup::from_errors((0..errors).map(Number)).unwrap()
}

/// Everything that there is to do with a tree.
fn use_in_each_way(build: impl Fn() -> ErrorGroup<Number>, leaves: usize) {
    let group = build();
    assert_eq!(group.leaves().count(), leaves);
    let depths: usize = group.leaves().map(|leaf| leaf.depth()).max().unwrap();
    assert!(depths < leaves);
    assert!(group == build());

    assert!(group.to_string().len() < 10_000 && group.to_string().lines().count() == 1);
    assert!(format!("{group:#}").lines().count() < 100);
    let mut all = String::new();
    write!(all, "{}", group.tree().max_depth(usize::MAX).max_width(usize::MAX)).unwrap();
    assert!(all.lines().count() >= leaves && all.len() < leaves * 400, "{} bytes", all.len());

    let (even, odd) = group.split(|leaf| leaf.error().unwrap().0 % 2 == 0);
    let (even, odd) = (even.unwrap(), odd.unwrap());
    assert_eq!(even.leaves().count() + odd.leaves().count(), leaves);
    let mapped = even.map(|number| BoxError::msg(number.to_string()));
    assert_eq!(mapped.flatten().len(), leaves / 2);

    let mut handled = 0;
    let left = GroupError::from(odd)
        .handling()
        .handle_each(|leaf| leaf.error().unwrap().0 % 4 == 1, |_| handled += 1)
        .finish();
    assert_eq!(handled + left.unwrap_err().leaves().count(), leaves / 2);
}

/// One at a time, because one of them measures.
static ALONE: Mutex<()> = Mutex::new(());

#[test]
fn hundred_thousand_deep() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    use_in_each_way(|| deep(100_000), 200_000);
}

#[test]
fn million_wide() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    use_in_each_way(|| wide(1_000_000), 1_000_000);
}

/// Eight times the size takes about eight times as long, and far from sixty-four times. The best of
/// several runs counts, because others use the machine too.
#[test]
fn time_grows_with_the_size() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    for build in [deep as fn(usize) -> ErrorGroup<Number>, wide] {
        let time = |size| {
            let leaves = build(size).leaves().count();
            let begin = Instant::now();
            use_in_each_way(|| build(size), leaves);
            begin.elapsed()
        };
        let (mut small, mut large) = (Duration::MAX, Duration::MAX);
        let is_linear = (0..10).any(|_| {
            (small, large) = (small.min(time(4_000)), large.min(time(32_000)));
            large < small * 16
        });
        assert!(is_linear, "{small:?} for 4,000, {large:?} for 32,000");
    }
}

thread_local! {
    /// How often a `Counting` was asked for its source.
    static ASKED: Cell<usize> = const { Cell::new(0) };
}

#[derive(Debug)]
struct Counting;

impl std::fmt::Display for Counting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the one at the bottom")
    }
}

impl Error for Counting {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        ASKED.set(ASKED.get() + 1);
        None
    }
}

fn none_of(below: BoxError) -> BoxError {
    let branches =
        [below, BoxError::msg("another")].map(|error| in_place(ready(Err::<(), _>(error))));
    block_on(first_ok(branches)).unwrap_err().into()
}

fn both_of(below: BoxError) -> BoxError {
    ErrorGroup::from_errors([below, BoxError::msg("another")]).unwrap().into()
}

/// Errors of many parts that are parts of others as plain errors, which the library cannot see into.
#[test]
fn errors_within_errors_are_looked_through_once() {
    for around in [none_of, both_of] {
        let top = (0..16).fold(BoxError::from(Counting), |below, _| around(below));
        ASKED.set(0);
        let top: &(dyn Error + 'static) = top.as_error();
        let mut chain = std::iter::successors(Some(top), |&error| error.source());
        assert!(chain.any(|error| error.is::<Counting>()), "all lead to the first");
        assert!(ASKED.get() < 100, "asked {} times", ASKED.get());
    }
}
