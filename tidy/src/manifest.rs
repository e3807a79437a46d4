//! What each `Cargo.toml` of the workspace must say.

/// The keys that a member's manifest does not take from the workspace.
#[must_use]
pub fn not_inherited(path: &str, manifest: &str) -> Vec<String> {
    let package = ["version", "edition", "rust-version", "license"].map(|key| ("package", key));
    let keys = package.into_iter().map(|(table, key)| (table, format!("{key}.workspace = true")));
    let lints = ("lints", "workspace = true".to_owned());
    let missing =
        keys.chain([lints]).filter(|(table, line)| !lines(manifest, table).any(|l| l == line));
    missing.map(|(table, line)| format!("{path}: no `{line}` in [{table}]: add it")).collect()
}

/// A text of the root's `[workspace.package]`.
#[must_use]
pub fn workspace_value<'a>(root: &'a str, key: &str) -> Option<&'a str> {
    let value = |line: &'a str| line.strip_prefix(key)?.trim_start().strip_prefix('=');
    let value = lines(root, "workspace.package").find_map(value)?;
    value.split('"').nth(1)
}

/// The lines of a table, without the comments behind them.
fn lines<'a>(manifest: &'a str, table: &str) -> impl Iterator<Item = &'a str> {
    let heading = format!("[{table}]");
    let lines = manifest.lines().map(|line| line.split(" #").next().unwrap_or(line).trim());
    lines.skip_while(move |line| *line != heading).skip(1).take_while(|line| !line.starts_with('['))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_must_inherit() {
        let good = "[package]\nversion.workspace = true\nedition.workspace = true\n\
                    rust-version.workspace = true # why\nlicense.workspace = true\n\n\
                    [lints]\nworkspace = true\n";
        assert_eq!(not_inherited("a", good), [""; 0]);
        let own = good.replace("edition.workspace = true", "edition = \"2021\"");
        assert!(not_inherited("a", &own)[0].contains("no `edition.workspace = true` in [package]"));
        let elsewhere = good.replace("[lints]", "[other]");
        assert!(not_inherited("a", &elsewhere)[0].contains("in [lints]"));
        assert_eq!(not_inherited("a", "").len(), 5);
    }

    #[test]
    fn workspace_values_come_from_their_table() {
        let root = "[other]\nversion = \"9\"\n[workspace.package]\nversion = \"0.1.0\" # x\n[a]\n";
        assert_eq!(workspace_value(root, "version"), Some("0.1.0"));
        assert_eq!(workspace_value(root, "edition"), None);
    }
}
