//! How errors are printed, compared with the files in `golden/` (rule E5). `UPDATE_GOLDEN=1` writes
//! them anew.

use std::error::Error;
use std::fmt;
use std::path::Path;
use std::task::Poll;
use std::{env, fs, io};

use anyscope_core::{BoxError, ErrorGroup, Failure, GroupError, PanicPolicy, Supervise, scope};
use futures_executor::block_on;

#[derive(Debug, thiserror::Error)]
#[error("cannot load {0}")]
struct Load(&'static str, #[source] io::Error);

#[derive(Debug, thiserror::Error)]
#[error("cannot start")]
struct Start(#[source] Load);

fn start() -> BoxError {
    let missing = io::Error::new(io::ErrorKind::NotFound, "no such file");
    Start(Load("server.toml", missing)).into()
}

fn not_a_number() -> BoxError {
    "x".parse::<u8>().unwrap_err().into()
}

/// What a run leaves behind: an error with sources, an inner group that was cut short, a panic.
fn failed() -> GroupError {
    let outcome: Result<(), GroupError> = block_on(
        scope(async |s| {
            s.task::<_, ()>(async { Err(start()) }).name("config").spawn();
            s.task::<_, ()>(async {
                let inner = scope(async |t| {
                    t.task::<_, ()>(async { Err(not_a_number()) }).name("parse").spawn();
                    let text = BoxError::msg("expected\n  a\nfound\n  b\n");
                    let last = t.spawn::<_, ()>(async { Err(text) });
                    while !last.is_finished() {
                        yield_now().await;
                    }
                    t.cancel_because("closing time");
                    Err(BoxError::msg("cut short"))
                });
                Ok(inner.policy(Supervise).await?)
            })
            .name("inner")
            .spawn();
            s.task::<_, ()>(async { panic!("expected: a panic") }).name("worker").spawn();
            Ok(())
        })
        .policy(Supervise)
        .panics(PanicPolicy::Capture),
    );
    outcome.unwrap_err()
}

/// Lets others run once.
async fn yield_now() {
    let mut yielded = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

fn group(failures: impl IntoIterator<Item = Failure<BoxError>>) -> ErrorGroup {
    ErrorGroup::from_failures(failures).unwrap()
}

fn numbered(numbers: std::ops::Range<u32>) -> Vec<Failure<BoxError>> {
    let failure = |number| Failure::from_error(BoxError::msg(format!("number {number}")));
    numbers.map(failure).collect()
}

#[test]
fn tree_of_a_run() {
    golden("run", format!("{:#}", failed()));
    golden("run", format!("{:?}", failed()));
    golden("run", failed().tree().to_string());
}

#[test]
fn line_of_a_run() {
    golden("line", failed().to_string());
}

#[test]
fn tree_in_ascii() {
    let mut group = failed().into_failures().unwrap();
    group.push(Failure::from_error(BoxError::msg("naïve – \u{1b}[31mred")).named("größe"));
    let group = group.with_message("süß").with_note("two\nlines – here");
    let text = group.tree().ascii().max_sources(1).max_width(4).to_string();
    assert!(text.is_ascii());
    golden("ascii", text);
}

#[test]
fn message_and_notes_stand_on_top() {
    let inner = group(numbered(2..4)).with_note("of the inner one");
    let mut failures = numbered(1..2);
    failures.push(Failure::from_group(inner).named("inner"));
    let group = group(failures).with_message("could not mirror");
    let group = group.with_note("while at sea").with_note("two\nlines");
    golden("notes", format!("{group:#}\n\n{group}"));
}

#[test]
fn width_and_depth_are_bounded_and_the_rest_is_counted() {
    let deep = (0..4).fold(group(numbered(0..3)), |below, level| {
        let mut failures = numbered(level * 10..level * 10 + 2);
        failures.insert(1, Failure::from_group(below).named("below"));
        group(failures)
    });
    let mut wide = numbered(0..50);
    wide.insert(0, Failure::from_group(deep).named("deep"));
    let group = group(wide);
    golden("bounded", group.tree().max_depth(3).max_width(2).to_string());
    assert_eq!(group.tree().max_depth(0).max_width(0).to_string().lines().count(), 4);
    assert_eq!(format!("{group:#}").lines().last(), Some("└─ … 19 more"));
}

#[test]
fn levels_beyond_the_page_are_counted() {
    let deep = (0..40).fold(group(numbered(0..1)), |below, _| group([Failure::from_group(below)]));
    let text = deep.tree().max_depth(100).to_string();
    assert!(text.lines().last().unwrap().contains("   [+8] └─ task #"), "{text}");
}

#[test]
fn times_are_shown_if_asked_for() {
    let text = failed().tree().elapsed().to_string();
    let count = text.lines().filter(|line| line.contains(" after ")).count();
    assert_eq!(count, 6, "{text}");
    assert!(text.lines().nth(1).unwrap().ends_with("s: cannot start"), "{text}");
}

/// Writes its text in pieces that end with line breaks.
#[derive(Debug, thiserror::Error)]
#[error("{0}{1}{2}")]
struct Pieces(String, String, String);

#[test]
fn line_breaks_stay_where_they_are_in_pieces() {
    let [one, two, three] = ["one\n", "two", "\n\nthree\n"].map(str::to_owned);
    let failure = Failure::from_error(Pieces(one, two, three)).named("in\ntwo");
    let group = ErrorGroup::from_failures([failure]).unwrap();
    golden("pieces", format!("{group:#}\n{group}"));
}

#[test]
fn what_users_wrote_begins_no_line() {
    let name = "a\nb\u{1b}[0m\u{2028}\u{202e}\u{61c}";
    let failure = Failure::from_error(BoxError::msg("one\ntwo\rthree\n")).named(name);
    let shown = r"'a\nb\u{1b}[0m\u{2028}\u{202e}\u{61c}' (";
    assert!(failure.task().to_string().contains(shown), "{}", failure.task());
    let text = failure.to_string();
    assert!(text.contains(shown) && text.ends_with("): one\n  two\\rthree"), "{text}");
    let group = group([failure]);
    let leaf = group.leaves().next().unwrap().to_string();
    assert!(leaf.contains(shown) && leaf.ends_with(r"): one\ntwo\rthree"), "{leaf}");
}

/// An error that is its own cause.
#[derive(Debug)]
struct Ouroboros;

impl fmt::Display for Ouroboros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bites its tail")
    }
}

impl Error for Ouroboros {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self)
    }
}

#[test]
fn cyclic_sources_end() {
    let group = ErrorGroup::from_errors([Ouroboros]).unwrap();
    assert_eq!(format!("{group:#}").lines().count(), 1 + 1 + 16 + 1);
    golden("cyclic", group.tree().max_sources(2).to_string());
    assert!(group.to_string().ends_with("bites its tail"));
    // As does looking for the library's own types in it (G4).
    let outcome: Result<(), GroupError<Ouroboros>> = block_on(scope(async |_| Err(Ouroboros)));
    assert_eq!(outcome.unwrap_err().leaves().count(), 1);
}

/// Compares with the file of this name, ids and line numbers left aside.
#[track_caller]
fn golden(name: &str, text: String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    let path = path.with_extension("txt");
    let text = without_numbers(&text) + "\n";
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default().replace("\r\n", "\n");
    assert_eq!(text, expected, "{}:\n{text}", path.display());
}

/// `#12` and `.rs:3:4` become `#N` and `.rs:N:N`.
fn without_numbers(text: &str) -> String {
    let text = text.replace("core\\tests\\", "core/tests/");
    let mut kept = String::new();
    for c in text.chars() {
        let before = [".rs:", ".rs:N:", "#", "N"];
        let hidden = c.is_ascii_digit() && before.iter().any(|end| kept.ends_with(end));
        match hidden {
            true if kept.ends_with('N') => {}
            true => kept.push('N'),
            false => kept.push(c),
        }
    }
    kept
}
