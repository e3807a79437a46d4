//! The graph of packages that `cargo metadata` prints.

use std::collections::{BTreeSet, VecDeque};

use serde_json::Value;

/// Ways from a package of the workspace down to one of the forbidden packages. Tests are left aside,
/// and what the package itself needs only for a feature: whoever wants to do without can.
#[must_use]
pub fn forbidden_below(metadata: &Value, package: &str, forbidden: &[&str]) -> Vec<String> {
    let Some(start) = members(metadata).find(|member| member["name"] == package) else {
        return vec![format!("Cargo.toml: {package} is no member: add it, or mend this check")];
    };
    let is_optional = |dependency: &&Value| dependency["optional"] == true;
    let optional: Vec<_> = list(&start["dependencies"]).iter().filter(is_optional).collect();
    let mut seen = BTreeSet::from([text(&start["id"])]);
    let mut queue = VecDeque::from([(text(&start["id"]), package.to_owned())]);
    let mut complaints = Vec::new();
    while let Some((id, way)) = queue.pop_front() {
        for dependency in dependencies(metadata, id).filter(|dependency| seen.insert(dependency)) {
            let name = name_of(metadata, dependency);
            if id == start["id"] && optional.iter().any(|optional| optional["name"] == name) {
                continue;
            }
            let way = format!("{way} -> {name}");
            if forbidden.contains(&name) {
                complaints.push(format!("{way}: {package} must do without {name}: cut this way"));
            }
            queue.push_back((dependency, way));
        }
    }
    complaints
}

/// The packages of the workspace.
pub fn members(metadata: &Value) -> impl Iterator<Item = &Value> {
    let ids = list(&metadata["workspace_members"]);
    list(&metadata["packages"]).iter().filter(|package| ids.contains(&package["id"]))
}

/// The manifests of the workspace's members, as paths from the root.
#[must_use]
pub fn manifests(metadata: &Value) -> Vec<String> {
    members(metadata).map(|member| from_root(metadata, &member["manifest_path"])).collect()
}

/// The root files of the workspace's libraries, programs and examples, as paths from the root.
#[must_use]
pub fn crate_roots(metadata: &Value) -> Vec<String> {
    let targets = members(metadata).flat_map(|member| list(&member["targets"]));
    let ships = |target: &&Value| {
        list(&target["kind"]).iter().any(|kind| kind == "lib" || kind == "bin" || kind == "example")
    };
    targets.filter(ships).map(|target| from_root(metadata, &target["src_path"])).collect()
}

fn dependencies<'a>(metadata: &'a Value, id: &str) -> impl Iterator<Item = &'a str> {
    let node = list(&metadata["resolve"]["nodes"]).iter().find(|node| node["id"] == id);
    let all = node.map_or(&[][..], |node| list(&node["deps"]));
    let only_for_tests = |dependency: &Value| {
        let kinds = list(&dependency["dep_kinds"]);
        !kinds.is_empty() && kinds.iter().all(|kind| kind["kind"] == "dev")
    };
    all.iter().filter(move |d| !only_for_tests(d)).map(|d| text(&d["pkg"]))
}

fn name_of<'a>(metadata: &'a Value, id: &str) -> &'a str {
    let package = list(&metadata["packages"]).iter().find(|package| package["id"] == id);
    package.map_or("", |package| text(&package["name"]))
}

fn from_root(metadata: &Value, path: &Value) -> String {
    let path = text(path).replace('\\', "/");
    let root = text(&metadata["workspace_root"]).replace('\\', "/") + "/";
    path.strip_prefix(&root).map(str::to_owned).unwrap_or(path)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `core` needs `a`, which needs `tokio`; `core` needs `smol` for tests alone.
    fn sample() -> Value {
        let package = |name: &str| {
            let target = |kind, path| serde_json::json!({ "kind": [kind], "src_path": path });
            let targets = [target("lib", "/r/c/src/lib.rs"), target("test", "/r/c/tests/t.rs")];
            serde_json::json!({ "id": name, "name": name, "targets": targets,
                "manifest_path": "/r/c/Cargo.toml" })
        };
        let dependency = |pkg: &str, kind: Option<&str>| serde_json::json!({ "pkg": pkg, "dep_kinds": [{ "kind": kind }] });
        serde_json::json!({
            "workspace_root": "/r",
            "workspace_members": ["core"],
            "packages": [package("core"), package("a"), package("tokio"), package("smol")],
            "resolve": { "nodes": [
                { "id": "core", "deps": [dependency("a", None), dependency("smol", Some("dev"))] },
                { "id": "a", "deps": [dependency("tokio", None)] },
            ] },
        })
    }

    #[test]
    fn way_to_a_runtime_is_shown() {
        let ways = forbidden_below(&sample(), "core", &["tokio", "smol"]);
        assert!(ways.len() == 1 && ways[0].starts_with("core -> a -> tokio:"), "{ways:?}");
        assert_eq!(forbidden_below(&sample(), "core", &["smol"]), [""; 0]);
        let mut sample = sample();
        let optional = serde_json::json!([{ "name": "a", "optional": true }]);
        sample["packages"][0]["dependencies"] = optional;
        assert_eq!(forbidden_below(&sample, "core", &["tokio"]), [""; 0]);
        assert_eq!(forbidden_below(&sample, "gone", &[]).len(), 1);
    }

    #[test]
    fn paths_begin_at_the_root() {
        assert_eq!(manifests(&sample()), ["c/Cargo.toml"]);
        assert_eq!(crate_roots(&sample()), ["c/src/lib.rs"]);
    }
}
