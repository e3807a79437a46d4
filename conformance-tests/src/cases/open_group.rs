//! Groups that are values: what keeps them open, and what `close` gives (rule G24).

use std::time::Duration;

use anyscope_core::{
    BoxError, Carried, CauseKind, GroupHandle, OpenGroup, Runtime, Supervise, TaskContext,
    panic_message,
};

use super::echoes::texts;
use super::{Case, LONG, case};
use crate::env::Env;
use crate::probe::{
    Count, Gate, Outcome, Stuck, block_on_here, boom, caught, eventually, lost, never, parked,
    poll_once, unique, yield_now,
};

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case(g24_close_waits_for_all_and_gives_the_value::<R>),
        case(g24_stays_open_when_all_have_ended::<R>),
        case(g24_keeps_its_background_tasks_as_long_as_it_is_open::<R>),
        case(g24_outlives_the_group_in_which_it_was_opened::<R>),
        case(g24_failure_cancels_the_others_and_is_in_the_error::<R>),
        case(g24_cancelled_keeps_the_value_of_its_body::<R>),
        case(g24_panic_is_raised_by_close::<R>),
        case(g24_deadline_holds_though_nobody_awaits_it::<R>),
        case(g24_body_carries_what_its_opener_does::<R>),
        case(g24_options_and_names_are_those_that_were_set::<R>),
        case(g24_shutdown_ends_it::<R>).needs_shutdown(),
        case(g24_failure_before_a_shutdown_is_told_once::<R>).needs_shutdown(),
    ]
}

/// One with an empty body, opened here.
pub(super) fn open<R: Runtime>(rt: &R) -> OpenGroup<(), BoxError, R> {
    rt.group(async |_| Ok(())).open()
}

fn g24_close_waits_for_all_and_gives_the_value<R: Runtime>(env: &Env<R>) {
    env.run(async |rt| {
        let (finish, ended) = (Gate::new(), Count::new());
        let group: OpenGroup<_, BoxError, R> = rt.group(async |_| Ok(7)).open();
        for _ in 0..10 {
            let (finish, ended) = (finish.clone(), ended.clone());
            group.spawn(async move {
                finish.wait().await;
                ended.note();
                Ok(())
            });
        }
        let mut closing = Box::pin(group.close());
        assert!(poll_once(closing.as_mut()).is_pending());
        eventually(&rt, "all wait", || finish.waiters() == 10).await;
        assert!(poll_once(closing.as_mut()).is_pending());
        finish.open();
        assert_eq!(closing.await.unwrap(), 7);
        assert_eq!(ended.get(), 10);
    });
}

fn g24_stays_open_when_all_have_ended<R: Runtime>(env: &Env<R>) {
    env.run(async |rt| {
        let group = open(&rt);
        let kept = group.clone();
        for n in 0..3 {
            assert_eq!(group.spawn(async move { Ok(n) }).await.unwrap(), n);
            eventually(&rt, "body and task have ended", || group.tasks().is_empty()).await;
        }
        group.close().await.unwrap();
        assert!(kept.spawn(async { Ok(()) }).await.unwrap_err().is_refused());
    });
}

fn g24_keeps_its_background_tasks_as_long_as_it_is_open<R: Runtime>(env: &Env<R>) {
    env.run(async |rt| {
        let (began, dropped) = (Gate::new(), Count::new());
        let group = open(&rt);
        group.spawn_background(parked(&began, &dropped));
        group.spawn(async { Ok(()) }).await.unwrap();
        began.wait().await;
        eventually(&rt, "the background task is alone", || group.tasks().len() == 1).await;
        assert_eq!(dropped.get(), 0);
        group.close().await.unwrap();
        assert_eq!(dropped.get(), 1);
    });
}

fn g24_outlives_the_group_in_which_it_was_opened<R: Runtime>(env: &Env<R>) {
    env.run(async |rt| {
        let (finish, mut opened) = (Gate::new(), None);
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (wait, group) = (finish.clone(), open(&rt));
                let waits = group.spawn(async move {
                    wait.wait().await;
                    Ok(())
                });
                opened = Some((group, waits));
                g.cancel();
                never().await
            })
            .await;
        assert!(outcome.unwrap_err().is_cancelled());
        let (group, waits) = opened.unwrap();
        assert!(!group.is_cancelled() && !waits.is_finished());
        finish.open();
        waits.await.unwrap();
        group.close().await.unwrap();
    });
}

fn g24_failure_cancels_the_others_and_is_in_the_error<R: Runtime>(env: &Env<R>) {
    env.run(async |rt| {
        let (began, dropped, body_gone) = (Gate::new(), Count::new(), Count::new());
        let probe = body_gone.on_drop();
        let group: OpenGroup<(), BoxError, R> = rt
            .group(async move |_| {
                let _probe = probe;
                never().await
            })
            .open();
        group.spawn(parked(&began, &dropped));
        began.wait().await;
        group.spawn(async { Err::<(), _>(boom("first")) });
        eventually(&rt, "all are gone", || (dropped.get(), body_gone.get()) == (1, 1)).await;
        assert!(group.spawn(async { Ok(()) }).await.unwrap_err().is_refused());
        assert_eq!(texts(&group.close().await.unwrap_err()), ["first"]);
    });
}

fn g24_cancelled_keeps_the_value_of_its_body<R: Runtime>(env: &Env<R>) {
    env.run(async |rt| {
        let (began, dropped) = (Gate::new(), Count::new());
        let group: OpenGroup<_, BoxError, R> = rt.group(async |_| Ok(7)).open();
        group.spawn(parked(&began, &dropped));
        began.wait().await;
        eventually(&rt, "the body has ended", || group.tasks().len() == 1).await;
        group.cancel();
        assert_eq!(group.close().await.unwrap(), 7);
        assert_eq!(dropped.get(), 1);
    });
}

fn g24_panic_is_raised_by_close<R: Runtime>(env: &Env<R>) {
    env.run(async |rt| {
        let (began, dropped) = (Gate::new(), Count::new());
        let group = open(&rt);
        group.spawn(parked(&began, &dropped));
        began.wait().await;
        group.spawn::<_, ()>(async { panic!("in a task") });
        let payload = caught(group.close()).await.unwrap_err();
        assert_eq!(panic_message(&*payload), "in a task");
        assert_eq!(dropped.get(), 1);
    });
}

fn g24_deadline_holds_though_nobody_awaits_it<R: Runtime>(env: &Env<R>) {
    env.run(async |rt| {
        let (began, dropped) = (Gate::new(), Count::new());
        let group: OpenGroup<(), BoxError, R> =
            rt.group(async |_| Ok(())).name("timed").deadline(LONG).open();
        group.spawn(parked(&began, &dropped));
        began.wait().await;
        group.set_deadline(rt.now() + Duration::from_millis(1));
        eventually(&rt, "the deadline has cut it", || dropped.get() == 1).await;
        let text = group.close().await.unwrap_err().to_string();
        assert!(text.contains("timed"), "{text}");
    });
}

fn g24_body_carries_what_its_opener_does<R: Runtime>(env: &Env<R>) {
    struct Id(u32);
    fn id() -> Option<u32> {
        Carried::here().get::<Id>().map(|id| id.0)
    }
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |_| {
                let group: OpenGroup<_, BoxError, R> = rt.group(async |_| Ok(id())).open();
                assert_eq!(group.spawn(async { Ok(id()) }).await?, None);
                assert_eq!(group.close().await?, Some(7));
                let other = rt.group(async |_| Ok::<_, BoxError>(id()));
                assert_eq!(other.carrying(Carried::of(Id(8))).open().close().await?, Some(8));
                Ok(())
            })
            .carrying(Carried::of(Id(7)))
            .await;
        outcome.unwrap();
    });
}

fn g24_options_and_names_are_those_that_were_set<R: Runtime>(env: &Env<R>) {
    env.run(async |rt| {
        let (told, limit) = (Count::new(), 2);
        let count = told.clone();
        let group: OpenGroup<(), BoxError, R> = rt
            .group(async |g: GroupHandle<BoxError, R>| {
                let here = TaskContext::current().unwrap();
                assert_eq!((here.name(), here.group_id()), (Some("mine"), g.id()));
                Err(boom("body"))
            })
            .name("mine")
            .policy(Supervise)
            .limit(limit)
            .on_open(move |_| count.note())
            .open();
        assert_eq!(told.get(), 1, "it is told at once");
        let stuck: [Stuck; 2] = Default::default();
        stuck.iter().for_each(|job| job.spawn_into(&group));
        assert!(group.try_spawn(async { Ok(()) }).unwrap_err().is_full());
        stuck.iter().for_each(|job| job.finish.open());
        yield_now().await;
        assert_eq!(texts(&group.close().await.unwrap_err()), ["body"]);
    });
}

fn g24_shutdown_ends_it<R: Runtime>(env: &Env<R>) {
    let dropped = Count::new();
    let group = env.block_on(async |rt: R| {
        let (began, group) = (Gate::new(), open(&rt));
        group.spawn(parked(&began, &dropped));
        eventually(&rt, "the task runs", || began.is_open()).await;
        group
    });
    env.shut_down();
    assert_eq!(dropped.get(), 1);
    let error = block_on_here(group.close()).unwrap_err();
    assert_eq!(error.cause().unwrap().root().kind(), &CauseKind::Shutdown);
    let too_late = open(&env.runtime());
    assert!(block_on_here(too_late.close()).unwrap_err().is_cancelled());
}

/// In the error, or at the hook.
fn g24_failure_before_a_shutdown_is_told_once<R: Runtime>(env: &Env<R>) {
    let (text, dropped) = (unique("before the shutdown"), Count::new());
    assert!(lost(&text).is_empty());
    let group = env.block_on(async |rt: R| {
        let began = Gate::new();
        let group: OpenGroup<(), BoxError, R> = rt.group(async |_| Ok(())).policy(Supervise).open();
        group.spawn(parked(&began, &dropped));
        let error = boom(&text);
        let failed = group.spawn(async { Err::<(), _>(error) });
        assert!(failed.await.unwrap_err().is_failed());
        eventually(&rt, "the other task runs", || began.is_open()).await;
        group
    });
    env.shut_down();
    assert_eq!(dropped.get(), 1);
    let error = block_on_here(group.close()).unwrap_err();
    assert_eq!(error.cause().unwrap().root().kind(), &CauseKind::Shutdown);
    assert_eq!(texts(&error).len() + lost(&text).len(), 1, "{error:#}");
}
