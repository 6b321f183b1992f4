//! Memory for bytes on their way: one hot read buffer per thread, and small vectors that are used again.

use std::cell::{Cell, RefCell};

use haechi_sys::pipe::Pipe;

/// Size of the hot buffer. A read that fills it is bulk; 64 KiB is where splice begins to pay.
pub(crate) const HOT: usize = 64 << 10;

/// A page: at the start of one the allocator puts what is large.
pub(crate) const PAGE: usize = 4 << 10;

/// Where in a page the hot buffer begins: as far as can be from where others do. glibc before 2.39 copies 2 KiB and more by
/// `rep movsb`, which is 30 times slower on AMD's Zen 3 and 4 where the target is 1 to 15 bytes behind the source, modulo
/// a page (glibc's bug 30994). Behind the head of a frame or a record it is just there, if both buffers begin with a page.
const MIDDLE: usize = PAGE / 2;

/// Vectors above this capacity are given back to the allocator: they held a large head or a replayable
/// body, which is rare.
const KEEP_CAPACITY: usize = 16 << 10;

/// Vectors kept for the next exchange: as many exchanges as one thread has in flight at a time on a busy
/// day; each is a few hundred bytes.
const KEEP_VECTORS: usize = 1024;

/// Pipes kept for the next bulk transfer; each costs two descriptors.
const KEEP_PIPES: usize = 64;

/// Most pipes lent at a time. What a client does not read stays in its pipe, and the kernel counts that for
/// nobody when the process is root: 128 MiB of each thread is what slow readers may hold in this way. Bodies
/// beyond it are copied, with a hot buffer's worth for each client.
const MOST_PIPES: usize = 128;

/// Wished size of a pipe: 16 times a read of the hot buffer, so that a bulk transfer makes few system calls.
/// It is Linux's default for `fs.pipe-max-size`; above it an unprivileged process is refused.
const PIPE: usize = 1 << 20;

/// A thread's buffers.
pub(crate) struct Buffers {
    hot: Cell<Option<Hot>>,
    vectors: RefCell<Vec<Vec<u8>>>,
    pipes: RefCell<Vec<Pipe>>,
    lent: Cell<usize>,
}

/// The hot buffer, and where in it we begin.
struct Hot(Box<[u8]>, usize);

impl Hot {
    fn new() -> Self {
        let bytes: Box<[u8]> = vec![0; HOT + PAGE].into();
        let from = (MIDDLE + PAGE - bytes.as_ptr().addr() % PAGE) % PAGE;
        Self(bytes, from)
    }

    fn bytes(&mut self) -> &mut [u8] {
        &mut self.0[self.1..self.1 + HOT]
    }
}

impl Buffers {
    pub(crate) fn new() -> Self {
        Self {
            hot: Cell::new(Some(Hot::new())),
            vectors: RefCell::new(Vec::new()),
            pipes: RefCell::new(Vec::new()),
            lent: Cell::new(0),
        }
    }

    /// Lends the hot buffer for as long as `use_it` runs, which must not wait: what is to be kept is copied
    /// out, so that an idle or slow connection holds none.
    #[inline]
    pub(crate) fn with_hot<R>(&self, use_it: impl FnOnce(&mut [u8]) -> R) -> R {
        let mut hot = self.hot.take().unwrap_or_else(Hot::new);
        let result = use_it(hot.bytes());
        self.hot.set(Some(hot));
        result
    }

    /// An empty vector, warm if possible.
    #[inline]
    pub(crate) fn take_vector(&self) -> Vec<u8> {
        self.vectors.borrow_mut().pop().unwrap_or_default()
    }

    /// Gives a vector back.
    #[inline]
    pub(crate) fn give_vector(&self, mut vector: Vec<u8>) {
        if vector.capacity() == 0 || vector.capacity() > KEEP_CAPACITY {
            return;
        }
        vector.clear();
        let mut vectors = self.vectors.borrow_mut();
        if vectors.len() < KEEP_VECTORS {
            vectors.push(vector);
        }
    }

    /// Keeps nothing for the next exchange.
    pub(crate) fn clear(&self) {
        self.vectors.take();
        self.pipes.take();
    }

    /// A pipe for a bulk transfer; `None` when too many are lent or the process is out of descriptors
    /// (copying works without).
    pub(crate) fn take_pipe(&self) -> Option<Pipe> {
        if self.lent.get() == MOST_PIPES {
            return None;
        }
        let pipe = self.pipes.borrow_mut().pop().or_else(|| Pipe::new(PIPE).ok())?;
        self.lent.set(self.lent.get() + 1);
        Some(pipe)
    }

    /// Gives a pipe back. One that still holds bytes is closed: they belong to a connection that broke.
    pub(crate) fn give_pipe(&self, pipe: Pipe) {
        self.lent.set(self.lent.get().saturating_sub(1));
        let mut pipes = self.pipes.borrow_mut();
        if pipe.held() == 0 && pipes.len() < KEEP_PIPES {
            pipes.push(pipe);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hot_buffer_is_whole_and_begins_where_copies_are_fast() {
        let buffers = Buffers::new();
        let look = |hot: &mut [u8]| (hot.len(), hot.as_ptr().addr() % PAGE);
        let within = buffers.with_hot(|hot| (look(hot), buffers.with_hot(look)));
        assert_eq!(within, ((HOT, MIDDLE), (HOT, MIDDLE)));
        assert_eq!(buffers.with_hot(look), (HOT, MIDDLE));
    }

    #[test]
    fn pipes_are_lent_up_to_a_bound_and_come_back() {
        let buffers = Buffers::new();
        let mut lent: Vec<Pipe> = std::iter::from_fn(|| buffers.take_pipe()).take(MOST_PIPES * 2).collect();
        assert_eq!(lent.len(), MOST_PIPES);
        buffers.give_pipe(lent.swap_remove(0));
        assert!(buffers.take_pipe().is_some());
        assert!(buffers.take_pipe().is_none());
    }
}
