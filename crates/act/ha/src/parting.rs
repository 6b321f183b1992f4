//! The last moments of a hand-over: this node answers for the addresses until its successor does.
//!
//! A successor says that it takes over before it has the addresses, because it first lays its way to the open flows
//! here. If this node were quiet from that word on, nobody would answer ARP meanwhile, and a neighbour that asks then
//! asks again after a second only. So it listens for the announcement of the successor, and asks the network for the
//! addresses itself, in case the announcement was lost: with the first answer of another node it is quiet.
//!
//! Only where the successor follows the word of this node: a node that comes from elsewhere (after a partition, say)
//! may have the addresses already, and then two must not answer while they find out.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use haechi_model::{InterfaceName, Moment};
use haechi_sys::Mac;
use haechi_sys::neighbour::Question;

/// From one question to the next: both answer for no longer, and a round trip, if every announcement is lost.
const ASK: Duration = Duration::from_millis(10);

/// Then it is quiet in any case. A successor waits for its way a second at most; one that answers no question and
/// announces nothing has no use for addresses, but it has the say.
const LONGEST: Duration = Duration::from_millis(1200);

/// Addresses that were handed over and are still answered for.
pub(crate) struct Parting {
    question: Question,
    ask_at: Moment,
    until: Moment,
}

impl Parting {
    /// Begins to listen. `address` is the one that a successor takes last; `source` an address of this node, which
    /// IPv6 needs to ask.
    ///
    /// # Errors
    /// The system refuses to hear frames (`CAP_NET_RAW`), or there is nobody to ask as.
    pub(crate) fn begin(
        now: Moment,
        interface: &InterfaceName,
        mac: Mac,
        source: Option<IpAddr>,
        address: IpAddr,
    ) -> io::Result<Self> {
        let question = Question::open(interface, mac, source.filter(|_| address.is_ipv6()), address)?;
        Ok(Self { question, ask_at: now, until: now + LONGEST })
    }

    pub(crate) fn deadline(&self) -> Moment {
        self.ask_at.min(self.until)
    }

    /// Whether another node answers now, or it was waited for long enough. Asks when it is time.
    pub(crate) fn is_over(&mut self, now: Moment) -> bool {
        // A network that is not heard any more has no other node.
        if self.until <= now || self.question.next_answer().map_or(true, |answer| answer.is_some()) {
            return true;
        }
        if self.ask_at <= now {
            self.ask_at = now + ASK;
            // A queue that is full now is not in ten milliseconds.
            let _ = self.question.ask();
        }
        false
    }
}

impl AsFd for Parting {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.question.as_fd()
    }
}
