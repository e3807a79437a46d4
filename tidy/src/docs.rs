//! Facts that documents repeat, against where they are written.

/// Versions that the README calls the MSRV and the manifest does not.
#[must_use]
pub fn other_msrv(readme: &str, msrv: &str) -> Vec<String> {
    let named: Vec<_> = readme.lines().flat_map(named_versions).collect();
    if named.is_empty() {
        return vec![format!("README.md: no MSRV: write a line with `MSRV` and `{msrv}`")];
    }
    let complaint = |version| {
        format!(
            "README.md: MSRV {version}, but Cargo.toml has rust-version {msrv}: make them equal"
        )
    };
    named.into_iter().filter(|version| *version != msrv).map(complaint).collect()
}

/// A complaint if no heading of the changelog speaks of this version or of what comes next.
#[must_use]
pub fn missing_from_changelog(changelog: &str, version: &str) -> Option<String> {
    let speaks = |line: &str| {
        let title = line.strip_prefix("## ").and_then(|title| title.split_whitespace().next());
        title.is_some_and(|t| [version, "Unreleased"].contains(&t.trim_matches(['[', ']'])))
    };
    (!changelog.lines().any(speaks)).then(|| {
        format!("CHANGELOG.md: no heading for {version}: write `## {version}` or `## Unreleased`")
    })
}

/// The first version after `MSRV`, and any after `Rust`.
fn named_versions(line: &str) -> Vec<&str> {
    let is_version = |word: &&str| word.starts_with("1.") && word.len() > 2;
    let after = |start: usize| {
        let words = line[start..].split(|c: char| !c.is_ascii_digit() && c != '.');
        words.map(|word| word.trim_end_matches('.')).find(is_version)
    };
    let starts = line.match_indices("MSRV").chain(line.match_indices("Rust 1."));
    starts.filter_map(|(start, _)| after(start)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn msrv_must_be_named_and_equal() {
        assert!(other_msrv("MSRV: **1.85**.\nNeeds Rust 1.85.\ntokio 1.47", "1.85").is_empty());
        assert_eq!(other_msrv("the MSRV is\n1.85", "1.85").len(), 1);
        assert_eq!(other_msrv("| MSRV | 1.84 |\nRust 1.85", "1.85").len(), 1);
        assert_eq!(other_msrv("MSRV 1.85\nRust 1.86.1", "1.85").len(), 1);
    }

    #[test]
    fn changelog_must_have_a_heading() {
        for good in ["## 0.1.0", "## [0.1.0] - 2030-01-01", "## Unreleased", "## [Unreleased]"] {
            assert_eq!(missing_from_changelog(good, "0.1.0"), None, "{good}");
        }
        for bad in ["", "# 0.1.0", "## 0.1.1", "0.1.0"] {
            assert!(missing_from_changelog(bad, "0.1.0").is_some(), "{bad}");
        }
    }
}
