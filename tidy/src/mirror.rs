//! Folders that must hold the same files.

use std::collections::{BTreeMap, BTreeSet};

/// Files that some folders have and others lack. `folders` gives each folder's files, as paths
/// inside it.
#[must_use]
pub fn differences(folders: &BTreeMap<&str, BTreeSet<&str>>) -> Vec<String> {
    let all: BTreeSet<_> = folders.values().flatten().copied().collect();
    if all.is_empty() {
        return vec!["no files in any of the folders: mend the paths of this check".to_owned()];
    }
    let mut complaints = Vec::new();
    for (folder, files) in folders {
        for file in all.difference(files) {
            complaints.push(format!(
                "{folder}: no {file}, which another has: add it here, or remove or merge it there"
            ));
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_that_one_folder_lacks_is_named() {
        let full = BTreeSet::from(["lib.rs", "timer.rs"]);
        let mut folders = BTreeMap::from([("a/src/", full.clone()), ("b/src/", full)]);
        assert_eq!(differences(&folders), [""; 0]);
        folders.get_mut("b/src/").unwrap().remove("timer.rs");
        let found = differences(&folders);
        assert!(found.len() == 1 && found[0].starts_with("b/src/: no timer.rs"), "{found:?}");
        assert_eq!(differences(&BTreeMap::new()).len(), 1);
    }
}
