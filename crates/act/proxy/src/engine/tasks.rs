//! Tasks of one thread: which there are, which are to go on, and who may say so.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};

use haechi_sys::events::Alarm;

use super::slab::{Key, Slab};

/// A task on its way through its life.
pub(super) struct Task {
    pub(super) future: Pin<Box<dyn Future<Output = ()>>>,
    pub(super) waker: Waker,
}

struct Slot {
    /// Away while it runs.
    task: Option<Task>,
    queued: bool,
}

/// All tasks of a thread.
#[derive(Default)]
pub(super) struct Tasks {
    slots: Slab<Slot>,
    queue: VecDeque<Key>,
}

impl Tasks {
    /// A new task; it goes on with the others that are queued.
    pub(super) fn add(&mut self, future: Pin<Box<dyn Future<Output = ()>>>, mailbox: &Arc<Mailbox>) {
        let key = self.slots.insert_with(|key| {
            let waker = Waker::from(Arc::new(Handle { key, mailbox: Arc::clone(mailbox) }));
            Slot { task: Some(Task { future, waker }), queued: true }
        });
        self.queue.push_back(key);
    }

    /// Lets a task go on. One that has ended, or is queued already, is left alone.
    #[inline]
    pub(super) fn wake(&mut self, key: Key) {
        if let Some(slot) = self.slots.get_mut(key)
            && !slot.queued
        {
            slot.queued = true;
            self.queue.push_back(key);
        }
    }

    /// The next task that is to go on, out of its slot.
    #[inline]
    pub(super) fn next(&mut self) -> Option<(Key, Task)> {
        while let Some(key) = self.queue.pop_front() {
            if let Some(slot) = self.slots.get_mut(key) {
                slot.queued = false;
                if let Some(task) = slot.task.take() {
                    return Some((key, task));
                }
            }
        }
        None
    }

    /// Back into its slot: it waits.
    #[inline]
    pub(super) fn put_back(&mut self, key: Key, task: Task) {
        if let Some(slot) = self.slots.get_mut(key) {
            slot.task = Some(task);
        }
    }

    /// It has ended.
    pub(super) fn end(&mut self, key: Key) {
        // Its future was taken out before, so nothing runs when the empty slot goes.
        drop(self.slots.remove(key));
    }

    pub(super) fn any_queued(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Takes out all that are left, for the caller to drop when nothing here is borrowed.
    pub(super) fn clear(&mut self) -> Vec<Task> {
        self.queue.clear();
        self.slots.clear().into_iter().filter_map(|slot| slot.task).collect()
    }
}

/// How other threads reach the tasks of this one.
pub(super) struct Mailbox {
    woken: Mutex<Vec<Key>>,
    /// The alarm rings once for all that are woken until it is heard.
    rung: AtomicBool,
    pub(super) alarm: Alarm,
}

impl Mailbox {
    pub(super) fn new(alarm: Alarm) -> Self {
        Self { woken: Mutex::default(), rung: AtomicBool::new(false), alarm }
    }

    fn post(&self, key: Key) {
        self.woken.lock().unwrap_or_else(PoisonError::into_inner).push(key);
        if !self.rung.swap(true, Ordering::AcqRel) {
            self.alarm.ring();
        }
    }

    /// Takes what was posted. What is posted from now on rings anew.
    pub(super) fn empty(&self) -> Vec<Key> {
        self.alarm.silence();
        self.rung.store(false, Ordering::Release);
        std::mem::take(&mut *self.woken.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What a task's waker holds.
struct Handle {
    key: Key,
    mailbox: Arc<Mailbox>,
}

impl Wake for Handle {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    #[inline]
    fn wake_by_ref(self: &Arc<Self>) {
        if !super::wake_here(&self.mailbox, self.key) {
            self.mailbox.post(self.key);
        }
    }
}
