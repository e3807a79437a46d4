//! A worker process: takes requests from its channel, runs jobs, answers.

use std::io::{self, Write, stdout};
use std::process::exit;
use std::sync::mpsc::{self, Receiver};
use std::thread;

use crate::codec::{decode, decode_first};
use crate::frame::{self, Frame, Tag};
use crate::job::{AnyJob, Unserved};
use crate::sys;

/// Serves until the pool's end of the channel is closed, which ends this process.
pub(crate) fn serve(jobs: &[&dyn AnyJob]) -> ! {
    match Server::open(jobs) {
        Ok(server) => server.run(),
        Err(error) => {
            eprintln!("anyscope: this worker process cannot work: {error}");
            exit(2)
        }
    }
}

struct Server<'a> {
    jobs: &'a [&'a dyn AnyJob],
    channel: sys::Stream,
    requests: Receiver<Frame>,
    max_payload: usize,
}

impl<'a> Server<'a> {
    fn open(jobs: &'a [&'a dyn AnyJob]) -> io::Result<Self> {
        let channel = sys::take_channel()?;
        let (max_payload, memory_limit) = read_hello(&channel)?;
        let requests = watch(channel.try_clone()?)?;
        if let Some(bytes) = memory_limit {
            sys::limit_memory(bytes)?;
        }
        (&channel).write_all(&frame::of_text(Tag::Ready, 0, "")?)?;
        Ok(Self { jobs, channel, requests, max_payload })
    }

    fn run(self) -> ! {
        while let Ok(request) = self.requests.recv() {
            if self.answer(&request).is_err() {
                break;
            }
        }
        sys::end_this_process()
    }

    fn answer(&self, request: &Frame) -> io::Result<()> {
        let call = request.call;
        (&self.channel).write_all(&frame::of_text(Tag::Started, call, "")?)?;
        let answer = match self.serve(&request.body) {
            Ok(frame) => {
                frame::finish(frame, call).or_else(|_| frame::of_text(Tag::TooLarge, call, ""))?
            }
            Err((tag, why)) => frame::of_text(tag, call, &why)?,
        };
        // What the job has printed is out when its output is seen.
        let _ = stdout().flush();
        (&self.channel).write_all(&answer)
    }

    fn serve(&self, request: &[u8]) -> Result<Vec<u8>, (Tag, String)> {
        let ((name, version), input) =
            decode_first::<(String, u32)>(request).map_err(|why| (Tag::Undecodable, why))?;
        let called = |job: &&&dyn AnyJob| {
            let id = job.job_id();
            (id.name, id.version) == (&name, version)
        };
        let job = self.jobs.iter().find(called).ok_or_else(|| (Tag::Unknown, self.known()))?;
        let frame = frame::begin(Tag::Done);
        job.serve(input, frame, self.max_payload).map_err(|unserved| match unserved {
            Unserved::Undecodable(why) => (Tag::Undecodable, why),
            Unserved::Panicked(text) => (Tag::Panicked, text),
            Unserved::Unencodable(why) => (Tag::Unencodable, why),
            Unserved::TooLarge => (Tag::TooLarge, String::new()),
        })
    }

    fn known(&self) -> String {
        let ids: Vec<_> = self.jobs.iter().map(|job| job.job_id().to_string()).collect();
        if ids.is_empty() { "none".to_owned() } else { ids.join(", ") }
    }
}

/// Reads what comes, beside the jobs: the end of the channel is the end of the program that wants
/// them, however that came, and so the end of this process.
fn watch(mut channel: sys::Stream) -> io::Result<Receiver<Frame>> {
    let (sender, requests) = mpsc::channel();
    let read = move || {
        while let Ok(frame) = Frame::read(&mut channel, usize::MAX) {
            if frame.tag != Tag::Request || sender.send(frame).is_err() {
                break;
            }
        }
        sys::end_this_process()
    };
    thread::Builder::new().name("anyscope-channel".to_owned()).spawn(read)?;
    Ok(requests)
}

/// The limits: of an output, and of memory.
fn read_hello(mut channel: &sys::Stream) -> io::Result<(usize, Option<u64>)> {
    let frame = Frame::read(&mut channel, frame::TEXT_LIMIT)?;
    let limits = if frame.tag == Tag::Hello { decode(&frame.body).ok() } else { None };
    let (max_payload, memory): (u64, _) = limits.ok_or(io::ErrorKind::InvalidData)?;
    Ok((usize::try_from(max_payload).unwrap_or(usize::MAX), memory))
}
