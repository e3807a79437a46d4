//! Writing what users wrote: their line breaks and control characters must not spoil lines or trees.

use std::fmt::{self, Write};

/// Writes `text` with what [spoils] a line escaped: in one line, or with `at_break` written in the
/// place of each line break.
pub(crate) fn write(
    f: &mut fmt::Formatter<'_>,
    text: impl fmt::Display,
    at_break: Option<&dyn fmt::Display>,
    ascii: bool,
) -> fmt::Result {
    write!(Escaped { f, at_break, ascii, breaks: 0 }, "{text}")
}

/// A text of users in one line, as [`write`] has it.
pub struct OneLine<T>(pub T);

impl<T: fmt::Display> fmt::Display for OneLine<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, &self.0, None, false)
    }
}

struct Escaped<'a, 'b> {
    f: &'a mut fmt::Formatter<'b>,
    at_break: Option<&'a dyn fmt::Display>,
    ascii: bool,
    /// Line breaks that have been read and not written: those at the end of a text are left out.
    breaks: usize,
}

impl Write for Escaped<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let plain = |c: char| !spoils(c) && (c.is_ascii() || !self.ascii);
        if self.breaks == 0 && text.chars().all(plain) {
            return self.f.write_str(text);
        }
        text.chars().try_for_each(|c| self.write_char(c))
    }

    fn write_char(&mut self, c: char) -> fmt::Result {
        if c == '\n' {
            self.breaks += 1;
            return Ok(());
        }
        for _ in 0..std::mem::take(&mut self.breaks) {
            match self.at_break {
                Some(at_break) => write!(self.f, "{at_break}")?,
                None => self.f.write_str("\\n")?,
            }
        }
        match c {
            c if spoils(c) || (self.ascii && !c.is_ascii()) => {
                write!(self.f, "{}", c.escape_default())
            }
            c => self.f.write_char(c),
        }
    }
}

/// What ends a line for some reader, or changes the order in which the rest of it is shown: control
/// characters, the separators of lines and paragraphs, and Unicode's `Bidi_Control`.
fn spoils(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}'
        )
}
