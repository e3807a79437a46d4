//! U4: a program whose `main` has not called `init`, such as this test's, gets no pool of itself.

use anyscope_process::{Job, ProcessPool};

const NOTHING: Job<(), ()> = Job::new("nothing", 1, |()| ());

#[test]
fn pool_without_init_is_refused_until_it_is_called() {
    let error = ProcessPool::new().unwrap_err();
    assert!(error.is_no_pool() && !error.has_begun());
    let other = ProcessPool::builder().program("another").build();
    assert_eq!(other.is_ok(), cfg!(unix), "one of another program is not this one's business");
    anyscope_process::init(&[&NOTHING]);
    assert_eq!(ProcessPool::new().is_ok(), cfg!(unix));
}
