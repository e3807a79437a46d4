//! What is printed, and with which code the program ends.

use std::fmt;
use std::io::{self, BufWriter, ErrorKind, Write, stderr, stdout};
use std::process::ExitCode;

use crate::engine::Report;
use crate::hash::Sum;

/// As a shell reports a program that Ctrl-C has ended.
pub(crate) const INTERRUPTED: u8 = 130;

const USAGE: u8 = 2;

const HELP: &str = "\
usage: treesum [--runtime NAME] [--jobs N] PATH...

Prints the SHA-256 of every regular file under each PATH as sha256sum does, sorted by path.
Symbolic links are not followed.

  --runtime NAME   what it runs on: tokio (default), smol or async-std
  -j, --jobs N     how many files are open at once (default: four for each core)
  -h, --help       print this

The exit code is 0; 1 if something could not be read or written; 2 for a wrong command line; 130
after Ctrl-C.
";

pub(crate) fn help() -> ExitCode {
    let written = stdout().write_all(HELP.as_bytes());
    exit_code(written, ExitCode::SUCCESS)
}

pub(crate) fn usage(error: &lexopt::Error) -> ExitCode {
    complain(format_args!("{error}\nTry 'treesum --help'."));
    ExitCode::from(USAGE)
}

/// To stderr. If even that cannot be written there is nobody left to tell.
pub(crate) fn complain(what: fmt::Arguments<'_>) {
    let _ = writeln!(stderr(), "treesum: {what}");
}

/// Prints no sums after a cancellation: they would look like all of them.
pub(crate) fn print(Report { sums, missing, cancelled, error }: Report) -> ExitCode {
    let written = match &cancelled {
        None => print_sums(&sums),
        Some(_) => Ok(()),
    };
    if let Some(failures) = error.as_ref().and_then(|error| error.failures()) {
        let all = failures.tree().max_width(usize::MAX).max_depth(usize::MAX);
        complain(format_args!("{all}"));
    }
    if let Some(cause) = cancelled {
        let done = sums.len();
        complain(format_args!("cancelled ({cause}): {done} files done, {missing} not finished"));
        return ExitCode::from(INTERRUPTED);
    }
    exit_code(written, if error.is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// A reader that has seen enough, as `head` has, is no error.
fn exit_code(written: io::Result<()>, otherwise: ExitCode) -> ExitCode {
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            complain(format_args!("cannot write: {error}"));
            ExitCode::FAILURE
        }
        _ => otherwise,
    }
}

fn print_sums(sums: &[Sum]) -> io::Result<()> {
    let mut out = BufWriter::new(stdout().lock());
    sums.iter().try_for_each(|sum| print_sum(&mut out, sum))?;
    out.flush()
}

/// A line as `sha256sum` prints it: one with an escaped name begins with a backslash.
fn print_sum(out: &mut impl Write, Sum { path, digest }: &Sum) -> io::Result<()> {
    let name = path.as_os_str().as_encoded_bytes();
    if name.iter().any(|&byte| escape(byte).is_some()) {
        out.write_all(b"\\")?;
    }
    for &byte in digest {
        out.write_all(&hex(byte))?;
    }
    out.write_all(b"  ")?;
    for &byte in name {
        out.write_all(escape(byte).unwrap_or(&[byte]))?;
    }
    out.write_all(b"\n")
}

fn hex(byte: u8) -> [u8; 2] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]
}

/// What stands for a byte that would make the line ambiguous.
fn escape(byte: u8) -> Option<&'static [u8]> {
    match byte {
        b'\\' => Some(b"\\\\"),
        b'\n' => Some(b"\\n"),
        b'\r' => Some(b"\\r"),
        _ => None,
    }
}
