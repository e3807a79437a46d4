//! The files of the repository, as the checks see them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The repository that this crate stands in.
#[derive(Debug)]
pub struct Repo {
    root: PathBuf,
    /// Relative to the root, parts joined by `/` on every system.
    files: Vec<String>,
}

impl Repo {
    /// Lists what git tracks or would track; without git, all files outside of `target`.
    #[must_use]
    pub fn open() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."));
        let mut files = git_files(root).unwrap_or_else(|| walk(root));
        files.retain(|file| root.join(file).is_file());
        files.sort();
        Self { root: root.to_owned(), files }
    }

    /// The files whose path begins and ends so.
    pub fn files(&self, start: &str, end: &str) -> impl Iterator<Item = &str> {
        self.files
            .iter()
            .map(String::as_str)
            .filter(move |f| f.starts_with(start) && f.ends_with(end))
    }

    /// The same, each with its text.
    pub fn texts(&self, start: &str, end: &str) -> impl Iterator<Item = (&str, String)> {
        self.files(start, end).map(|file| (file, self.text(file)))
    }

    /// The text of a file, empty if it cannot be read.
    #[must_use]
    pub fn text(&self, path: &str) -> String {
        let bytes = fs::read(self.root.join(path)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Whether a file or folder is there.
    #[must_use]
    pub fn has(&self, path: &str) -> bool {
        self.root.join(path).exists()
    }

    /// A complaint if a patch does not fit the files. None without git, which nothing else here needs.
    #[must_use]
    pub fn does_not_apply(&self, patch: &str) -> Option<String> {
        // Inside another repository git would pass over all files, and say that they fit.
        let above = self.root.parent().unwrap_or(&self.root);
        let mut git = Command::new("git");
        git.args(["apply", "--check", patch]).env("GIT_CEILING_DIRECTORIES", above);
        let output = git.current_dir(&self.root).output().ok()?;
        let said = String::from_utf8_lossy(&output.stderr);
        (!output.status.success())
            .then(|| format!("{patch}: does not apply, make it anew: {}", said.trim_end()))
    }

    /// What `cargo metadata` prints: without the network if that is enough.
    ///
    /// # Panics
    ///
    /// If cargo gives nothing either way.
    #[must_use]
    pub fn metadata(&self) -> serde_json::Value {
        let cargo = |offline: &[&str]| {
            let mut command = Command::new(std::env::var("CARGO").as_deref().unwrap_or("cargo"));
            command.args(["metadata", "--format-version", "1"]).args(offline);
            command.current_dir(&self.root).output().expect("cargo can be started")
        };
        let mut output = cargo(&["--offline"]);
        if !output.status.success() {
            output = cargo(&[]);
        }
        let said = String::from_utf8_lossy(&output.stderr);
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|e| panic!("cargo metadata: {e}: {said}"))
    }
}

fn git_files(root: &Path) -> Option<Vec<String>> {
    let arguments = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let output = Command::new("git").args(arguments).current_dir(root).output().ok()?;
    let names = String::from_utf8(output.stdout).ok().filter(|_| output.status.success())?;
    Some(names.split_terminator('\0').map(str::to_owned).collect())
}

fn walk(root: &Path) -> Vec<String> {
    let (mut files, mut folders) = (Vec::new(), vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if !path.is_dir() {
                let parts = path.strip_prefix(root).unwrap_or(&path).iter();
                files.push(parts.map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/"));
            } else if entry.file_name() != "target" && entry.file_name() != ".git" {
                folders.push(path);
            }
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_git_all_is_listed_but_the_build() {
        let root = std::env::temp_dir().join(format!("anyscope-tidy-{}", std::process::id()));
        for folder in ["target/debug", "a/src"] {
            fs::create_dir_all(root.join(folder)).unwrap();
            fs::write(root.join(folder).join("lib.rs"), "").unwrap();
        }
        let files = walk(&root);
        fs::remove_dir_all(&root).unwrap();
        assert_eq!(files, ["a/src/lib.rs"]);
    }
}
