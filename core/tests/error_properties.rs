//! What holds for every tree of failures: parts partition, order is kept, nothing is lost, every
//! error is dropped exactly once (rules E2, E3, E4).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyscope_core::{
    BoxError, ErrorGroup, Failure, GroupError, Leaf, TaskId, handle, set_unhandled_hook,
};
use proptest::prelude::*;

/// How often each error was dropped, by its number.
type Drops = Arc<Vec<AtomicUsize>>;

#[derive(Debug)]
struct Tracked(usize, Drops);

impl Drop for Tracked {
    fn drop(&mut self) {
        self.1[self.0].fetch_add(1, Ordering::Relaxed);
    }
}

#[derive(Debug, thiserror::Error)]
#[error("red")]
struct Red(Tracked);

#[derive(Debug, thiserror::Error)]
#[error("green")]
struct Green(Tracked);

#[derive(Debug, thiserror::Error)]
#[error("blue")]
struct Blue(Tracked);

#[derive(Clone, Debug)]
enum Tree {
    Leaf(u8),
    Node(Vec<Tree>),
}

fn trees() -> impl Strategy<Value = Tree> {
    let leaf = (0..3_u8).prop_map(Tree::Leaf);
    let node = |below| prop::collection::vec(below, 1..6).prop_map(Tree::Node);
    let any = leaf.prop_recursive(6, 64, 6, node);
    prop::collection::vec(any, 1..6).prop_map(Tree::Node)
}

/// Builds the tree with each leaf numbered, in order.
fn build(tree: &Tree) -> (GroupError, Drops) {
    fn count(tree: &Tree) -> usize {
        match tree {
            Tree::Leaf(_) => 1,
            Tree::Node(below) => below.iter().map(count).sum(),
        }
    }
    fn failure(tree: &Tree, next: &mut usize, drops: &Drops) -> Failure<BoxError> {
        let Tree::Leaf(color) = tree else {
            return Failure::from_group(group(tree, next, drops));
        };
        let tracked = Tracked(*next, drops.clone());
        *next += 1;
        let error: BoxError = match color {
            0 => Red(tracked).into(),
            1 => Green(tracked).into(),
            _ => Blue(tracked).into(),
        };
        Failure::from_error(error)
    }
    fn group(tree: &Tree, next: &mut usize, drops: &Drops) -> ErrorGroup {
        let Tree::Node(below) = tree else { panic!("a leaf is no group") };
        let failures: Vec<_> = below.iter().map(|one| failure(one, next, drops)).collect();
        ErrorGroup::from_failures(failures).unwrap()
    }
    let drops: Drops = Arc::new((0..count(tree)).map(|_| AtomicUsize::new(0)).collect());
    (group(tree, &mut 0, &drops).into(), drops)
}

/// A leaf: its number, its task, the tasks on its path.
type Seen = (usize, TaskId, Vec<TaskId>);

fn number(leaf: &Failure<BoxError>) -> usize {
    let red = leaf.downcast_ref().map(|Red(tracked)| tracked.0);
    let green = || leaf.downcast_ref().map(|Green(tracked)| tracked.0);
    let blue = || leaf.downcast_ref().map(|Blue(tracked)| tracked.0);
    red.or_else(green).or_else(blue).expect("one of the three")
}

fn see(leaf: Leaf<'_, BoxError>) -> Seen {
    let path = leaf.path().iter().map(|node| node.task().id()).collect();
    (number(&leaf), leaf.task().id(), path)
}

fn seen(error: Option<&GroupError>) -> Vec<Seen> {
    error.into_iter().flat_map(GroupError::leaves).map(see).collect()
}

fn is_dropped_once(drops: &Drops) -> bool {
    drops.iter().all(|count| count.load(Ordering::Relaxed) == 1)
}

fn is_alive(drops: &Drops) -> bool {
    drops.iter().all(|count| count.load(Ordering::Relaxed) == 0)
}

proptest! {
    #[test]
    fn parts_partition_the_leaves_and_keep_order_and_paths(tree in trees(), mask: u64) {
        let (error, drops) = build(&tree);
        let all = seen(Some(&error));
        let wanted = |number: usize| mask >> (number % 64) & 1 == 1;
        let (matching, rest) = error.split(|leaf| wanted(number(leaf)));
        prop_assert!(is_alive(&drops));
        let (taken, left): (Vec<_>, Vec<_>) = all.into_iter().partition(|seen| wanted(seen.0));
        prop_assert_eq!(seen(matching.as_ref()), taken);
        prop_assert_eq!(seen(rest.as_ref()), left);
        drop((matching, rest));
        prop_assert!(is_dropped_once(&drops));
    }

    #[test]
    fn handlers_and_the_rest_have_every_failure_once(tree in trees(), fails: u64) {
        let (error, drops) = build(&tree);
        let all = seen(Some(&error));
        let mut handled = Vec::new();
        let (mut greens, mut failed) = (Vec::new(), 0);
        let rest = handle!(match error {
            red: Red => {
                handled.push(red.0.0);
                if fails >> (red.0.0 % 64) & 1 == 1 {
                    failed += 1;
                    return Err(BoxError::msg("the handler failed"));
                }
                Ok(())
            },
            Green as group => greens.extend(group.leaves().map(see)),
            red: Red => unreachable!("{red:?}"),
        });
        let rest = rest.err();
        let leaves: Vec<_> = rest.iter().flat_map(GroupError::leaves).collect();
        let (blue, joined) = leaves.split_at(leaves.len() - failed);
        let blue: Vec<_> = blue.iter().cloned().map(see).collect();
        prop_assert!(joined.iter().all(|leaf| leaf.as_error().to_string() == "the handler failed"));

        let numbers = |seen: &[Seen]| seen.iter().map(|seen| seen.0).collect::<Vec<_>>();
        prop_assert!(handled.is_sorted() && greens.is_sorted() && blue.is_sorted());
        let mut found = [handled, numbers(&greens), numbers(&blue)].concat();
        found.sort_unstable();
        prop_assert_eq!(found, numbers(&all));
        prop_assert!(greens.iter().chain(&blue).all(|seen| all.contains(seen)), "paths are kept");
        drop((leaves.len(), rest));
        prop_assert!(is_dropped_once(&drops));
    }

    #[test]
    fn flatten_and_map_keep_leaves_and_order(tree in trees()) {
        let (error, drops) = build(&tree);
        let all = seen(Some(&error));
        let group = error.map(|error| error).into_failures().unwrap();
        prop_assert!(all.iter().cloned().eq(group.leaves().map(see)));
        let flat = group.flatten();
        prop_assert_eq!(flat.len(), all.len());
        let ids = flat.iter().map(|failure| (number(failure), failure.task().id()));
        prop_assert!(ids.eq(all.iter().map(|seen| (seen.0, seen.1))));
        drop(flat);
        prop_assert!(is_dropped_once(&drops));
    }

    #[test]
    fn user_code_that_panics_drops_nothing_twice(tree in trees(), at: prop::sample::Index, how in 0..3) {
        set_unhandled_hook(|_| {});
        let (error, drops) = build(&tree);
        let (at, mut asked) = (at.index(drops.len()), 0);
        let mut fuse = || {
            asked += 1;
            if asked > at {
                // Like `panic!`, without the hook's print for each of the many runs.
                std::panic::resume_unwind(Box::new("expected"));
            }
        };
        let outcome = catch_unwind(AssertUnwindSafe(|| match how {
            0 => drop(error.split(|leaf| { fuse(); number(leaf) % 2 == 0 })),
            1 => drop(error.map(|error| { fuse(); error })),
            _ => drop(error.handling().handle_each(|_| true, |_| fuse()).finish()),
        }));
        prop_assert!(outcome.is_err());
        prop_assert!(is_dropped_once(&drops));
    }

    #[test]
    fn equal_trees_are_those_built_alike(one in trees(), other in trees()) {
        let text = |tree: &Tree| build(tree).0.map(|error| error.to_string());
        prop_assert!(text(&one) == text(&one));
        let same = format!("{one:?}") == format!("{other:?}");
        prop_assert_eq!(text(&one) == text(&other), same);
    }
}
