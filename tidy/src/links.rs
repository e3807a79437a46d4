//! Links of Markdown files to files of the repository, and to headings in them.

use std::collections::{BTreeMap, BTreeSet};

/// Links that lead nowhere. `text_of` gives a file's text, an empty one for a folder, and nothing if
/// there is neither. Links to other sites are not looked at, nor what stands in code.
pub fn broken(path: &str, text: &str, text_of: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let complaint = |(at, target): (usize, String)| {
        let (file, heading) = match target.split_once('#') {
            Some((file, heading)) => (file, Some(heading)),
            None => (target.as_str(), None),
        };
        let Some(text) = from_root(path, file).and_then(|file| text_of(&file)) else {
            return Some(format!("{path}:{at}: no file for {target}: write it or mend the link"));
        };
        let missing = heading.filter(|heading| !anchors(&text).contains(*heading))?;
        Some(format!("{path}:{at}: no heading `#{missing}` for {target}: mend the link"))
    };
    targets(text).filter(|(_, target)| !target.contains("://")).filter_map(complaint).collect()
}

/// The lines outside of blocks of code, with their numbers.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut in_code = false;
    text.lines().enumerate().filter_map(move |(at, line)| {
        let is_fence = line.trim_start().starts_with("```");
        in_code ^= is_fence;
        (!in_code && !is_fence).then_some((at + 1, line))
    })
}

/// What stands in the brackets of `[text](target)`.
fn targets(text: &str) -> impl Iterator<Item = (usize, String)> {
    prose(text).flat_map(|(at, line)| {
        let without_code: String = line.split('`').step_by(2).collect();
        let links = without_code.split("](").skip(1);
        let ends = links.filter_map(|link| link.split_once(')'));
        ends.map(|(target, _)| (at, target.to_owned())).collect::<Vec<_>>()
    })
}

/// Where a link of `path` leads, from the root; nothing if out of the repository.
fn from_root(path: &str, link: &str) -> Option<String> {
    if link.is_empty() {
        return Some(path.to_owned());
    }
    let mut parts: Vec<_> = path.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

/// The names that headings are linked by: `## Open ends` is `open-ends`, a second one `open-ends-1`.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut seen = BTreeMap::new();
    let headings = prose(text).filter(|(_, line)| line.starts_with('#'));
    let names = headings.map(|(_, line)| {
        let kept = |c: &char| c.is_alphanumeric() || "-_ ".contains(*c);
        let title = line.trim_start_matches('#').trim().to_lowercase();
        title.chars().filter(kept).collect::<String>().replace(' ', "-")
    });
    let numbered = names.map(|name| {
        let count: &mut u32 = seen.entry(name.clone()).or_default();
        *count += 1;
        if *count == 1 { name } else { format!("{name}-{}", *count - 1) }
    });
    numbered.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(path: &str) -> Option<String> {
        let files = [("README.md", "# A"), ("docs/a.md", "# It's `new`\n# B\n# B\n```\n# C\n```")];
        files.iter().find(|(file, _)| *file == path).map(|(_, text)| (*text).to_owned())
    }

    fn broken_in(path: &str, text: &str) -> Vec<String> {
        broken(path, text, text_of)
    }

    #[test]
    fn links_start_in_the_folder_of_their_file() {
        let good = "[a](a.md) and [`b`](./../README.md), ![c](../docs/a.md) [d](#here)\n# Here";
        assert_eq!(broken_in("docs/b.md", "[x](a.md)"), [""; 0]);
        let with_itself = |path: &str| text_of(path).or((path == "docs/b.md").then(|| good.into()));
        assert_eq!(broken("docs/b.md", good, with_itself), [""; 0]);
        let bad = broken_in("README.md", "\n[a](a.md) [b](../README.md) [c](docs/a.md)");
        assert!(bad.len() == 2 && bad[0].starts_with("README.md:2: no file for a.md"), "{bad:?}");
    }

    #[test]
    fn headings_that_are_linked_to_must_exist() {
        assert_eq!(broken_in("README.md", "[a](docs/a.md#its-new) [b](docs/a.md#b-1)"), [""; 0]);
        let bad = broken_in("README.md", "[a](docs/a.md#c) [b](docs/a.md#b-2)");
        assert!(bad.len() == 2 && bad[0].contains("no heading `#c`"), "{bad:?}");
    }

    #[test]
    fn code_and_other_sites_are_not_looked_at() {
        let text = "`a[0](x)` [a](https://example.org/x)\n```\n[b](x)\n```\n";
        assert_eq!(broken_in("README.md", text), [""; 0]);
    }
}
