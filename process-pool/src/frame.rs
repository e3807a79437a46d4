//! Frames: what the two processes say to each other, told apart from anything else on the channel.

use std::io::{self, Read};

/// What a frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tag {
    /// To the worker, first: the limits that it shall keep.
    Hello,
    /// From the worker: it is ready for requests.
    Ready,
    /// To the worker: name and version of a job, and its input.
    Request,
    /// From the worker: it has the request, and begins. Without it the job has not run (U4).
    Started,
    /// From the worker: the output.
    Done,
    /// From the worker: the job panicked, with this text.
    Panicked,
    /// From the worker: it knows no such job; what it knows.
    Unknown,
    /// From the worker: the input cannot be decoded, and why.
    Undecodable,
    /// From the worker: the output cannot be encoded, and why.
    Unencodable,
    /// From the worker: the output is too large.
    TooLarge,
}

impl Tag {
    const ALL: [Self; 10] = [
        Self::Hello,
        Self::Ready,
        Self::Request,
        Self::Started,
        Self::Done,
        Self::Panicked,
        Self::Unknown,
        Self::Undecodable,
        Self::Unencodable,
        Self::TooLarge,
    ];
}

/// A frame that has come.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) tag: Tag,
    /// Which call it belongs to; 0 before the first.
    pub(crate) call: u64,
    pub(crate) body: Vec<u8>,
}

impl Frame {
    /// Reads one with a body of at most `limit` bytes. What is no frame is an error of the kind
    /// `InvalidData`, also where it only stands before one.
    pub(crate) fn read(from: &mut impl Read, limit: usize) -> io::Result<Self> {
        let mut header = [0; HEADER];
        from.read_exact(&mut header)?;
        let [m0, m1, m2, tag, ..] = header;
        let tag = Tag::ALL.get(usize::from(tag)).copied();
        let length = u32::from_le_bytes(part(&header, LENGTH));
        let (Some(tag), true) = (tag, [m0, m1, m2] == MAGIC && fits(length, limit)) else {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "what came is no frame"));
        };
        let mut body = Vec::new();
        from.take(length.into()).read_to_end(&mut body)?;
        if !fits(length, body.len()) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Self { tag, call: u64::from_le_bytes(part(&header, CALL)), body })
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A frame that is being written: its header, to which the body is appended.
pub(crate) fn begin(tag: Tag) -> Vec<u8> {
    let mut frame = vec![0; HEADER];
    frame[..MAGIC.len()].copy_from_slice(&MAGIC);
    frame[MAGIC.len()] = tag as u8;
    frame
}

/// Completes the header once the body is there. Fails if that is longer than any frame can be.
pub(crate) fn finish(mut frame: Vec<u8>, call: u64) -> io::Result<Vec<u8>> {
    let length = u32::try_from(frame.len() - HEADER)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "longer than a frame can be"))?;
    frame[CALL..CALL + 8].copy_from_slice(&call.to_le_bytes());
    frame[LENGTH..HEADER].copy_from_slice(&length.to_le_bytes());
    Ok(frame)
}

/// A whole frame with a text, which is cut where it is too long.
pub(crate) fn of_text(tag: Tag, call: u64, text: &str) -> io::Result<Vec<u8>> {
    let end = (0..=text.len().min(TEXT_LIMIT)).rev().find(|&at| text.is_char_boundary(at));
    let mut frame = begin(tag);
    frame.extend_from_slice(&text.as_bytes()[..end.unwrap_or(0)]);
    finish(frame, call)
}

fn fits(length: u32, limit: usize) -> bool {
    usize::try_from(length).is_ok_and(|length| length <= limit)
}

fn part<const N: usize>(header: &[u8; HEADER], at: usize) -> [u8; N] {
    std::array::from_fn(|i| header[at + i])
}

/// How long a text in a frame may be.
pub(crate) const TEXT_LIMIT: usize = 64 * 1024;

/// Begins every frame; its last character is the version of this protocol.
const MAGIC: [u8; 3] = *b"ap1";

/// Where in the header the call stands, and the length, which is last.
const CALL: usize = 4;
const LENGTH: usize = 12;
const HEADER: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], limit: usize) -> Result<Frame, io::ErrorKind> {
        Frame::read(&mut &*bytes, limit).map_err(|error| error.kind())
    }

    #[test]
    fn each_frame_comes_back() {
        for tag in Tag::ALL {
            let frame = of_text(tag, u64::MAX - 1, "text").unwrap();
            let back = read(&frame, 4).unwrap();
            assert_eq!((back.tag, back.call, back.text()), (tag, u64::MAX - 1, "text".to_owned()));
        }
    }

    #[test]
    fn what_is_no_frame_is_told_from_an_end() {
        let frame = of_text(Tag::Done, 1, "text").unwrap();
        assert_eq!(read(&frame, 3), Err(io::ErrorKind::InvalidData));
        for end in 0..frame.len() {
            assert_eq!(read(&frame[..end], 4), Err(io::ErrorKind::UnexpectedEof), "{end}");
        }
        let before = [b"\n", &frame[..]].concat();
        assert_eq!(read(&before, 4), Err(io::ErrorKind::InvalidData));
        for at in 0..=MAGIC.len() {
            let mut other = frame.clone();
            other[at] ^= 0x80;
            assert_eq!(read(&other, 4), Err(io::ErrorKind::InvalidData), "{at}");
        }
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        let text = "x".repeat(TEXT_LIMIT - 1) + "é";
        let frame = read(&of_text(Tag::Panicked, 1, &text).unwrap(), TEXT_LIMIT).unwrap();
        assert_eq!(frame.text(), "x".repeat(TEXT_LIMIT - 1));
    }
}
