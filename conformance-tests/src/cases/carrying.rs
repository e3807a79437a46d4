//! Values that are carried by choice (rule X4), and what no task inherits (X2).

use std::sync::{Arc, Mutex};

use anyscope_core::supervise::{Child, Restart, Strategy};
use anyscope_core::{
    BoxError, CancelHandle, Carried, GroupHandle, Runtime, TaskContext, block_on, defer, scope,
};

use super::supervise::Plan;
use super::{Case, case};
use crate::env::Env;
use crate::probe::{
    Count, Gate, Outcome, bomb, boom, ended_group, lost, never, on_drop, poll_once, unique,
    yield_now,
};

pub(crate) fn cases<R: Runtime>() -> Vec<Case<R>> {
    vec![
        case(x4_task_has_what_it_was_given_and_its_children_have_not::<R>),
        case(x4_snapshot_goes_on_by_choice::<R>),
        case(x4_tasks_in_turns_have_each_its_own::<R>),
        case(x4_jobs_have_what_they_were_given::<R>),
        case(x4_body_has_what_its_opener_carries::<R>),
        case(x4_values_are_there_to_the_end::<R>),
        case(x4_values_are_gone_when_the_task_has_ended::<R>),
        case(x4_task_has_not_ended_while_they_are_dropped::<R>),
        case(x4_clean_ups_of_an_abandoned_body_have_them::<R>),
        case(x4_values_that_are_refused_are_dropped::<R>),
        case(x4_destructor_that_panics_is_contained::<R>),
        case(x4_context_that_is_kept_tells_nothing_of_another_task::<R>),
        case(x4_each_instance_of_a_child_has_what_it_was_given::<R>),
    ]
}

#[derive(Debug, PartialEq)]
struct Id(u32);

#[derive(Debug, PartialEq)]
struct Other(&'static str);

fn id() -> Option<u32> {
    Carried::here().get::<Id>().map(|id| id.0)
}

fn x4_task_has_what_it_was_given_and_its_children_have_not<R: Runtime>(env: &Env<R>) {
    assert!(Carried::here().is_empty());
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let h = g.clone();
                let carrying = g.task(async move {
                    assert_eq!(id(), Some(7));
                    assert_eq!(Carried::here().get::<Other>(), None);
                    let child = h.spawn(async { Ok(id()) });
                    let nested = h.spawn_group(async |_| Ok(id()));
                    Ok((child.await?, nested.await?))
                });
                let seen = carrying.carrying(Carried::of(Id(7))).spawn().await?;
                assert_eq!(seen, (None, None));
                assert_eq!((id(), g.spawn(async { Ok(id()) }).await?), (None, None));
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

fn x4_snapshot_goes_on_by_choice<R: Runtime>(env: &Env<R>) {
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let h = g.clone();
                let all = || (id(), Carried::here().get::<Other>());
                let first = g.task(async move {
                    let same = h.task(async move { Ok(all()) }).carrying(Carried::here()).spawn();
                    let more = Carried::here().with(Other("more")).with(Id(8));
                    let more = h.task(async move { Ok(all()) }).carrying(more).try_spawn()?;
                    Ok((same.await?, more.await?, all()))
                });
                let (same, more, own) = first.carrying(Carried::of(Id(7))).spawn().await?;
                assert_eq!((same, own), ((Some(7), None), (Some(7), None)));
                assert_eq!(more, (Some(8), Some(Arc::new(Other("more")))));
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

fn x4_tasks_in_turns_have_each_its_own<R: Runtime>(env: &Env<R>) {
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                for n in 0..50 {
                    let task = g.task(async move {
                        for _ in 0..10 {
                            assert_eq!(id(), (n % 3 > 0).then_some(n));
                            yield_now().await;
                        }
                        Ok(())
                    });
                    let carried = if n % 3 > 0 { Carried::of(Id(n)) } else { Carried::new() };
                    task.carrying(carried).spawn();
                }
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

fn x4_jobs_have_what_they_were_given<R: Runtime>(env: &Env<R>) {
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let given = || Carried::of(Id(7));
                let look = || (id(), block_on(async { id() }).ok().flatten());
                assert_eq!(
                    g.job(look).carrying(given()).spawn_blocking().await?,
                    (Some(7), Some(7))
                );
                assert_eq!(g.job(id).carrying(given()).spawn_cpu().await?, Some(7));
                assert_eq!(rt.job(id).carrying(given()).spawn_blocking().await?, Some(7));
                let (h, inner) = (g.clone(), rt.clone());
                let task = g.task(async move {
                    Ok((h.spawn_cpu(id).await?, inner.spawn_blocking(id).await?))
                });
                assert_eq!(task.carrying(given()).spawn().await?, (None, None));
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

fn x4_body_has_what_its_opener_carries<R: Runtime>(env: &Env<R>) {
    env.run(async |rt| {
        let outcome: Outcome<Option<u32>> = rt
            .group(async |g| {
                let inner = rt.clone();
                let task = g.task(async move {
                    let own: Outcome<_> = inner
                        .group(async |h| {
                            let child = h.spawn(async { Ok(id()) });
                            let deeper: Outcome<_> = inner.group(async |_| Ok(id())).await;
                            Ok((id(), child.await?, deeper.ok().flatten()))
                        })
                        .await;
                    let other: Outcome<_> =
                        inner.group(async |_| Ok(id())).carrying(Carried::of(Id(8))).await;
                    let none: Outcome<_> =
                        inner.group(async |_| Ok(id())).carrying(Carried::new()).await;
                    Ok((own.unwrap(), other.unwrap(), none.unwrap(), id()))
                });
                let seen = task.carrying(Carried::of(Id(7))).spawn().await?;
                assert_eq!(seen, ((Some(7), None, Some(7)), Some(8), None, Some(7)));
                // A child of a local scope runs inside the body.
                Ok(scope(async |s| s.spawn(async { Ok(id()) }).await).await?)
            })
            .carrying(Carried::of(Id(9)))
            .await;
        assert_eq!(outcome.unwrap(), Some(9));
    });
}

fn x4_values_are_there_to_the_end<R: Runtime>(env: &Env<R>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let see = |what: &'static str| {
        let seen = seen.clone();
        move || seen.lock().unwrap().push((what, id()))
    };
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (started, begun) = (Gate::new(), see("poll"));
                let (dropped, called, cleaned) = (see("drop"), see("callback"), see("clean-up"));
                let (opens, told) = (started.clone(), on_drop(dropped));
                let task = g.task(async move {
                    let _told = told;
                    defer(async move |_| {
                        yield_now().await;
                        cleaned();
                        Ok::<_, BoxError>(())
                    });
                    begun();
                    opens.open();
                    never::<()>().await
                });
                let task = task.on_done(move |_| called()).carrying(Carried::of(Id(7))).spawn();
                started.wait().await;
                task.cancel();
                assert!(task.await.unwrap_err().is_cancelled());
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
    let all = ["poll", "drop", "clean-up", "callback"].map(|what| (what, Some(7)));
    assert_eq!(*seen.lock().unwrap(), all);
}

/// A value that counts when it is dropped.
struct Counted(#[expect(dead_code)] Box<dyn Send + Sync>);

struct Another<T>(T);

fn counted(dropped: &Count) -> Carried {
    Carried::of(Counted(Box::new(dropped.on_drop())))
}

fn x4_values_are_gone_when_the_task_has_ended<R: Runtime>(env: &Env<R>) {
    let dropped = Count::new();
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let task = g.task(async { Ok(()) }).carrying(counted(&dropped)).spawn();
                let job = g.job(|| ()).carrying(counted(&dropped)).spawn_blocking();
                let (mut task, mut job) = (task, job);
                (&mut task).await?;
                (&mut job).await?;
                assert_eq!(dropped.get(), 2);
                let taken =
                    g.task(async { Ok(Carried::here()) }).carrying(counted(&dropped)).spawn();
                let taken = taken.await?;
                assert_eq!(dropped.get(), 2);
                drop(taken);
                assert_eq!(dropped.get(), 3);
                Ok(())
            })
            .carrying(counted(&dropped))
            .await;
        outcome.unwrap();
        assert_eq!(dropped.get(), 4);
    });
}

fn x4_task_has_not_ended_while_they_are_dropped<R: Runtime>(env: &Env<R>) {
    let looked = Count::new();
    env.run(async |rt| {
        for limit in [usize::MAX, 3] {
            let group = rt.group(async |g: GroupHandle<BoxError, R>| {
                let go_on = Gate::new();
                let (waits, blocks) = (go_on.clone(), go_on.clone());
                let handles = Arc::new(Mutex::new(Vec::<CancelHandle>::new()));
                let looks = |at: usize| {
                    let (handles, looked) = (handles.clone(), looked.clone());
                    Carried::of(Another(on_drop(move || {
                        looked.add();
                        assert!(!handles.lock().unwrap()[at].is_finished(), "it has not ended");
                    })))
                };
                let task = g.task(async move {
                    waits.wait().await;
                    Ok(())
                });
                let task = task.carrying(looks(0)).spawn();
                let job = g.job(move || blocks.wait_blocking()).carrying(looks(1)).spawn_blocking();
                *handles.lock().unwrap() = vec![task.cancel_handle(), job.cancel_handle()];
                go_on.open();
                task.await?;
                Ok(job.await?)
            });
            let outcome: Outcome<()> = match limit {
                usize::MAX => group.await,
                limit => group.limit(limit).await,
            };
            outcome.unwrap();
        }
    });
    assert_eq!(looked.get(), 4);
}

fn x4_clean_ups_of_an_abandoned_body_have_them<R: Runtime>(env: &Env<R>) {
    let seen = Arc::new(Mutex::new(None));
    env.run(async |rt| {
        let kept = Arc::new(Mutex::new(None));
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let (seen, kept, inner) = (seen.clone(), kept.clone(), g.runtime());
                let opener = g.task(async move {
                    let mut group =
                        Box::pin(inner.group(async move |_: GroupHandle<BoxError, R>| {
                            defer(async move |_| {
                                *seen.lock().unwrap() = Some(id());
                                Ok::<_, BoxError>(())
                            });
                            never::<()>().await
                        }));
                    assert!(poll_once(group.as_mut()).is_pending());
                    *kept.lock().unwrap() = Some(group);
                    Ok(())
                });
                Ok(opener.carrying(Carried::of(Id(7))).spawn().await?)
            })
            .await;
        outcome.unwrap();
        let kept = kept.lock().unwrap().take();
        drop(kept);
        rt.drained().await;
    });
    assert_eq!(*seen.lock().unwrap(), Some(Some(7)));
}

fn x4_values_that_are_refused_are_dropped<R: Runtime>(env: &Env<R>) {
    let dropped = Count::new();
    env.run(async |rt| {
        let g = ended_group(&rt).await;
        let task = || g.task(never::<()>()).carrying(counted(&dropped));
        assert!(task().spawn().await.unwrap_err().is_refused());
        assert!(task().try_spawn().is_err());
        let job = g.job(|| ()).carrying(counted(&dropped)).spawn_cpu();
        assert!(job.await.unwrap_err().is_refused());
    });
    assert_eq!(dropped.get(), 3);
}

fn x4_destructor_that_panics_is_contained<R: Runtime>(env: &Env<R>) {
    let text = unique("a carried value");
    lost(&text);
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                // Two: the second while the first unwinds.
                let carried =
                    Carried::of(Counted(Box::new(bomb(&text)))).with(Another(bomb(&text)));
                g.task(async { Ok(()) }).carrying(carried).spawn().await?;
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
    assert_eq!(lost(&text).len(), 2);
}

fn x4_context_that_is_kept_tells_nothing_of_another_task<R: Runtime>(env: &Env<R>) {
    env.run(async |rt| {
        let outcome: Outcome<()> = rt
            .group(async |g| {
                let context =
                    g.task(async { Ok(TaskContext::current()) }).carrying(Carried::of(Id(7)));
                let context = context.spawn().await?.expect("in a task");
                // In its place in the table, most likely.
                let finish = Gate::new();
                let wait = finish.clone();
                let next = g.task(async move {
                    wait.wait().await;
                    Ok(id())
                });
                let next = next.carrying(Carried::of(Id(8))).spawn();
                assert!(context.carried().is_empty());
                finish.open();
                assert_eq!(next.await?, Some(8));
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

fn x4_each_instance_of_a_child_has_what_it_was_given<R: Runtime>(env: &Env<R>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    env.run(async |rt| {
        let noted = seen.clone();
        let instance = move || {
            // In the factory, in the future, and when that is dropped.
            let (noted, first) = (noted.clone(), id());
            async move {
                let (second, at_the_end) = (id(), noted.clone());
                let _dropped = on_drop(move || at_the_end.lock().unwrap().push(id()));
                let mut noted = noted.lock().unwrap();
                noted.extend([first, second]);
                if noted.len() < 4 { Err(boom("once more")) } else { Ok(()) }
            }
        };
        let child = Child::new("carrier", instance).restart(Restart::Transient);
        let child = child.carrying(Carried::of(Id(7)));
        Plan::new(Strategy::OneForOne).child(child).run(&rt).await.unwrap();
    });
    assert_eq!(*seen.lock().unwrap(), [Some(7); 6]);
}
