//! What is printed, and with which code the program ends.

use std::io::{self, BufWriter, ErrorKind, Write, stdout};
use std::path::Path;
use std::process::ExitCode;

use crate::engine::Report;
use crate::sum::Sum;

/// As a shell reports a program that was ended by Ctrl-C.
pub(crate) const INTERRUPTED: i32 = 130;

const HELP: &str = "\
usage: treesum [--runtime tokio|smol|async-std] [--jobs N] PATH...

Prints the SHA-256 of every regular file under each PATH as sha256sum does, sorted by path.
Symbolic links are not followed.

  --runtime NAME  what it runs on (default: tokio)
  -j, --jobs N    how many files are open at once (default: four for each core)

The exit code is 0, or 1 if something could not be read, 2 for a wrong command line, 130 after
Ctrl-C.";

pub(crate) fn help() -> ExitCode {
    println!("{HELP}");
    ExitCode::SUCCESS
}

pub(crate) fn usage(error: &str) -> ExitCode {
    eprintln!("treesum: {error}\n\n{HELP}");
    ExitCode::from(2)
}

pub(crate) fn print(report: Report) -> ExitCode {
    if let Some(cause) = report.cancelled {
        let left = report.found - report.sums.len();
        eprintln!("treesum: cancelled ({cause}): {} files done, {left} not", report.sums.len());
        return ExitCode::from(INTERRUPTED as u8);
    }
    match print_sums(&report.sums) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            eprintln!("treesum: cannot write: {error}");
            return ExitCode::FAILURE;
        }
        _ => {}
    }
    match report.failed {
        None => ExitCode::SUCCESS,
        Some(error) => {
            eprintln!("treesum: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn print_sums(sums: &[Sum]) -> io::Result<()> {
    let mut out = BufWriter::new(stdout().lock());
    for Sum { path, digest } in sums {
        print_line(&mut out, path, digest)?;
    }
    out.flush()
}

/// One line as `sha256sum` prints it: a name with a backslash or a line break in it is escaped, and
/// the line then begins with a backslash.
fn print_line(out: &mut impl Write, path: &Path, digest: &[u8]) -> io::Result<()> {
    let name = path.as_os_str().as_encoded_bytes();
    let escaped = name.iter().any(|byte| matches!(byte, b'\\' | b'\n' | b'\r'));
    if escaped {
        out.write_all(b"\\")?;
    }
    out.write_all(&hex(digest))?;
    out.write_all(b"  ")?;
    for byte in name {
        match byte {
            b'\\' => out.write_all(b"\\\\")?,
            b'\n' => out.write_all(b"\\n")?,
            b'\r' => out.write_all(b"\\r")?,
            _ => out.write_all(&[*byte])?,
        }
    }
    out.write_all(b"\n")
}

fn hex(digest: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = |byte: &u8| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
    digest.iter().flat_map(digits).collect()
}
