//! Waiting for many descriptors at once (epoll(7)), and being woken out of that wait by another thread
//! (eventfd(2)).

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};
use rustix::io::Errno;

/// News taken in one wait. More than the busiest worker finds at a time; what does not fit comes with the next.
const AT_ONCE: usize = 1024;

/// What one wait brought.
pub struct Events(Vec<Event>);

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl Default for Events {
    fn default() -> Self {
        Self(Vec::with_capacity(AT_ONCE))
    }
}

impl Events {
    /// In the kernel's order.
    pub fn iter(&self) -> impl Iterator<Item = News> + '_ {
        self.0.iter().map(|event| {
            let flags = event.flags;
            let ended = flags.intersects(EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR);
            News {
                key: event.data.u64(),
                readable: ended || flags.intersects(EventFlags::IN),
                writable: flags.intersects(EventFlags::OUT | EventFlags::HUP | EventFlags::ERR),
                ended,
            }
        })
    }
}

/// What became of one descriptor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct News {
    /// What it was added with.
    pub key: u64,
    /// A read finds bytes, an end, or an error.
    pub readable: bool,
    /// A write finds room, or an error.
    pub writable: bool,
    /// The other side sends no more, or the connection is broken.
    pub ended: bool,
}

/// Many descriptors that are waited for together.
#[derive(Debug)]
pub struct Poller(OwnedFd);

impl Poller {
    /// # Errors
    /// Out of descriptors.
    pub fn new() -> io::Result<Self> {
        Ok(Self(epoll::create(CreateFlags::CLOEXEC)?))
    }

    /// Tells of every change of `source` from now on, and of how it stands now (edge-triggered: who has been
    /// told reads or writes until the kernel has no more). It ends when the last descriptor of that socket is
    /// closed.
    ///
    /// # Errors
    /// Out of memory, or more than `fs.epoll.max_user_watches`.
    pub fn add(&self, source: impl AsFd, key: u64) -> io::Result<()> {
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        Ok(epoll::add(&self.0, source, EventData::new_u64(key), flags)?)
    }

    /// Tells no more of `source`: needed where another descriptor keeps the same socket open.
    pub fn remove(&self, source: impl AsFd) {
        // What is not there needs no removing.
        let _ = epoll::delete(&self.0, source);
    }

    /// Waits for news, up to `most` (rounded up to milliseconds) or without end.
    ///
    /// # Errors
    /// None that a valid poller can cause.
    pub fn wait(&self, events: &mut Events, most: Option<Duration>) -> io::Result<()> {
        events.0.clear();
        let most = most.map(|most| Timespec::try_from(most).unwrap_or(A_LONG_TIME));
        match epoll::wait(&self.0, spare_capacity(&mut events.0), most.as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// What a timeout that no clock can hold is cut to: a day, within what every kernel takes.
const A_LONG_TIME: Timespec = Timespec { tv_sec: 86_400, tv_nsec: 0 };

/// Wakes a [`Poller`] from another thread.
#[derive(Debug)]
pub struct Alarm(OwnedFd);

impl Alarm {
    /// # Errors
    /// Out of descriptors.
    pub fn new() -> io::Result<Self> {
        Ok(Self(eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?))
    }

    /// Makes the poller that has it come back.
    pub fn ring(&self) {
        // Refused only while 2⁶⁴-2 rings are unheard.
        let _ = rustix::io::write(&self.0, &1u64.to_ne_bytes());
    }

    /// Takes all rings so far.
    pub fn silence(&self) {
        // Refused only when nobody rang.
        let _ = rustix::io::read(&self.0, &mut [0u8; 8]);
    }
}

impl AsFd for Alarm {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};

    use super::*;

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (client, listener.accept().unwrap().0)
    }

    fn next(poller: &Poller) -> Vec<News> {
        let mut events = Events::default();
        poller.wait(&mut events, Some(Duration::from_secs(5))).unwrap();
        events.iter().collect()
    }

    #[test]
    fn news_comes_once_for_each_change() {
        let (mut client, server) = pair();
        let poller = Poller::new().unwrap();
        poller.add(&server, 7).unwrap();
        assert_eq!(next(&poller), [News { key: 7, readable: false, writable: true, ended: false }]);
        client.write_all(b"x").unwrap();
        assert_eq!(next(&poller), [News { key: 7, readable: true, writable: true, ended: false }]);
        let mut events = Events::default();
        poller.wait(&mut events, Some(Duration::ZERO)).unwrap();
        assert_eq!(events.iter().count(), 0, "an edge is told once");
        drop(client);
        assert!(next(&poller).iter().all(|news| news.readable && news.ended));
    }

    #[test]
    fn a_removed_socket_is_silent_although_another_descriptor_keeps_it_open() {
        let (mut client, server) = pair();
        let copy = server.try_clone().unwrap();
        let poller = Poller::new().unwrap();
        poller.add(&server, 1).unwrap();
        next(&poller);
        poller.remove(&server);
        drop(server);
        client.write_all(b"x").unwrap();
        let mut events = Events::default();
        poller.wait(&mut events, Some(Duration::ZERO)).unwrap();
        assert_eq!(events.iter().count(), 0);
        drop(copy);
    }

    #[test]
    fn an_alarm_ends_a_wait_that_would_not_end() {
        let poller = Poller::new().unwrap();
        let alarm = std::sync::Arc::new(Alarm::new().unwrap());
        poller.add(&*alarm, 9).unwrap();
        next(&poller);
        let other = std::sync::Arc::clone(&alarm);
        let ringer = std::thread::spawn(move || other.ring());
        let mut events = Events::default();
        poller.wait(&mut events, None).unwrap();
        assert!(events.iter().any(|news| news.key == 9 && news.readable));
        alarm.silence();
        ringer.join().unwrap();
    }
}
