//! Error groups: what each failure carries, how they are shown, users' own types (rules E1, E5, E6).

use std::error::Error;
use std::fmt;
use std::num::ParseIntError;
use std::time::{Duration, Instant};

use anyscope_core::{
    BoxError, CauseKind, FailureKind, GroupError, PanicPolicy, Runtime, Supervise, gather,
    record_panic_sites,
};

use super::echoes::texts;
use super::{Case, SHORT, case};
use crate::env::Env;
use crate::probe::{Gate, Outcome, boom, never, yield_now};

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case(e1_failures_carry_their_task_and_how_they_failed::<R>),
        case(e1_payload_of_a_panic_can_be_taken_out::<R>),
        case(e1_failures_know_when_they_happened::<R>),
        case(e1_times_of_failures_are_by_the_runtimes_clock::<R>),
        case(e1_panic_knows_its_place_once_it_is_recorded::<R>),
        case(e5_display_is_one_line_with_the_count::<R>),
        case(e5_alternate_form_draws_the_tree::<R>),
        case(e5_cancelled_group_says_so_in_one_line::<R>),
        case(e5_source_leads_to_the_first_failure::<R>),
        case(e6_own_error_type_goes_through_untouched::<R>),
        case(e6_mixed_errors_are_matched_by_type::<R>),
        case(e6_expired_deadline_is_a_cause_and_no_leaf::<R>),
        case(e6_shutdown_of_an_inner_group_is_a_cause_and_no_leaf::<R>),
    ]
}

/// A user's error: can neither be cloned nor made from anything else.
#[derive(Debug, PartialEq)]
struct Refund {
    cents: Box<u64>,
    because: Cause,
}

#[derive(Debug, PartialEq)]
struct Cause;

impl fmt::Display for Refund {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "refund of {} cents", self.cents)
    }
}

impl Error for Refund {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.because)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sold out")
    }
}

impl Error for Cause {}

fn refund(cents: u64) -> Refund {
    let (cents, because) = (Box::new(cents), Cause);
    Refund { cents, because }
}

/// A supervised group of two tasks: "pay" gives a refund, "ship" panics. And the line of each.
async fn failed_twice<R: Runtime>(rt: &R) -> (GroupError<Refund>, [u32; 2]) {
    let mut lines = [0; 2];
    let outcome: Result<(), GroupError<Refund>> = rt
        .group(async |g| {
            lines[0] = line!() + 1;
            let pay = g.task::<_, ()>(async { Err(refund(5)) }).name("pay").spawn();
            while !pay.is_finished() {
                yield_now().await;
            }
            lines[1] = line!() + 1;
            g.task::<_, ()>(async { panic!("expected: ship") }).name("ship").spawn();
            Ok(())
        })
        .policy(Supervise)
        .panics(PanicPolicy::Capture)
        .await;
    (outcome.unwrap_err(), lines)
}

fn e1_failures_carry_their_task_and_how_they_failed<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let (error, lines) = failed_twice(&rt).await;
        let failures = error.failures().unwrap();
        let [pay, ship] = [0, 1].map(|at| failures.iter().nth(at).unwrap());
        assert_eq!(failures.len(), 2);
        assert_eq!([pay, ship].map(|one| one.task().name().unwrap()), ["pay", "ship"]);
        assert_eq!([pay, ship].map(|one| one.task().location().line()), lines);
        assert_eq!([pay, ship].map(|one| one.task().location().file()), [file!(); 2]);
        assert!(pay.task().id() < ship.task().id());
        assert!(matches!(pay.kind(), FailureKind::Error(Refund { .. })));
        assert_eq!(pay.error(), Some(&refund(5)));
        assert!(ship.error().is_none());
        let text = pay.to_string();
        assert!(text.starts_with(&pay.task().to_string()), "{text}");
        assert!(text.ends_with("refund of 5 cents"), "{text}");
    });
}

fn e1_payload_of_a_panic_can_be_taken_out<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                g.spawn::<_, ()>(async { std::panic::panic_any(vec![1, 2]) });
                never().await
            })
            .panics(PanicPolicy::Capture)
            .await;
        let failures = outcome.unwrap_err().into_failures().unwrap().into_failures();
        for failure in failures {
            match failure.into_kind() {
                FailureKind::Panic(panic) => {
                    let payload = panic.into_inner().downcast::<Vec<i32>>();
                    assert_eq!(*payload.unwrap(), [1, 2]);
                }
                other => panic!("not a panic: {other:?}"),
            }
        }
    });
}

fn e1_failures_know_when_they_happened<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let begun = Instant::now();
        let (error, _) = failed_twice(&rt).await;
        let most = begun.elapsed();
        let times: Vec<_> = error.leaves().map(|leaf| leaf.elapsed().unwrap()).collect();
        assert!(times.is_sorted() && times[1] <= most, "{times:?} of {most:?}");
    });
}

fn e1_times_of_failures_are_by_the_runtimes_clock<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let begun = rt.now();
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let late = |panics: bool| {
                    let rt = rt.clone();
                    async move {
                        rt.sleep(SHORT).await;
                        assert!(!panics, "expected: late");
                        Err::<(), _>(boom("late"))
                    }
                };
                drop(g.try_spawn_blocking(|| Err::<(), _>(boom("early"))));
                let tasks = [g.spawn(late(false)), g.spawn(late(true))];
                drop(gather(tasks).settled().await);
                Err(boom("late as well"))
            })
            .policy(Supervise)
            .panics(PanicPolicy::Capture)
            .await;
        let most = rt.now() - begun;
        let failures = outcome.unwrap_err().into_failures().unwrap();
        assert_eq!(failures.len(), 4);
        for failure in &failures {
            let elapsed = failure.elapsed().unwrap();
            let is_early = failure.error().is_some_and(|error| error.to_string() == "early");
            assert!(elapsed <= most, "{elapsed:?} of {most:?}");
            assert!(is_early || elapsed >= SHORT, "{elapsed:?}");
        }
    });
}

fn e1_panic_knows_its_place_once_it_is_recorded<R: Runtime>(env: &Env<R>) {
    record_panic_sites();
    env.block_on(async |rt: R| {
        let (error, lines) = failed_twice(&rt).await;
        let panic = error.leaves().last().unwrap().failure().panic_payload().unwrap();
        let place = format!("{}:{}:", file!(), lines[1]);
        assert!(panic.location().unwrap().starts_with(&place), "{panic}");
        assert!(panic.backtrace().is_some());
    });
}

fn e5_display_is_one_line_with_the_count<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let (error, _) = failed_twice(&rt).await;
        for text in [error.to_string(), error.failures().unwrap().to_string()] {
            assert_eq!(text.lines().count(), 1, "{text}");
            assert!(text.contains("2 failures"), "{text}");
            assert!(text.contains("refund of 5 cents"), "{text}");
        }
        let outcome: Outcome<()> = rt.group(async |_| Err(boom("alone"))).await;
        let text = outcome.unwrap_err().to_string();
        assert!(text.contains("1 failure;") && text.ends_with(": alone"), "{text}");
    });
}

fn e5_alternate_form_draws_the_tree<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Result<(), GroupError<Refund>> = rt
            .group(async |g| {
                let inner = g.spawn_group(async |inner| {
                    let first = inner.spawn::<_, ()>(async { Err(refund(1)) });
                    while !first.is_finished() {
                        yield_now().await;
                    }
                    inner.spawn::<_, ()>(async { Err(refund(2)) });
                    Err::<(), _>(refund(3))
                });
                while !inner.is_finished() {
                    yield_now().await;
                }
                g.task::<_, ()>(async { Err(refund(4)) }).name("last").spawn();
                Ok(())
            })
            .policy(Supervise)
            .await;
        let error = outcome.unwrap_err();
        let tree = format!("{error:#}");
        let lines: Vec<_> = tree.lines().collect();
        assert!(lines[0].ends_with("2 failures"), "{tree}");
        assert!(lines[1].starts_with("├─ ") && lines[1].contains("failure"), "{tree}");
        assert!(lines[2].starts_with("│  ") && lines[2].ends_with("refund of 1 cents"), "{tree}");
        assert!(lines[3].starts_with("│  ") && lines[3].ends_with("caused by: sold out"), "{tree}");
        let last = lines.iter().position(|line| line.starts_with("└─ ")).unwrap();
        assert!(lines[last].contains("'last'") && lines[last].ends_with("refund of 4 cents"));
        assert!(lines[last + 1].starts_with("   ") && lines.len() == last + 2, "{tree}");
        assert_eq!(format!("{error:?}"), tree);
        assert_eq!(format!("{:#}", error.failures().unwrap()), tree);
    });
}

fn e5_cancelled_group_says_so_in_one_line<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                g.cancel_because("closing time");
                never().await
            })
            .await;
        let error = outcome.unwrap_err();
        for text in [format!("{error}"), format!("{error:#}"), format!("{error:?}")] {
            assert_eq!(text, "group cancelled: requested: closing time");
        }
        let outcome: Outcome<()> = rt
            .group(async |g| {
                g.cancel_because("closing time");
                Err(boom("and failed"))
            })
            .await;
        let text = outcome.unwrap_err().to_string();
        assert!(text.contains("1 failure, cancelled: requested: closing time"), "{text}");
    });
}

fn e5_source_leads_to_the_first_failure<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let (error, _) = failed_twice(&rt).await;
        for error in [&error as &dyn Error, error.failures().unwrap()] {
            let first = error.source().unwrap();
            assert_eq!(first.downcast_ref::<Refund>(), Some(&refund(5)));
            assert!(first.source().unwrap().is::<Cause>());
        }
        let outcome: Outcome<()> = rt
            .group(async |_| {
                let inner: Result<(), _> = rt.group(async |_| Err(refund(9))).await;
                Ok(inner?)
            })
            .await;
        let outer = outcome.unwrap_err();
        let mut next = outer.source();
        while let Some(error) = next.filter(|error| !error.is::<Refund>()) {
            next = error.source();
        }
        assert!(next.is_some(), "through nested groups: {outer:#}");
    });
}

fn e6_own_error_type_goes_through_untouched<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let made = refund(7);
        let address = std::ptr::from_ref(&*made.cents) as usize;
        let outcome: Result<(), GroupError<Refund>> = rt
            .group(async |g| {
                g.spawn::<_, ()>(async move { Err(made) });
                std::future::pending().await
            })
            .await;
        let mut failures = outcome.unwrap_err().into_failures().unwrap().into_failures();
        match failures.remove(0).into_kind() {
            FailureKind::Error(Refund { cents, .. }) => {
                assert_eq!(*cents, 7);
                assert_eq!(std::ptr::from_ref(&*cents) as usize, address);
            }
            other => panic!("not the error: {other:?}"),
        }
    });
}

fn e6_mixed_errors_are_matched_by_type<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let number = g.spawn(async { Ok("x".parse::<i32>()?) });
                while !number.is_finished() {
                    yield_now().await;
                }
                g.spawn::<_, ()>(async { Err(refund(3))? });
                Err(boom("a text"))
            })
            .policy(Supervise)
            .await;
        let failures = outcome.unwrap_err().into_failures().unwrap();
        let errors = || failures.iter().map(|failure| failure.error().unwrap());
        assert_eq!(errors().filter(|error| error.is::<ParseIntError>()).count(), 1);
        let refunds: Vec<_> = errors().filter_map(BoxError::downcast_ref::<Refund>).collect();
        assert_eq!(refunds, [&refund(3)]);
        assert_eq!(errors().filter(|error| error.to_string() == "a text").count(), 1);
    });
}

fn e6_expired_deadline_is_a_cause_and_no_leaf<R: Runtime>(env: &Env<R>) {
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let rt = rt.clone();
                g.spawn(async move {
                    let inner: Outcome<()> =
                        rt.group(async |_| never().await).deadline(Duration::ZERO).await;
                    Ok(inner?)
                });
                never().await
            })
            .await;
        let error = outcome.unwrap_err();
        assert!(matches!(error.cause().unwrap().kind(), CauseKind::Deadline(_)));
        assert!(texts(&error).is_empty() && error.is_cancelled(), "{error:#}");
    });
}

/// Unless the policy says otherwise.
fn e6_shutdown_of_an_inner_group_is_a_cause_and_no_leaf<R: Runtime>(env: &Env<R>) {
    async fn shut_down<R: Runtime>(rt: R) -> Result<(), BoxError> {
        let inner: Outcome<()> = rt
            .group(async |h| {
                h.shut_down();
                never().await
            })
            .await;
        Ok(inner?)
    }
    env.block_on(async |rt: R| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                g.spawn(shut_down(rt.clone()));
                never().await
            })
            .await;
        let error = outcome.unwrap_err();
        assert_eq!(error.cause().unwrap().kind(), &CauseKind::Shutdown);
        assert!(texts(&error).is_empty() && error.is_cancelled(), "{error:#}");

        let outcome: Outcome<i32> = rt
            .group(async |g| {
                let finish = Gate::new();
                let wait = finish.clone();
                let sibling = g.spawn(async move {
                    wait.wait().await;
                    Ok(7)
                });
                let error = g.spawn(shut_down(rt.clone())).await.unwrap_err();
                assert_eq!(error.cause().unwrap().kind(), &CauseKind::Shutdown);
                assert!(error.is_cancelled() && !g.is_cancelled());
                finish.open();
                Ok(sibling.await?)
            })
            .policy(Supervise)
            .await;
        assert_eq!(outcome.unwrap(), 7);
    });
}
