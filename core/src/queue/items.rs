//! The items that lie in a queue, and which of them comes next.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, VecDeque};

pub(super) enum Items<T> {
    Fifo(VecDeque<T>),
    Lifo(Vec<T>),
    Priority { heap: BinaryHeap<Entry<T>>, pushed: u64, compare: Compare<T> },
}

type Compare<T> = fn(&T, &T) -> Ordering;

impl<T> Items<T> {
    pub(super) fn fifo() -> Self {
        Self::Fifo(VecDeque::new())
    }

    pub(super) fn lifo() -> Self {
        Self::Lifo(Vec::new())
    }

    pub(super) fn priority() -> Self
    where
        T: Ord,
    {
        Self::Priority { heap: BinaryHeap::new(), pushed: 0, compare: T::cmp }
    }

    pub(super) fn push(&mut self, item: T) {
        match self {
            Self::Fifo(items) => items.push_back(item),
            Self::Lifo(items) => items.push(item),
            Self::Priority { heap, pushed, compare } => {
                *pushed += 1;
                heap.push(Entry { item, number: *pushed, compare: *compare });
            }
        }
    }

    pub(super) fn pop(&mut self) -> Option<T> {
        match self {
            Self::Fifo(items) => items.pop_front(),
            Self::Lifo(items) => items.pop(),
            Self::Priority { heap, .. } => heap.pop().map(|entry| entry.item),
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Fifo(items) => items.len(),
            Self::Lifo(items) => items.len(),
            Self::Priority { heap, .. } => heap.len(),
        }
    }
}

/// The smallest is the greatest in the heap, and of equal ones the earliest.
pub(super) struct Entry<T> {
    item: T,
    number: u64,
    /// `T::cmp`: kept here so that only priority queues ask for `T: Ord`.
    compare: Compare<T>,
}

impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_item = (self.compare)(&other.item, &self.item);
        by_item.then_with(|| other.number.cmp(&self.number))
    }
}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<T> Eq for Entry<T> {}
