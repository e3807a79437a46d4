//! Each contender of each scenario does its work, and the goals speak of what there is.

use anyscope_benches::goals;
use anyscope_benches::scenarios::{ALL, find, is_slow};

#[test]
fn each_contender_does_its_work() {
    for scenario in ALL.iter().filter(|scenario| !is_slow(scenario)) {
        for &setting in scenario.settings {
            // The run that does not count is enough: a wrong sum is a panic.
            let rows = scenario.run(setting, 10, 0);
            assert!(!rows.is_empty(), "{} has nobody on {setting}", scenario.name);
        }
    }
}

#[test]
fn goals_name_what_is_measured() {
    for goal in goals::all() {
        let scenario = find(&goal.scenario).unwrap_or_else(|| panic!("no scenario: {goal:?}"));
        for &setting in &goal.settings {
            assert!(scenario.settings.contains(&setting), "not on {setting}: {goal:?}");
            let names: Vec<_> =
                (scenario.contenders)(setting).iter().map(|contender| contender.name).collect();
            let named = [Some(&goal.contender), goal.against.as_ref()];
            for name in named.into_iter().flatten() {
                assert!(names.contains(&name.as_str()), "nobody is called {name}: {goal:?}");
            }
        }
        for size in &goal.sizes {
            let sizes = [scenario.full.sizes, scenario.quick.sizes].concat();
            let is_measured = sizes.contains(size) || scenario.heap == Some(*size);
            assert!(is_measured, "{size} is never measured: {goal:?}");
        }
    }
}

#[test]
fn names_are_told_apart() {
    for scenario in ALL {
        assert_eq!(find(scenario.name).map(|found| found.about), Some(scenario.about));
        for &setting in scenario.settings {
            let contenders = (scenario.contenders)(setting);
            let mut names: Vec<_> = contenders.iter().map(|contender| contender.name).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), contenders.len(), "{} on {setting}", scenario.name);
        }
    }
}
