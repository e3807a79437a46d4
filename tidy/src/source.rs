//! What each file must, or must not, hold.

/// A complaint if a file is longer than a reader keeps in mind.
#[must_use]
pub fn too_long(path: &str, text: &str) -> Option<String> {
    let lines = text.lines().count();
    (lines > MOST_LINES)
        .then(|| format!("{path}: {lines} lines, {MOST_LINES} at most: split it by concept"))
}

/// The comments that are wider than a reader's window. Rows of tables cannot be broken.
#[must_use]
pub fn too_wide(path: &str, text: &str) -> Vec<String> {
    let is_comment = |line: &str| {
        let line = line.trim_start();
        line.starts_with("//") && !line.trim_start_matches(['/', '!', ' ']).starts_with('|')
    };
    let complaint = |(at, line): (usize, &str)| {
        let width = line.chars().count();
        (width > WIDEST && is_comment(line)).then(|| {
            format!("{path}:{}: a comment of {width} columns, {WIDEST} at most: wrap it", at + 1)
        })
    };
    text.lines().enumerate().filter_map(complaint).collect()
}

/// A complaint if a source file does not begin by saying what it is.
#[must_use]
pub fn no_opening_comment(path: &str, text: &str) -> Option<String> {
    (!text.starts_with("//!"))
        .then(|| format!("{path}:1: no `//!` comment: say there in a line what the file is for"))
}

/// A complaint if the root of a crate lets unsafe code in.
#[must_use]
pub fn unsafe_allowed(path: &str, text: &str) -> Option<String> {
    let forbidden = text.lines().any(|line| line.trim() == "#![forbid(unsafe_code)]");
    (!forbidden).then(|| format!("{path}: no `#![forbid(unsafe_code)]`: add it under the `//!`"))
}

/// The lines that say that work is left.
#[must_use]
pub fn left_undone(path: &str, text: &str) -> Vec<String> {
    // Written in halves, so that they are not found here.
    let marks = [concat!("to", "do!"), concat!("unimpl", "emented!"), concat!("FIX", "ME")];
    let complaint =
        |at: usize, mark| format!("{path}:{at}: `{mark}`: finish it, or file it as an issue");
    found(text, &marks).map(|(at, mark)| complaint(at, mark)).collect()
}

/// The lines that name a package registry's host.
#[must_use]
pub fn names_a_registry(path: &str, text: &str) -> Vec<String> {
    let hosts = [
        concat!("crates", ".io"),
        concat!("pypi", ".org"),
        concat!("pythonhosted", ".org"),
        concat!("npmjs", ".org"),
        concat!("rubygems", ".org"),
        concat!("proxy.golang", ".org"),
    ];
    let complaint = |at: usize, host| format!("{path}:{at}: names {host}: say it without the host");
    found(text, &hosts).map(|(at, host)| complaint(at, host)).collect()
}

fn found<'a>(text: &str, needles: &[&'a str]) -> impl Iterator<Item = (usize, &'a str)> {
    let hit =
        |(at, line): (usize, &str)| Some((at + 1, *needles.iter().find(|n| line.contains(**n))?));
    text.lines().enumerate().filter_map(hit)
}

const MOST_LINES: usize = 500;
const WIDEST: usize = 110; // rustfmt sees to the code

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_file_is_refused() {
        assert_eq!(too_long("a.rs", &"x\n".repeat(500)), None);
        assert!(too_long("a.rs", &"x\n".repeat(501)).unwrap().contains("a.rs: 501 lines"));
    }

    #[test]
    fn wide_comment_is_refused() {
        let wide = "–".repeat(107);
        let found = too_wide("a.rs", &format!("/// {wide}\nlet a = \"{wide}1234\";"));
        assert!(found.len() == 1 && found[0].starts_with("a.rs:1: a comment of 111"), "{found:?}");
        assert_eq!(too_wide("a.rs", &format!("// {wide}\n    //! | {wide} |")), [""; 0]);
    }

    #[test]
    fn first_line_must_say_what_the_file_is() {
        assert_eq!(no_opening_comment("a.rs", "//! Groups.\n"), None);
        for bad in ["", "use std::fs;", "#![forbid(unsafe_code)]\n//! Late.", "// Groups."] {
            assert!(no_opening_comment("a.rs", bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn crate_root_must_forbid_unsafe_code() {
        assert_eq!(unsafe_allowed("lib.rs", "//! x\n#![forbid(unsafe_code)]\n"), None);
        assert!(unsafe_allowed("lib.rs", "//! x\n// #![forbid(unsafe_code)]\n").is_some());
    }

    #[test]
    fn marks_of_unfinished_work_are_found() {
        let text = format!(
            "fn a() {{\n    {}();\n}}\n// {}\n",
            concat!("to", "do!"),
            concat!("FIX", "ME")
        );
        assert_eq!(left_undone("a.rs", &text).len(), 2);
        assert!(left_undone("a.rs", &text)[0].starts_with("a.rs:2:"));
        assert_eq!(left_undone("a.rs", "// todo: nothing"), [""; 0]);
    }

    #[test]
    fn registry_hosts_are_found() {
        let text = format!("one\nhttps://index.{}.{}/x\n", "crates", "io");
        assert!(names_a_registry("a.md", &text)[0].starts_with("a.md:2:"));
        assert_eq!(names_a_registry("a.md", "crates of io"), [""; 0]);
    }
}
