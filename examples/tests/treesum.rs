//! treesum as its users run it: what it prints, and with which code it ends.

#![cfg(unix)]

#[path = "support/running.rs"]
mod running;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::iter;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use running::{Running, example, wait_until};

const RUNTIMES: [&str; 3] = ["tokio", "smol", "async-std"];

const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
const MILLION_A: &str = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";

#[test]
fn prints_what_sha256sum_prints_sorted_by_path_on_every_runtime() {
    let tree = Tree::new("prints");
    tree.add("b/empty", "").add("a", "abc").add("b/c/deep", "abc").add("b.txt", "abc");
    tree.add("with space", "abc").add("back\\slash", "abc").add("ret\rurn", "abc");
    tree.add("line\nbreak", "abc");
    fs::create_dir(tree.0.join("b/nothing in it")).unwrap();
    let expected = format!(
        "{ABC}  ./a\n{ABC}  ./b.txt\n{ABC}  ./b/c/deep\n{EMPTY}  ./b/empty\n\
         \\{ABC}  ./back\\\\slash\n\\{ABC}  ./line\\nbreak\n\\{ABC}  ./ret\\rurn\n\
         {ABC}  ./with space\n"
    );
    for runtime in RUNTIMES {
        let end = tree.treesum(&["--runtime", runtime, "."]).end();
        assert_eq!((end.status.code(), end.err.as_str()), (Some(0), ""), "{runtime}");
        assert_eq!(end.out, expected, "{runtime}");
    }
}

#[test]
fn only_regular_files_are_read() {
    let tree = Tree::new("kinds");
    tree.add("d/file", "abc");
    symlink("file", tree.0.join("d/link")).unwrap();
    symlink(".", tree.0.join("d/loop")).unwrap();
    symlink("missing", tree.0.join("d/dangling")).unwrap();
    // Whoever opens it waits for a writer.
    assert!(Command::new("mkfifo").arg(tree.0.join("d/pipe")).status().unwrap().success());
    let end = tree.treesum(&["d", "d/link", "d/pipe"]).end();
    assert_eq!((end.status.code(), end.out), (Some(0), format!("{ABC}  d/file\n")));
}

#[test]
fn paths_are_printed_as_they_were_given() {
    let tree = Tree::new("given");
    tree.add("d/file", "abc").add("-x", "abc");
    let absolute = tree.0.join("d");
    let end = tree.treesum(&["d/", "./d", "d/file", absolute.to_str().unwrap(), "--", "-x"]).end();
    let file = absolute.join("file");
    let expected = ["-x", "./d/file", file.to_str().unwrap(), "d/file", "d/file"];
    assert_eq!(end.out, expected.map(|path| format!("{ABC}  {path}\n")).concat());
}

#[cfg(target_os = "linux")] // other systems refuse such names
#[test]
fn names_need_not_be_text() {
    let tree = Tree::new("names");
    tree.add(OsStr::from_bytes(b"\xff"), "abc");
    let mut running = tree.treesum(&["."]);
    running.end();
    assert_eq!(running.output(), [ABC.as_bytes(), b"  ./\xff\n"].concat());
}

#[test]
fn files_of_all_sizes_are_read_to_their_end() {
    let tree = Tree::new("sizes");
    let (piece, million) = (1 << 20, "a".repeat(1_000_000));
    for size in [piece - 1, piece, piece + 1, 3 * piece, 3 * piece + 1] {
        tree.add(format!("x{size}"), &"x".repeat(size));
    }
    for size in 0..200 {
        tree.add(format!("many/{size}"), &"x".repeat(size));
    }
    tree.add("million", &million);
    let sums = tree.treesum(&["--jobs", "1", "."]).end().out;
    assert_eq!(sums.lines().count(), 206);
    assert!(sums.contains(&format!("{MILLION_A}  ./million\n")));
    let mut paths: Vec<_> = sums.lines().map(|line| line.split_once("  ").unwrap().1).collect();
    paths.sort_unstable();
    let reference = Command::new("sha256sum").args(paths).current_dir(&tree.0).output();
    if let Ok(reference) = reference {
        assert_eq!(sums.as_bytes(), reference.stdout);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_longer_than_it_was_said_to_be_is_read_to_its_end() {
    let tree = Tree::new("grown");
    let version = Path::new("/proc/version");
    assert_eq!(fs::metadata(version).unwrap().len(), 0);
    tree.add("copy", &fs::read_to_string(version).unwrap());
    let sums = tree.treesum(&["copy", "/proc/version"]).end().out;
    let digests: Vec<_> = sums.lines().map(|line| &line[..EMPTY.len()]).collect();
    assert!(digests.len() == 2 && digests[0] == digests[1] && digests[0] != EMPTY, "{sums}");
}

#[test]
fn what_cannot_be_read_is_listed_and_the_rest_is_done() {
    let tree = Tree::new("unreadable");
    tree.add("a", "abc").add("b", "abc");
    for runtime in RUNTIMES {
        let paths = ["--runtime", runtime, "a", "missing", "b", "gone/a\nway"];
        let end = tree.treesum(&paths).end();
        assert_eq!(
            (end.status.code(), end.out),
            (Some(1), format!("{ABC}  a\n{ABC}  b\n")),
            "{runtime}"
        );
        let lines: Vec<_> = end.err.lines().collect();
        assert_eq!(lines[0], "treesum: group failed: 2 failures");
        assert!(lines.len() == 3, "{}", end.err);
        for path in ["'missing'", "'gone/a\\nway'"] {
            let line = lines.iter().find(|line| line.contains(path)).expect(path);
            assert!(line.contains(": No such file or directory"), "{line}");
        }
    }
}

#[cfg(target_os = "linux")] // elsewhere the longest path has another length
#[test]
fn failures_stand_in_the_branch_of_their_directory() {
    let tree = Tree::new("deep");
    tree.add("a/b/file", "abc");
    // Together they make a path that is too long to be opened, even by root.
    let half: PathBuf = iter::repeat_n("n".repeat(250), 10).collect();
    let upper = tree.0.join("a/b").join(&half);
    fs::create_dir_all(&upper).unwrap();
    fs::create_dir_all(tree.0.join("c").join(&half)).unwrap();
    fs::rename(tree.0.join("c"), upper.join("c")).unwrap();
    for runtime in RUNTIMES {
        let end = tree.treesum(&["--runtime", runtime, "."]).end();
        assert_eq!(
            (end.status.code(), end.out),
            (Some(1), format!("{ABC}  ./a/b/file\n")),
            "{runtime}"
        );
        let is_branch = |line: &&str| line.ends_with(": group failed: 1 failure");
        assert!(end.err.lines().filter(is_branch).count() > 3, "{}", end.err);
        let last = end.err.lines().last().unwrap();
        assert!(last.contains(": File name too long"), "{}", end.err);
        assert!(last.contains("'./a/b/nnn"), "{}", end.err);
    }
}

#[test]
fn a_wrong_command_line_is_told_so() {
    let tree = Tree::new("usage");
    let wrong = [
        (&["--runtime", "other", "."][..], "\"other\": expected tokio, smol or async-std"),
        (&["--jobs", "0", "."], "\"0\": expected a number from 1"),
        (&["--runtime"], "missing argument for option '--runtime'"),
        (&["--what", "."], "invalid option '--what'"),
        (&[], "no path given"),
    ];
    for (args, message) in wrong {
        let end = tree.treesum(args).end();
        assert_eq!((end.status.code(), end.out.as_str()), (Some(2), ""), "{args:?}");
        assert!(end.err.contains(message) && end.err.contains("--help"), "{}", end.err);
    }
    let end = tree.treesum(&["--help"]).end();
    assert!(end.status.code() == Some(0) && end.out.starts_with("usage: treesum"), "{}", end.out);
}

#[test]
fn a_reader_that_has_gone_away_is_no_error() {
    let tree = Tree::new("pipe");
    tree.add("a", "abc");
    for args in [["."], ["--help"]] {
        let (closed, out) = UnixStream::pair().unwrap();
        drop(closed);
        let end = Running::start(tree.command(&args).stdout(OwnedFd::from(out))).end();
        assert_eq!((end.status.code(), end.err.as_str()), (Some(0), ""));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn an_interrupt_cancels_waits_and_says_so() {
    let tree = Tree::new("interrupt");
    tree.add_endless("endless");
    for runtime in RUNTIMES {
        let mut running = tree.treesum(&["--runtime", runtime, "endless"]);
        wait_until("it has the file open", || has_open(&running, &tree.0.join("endless")));
        running.signal("INT");
        let end = running.end();
        assert_eq!(
            (end.status.code(), end.out.as_str()),
            (Some(130), ""),
            "{runtime}: {}",
            end.err
        );
        let expected =
            "treesum: cancelled (requested: interrupted): 0 files done, 1 not finished\n";
        assert_eq!(end.err, expected, "{runtime}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn memory_does_not_grow_with_the_file() {
    let tree = Tree::new("memory");
    tree.add_endless("endless");
    for runtime in RUNTIMES {
        let running = tree.treesum(&["--runtime", runtime, "endless"]);
        wait_until("it has read a lot", || number(&running, "io", "rchar:") > 200 << 20);
        let most = number(&running, "status", "VmHWM:") << 10;
        assert!(most < 50 << 20, "{runtime}: {most} bytes");
    }
}

/// A folder of its own for each test, removed when it is done.
struct Tree(PathBuf);

impl Tree {
    fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("treesum").join(name);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(fs::canonicalize(path).unwrap())
    }

    fn add(&self, name: impl AsRef<Path>, text: &str) -> &Self {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    /// Nothing but a hole, of more bytes than can be hashed in the time of a test.
    fn add_endless(&self, name: &str) {
        File::create(self.0.join(name)).unwrap().set_len(1 << 42).unwrap();
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = example("treesum");
        command.args(args).current_dir(&self.0);
        command
    }

    fn treesum(&self, args: &[&str]) -> Running {
        Running::start(&mut self.command(args))
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn proc(running: &Running, name: &str) -> PathBuf {
    Path::new("/proc").join(running.id().to_string()).join(name)
}

fn has_open(running: &Running, path: &Path) -> bool {
    let Ok(open) = fs::read_dir(proc(running, "fd")) else { return false };
    open.flatten().any(|fd| fs::read_link(fd.path()).is_ok_and(|target| target == path))
}

/// What a file of `/proc` says after `key`.
fn number(running: &Running, name: &str, key: &str) -> u64 {
    let text = fs::read_to_string(proc(running, name)).unwrap();
    let mut words = text.split_whitespace().skip_while(|word| *word != key).skip(1);
    words.next().expect(key).parse().unwrap()
}
