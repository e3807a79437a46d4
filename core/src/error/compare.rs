//! When two trees are equal: the same shape and errors, whatever differs in each run left aside.

use std::mem;

use crate::error::{ErrorGroup, Failure, FailureKind, GroupError};

impl<E: PartialEq> PartialEq for ErrorGroup<E> {
    fn eq(&self, other: &Self) -> bool {
        equal(vec![(self, other)])
    }
}

/// As of [`ErrorGroup`]; of the causes only the kind is compared.
impl<E: PartialEq> PartialEq for GroupError<E> {
    fn eq(&self, other: &Self) -> bool {
        same_cause(self, other)
            && match (self.failures(), other.failures()) {
                (Some(one), Some(other)) => one == other,
                (one, other) => one.is_none() && other.is_none(),
            }
    }
}

/// Compares the pairs and, in a loop, all pairs of groups below them (E4).
fn equal<E: PartialEq>(mut left: Vec<(&ErrorGroup<E>, &ErrorGroup<E>)>) -> bool {
    while let Some((one, other)) = left.pop() {
        if one.len() != other.len() || one.label() != other.label() {
            return false;
        }
        for (one, other) in one.iter().zip(other) {
            match (one.group(), other.group()) {
                (Some(a), Some(b)) if same_cause(a, b) && same_name(one, other) => {
                    left.push((a.nested(), b.nested()));
                }
                _ if same_leaf(one, other) && same_name(one, other) => {}
                _ => return false,
            }
        }
    }
    true
}

fn same_name<E>(one: &Failure<E>, other: &Failure<E>) -> bool {
    one.task().name() == other.task().name()
}

fn same_leaf<E: PartialEq>(one: &Failure<E>, other: &Failure<E>) -> bool {
    match (one.kind(), other.kind()) {
        (FailureKind::Error(one), FailureKind::Error(other)) => one == other,
        (FailureKind::Panic(one), FailureKind::Panic(other)) => one.message() == other.message(),
        _ => false,
    }
}

fn same_cause<E>(one: &GroupError<E>, other: &GroupError<E>) -> bool {
    let kind = |error: &GroupError<E>| error.cause().map(|cause| mem::discriminant(cause.kind()));
    kind(one) == kind(other)
}
