//! Memory of tasks that have been polled and wait.

use anyscope_core::{AnyRuntime, Runtime, TaskError};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::work::Parking;
use crate::heap::counts;
use crate::{Backend, Build, Contender, Measure, Plan, Sample, Scenario};

/// With the body of a group a power of two, as tables grow by doubling: there they are full.
const MANY: usize = 8191;

pub(super) const PARKED: Scenario = Scenario {
    name: "parked",
    about: "live bytes on the heap for each task that waits while its handle is held. The handle itself, \
            in a `Vec`, is not among them: 8 bytes of tokio's and smol's, 40 of a group's. So many tasks \
            just fill a group's table; one more doubles it, to 64 bytes for each in place of 32",
    measure: Measure::Bytes,
    full: Plan { sizes: &[MANY], rounds: 3 },
    quick: Plan { sizes: &[MANY], rounds: 3 },
    expect: |n| n as u64,
    heap: Some(MANY),
    contenders: |setting| setting.build(Tasks),
    ..Scenario::TASKS
};

struct Tasks;

impl Build for Tasks {
    fn build<B: Backend>(self, b: &B) -> Vec<Contender> {
        let mut all = vec![
            Contender::part("bare", b, bare),
            Contender::part("group", b, |b, n| group(b.runtime().clone(), n)),
            Contender::part("group of AnyRuntime", b, |b, n| {
                group(AnyRuntime::new(b.runtime().clone()), n)
            }),
        ];
        if B::IS_TOKIO {
            all.push(Contender::part("JoinSet", b, |_, n| join_set(n)));
            all.push(Contender::part("TaskTracker + token", b, |_, n| tracker(n)));
        }
        all
    }
}

/// The bytes of `n` tasks, without the `Vec` of their handles: made by `spawn`, and none alive at the end.
async fn grown<H>(n: usize, parking: &Parking, mut spawn: impl FnMut() -> H) -> (f64, Vec<H>) {
    let mut handles = Vec::with_capacity(n);
    let before = counts().live;
    handles.extend((0..n).map(|_| spawn()));
    parking.all_parked(n).await;
    (counts().live.saturating_sub(before) as f64 / n as f64, handles)
}

async fn bare<B: Backend>(b: B, n: usize) -> Sample {
    let parking = Parking::default();
    let (value, joins) = grown::<B::Join<()>>(n, &parking, || b.spawn(parking.park())).await;
    B::cancel(joins).await;
    Sample { value, sum: parking.gone() }
}

async fn group<R: Runtime>(rt: R, n: usize) -> Sample {
    let parking = Parking::default();
    let parked = parking.clone();
    let all = rt.group::<TaskError, _>(move |g| async move {
        let (value, _handles) = grown(n, &parked, || g.spawn::<_, ()>(parked.park())).await;
        g.cancel();
        Ok(value)
    });
    let value = all.await.expect("a body that has its value keeps it");
    Sample { value, sum: parking.gone() }
}

async fn join_set(n: usize) -> Sample {
    let (parking, mut set) = (Parking::default(), JoinSet::<()>::new());
    let (value, _) = grown(n, &parking, || set.spawn(parking.park())).await;
    set.shutdown().await;
    Sample { value, sum: parking.gone() }
}

async fn tracker(n: usize) -> Sample {
    let (parking, tracker, token) =
        (Parking::default(), TaskTracker::new(), CancellationToken::new());
    let spawn = || tracker.spawn(token.clone().run_until_cancelled_owned(parking.park::<()>()));
    let (value, _) = grown(n, &parking, spawn).await;
    token.cancel();
    tracker.close();
    tracker.wait().await;
    Sample { value, sum: parking.gone() }
}

#[cfg(test)]
mod tests {
    use anyscope_core::TaskHandle;
    use anyscope_tokio::Tokio;

    #[test]
    fn handles_have_the_sizes_that_the_page_names() {
        assert_eq!(size_of::<TaskHandle<(), Tokio>>(), 40);
        assert_eq!(size_of::<tokio::task::JoinHandle<()>>(), 8);
        assert_eq!(size_of::<smol::Task<()>>(), 8);
    }
}
