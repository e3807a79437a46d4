//! Machine instructions for each task, which noise does not touch.
//!
//! valgrind runs this program anew, up to a point at which it exits, with few tasks and with many.
//! What the many need more, divided by how many more they are, is what one task needs up to there.

use std::env;
use std::process::{Command, exit};

use anyscope_core::{Runtime, TaskError};
use tokio::task::JoinSet;

use super::rules::Rules;
use super::work::{Parking, Ready, Work};
use crate::{Backend, Build, Contender, Measure, Plan, Sample, Scenario, Setting, Skipped};

const FEW: usize = 500;
/// The first argument of a run under valgrind.
const CHILD: &str = "--instructions";

pub(super) const INSTRUCTIONS: Scenario = Scenario {
    name: "instructions",
    about: "machine instructions for each task on one thread, as valgrind counts them: to spawn it, \
            to spawn, run and await it, to spawn it and let it park, and the same and to cancel it",
    measure: Measure::Instructions,
    settings: &[Setting::TokioCt, Setting::SmolOwn],
    full: Plan { sizes: &[5_000], rounds: 1 },
    quick: Plan { sizes: &[2_000], rounds: 1 },
    heap: None,
    expect: |n| n as u64,
    contenders,
    ..Scenario::TASKS
};

/// Each name is how far the child goes, and by whose means.
const CHILDREN: &[(&str, Point, Means)] = &[
    ("bare: spawn", Point::Spawned, Means::Bare),
    ("group: spawn", Point::Spawned, Means::Group),
    ("rules by hand: spawn", Point::Spawned, Means::Rules),
    ("JoinSet: spawn", Point::Spawned, Means::JoinSet),
    ("bare: spawn and await", Point::Awaited, Means::Bare),
    ("group: spawn and await", Point::Awaited, Means::Group),
    ("rules by hand: spawn and await", Point::Awaited, Means::Rules),
    ("JoinSet: spawn and await", Point::Awaited, Means::JoinSet),
    ("bare: spawn and park", Point::Parked, Means::Bare),
    ("group: spawn and park", Point::Parked, Means::Group),
    ("rules by hand: spawn and park", Point::Parked, Means::Rules),
    ("JoinSet: spawn and park", Point::Parked, Means::JoinSet),
    ("bare: spawn, park and cancel", Point::Cancelled, Means::Bare),
    ("group: spawn, park and cancel", Point::Cancelled, Means::Group),
    ("rules by hand: spawn, park and cancel", Point::Cancelled, Means::Rules),
    ("JoinSet: spawn, park and cancel", Point::Cancelled, Means::JoinSet),
];

/// Where the child exits.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Point {
    Spawned,
    Awaited,
    Parked,
    Cancelled,
}

impl Point {
    fn leave_if(self, here: Self) {
        if self == here {
            exit(0);
        }
    }

    fn parks(self) -> bool {
        matches!(self, Self::Parked | Self::Cancelled)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Means {
    Bare,
    Group,
    Rules,
    JoinSet,
}

fn contenders(setting: Setting) -> Vec<Contender> {
    let all = CHILDREN.iter().filter(|child| child.2 != Means::JoinSet || setting.is_tokio());
    let contender = |&(name, ..): &(&'static str, Point, Means)| {
        Contender::new(name, move |n| {
            let (few, many) = (count(name, setting, FEW)?, count(name, setting, FEW + n)?);
            Ok(Sample { value: (many - few) / n as f64, sum: n as u64 })
        })
    };
    all.map(contender).collect()
}

/// Runs a child under valgrind.
fn count(name: &str, setting: Setting, n: usize) -> Result<f64, Skipped> {
    let program = env::current_exe().map_err(|error| Skipped(error.to_string()))?;
    let setting = serde_json::to_string(&setting).map_err(|error| Skipped(error.to_string()))?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args([CHILD, name, &setting, &n.to_string()])
        .output();
    let output = output.map_err(|error| Skipped(format!("valgrind: {error}")))?;
    let text = String::from_utf8_lossy(&output.stderr);
    let collected = text.lines().find_map(|line| line.split("Collected : ").nth(1));
    let count = collected.and_then(|count| count.trim().parse().ok());
    count.ok_or_else(|| Skipped(format!("valgrind: {text}")))
}

/// Whether this process is a child that only does its tasks.
pub fn is_child() -> bool {
    env::args().nth(1).is_some_and(|argument| argument == CHILD)
}

/// Does what the arguments say.
///
/// # Panics
///
/// If they are not those of a child.
pub fn run_child() {
    let arguments: Vec<_> = env::args().skip(2).collect();
    let [name, setting, n] = &arguments[..] else { panic!("three arguments: {arguments:?}") };
    let child = CHILDREN.iter().find(|child| child.0 == name).expect("a name from the list");
    let setting: Setting = serde_json::from_str(setting).expect("a setting");
    for contender in setting.build(Child(child.1, child.2)) {
        drop(contender.run(n.parse().expect("a number")));
    }
}

struct Child(Point, Means);

impl Build for Child {
    fn build<B: Backend>(self, b: &B) -> Vec<Contender> {
        let Self(point, means) = self;
        vec![Contender::task("", b, move |b, n| async move {
            match means {
                Means::Bare => bare(b, n, point).await,
                Means::Group => group(b.runtime().clone(), n, point).await,
                Means::Rules => rules(b, n, point).await,
                Means::JoinSet => join_set(n, point).await,
            }
        })]
    }
}

async fn bare<B: Backend>(b: B, n: usize, point: Point) -> u64 {
    let parking = Parking::default();
    let mut joins: Vec<B::Join<u64>> = Vec::with_capacity(n);
    for i in 0..n as u64 {
        joins.push(match point.parks() {
            true => b.spawn(parking.park()),
            false => b.spawn(Ready.plain(i)),
        });
    }
    point.leave_if(Point::Spawned);
    if point.parks() {
        parking.all_parked(n).await;
        point.leave_if(Point::Parked);
        B::cancel(joins).await;
        return parking.gone();
    }
    let mut sum = 0;
    for join in joins {
        sum += join.await;
    }
    sum
}

async fn group<R: Runtime>(rt: R, n: usize, point: Point) -> u64 {
    let all = rt.group::<TaskError, _>(move |g| async move {
        let parking = Parking::default();
        let mut tasks = Vec::with_capacity(n);
        for i in 0..n as u64 {
            tasks.push(match point.parks() {
                true => g.spawn(parking.park()),
                false => g.spawn(Ready.fallible(i)),
            });
        }
        point.leave_if(Point::Spawned);
        if point.parks() {
            parking.all_parked(n).await;
            point.leave_if(Point::Parked);
            g.cancel();
            return Ok(0);
        }
        let mut sum = 0;
        for task in tasks {
            sum += task.await?;
        }
        Ok(sum)
    });
    all.await.expect("no task fails")
}

async fn rules<B: Backend>(b: B, n: usize, point: Point) -> u64 {
    let (parking, group) = (Parking::default(), Rules::new());
    let mut tasks = Vec::with_capacity(n);
    for i in 0..n as u64 {
        tasks.push(match point.parks() {
            true => group.spawn(&b, parking.park::<Result<u64, ()>>()),
            false => group.spawn(&b, Ready.fallible(i)),
        });
    }
    point.leave_if(Point::Spawned);
    if point.parks() {
        parking.all_parked(n).await;
        point.leave_if(Point::Parked);
        group.cancel();
        group.close().await;
        return parking.gone();
    }
    group.total(tasks).await
}

async fn join_set(n: usize, point: Point) -> u64 {
    let (parking, mut set) = (Parking::default(), JoinSet::new());
    for i in 0..n as u64 {
        match point.parks() {
            true => set.spawn(parking.park()),
            false => set.spawn(Ready.plain(i)),
        };
    }
    point.leave_if(Point::Spawned);
    if point.parks() {
        parking.all_parked(n).await;
        point.leave_if(Point::Parked);
        set.shutdown().await;
        return parking.gone();
    }
    let mut sum = 0;
    while let Some(value) = set.join_next().await {
        sum += value.expect("no task fails");
    }
    sum
}
