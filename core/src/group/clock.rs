//! `Clock`: the timer of a group's future, for its deadline and the end of its grace period.

use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::cancel::CauseKind;
use crate::group::info::GroupInfo;
use crate::group::state::node::Node;
use crate::group::state::time::Alarm;
use crate::panics::{catch, drop_payload};
use crate::runtime::Runtime;

pin_project! {
    pub(super) struct Clock<R: Runtime> {
        // Set for `alarm`.
        #[pin]
        timer: Option<R::Sleep>,
        alarm: Option<Alarm>,
    }
}

impl<R: Runtime> Clock<R> {
    pub(super) fn new() -> Self {
        Self { timer: None, alarm: None }
    }

    /// Acts when the deadline of the group passes or its grace period is over. Whether it did so now. A
    /// timer that panics belongs to a runtime that is gone (R1).
    pub(super) fn rang(
        self: Pin<&mut Self>,
        node: &Node,
        runtime: &R,
        whose: &dyn Fn() -> GroupInfo,
        cx: &mut Context<'_>,
    ) -> bool {
        let mut this = self.project();
        let wanted = node.next_alarm(|grace| runtime.after(grace));
        if *this.alarm != wanted {
            *this.alarm = wanted;
            this.timer.set(wanted.map(|alarm| runtime.sleep_until(alarm.at())));
        }
        let (Some(alarm), Some(timer)) = (wanted, this.timer.as_mut().as_pin_mut()) else {
            return false;
        };
        match catch(|| timer.poll(cx)) {
            Ok(Poll::Pending) => return false,
            Ok(Poll::Ready(())) => node.ring(alarm, whose()),
            Err(payload) => {
                drop_payload(payload);
                this.timer.set(None);
                node.cancel(CauseKind::Shutdown.into());
                node.harden();
            }
        }
        true
    }
}
