//! The side of the process that serves: starts its heir, passes everything on, and serves on if that fails.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use haechi_admin::Problem;
use haechi_admin::api::Upgraded;
use haechi_ha::Legacy;
use haechi_proxy::LentSockets;
use haechi_telemetry::event;

use super::starter::Heired;
use super::{AT_ONCE, Estate, FORMAT, Line, Offer, Word, is_gone};
use crate::control::{Control, lock};

const VERSION: &str = env!("CARGO_PKG_VERSION");

impl Control {
    /// Lets the program that stands in this one's place take over, if it gets ready within this time.
    ///
    /// # Errors
    /// Why it did not; this process serves on as if nothing had happened.
    pub(crate) async fn upgrade(self: &Arc<Self>, within: Duration) -> Result<Upgraded, Problem> {
        let _turn = self.changing.lock().await;
        let ours = haechi_sys::limits::process_id();
        let outcome = self.try_upgrade(within).await;
        let text = match &outcome {
            Ok(upgraded) => {
                self.doors.leave();
                self.passed_on.send_replace(Some(upgraded.pid));
                format!("process {}, haechi {}, serves from now on", upgraded.pid, upgraded.to_version)
            }
            Err(reason) => format!("process {ours} serves on: {reason}"),
        };
        self.events.add(event::UPGRADE, "node", text.clone());
        outcome.map_err(|_| Problem::Conflict(text))
    }

    async fn try_upgrade(self: &Arc<Self>, within: Duration) -> Result<Upgraded, String> {
        if self.passed_on.borrow().is_some() {
            return Err("it has passed everything on already and only lets what is open end".to_owned());
        }
        if haechi_sys::limits::process_id() == 1 {
            return Err("it is the first process of a container, which ends with it: start a new container"
                .to_owned());
        }
        let place = self.starter.place();
        let cant = |error: io::Error| format!("can't start {place}: {error}");
        let (ours, theirs) = UnixStream::pair().map_err(cant)?;
        let mut heir = self.starter.start(theirs.into()).await.map_err(cant)?;
        let line = Line(Arc::new(ours));
        let outcome = self.pass_on(&line, &mut heir, within).await;
        if outcome.is_err() {
            // Before this end of the line goes: the heir must not take that for a death.
            heir.end().await;
            lock(&self.virtual_routers).keep_on();
            self.proxy.keep_flows();
        } else {
            lock(&self.virtual_routers).passed_on();
        }
        outcome.map_err(|reason| format!("{place} did not take over: {reason}"))
    }

    async fn pass_on(
        self: &Arc<Self>,
        line: &Line,
        heir: &mut Heired,
        within: Duration,
    ) -> Result<Upgraded, String> {
        let pid = heir.pid();
        let claimed = self.proxy.claimed();
        let heard = match self.offer(line, claimed.clone()) {
            Ok(()) => line.hear(within).await,
            Err(error) => Err(error),
        };
        let version = match heard {
            Ok((Word::Ready { version }, _)) => version,
            Ok((Word::Refused { text }, _)) => return Err(text),
            Ok((Word::Serving, _)) => return Err("it skipped a step".to_owned()),
            Err(error) => return Err(silence(heir, &error, within).await),
        };
        let routers = self.routers().await?;
        let estate = Estate::of(self, routers, self.proxy.lend_flows().await);
        if self.proxy.claimed() != claimed {
            return Err("a virtual router moved meanwhile: try again".to_owned());
        }
        let sent = line.send(&estate.descriptors(), &estate);
        drop(estate);
        let heard = match sent {
            Ok(()) => line.hear(AT_ONCE).await,
            Err(error) => Err(error),
        };
        match heard {
            Ok((Word::Serving, _)) => {
                Ok(Upgraded { from_version: VERSION.to_owned(), to_version: version, pid })
            }
            Ok((Word::Refused { text }, _)) => Err(text),
            Ok((Word::Ready { .. }, _)) => Err("it got ready twice".to_owned()),
            Err(error) => Err(silence(heir, &error, AT_ONCE).await),
        }
    }

    /// The virtual routers, which only advertise from then on; none if there are none.
    async fn routers(&self) -> Result<Option<Legacy>, String> {
        let Some(answer) = lock(&self.virtual_routers).pass_on() else { return Ok(None) };
        let waited = tokio::task::spawn_blocking(move || answer.recv_timeout(AT_ONCE)).await;
        match waited {
            Ok(Ok(legacy)) => legacy.map(Some),
            _ => Err("the thread of virtual routers does not answer".to_owned()),
        }
    }

    fn offer(&self, line: &Line, claimed: Vec<IpAddr>) -> io::Result<()> {
        let lent = self.proxy.lend()?;
        let doors = &self.doors.lent;
        let offer = Offer {
            format: FORMAT,
            version: VERSION.to_owned(),
            api: doors.tcp.as_ref().map(|(address, _)| *address),
            sockets: counted(&lent.streams),
            datagrams: counted(&lent.datagrams),
            claimed,
        };
        let tcp = doors.tcp.as_ref().map(|(_, socket)| socket);
        let all: Vec<BorrowedFd<'_>> = ([&doors.unix].into_iter().chain(tcp))
            .chain(lent.streams.iter().chain(&lent.datagrams).flat_map(|(_, sockets)| sockets))
            .map(AsFd::as_fd)
            .collect();
        line.send(&all, &offer)
    }
}

fn counted(lent: &LentSockets) -> Vec<(SocketAddr, usize)> {
    lent.iter().map(|(address, sockets)| (*address, sockets.len())).collect()
}

/// Why nothing came.
async fn silence(heir: &mut Heired, error: &io::Error, within: Duration) -> String {
    if error.kind() == io::ErrorKind::TimedOut {
        return format!("it was not ready within {within:?}");
    }
    if !is_gone(error) {
        return format!("it can't be understood: {error}");
    }
    match heir.ends(AT_ONCE).await {
        Some(status) => format!("it ended with {status} before it was ready; its log says why"),
        None => "it hung up before it was ready".to_owned(),
    }
}
