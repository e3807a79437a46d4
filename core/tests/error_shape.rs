//! Trees of failures taken apart and built up again: shape, order, messages, notes (rules E1, E2, E4).

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use anyscope_core::{AsDynError, BoxError, ErrorGroup, Failure, GroupError, set_unhandled_hook};

#[derive(Debug, PartialEq, thiserror::Error)]
#[error("number {0}")]
struct Number(u32);

fn leaf(number: u32) -> Failure<Number> {
    Failure::from_error(Number(number))
}

fn node<E>(name: &str, failures: impl IntoIterator<Item = Failure<E>>) -> Failure<E> {
    Failure::from_group(group(failures)).named(name)
}

fn group<E>(failures: impl IntoIterator<Item = Failure<E>>) -> ErrorGroup<E> {
    ErrorGroup::from_failures(failures).unwrap()
}

/// 1, a(2, b(3, 4)), c(5), 6
fn sample() -> ErrorGroup<Number> {
    let b = node("b", [leaf(3), leaf(4)]);
    group([leaf(1), node("a", [leaf(2), b]), node("c", [leaf(5)]), leaf(6)])
}

/// The shape in short: `1 a(2 b(3 4)) c(5) 6`.
fn shape(group: &ErrorGroup<Number>) -> String {
    let text = |failure: &Failure<Number>| match failure.group() {
        Some(inner) => {
            format!("{}({})", failure.task().name().unwrap(), shape(inner.failures().unwrap()))
        }
        None => failure.error().unwrap().0.to_string(),
    };
    group.iter().map(text).collect::<Vec<_>>().join(" ")
}

#[test]
fn no_errors_make_no_group() {
    assert!(ErrorGroup::<Number>::from_errors([]).is_none());
    assert!(ErrorGroup::<Number>::from_failures([]).is_none());
    assert!(sample().derive::<Number>([]).is_none());
}

#[test]
fn errors_of_an_iterator_keep_their_order_and_the_callers_place() {
    let (group, line) = (ErrorGroup::from_errors((1..4).map(Number)).unwrap(), line!());
    assert_eq!(shape(&group), "1 2 3");
    let ids: Vec<_> = group.iter().map(|failure| failure.task().id()).collect();
    assert!(ids.is_sorted() && ids[0] != ids[1], "each has an id of its own");
    for failure in &group {
        assert_eq!(failure.task().location().line(), line);
        assert_eq!(failure.task().location().file(), file!());
        assert_eq!(failure.elapsed(), None);
    }
}

#[test]
fn leaves_come_in_order_with_their_path() {
    let group = sample();
    let names = |leaf: &anyscope_core::Leaf<'_, Number>| {
        let names: Vec<_> = leaf.path().iter().map(|node| node.task().name().unwrap()).collect();
        names.join("/")
    };
    let leaves: Vec<_> = group.leaves().collect();
    let seen: Vec<_> =
        leaves.iter().map(|leaf| (names(leaf), leaf.error().unwrap().0, leaf.depth())).collect();
    let expected = [("", 1, 0), ("a", 2, 1), ("a/b", 3, 2), ("a/b", 4, 2), ("c", 5, 1), ("", 6, 0)];
    assert_eq!(seen, expected.map(|(path, number, depth)| (path.to_owned(), number, depth)));
    let text = leaves[2].to_string();
    assert!(text.starts_with("'a' / 'b' / task #") && text.ends_with(": number 3"), "{text}");
    assert!(GroupError::from(sample()).leaves().count() == 6);
}

#[test]
fn a_leaf_is_one_line_whatever_users_wrote() {
    #[derive(Debug, thiserror::Error)]
    #[error("first\nsecond")]
    struct Two;

    let leaf = Failure::from_error(Two).named("a\nname");
    let group = group([Failure::from_group(group([leaf])).named("above\nit")]);
    let text = group.leaves().next().unwrap().to_string();
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(
        text.starts_with("'above\\nit' / task #") && text.ends_with(": first\\nsecond"),
        "{text}"
    );
}

#[test]
fn split_keeps_shape_and_order_and_drops_empty_groups() {
    let (even, odd) = sample().split(|leaf| leaf.error().unwrap().0 % 2 == 0);
    assert_eq!(shape(&even.unwrap()), "a(2 b(4)) 6");
    assert_eq!(shape(&odd.unwrap()), "1 a(b(3)) c(5)");
}

#[test]
fn split_of_all_or_nothing_leaves_one_part() {
    let (all, nothing) = sample().split(|_| true);
    assert!(all.unwrap() == sample() && nothing.is_none());
    let (nothing, all) = sample().split(|_| false);
    assert!(all.unwrap() == sample() && nothing.is_none());
    assert!(sample().subgroup(|_| false).is_none());
}

#[test]
fn split_by_path_takes_a_subtree() {
    let under_a = |leaf: &anyscope_core::Leaf<'_, Number>| {
        leaf.path().iter().any(|node| node.task().name() == Some("a"))
    };
    assert_eq!(shape(&sample().subgroup(under_a).unwrap()), "a(2 b(3 4))");
}

#[test]
fn parts_have_the_tasks_message_and_notes_of_the_whole() {
    let inner = group([leaf(2), leaf(3)]).with_message("inner").with_note("below");
    let group = group([leaf(1), Failure::from_group(inner).named("a")]);
    let group = group.with_message("could not mirror").with_note("first").with_note("second");
    let ids: Vec<_> = group.leaves().map(|leaf| leaf.task().clone()).collect();
    let node = group.iter().last().unwrap().task().clone();

    let (one, rest) = group.split(|leaf| leaf.error() == Some(&Number(2)));
    for (part, of_whole) in
        [(one.unwrap(), &ids[1..2]), (rest.unwrap(), &[ids[0].clone(), ids[2].clone()])]
    {
        assert_eq!(part.message(), "could not mirror");
        assert_eq!(part.notes(), ["first", "second"]);
        assert!(part.leaves().map(|leaf| leaf.task().clone()).eq(of_whole.iter().cloned()));
        let nested = part.iter().last().unwrap();
        assert_eq!(nested.task(), &node);
        let nested = nested.group().unwrap().failures().unwrap();
        assert_eq!((nested.message(), nested.notes()), ("inner", &["below".to_owned()][..]));
    }
}

#[test]
fn notes_of_a_part_are_its_own() {
    let (even, odd) = sample().with_note("of both").split(|leaf| leaf.error().unwrap().0 % 2 == 0);
    let even = even.unwrap().with_note("even alone").with_message("even");
    assert_eq!(even.notes(), ["of both", "even alone"]);
    assert_eq!(odd.as_ref().unwrap().notes(), ["of both"]);
    assert_eq!(odd.unwrap().message(), "group failed");
}

#[test]
fn derived_group_has_message_and_notes() {
    let whole = sample().with_message("whole").with_note("noted");
    let part = whole.derive([Failure::from_error(BoxError::msg("other"))]).unwrap();
    assert_eq!((part.message(), part.notes()), ("whole", &["noted".to_owned()][..]));
    assert_eq!(part.len(), 1);
}

#[test]
fn map_changes_errors_and_nothing_else() {
    let ids: Vec<_> = sample()
        .with_note("n")
        .map(|number| number.0 + 1)
        .into_iter()
        .map(|failure| failure.task().id())
        .collect();
    assert_eq!(ids.len(), 4);
    let mapped = sample().with_note("n").map(|Number(number)| Number(number * 10));
    assert_eq!(
        (shape(&mapped).as_str(), mapped.notes()),
        ("10 a(20 b(30 40)) c(50) 60", &["n".to_owned()][..])
    );
    let boxed: ErrorGroup<BoxError> = sample().map(BoxError::from);
    assert!(boxed.leaves().all(|leaf| leaf.is::<Number>()));
}

#[test]
fn flatten_leaves_leaves_alone() {
    let flat = sample().with_message("whole").flatten();
    assert_eq!((shape(&flat).as_str(), flat.message()), ("1 2 3 4 5 6", "whole"));
}

#[test]
fn pushed_failures_come_last() {
    let mut group = sample();
    group.push(leaf(7));
    assert_eq!((shape(&group).as_str(), group.len()), ("1 a(2 b(3 4)) c(5) 6 7", 5));
    assert_eq!(group.first().error(), Some(&Number(1)));
}

#[test]
fn equal_is_what_failed_alike() {
    assert!(sample() == sample(), "ids differ and are not compared");
    assert!(GroupError::from(sample()) == GroupError::from(sample()));
    assert!(sample() != sample().with_note("noted"));
    assert!(sample() != sample().with_message("other"));
    assert!(sample() != sample().flatten());
    assert!(sample() != sample().map(|number| Number(number.0 + 1)));
    assert!(group([leaf(1)]) != group([leaf(1).named("a name")]));
    assert!(group([node("a", [leaf(1)])]) != group([node("b", [leaf(1)])]));
    assert!(group([leaf(1), leaf(2)]) != group([leaf(1)]));
    assert!(group([node("a", [leaf(1)])]) != group([leaf(1).named("a")]));
}

/// Counts its drops, and is an error.
#[derive(Debug, thiserror::Error)]
#[error("counted {number}")]
struct Counted {
    number: usize,
    drops: Arc<Mutex<Vec<usize>>>,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.drops.lock().unwrap()[self.number] += 1;
    }
}

fn counted(drops: &Arc<Mutex<Vec<usize>>>) -> ErrorGroup<Counted> {
    let mut all = drops.lock().unwrap();
    all.resize(6, 0);
    let leaf = |number| Failure::from_error(Counted { number, drops: drops.clone() });
    let inner = [leaf(1), leaf(2), leaf(3)];
    group([leaf(0), node("counted", inner), leaf(4), leaf(5)])
}

#[test]
fn predicate_that_panics_loses_nothing_in_silence() {
    let reported = Arc::new(Mutex::new(Vec::new()));
    let hook = reported.clone();
    set_unhandled_hook(move |lost| hook.lock().unwrap().push(lost.to_string()));
    let drops = Arc::new(Mutex::new(Vec::new()));
    let group = counted(&drops);
    let split = catch_unwind(AssertUnwindSafe(|| {
        let (mut asked, seen) = (0, drops.clone());
        group.split(move |_| {
            assert_eq!(*seen.lock().unwrap(), [0; 6], "nothing is dropped while it is asked");
            asked += 1;
            assert!(asked < 3, "expected: the third is too much");
            true
        })
    }));
    assert!(split.is_err());
    assert_eq!(*drops.lock().unwrap(), [1; 6]);
    let reported = reported.lock().unwrap();
    assert_eq!(reported.len(), 4, "{reported:?}");
    for (text, end) in reported.iter().zip(["counted 0", "counted 1", "counted 4", "counted 5"]) {
        assert!(text.starts_with("unhandled failure") && text.ends_with(end), "{text}");
    }
}

#[test]
fn mapping_that_panics_drops_each_error_once() {
    let drops = Arc::new(Mutex::new(Vec::new()));
    let group = counted(&drops);
    let mapped = catch_unwind(AssertUnwindSafe(|| {
        group.map(|error| {
            assert!(error.number < 2, "expected: the third is too much");
            Box::new(error)
        })
    }));
    assert!(mapped.is_err());
    assert_eq!(*drops.lock().unwrap(), [1; 6]);
}

#[test]
fn groups_go_where_their_errors_go() {
    fn send_sync<T: Send + Sync + 'static>() {}
    fn owned<E: AsDynError>() {
        send_sync::<ErrorGroup<E>>();
        send_sync::<GroupError<E>>();
        send_sync::<Failure<E>>();
    }
    owned::<BoxError>();
    owned::<Number>();
    // And no further: an error that stays on its thread keeps its group there.
    let local = ErrorGroup::from_errors([Rc::new(Cell::new(1))]).unwrap();
    assert_eq!(local.map(|error| error.get()).first().error(), Some(&1));
}
