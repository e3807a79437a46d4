//! Frames: calls of ours that are under way and are no units. What may drop what it polls, and shields.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::look_at;
use crate::protect::{Cover, ShieldState};

crate::sync::thread_local! {
    /// A cutter without a cover that is under way above all frames, and was not pushed yet: whether it
    /// is a child. Most are over before anybody looks.
    static UNPUSHED: Cell<Option<bool>> = const { Cell::new(None) };
}

/// Another call of ours that is under way.
pub(super) enum Frame {
    /// Something that may drop what it polls: it does not while its cover is active (C4). `None` until
    /// somebody below needs the cover.
    Cutter {
        cover: Option<Arc<Cover>>,
        /// A child of a local scope, which has clean-ups of its own (S2).
        is_child: bool,
    },
    /// The inside of a shield.
    Shield(Option<Arc<ShieldState>>),
}

impl Frame {
    pub(super) fn shield(&self) -> Option<&Arc<ShieldState>> {
        match self {
            Self::Shield(shield) => shield.as_ref(),
            Self::Cutter { .. } => None,
        }
    }

    #[inline]
    fn take_shield(&mut self) -> Option<Arc<ShieldState>> {
        match self {
            Self::Shield(shield) => shield.take(),
            Self::Cutter { .. } => None,
        }
    }
}

/// Runs `f` below something that may drop it. `cover` is made by whoever below needs it first.
#[inline]
pub(crate) fn run_below<T>(
    cover: &mut Option<Arc<Cover>>,
    is_child: bool,
    f: impl FnOnce() -> T,
) -> T {
    push_cutter(cover.as_ref(), is_child);
    let _below = Below { cover };
    f()
}

#[inline]
fn push_cutter(cover: Option<&Arc<Cover>>, is_child: bool) {
    push_unpushed();
    match cover {
        None => set_unpushed(is_child),
        Some(own) => push(Frame::Cutter { cover: Some(own.clone()), is_child }),
    }
}

/// Polls a future that may be dropped before its end, if it is there still.
#[inline]
pub(crate) fn poll_below<F: Future>(
    cover: &mut Option<Arc<Cover>>,
    future: Pin<&mut Option<F>>,
    cx: &mut Context<'_>,
) -> Option<Poll<F::Output>> {
    run_below(cover, false, || future.as_pin_mut().map(|future| future.poll(cx)))
}

/// A cutter while it is under way. Takes its cover back, also when what runs below panics.
struct Below<'a> {
    cover: &'a mut Option<Arc<Cover>>,
}

impl Drop for Below<'_> {
    #[inline]
    fn drop(&mut self) {
        // What came after it has gone before it, and had it pushed.
        if take_unpushed().is_none() {
            if let Some(made) = pop_cover() {
                *self.cover = Some(made);
            }
        }
    }
}

fn pop_cover() -> Option<Arc<Cover>> {
    match look_at(|stack| stack.frames.pop())?? {
        Frame::Cutter { cover, .. } => cover,
        Frame::Shield(_) => None,
    }
}

#[inline]
fn set_unpushed(is_child: bool) {
    let _ = UNPUSHED.try_with(|unpushed| unpushed.set(Some(is_child)));
}

#[inline]
fn take_unpushed() -> Option<bool> {
    UNPUSHED.try_with(Cell::take).ok().flatten()
}

/// Comes before each push and each look.
#[inline]
pub(super) fn push_unpushed() {
    if let Some(is_child) = take_unpushed() {
        push(Frame::Cutter { cover: None, is_child });
    }
}

fn push(frame: Frame) {
    look_at(|stack| stack.frames.push(frame));
}

/// Runs `f` inside the shield in `shield`, which is put back when it is done, also by a panic.
#[inline]
pub(crate) fn run_shielded<T>(shield: &mut Option<Arc<ShieldState>>, f: impl FnOnce() -> T) -> T {
    push_shield(shield);
    let _inside = Inside { shield };
    f()
}

#[inline]
fn push_shield(shield: &mut Option<Arc<ShieldState>>) {
    push_unpushed();
    look_at(|stack| {
        // Made, filled and emptied where it lies: a processor that has just written the parts of
        // something is slow to read them as one.
        stack.frames.resize_with(stack.frames.len() + 1, || Frame::Shield(None));
        if let Some(Frame::Shield(inside)) = stack.frames.last_mut() {
            *inside = shield.take();
        }
    });
}

/// A shield while its inside is under way: then it is in its frame, if there is a stack.
struct Inside<'a> {
    shield: &'a mut Option<Arc<ShieldState>>,
}

impl Drop for Inside<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.shield.is_none() {
            *self.shield = look_at(|stack| {
                let own = stack.frames.last_mut().and_then(Frame::take_shield);
                stack.frames.truncate(stack.frames.len() - 1);
                own
            })
            .flatten();
        }
    }
}
