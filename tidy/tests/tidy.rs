//! The rules that the repository keeps about itself, one test for each.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use anyscope_tidy::contract::{Case, Contract};
use anyscope_tidy::repo::Repo;
use anyscope_tidy::{docs, graph, links, manifest, mirror, source};
use serde_json::Value;

#[test]
fn backends_have_the_same_files() {
    let folders = ["backend-tokio/src/", "backend-smol/src/", "backend-async-std/src/"];
    let folders: BTreeMap<_, BTreeSet<_>> = folders.map(|f| (f, files_in(f).collect())).into();
    none(mirror::differences(&folders));
}

/// It has files of its own as well.
#[test]
fn simulated_backend_has_the_files_of_the_others() {
    let others: BTreeSet<_> = files_in("backend-smol/src/").collect();
    let of_sim = files_in("backend-sim/src/").filter(|file| others.contains(file)).collect();
    let folders = [("backend-smol/src/", others.clone()), ("backend-sim/src/", of_sim)];
    none(mirror::differences(&folders.into()));
}

#[test]
fn core_depends_on_no_runtime() {
    none(graph::forbidden_below(&METADATA, "anyscope-core", RUNTIMES));
}

#[test]
fn conformance_suite_depends_on_no_runtime() {
    none(graph::forbidden_below(&METADATA, "anyscope-conformance", RUNTIMES));
}

#[test]
fn process_pool_depends_on_no_runtime() {
    none(graph::forbidden_below(&METADATA, "anyscope-process", RUNTIMES));
}

#[test]
fn each_rule_has_a_case_or_a_reason_why_not() {
    let contract = Contract::parse(&REPO.text("docs/contract.md"));
    none(contract.not_covered_once(&cases()));
    none(contract.bad_excuses());
}

#[test]
fn each_case_cites_a_rule() {
    let contract = Contract::parse(&REPO.text("docs/contract.md"));
    none(contract.cases_without_rule(&cases()));
}

#[test]
fn members_inherit_lints_and_package_data() {
    let manifests = graph::manifests(&METADATA);
    assert!(!manifests.is_empty(), "cargo metadata gives no member of the workspace");
    none(manifests.iter().flat_map(|path| manifest::not_inherited(path, &REPO.text(path))));
}

#[test]
fn readme_names_the_msrv_of_the_manifest() {
    none(docs::other_msrv(&REPO.text("README.md"), &workspace("rust-version")));
}

#[test]
fn changelog_has_the_version() {
    let changelog = REPO.text("CHANGELOG.md");
    none(docs::missing_from_changelog(&changelog, &workspace("version")));
}

#[test]
fn links_of_documents_lead_somewhere() {
    let text_of = |path: &str| REPO.has(path).then(|| REPO.text(path));
    none(REPO.texts("", ".md").flat_map(|(path, text)| links::broken(path, &text, text_of)));
}

#[test]
fn no_source_file_is_too_long() {
    none(REPO.texts("", ".rs").filter_map(|(path, text)| source::too_long(path, &text)));
}

#[test]
fn no_comment_is_too_wide() {
    none(REPO.texts("", ".rs").flat_map(|(path, text)| source::too_wide(path, &text)));
}

#[test]
fn source_files_begin_with_what_they_are() {
    none(REPO.texts("", ".rs").filter_map(|(path, text)| source::no_opening_comment(path, &text)));
}

#[test]
fn crates_forbid_unsafe_code() {
    let roots = graph::crate_roots(&METADATA);
    assert!(!roots.is_empty(), "cargo metadata gives no crate of the workspace");
    none(roots.iter().filter_map(|path| source::unsafe_allowed(path, &REPO.text(path))));
}

#[test]
fn no_work_is_left_undone_in_sources() {
    none(REPO.texts("", ".rs").flat_map(|(path, text)| source::left_undone(path, &text)));
}

#[test]
fn no_file_names_a_package_registry() {
    // Cargo writes the lock file, and the index of its registry into it.
    let files = REPO.texts("", "").filter(|(path, _)| !path.ends_with("Cargo.lock"));
    none(files.flat_map(|(path, text)| source::names_a_registry(path, &text)));
}

#[test]
fn planted_bugs_apply() {
    let mut patches = REPO.files("scripts/planted/", ".patch").peekable();
    assert!(patches.peek().is_some(), "no patch in scripts/planted: mend the path of this check");
    none(patches.filter_map(|patch| REPO.does_not_apply(patch)));
}

fn files_in(folder: &'static str) -> impl Iterator<Item = &'static str> {
    REPO.files(folder, "").filter_map(move |file| file.strip_prefix(folder))
}

/// Fails with all complaints, a line each.
#[track_caller]
fn none(complaints: impl IntoIterator<Item = String>) {
    let complaints: Vec<_> = complaints.into_iter().collect();
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

fn cases() -> Vec<Case> {
    let sources = REPO.texts("conformance-tests/src/cases/", ".rs");
    sources.flat_map(|(path, text)| Case::all_in(path, &text)).collect()
}

fn workspace(key: &str) -> String {
    let root = REPO.text("Cargo.toml");
    let value = manifest::workspace_value(&root, key).map(str::to_owned);
    value.unwrap_or_else(|| panic!("Cargo.toml: no {key} in [workspace.package]: add it"))
}

static REPO: LazyLock<Repo> = LazyLock::new(Repo::open);
static METADATA: LazyLock<Value> = LazyLock::new(|| REPO.metadata());

const RUNTIMES: &[&str] =
    &["tokio", "smol", "async-std", "async-executor", "async-io", "blocking", "rayon"];
