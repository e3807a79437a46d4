//! How large the futures of the ambient functions are: what they are given stands in them once.

use std::future::pending;
use std::time::{Duration, Instant};

use anyscope::prelude::*;
use anyscope::{move_on_at, timeout_at};

const HOUR: Duration = Duration::from_secs(3600);

/// Is suspended with some numbers.
async fn large() -> u64 {
    let numbers = [0_u64; 100];
    pending::<()>().await;
    numbers.iter().sum()
}

#[test]
fn each_timeout_adds_as_much_as_the_one_before() {
    let bare = size_of_val(&large());
    let one = size_of_val(&timeout(HOUR, large()));
    let two = size_of_val(&timeout(HOUR, timeout(HOUR, large())));
    let three = size_of_val(&timeout(HOUR, timeout(HOUR, timeout(HOUR, large()))));
    assert_eq!(three - two, two - one, "{bare} {one} {two} {three}");
    assert!(one - bare < 300, "{bare} {one}");
}

#[test]
fn none_of_them_holds_its_future_twice() {
    let bare = size_of_val(&large());
    let sizes = [
        size_of_val(&timeout_at(Instant::now(), large())),
        size_of_val(&move_on_after(HOUR, large())),
        size_of_val(&move_on_at(Instant::now(), large())),
        size_of_val(&group(async |_| Ok(large().await)).or_move_on()),
    ];
    assert!(sizes.iter().all(|size| size - bare < 500), "{bare} {sizes:?}");
}
