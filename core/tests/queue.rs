//! The queue step by step: order, room, the account of unfinished items, the end (W8).

mod support;

use std::cmp::Reverse;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use anyscope_core::Queue;
use futures_executor::block_on;
use futures_util::{FutureExt, StreamExt};
use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, Strategy, any};
use proptest::{prop_oneof, proptest};
use support::bounded;

/// All that lies in the queue, in the order in which it comes.
fn drain<T>(queue: &Queue<T>) -> Vec<T> {
    std::iter::from_fn(|| queue.try_get()).map(|item| item.into_parts().0).collect()
}

fn filled(queue: Queue<i32>) -> Queue<i32> {
    [3, 1, 2].into_iter().for_each(|item| queue.try_put(item).unwrap());
    queue
}

#[test]
fn the_next_item_is_the_oldest_the_newest_or_the_smallest() {
    assert_eq!(drain(&filled(Queue::fifo(3))), [3, 1, 2]);
    assert_eq!(drain(&filled(Queue::lifo(3))), [2, 1, 3]);
    assert_eq!(drain(&filled(Queue::priority(3))), [1, 2, 3]);

    let greatest = Queue::priority(3);
    [1, 3, 2].into_iter().for_each(|item| greatest.try_put(Reverse(item)).unwrap());
    assert_eq!(drain(&greatest), [Reverse(3), Reverse(2), Reverse(1)]);
}

#[test]
fn of_equal_items_the_oldest_comes_first() {
    #[derive(Debug, Eq)]
    struct Job(u8, usize);

    impl Ord for Job {
        fn cmp(&self, other: &Self) -> std::cmp::Ordering {
            self.0.cmp(&other.0)
        }
    }
    impl PartialOrd for Job {
        fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
            Some(self.cmp(other))
        }
    }
    impl PartialEq for Job {
        fn eq(&self, other: &Self) -> bool {
            self.0 == other.0
        }
    }

    let queue = Queue::priority(100);
    (0..100).for_each(|number| queue.try_put(Job((number % 2) as u8, number)).unwrap());
    let numbers: Vec<_> = drain(&queue).into_iter().map(|job| job.1).collect();
    let expected: Vec<_> = (0..100).step_by(2).chain((1..100).step_by(2)).collect();
    assert_eq!(numbers, expected);
}

#[test]
fn put_waits_for_room_and_gives_the_item_back_at_the_end() {
    let queue = Queue::fifo(1);
    queue.put(1).now_or_never().unwrap().unwrap();
    let error = queue.try_put(2).unwrap_err();
    assert!(error.is_full() && !error.is_closed());
    assert_eq!(error.into_inner(), 2);

    let (mut second, mut third) = (Box::pin(queue.put(2)), Box::pin(queue.put(3)));
    assert!(second.as_mut().now_or_never().is_none());
    assert!(third.as_mut().now_or_never().is_none());
    drop(queue.try_get().unwrap());
    assert!(queue.try_put(4).unwrap_err().is_full(), "the room is promised already");
    assert!(third.as_mut().now_or_never().is_none());
    second.now_or_never().unwrap().unwrap();

    queue.close();
    let error = third.now_or_never().unwrap().unwrap_err();
    assert!(error.is_closed());
    assert_eq!(error.into_inner(), 3);
    assert!(queue.put(5).now_or_never().unwrap().is_err());
    assert!(queue.try_put(5).unwrap_err().is_closed());
    assert_eq!(drain(&queue), [2], "what lies in it can be taken out");
    assert!(queue.get().now_or_never().unwrap().is_none());
}

#[test]
fn join_waits_for_the_guards_and_not_only_for_the_items() {
    let queue = Queue::fifo(8);
    assert!(queue.join().now_or_never().is_some(), "nothing was ever put in");
    queue.try_put(1).unwrap();
    queue.try_put(2).unwrap();
    let mut joined = Box::pin(queue.join());
    assert!(joined.as_mut().now_or_never().is_none());
    drop(queue.try_get());
    let (item, done) = queue.try_get().unwrap().into_parts();
    assert_eq!((item, queue.len(), queue.unfinished()), (2, 0, 1));
    assert!(joined.as_mut().now_or_never().is_none());
    drop(done);
    queue.try_put(3).unwrap();
    assert!(joined.now_or_never().is_some(), "it was finished for a moment, that is enough");
    assert!(queue.join().now_or_never().is_none());
}

#[test]
fn an_item_that_is_taken_out_of_its_guard_counts_as_done() {
    let queue = Queue::fifo(8);
    queue.try_put("one".to_owned()).unwrap();
    let item: String = queue.try_get().unwrap().into_inner();
    assert_eq!((item.as_str(), queue.unfinished()), ("one", 0));
    assert!(queue.join().now_or_never().is_some());
}

#[test]
fn an_item_is_gone_before_it_counts_as_done() {
    struct Sees(Queue<Sees>, Arc<AtomicUsize>);

    impl Drop for Sees {
        fn drop(&mut self) {
            self.1.store(self.0.unfinished(), Ordering::SeqCst);
        }
    }

    let (queue, seen) = (Queue::fifo(1), Arc::new(AtomicUsize::new(0)));
    assert!(queue.try_put(Sees(queue.clone(), seen.clone())).is_ok());
    drop(queue.try_get());
    assert_eq!((seen.load(Ordering::SeqCst), queue.unfinished()), (1, 0));
}

#[test]
fn getters_are_served_in_order_and_a_cancelled_one_passes_its_item_on() {
    let queue = Queue::fifo(8);
    let mut getters: Vec<_> = (0..3).map(|_| Box::pin(queue.get())).collect();
    assert!(getters.iter_mut().all(|getter| getter.as_mut().now_or_never().is_none()));
    queue.try_put(1).unwrap();
    assert!(queue.try_get().is_none(), "the item is promised already");
    assert!(getters[1].as_mut().now_or_never().is_none());
    drop(getters.remove(0));
    let item = getters.remove(0).now_or_never().unwrap().unwrap();
    assert_eq!(*item, 1);
}

#[test]
fn closing_ends_getters_once_nobody_can_pass_an_item_on_to_them() {
    let queue = Queue::fifo(8);
    let (mut first, mut second) = (Box::pin(queue.get()), Box::pin(queue.get()));
    assert!(first.as_mut().now_or_never().is_none() && second.as_mut().now_or_never().is_none());
    queue.try_put(1).unwrap();
    queue.close();
    assert!(second.as_mut().now_or_never().is_none(), "the first has been given the item");
    drop(first);
    assert_eq!(*second.now_or_never().unwrap().unwrap(), 1);
    assert!(queue.get().now_or_never().unwrap().is_none());
}

#[test]
fn closing_ends_putters_though_one_of_them_was_given_room() {
    let (queue, flag) = (Queue::fifo(1), Arc::new(Flag::default()));
    queue.try_put(1).unwrap();
    let (mut first, mut second) = (Box::pin(queue.put(2)), Box::pin(queue.put(3)));
    assert!(first.as_mut().now_or_never().is_none());
    let waker = Waker::from(flag.clone());
    assert!(second.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    drop(queue.try_get().unwrap());
    queue.close();
    assert!(flag.0.load(Ordering::SeqCst), "whatever the first does, the second puts nothing in");
    assert_eq!(second.now_or_never().unwrap().unwrap_err().into_inner(), 3);
    assert!(queue.put(4).now_or_never().unwrap().is_err(), "nor does one who comes later");
    assert!(first.now_or_never().unwrap().unwrap_err().is_closed());
    assert!(queue.get().now_or_never().unwrap().is_none());
}

#[test]
fn getters_that_outlast_the_queue_are_woken() {
    let (queue, flag) = (Queue::fifo(8), Arc::new(Flag::default()));
    let (mut first, mut second) = (Box::pin(queue.get()), Box::pin(queue.get()));
    let waker = Waker::from(flag.clone());
    assert!(first.as_mut().now_or_never().is_none());
    assert!(second.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    queue.try_put(1).unwrap();
    queue.close();
    assert!(first.now_or_never().unwrap().is_some());
    assert!(flag.0.load(Ordering::SeqCst), "nothing is left for the second");
    assert!(second.now_or_never().unwrap().is_none());
}

#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn the_stream_ends_with_the_queue() {
    let queue = filled(Queue::fifo(3));
    queue.close();
    let items: Vec<_> = block_on(queue.stream().map(|item| item.into_parts().0).collect());
    assert_eq!(items, [3, 1, 2]);
}

/// A waker that uses the queue that calls it: deadlocks if it is called under a lock.
struct Reenters(Queue<i32>);

impl Wake for Reenters {
    fn wake(self: Arc<Self>) {
        self.0.try_put(7).unwrap();
    }
}

#[test]
fn wakers_are_called_under_no_lock() {
    let queue = Queue::fifo(8);
    let waker = Waker::from(Arc::new(Reenters(queue.clone())));
    let mut getter = pin!(queue.get());
    assert!(getter.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    queue.try_put(1).unwrap();
    assert_eq!(queue.len(), 2);
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Put,
    Get,
    Poll(usize),
    Cancel(usize),
    Close,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => any::<bool>().prop_map(|put| if put { Step::Put } else { Step::Get }),
        4 => any::<usize>().prop_map(Step::Poll),
        4 => any::<usize>().prop_map(Step::Cancel),
        1 => any::<bool>().prop_map(|_| Step::Close),
    ];
    vec(step, 0..60)
}

/// What a put or a get came to: whether it was put in, or the item.
enum Came {
    Put(bool),
    Got(Option<usize>),
}

type Waiting = Pin<Box<dyn Future<Output = Came>>>;

fn put(queue: Queue<usize>, item: usize) -> Waiting {
    Box::pin(async move { Came::Put(queue.put(item).await.is_ok()) })
}

fn get(queue: Queue<usize>) -> Waiting {
    Box::pin(async move { Came::Got(queue.get().await.map(|item| *item)) })
}

/// Puts and gets as the steps say; what was put comes out once and in order, whoever was cancelled.
fn run(capacity: usize, steps: &[Step]) {
    let queue = Queue::fifo(capacity);
    let (mut waiting, mut taken) = (Vec::<Waiting>::new(), Vec::new());
    let (mut put_in, mut accepted) = (0, 0);
    let mut poll = |mut future: Waiting, waiting: &mut Vec<Waiting>| match future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Pending => waiting.push(future),
        Poll::Ready(Came::Put(ok)) => accepted += usize::from(ok),
        Poll::Ready(Came::Got(item)) => taken.extend(item),
    };
    for step in steps {
        match *step {
            Step::Put => {
                put_in += 1;
                poll(put(queue.clone(), put_in), &mut waiting);
            }
            Step::Get => poll(get(queue.clone()), &mut waiting),
            Step::Poll(at) if !waiting.is_empty() => {
                let future = waiting.swap_remove(at % waiting.len());
                poll(future, &mut waiting);
            }
            Step::Cancel(at) if !waiting.is_empty() => {
                drop(waiting.swap_remove(at % waiting.len()));
            }
            Step::Close => queue.close(),
            Step::Poll(_) | Step::Cancel(_) => {}
        }
        assert!(queue.len() <= capacity);
    }
    waiting.clear();
    taken.extend(drain(&queue));
    assert_eq!(taken.len(), accepted, "each item once");
    assert_eq!(queue.unfinished(), 0);
    assert!(queue.join().now_or_never().is_some());
    let mut numbers = taken.clone();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), taken.len(), "none twice");
    let room = (0..=capacity).take_while(|_| queue.try_put(0).is_ok()).count();
    assert_eq!(room, if queue.is_closed() { 0 } else { capacity }, "no room is lost");
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 10_000, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn no_schedule_loses_or_doubles_an_item(capacity in 1_usize..4, steps in steps()) {
        run(capacity, &steps);
    }
}

#[test]
fn threads_pass_every_item_on() {
    bounded(|| {
        let (queue, sum) = (Queue::fifo(3), AtomicUsize::new(0));
        thread::scope(|threads| {
            let work = || {
                while let Some(item) = block_on(queue.get()) {
                    sum.fetch_add(*item, Ordering::SeqCst);
                }
            };
            let put = || (1..=1000).for_each(|number| block_on(queue.put(number)).unwrap());
            threads.spawn(work);
            threads.spawn(work);
            let putters = [threads.spawn(put), threads.spawn(put)];
            putters.into_iter().for_each(|putter| putter.join().unwrap());
            block_on(queue.join());
            assert_eq!(sum.load(Ordering::SeqCst), 2 * 500_500);
            queue.close();
        });
    });
}
