//! Trees of failures as `serde` sees them.

use anyscope_core::{BoxError, ErrorGroup, Failure, GroupError, PanicPolicy, Supervise, scope};
use futures_executor::block_on;
use serde_json::{Value, json};

#[derive(Debug, thiserror::Error)]
#[error("no config")]
struct NoConfig(#[source] std::fmt::Error);

/// What differs in each run, made the same.
fn steady(mut value: Value) -> Value {
    let mut left = vec![&mut value];
    while let Some(node) = left.pop() {
        for key in ["id", "location", "elapsed"] {
            if let Some(known) = node.get_mut(key).filter(|known| !known.is_null()) {
                assert!(known.is_number() || known.as_str().unwrap().contains(file!()), "{known}");
                *known = json!("some");
            }
        }
        if let Some(children) = node.get_mut("children") {
            left.extend(children.as_array_mut().unwrap());
        }
    }
    value
}

#[test]
fn tree_is_a_map_of_maps() {
    let failed: Result<(), GroupError<BoxError>> = block_on(
        scope(async |s| {
            s.task::<_, ()>(async { Err(NoConfig(std::fmt::Error).into()) }).name("config").spawn();
            s.task::<_, ()>(async { panic!("expected: a panic") }).spawn();
            Ok(())
        })
        .policy(Supervise)
        .panics(PanicPolicy::Capture),
    );
    let inner = failed.unwrap_err().into_failures().unwrap().with_note("at the start");
    let outer = ErrorGroup::from_failures([Failure::from_group(inner).named("server")]).unwrap();
    let value = steady(serde_json::to_value(&outer).unwrap());
    let expected = json!({
        "kind": "group",
        "message": "group failed",
        "children": [{
            "id": "some", "name": "server", "location": "some", "elapsed": null,
            "kind": "group",
            "message": "group failed",
            "notes": ["at the start"],
            "children": [
                {
                    "id": "some", "name": "config", "location": "some", "elapsed": "some",
                    "kind": "error",
                    "message": "no config",
                    "sources": [std::fmt::Error.to_string()],
                },
                {
                    "id": "some", "name": null, "location": "some", "elapsed": "some",
                    "kind": "panic",
                    "message": "panicked: expected: a panic",
                    "sources": [],
                },
            ],
        }],
    });
    assert_eq!(value, expected);
    assert_eq!(steady(serde_json::to_value(GroupError::from(outer)).unwrap()), expected);
}

#[test]
fn cancelled_group_gives_its_cause() {
    let cut: Result<(), GroupError<BoxError>> = block_on(scope(async |s| {
        s.cancel_because("closing time");
        std::future::pending().await
    }));
    let value = serde_json::to_value(cut.unwrap_err()).unwrap();
    assert_eq!(value, json!({ "kind": "cancelled", "message": "requested: closing time" }));
}

#[test]
fn bounds_cut_off_and_count() {
    let mut group = ErrorGroup::from_errors((0..50).map(|n| BoxError::msg(n.to_string()))).unwrap();
    for _ in 0..100_000 {
        group = ErrorGroup::from_failures([Failure::from_group(group)]).unwrap();
    }
    for (value, levels) in [
        (serde_json::to_value(&group).unwrap(), 16),
        (serde_json::to_value(group.tree().max_depth(2)).unwrap(), 2),
        (serde_json::to_value(group.tree().max_depth(usize::MAX)).unwrap(), 60),
    ] {
        let mut node = &value;
        for _ in 0..levels {
            node = &node["children"][0];
        }
        assert_eq!((&node["children"], &node["left_out"]), (&json!([]), &json!(1)));
    }
    let wide = ErrorGroup::from_errors((0..50).map(|n| BoxError::msg(n.to_string()))).unwrap();
    let value = serde_json::to_value(wide.tree().max_width(3)).unwrap();
    assert_eq!((value["children"].as_array().unwrap().len(), &value["left_out"]), (3, &json!(47)));
}

#[test]
fn deepest_tree_that_is_written_can_be_read() {
    let leaf = || ErrorGroup::from_errors([BoxError::from(NoConfig(std::fmt::Error))]).unwrap();
    for depth in [59, 60, 1000] {
        let wrap = |group, _| ErrorGroup::from_failures([Failure::from_group(group)]).unwrap();
        let group = (0..depth).fold(leaf(), wrap);
        let text = serde_json::to_string(&group.tree().max_depth(usize::MAX)).unwrap();
        let read: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(text.contains("\"sources\""), depth == 59, "the leaf is the last level");
        assert_eq!(read, serde_json::to_value(group.tree().max_depth(usize::MAX)).unwrap());
    }
}
