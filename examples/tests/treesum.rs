//! treesum as its users run it: what it prints, and with which code it ends.

#![cfg(unix)]

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const RUNTIMES: [&str; 3] = ["tokio", "smol", "async-std"];

/// Far more than any of these runs needs.
const BOUND: Duration = Duration::from_secs(60);

/// Cargo builds the examples of a package with its tests, beside them.
fn treesum() -> Command {
    let test = env::current_exe().expect("the test's own program");
    let deps = test.parent().expect("it lies in a folder");
    let program = deps.parent().expect("that lies in another").join("examples/treesum");
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A folder of its own for each test, removed when it is done.
struct Tree(PathBuf);

impl Tree {
    fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn add(&self, name: impl AsRef<Path>, text: &str) -> &Self {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Waits for the end of the program, and kills it if that takes too long.
fn finish(mut child: Child) -> Output {
    let begin = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begin.elapsed() > BOUND {
            child.kill().unwrap();
            panic!("treesum was not done after {BOUND:?}");
        }
        thread::sleep(Duration::from_millis(2));
    }
    child.wait_with_output().unwrap()
}

fn run(command: &mut Command) -> (Option<i32>, String, String) {
    let output = finish(command.spawn().expect("cargo builds treesum with its tests"));
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

#[test]
fn prints_as_sha256sum_does_sorted_by_path_on_every_runtime() {
    let tree = Tree::new("prints");
    tree.add("b/empty", "").add("a", "abc").add("b/c/deep", "abc").add("b/z", "abc");
    tree.add("with space", "abc").add("back\\slash", "abc").add("line\nbreak", "abc");
    std::os::unix::fs::symlink("a", tree.0.join("link")).unwrap();
    let expected = format!(
        "{ABC}  ./a\n{EMPTY}  ./b/empty\n{ABC}  ./b/c/deep\n{ABC}  ./b/z\n{ABC}  ./with space\n\
         \\{ABC}  ./back\\\\slash\n\\{ABC}  ./line\\nbreak\n"
    );
    let mut lines: Vec<&str> = expected.lines().collect();
    lines.sort_by_key(|line| line.split_once("  ").unwrap().1.replace("\\\\", "\\"));
    for runtime in RUNTIMES {
        let mut command = treesum();
        command.current_dir(&tree.0).args(["--runtime", runtime, "."]);
        let (code, out, err) = run(&mut command);
        assert_eq!((code, err.as_str()), (Some(0), ""), "{runtime}");
        assert_eq!(out.lines().collect::<Vec<_>>(), lines, "{runtime}");
    }
}

#[test]
fn a_large_file_is_hashed_in_pieces() {
    let tree = Tree::new("large");
    let million = "a".repeat(1_000_000);
    // Exactly one piece, just above it, and a well-known one of a million letters.
    tree.add("piece", &"x".repeat(1 << 20)).add("more", &"x".repeat((1 << 20) + 1));
    tree.add("million", &million).add("large", &million.repeat(3));
    let (code, out, _) = run(treesum().args(["--jobs", "1"]).arg(&tree.0));
    assert_eq!(code, Some(0));
    let reference = Command::new("sha256sum")
        .args(["large", "million", "more", "piece"].map(|name| tree.0.join(name)))
        .output();
    if let Ok(reference) = reference {
        assert_eq!(out.as_bytes(), reference.stdout);
    }
    assert!(out.contains("cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"));
}

#[test]
fn what_cannot_be_read_is_listed_and_the_rest_is_done() {
    let tree = Tree::new("unreadable");
    tree.add("a", "abc").add("b", "abc");
    for runtime in RUNTIMES {
        let mut command = treesum();
        command.current_dir(&tree.0).args(["--runtime", runtime, "a", "missing", "b", "gone/away"]);
        let (code, out, err) = run(&mut command);
        assert_eq!(code, Some(1), "{runtime}");
        assert_eq!(out, format!("{ABC}  a\n{ABC}  b\n"), "{runtime}");
        assert!(err.starts_with("treesum: group failed: 2 failures\n"), "{err}");
        for path in ["missing", "gone/away"] {
            assert!(err.contains(&format!("cannot read '{path}'")), "{err}");
        }
        assert_eq!(err.matches("caused by: No such file").count(), 2, "{err}");
    }
}

#[test]
fn a_wrong_command_line_is_told_so() {
    for args in [&["--runtime", "other", "."][..], &["--jobs", "0", "."], &["--what"], &[]] {
        let (code, out, err) = run(treesum().args(args));
        assert_eq!((code, out.as_str()), (Some(2), ""), "{args:?}");
        assert!(err.contains("usage: treesum"), "{err}");
    }
    let (code, out, _) = run(treesum().arg("--help"));
    assert_eq!(code, Some(0));
    assert!(out.contains("usage: treesum"));
}

/// Whether the process has this file open: it is being read.
#[cfg(target_os = "linux")]
fn has_open(pid: u32, path: &Path) -> bool {
    let Ok(open) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    open.flatten().any(|fd| fs::read_link(fd.path()).is_ok_and(|target| target == path))
}

#[cfg(target_os = "linux")]
#[test]
fn an_interrupt_cancels_waits_and_says_so() {
    let tree = Tree::new("interrupt");
    let endless = tree.0.join("endless");
    // Nothing but holes: larger than anybody could hash in the time of a test.
    File::create(&endless).unwrap().set_len(1 << 42).unwrap();
    let endless = fs::canonicalize(endless).unwrap();
    for runtime in RUNTIMES {
        let child = treesum().args(["--runtime", runtime]).arg(&endless).spawn().unwrap();
        let begin = Instant::now();
        while !has_open(child.id(), &endless) {
            assert!(begin.elapsed() < BOUND, "treesum does not begin to read");
            thread::sleep(Duration::from_millis(2));
        }
        let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
        assert!(killed.unwrap().success());
        let output = finish(child);
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(130), "{runtime}: {err}");
        let expected = "treesum: cancelled (requested: interrupted): 0 files done, 1 not\n";
        assert_eq!(err, expected, "{runtime}");
        assert!(output.stdout.is_empty());
    }
}
