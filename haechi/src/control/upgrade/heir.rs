//! The side of the process that takes over.

use std::env;
use std::fs::File;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use haechi_admin::LentDoors;
use haechi_proxy::Lent;
use haechi_sys::{clock, handoff};
use serde::Deserialize;

use super::{AT_ONCE, Estate, FORMAT, HEIR_OF, LIMITS, Line, Offer, Word, is_gone};
use crate::control::lock;

/// For the other one to pass its state on: it only collects what it has.
const PATIENCE: Duration = Duration::from_secs(30);

/// A process that takes over from the one that started it.
#[derive(Debug)]
pub(crate) struct Heir {
    line: Line,
    /// Whose place it takes.
    of: i32,
    version: String,
    doors: Mutex<Option<LentDoors>>,
    sockets: Mutex<Lent>,
    claimed: Vec<IpAddr>,
}

/// What every offer begins with, whatever follows.
#[derive(Deserialize)]
struct Format {
    format: u32,
    version: String,
}

impl Heir {
    /// Hears the offer of the process that started this one, if it did so for an upgrade. To be asked before
    /// anything looks at the clock.
    ///
    /// # Errors
    /// The offer does not come, or can't be understood. The other process is told, if it is there.
    pub(crate) fn from_environment() -> Result<Option<Self>, String> {
        let Some((process_id, origin)) = env::var(HEIR_OF).ok().and_then(|value| parse(&value)) else {
            return Ok(None);
        };
        let line = match line_to(process_id) {
            Ok(Some(line)) => line,
            // It was meant for another process, and came here with the environment.
            Ok(None) => return Ok(None),
            Err(error) => return Err(format!("can't take over from process {process_id}: {error}")),
        };
        if !clock::continue_from(origin) {
            return Err("it looked at the clock before it knew whose heir it is".to_owned());
        }
        let mut heir = Self {
            line,
            of: process_id,
            version: String::new(),
            doors: Mutex::default(),
            sockets: Mutex::default(),
            claimed: Vec::new(),
        };
        match heir.take_offer() {
            Ok(()) => Ok(Some(heir)),
            Err(error) => {
                let text = format!("can't take what process {process_id} passes: {error}");
                heir.refuse(&text);
                Err(text)
            }
        }
    }

    fn take_offer(&mut self) -> io::Result<()> {
        let handoff = handoff::receive(&self.line.0, LIMITS, AT_ONCE)?;
        let Format { format, version } = serde_json::from_slice(&handoff.blob)?;
        if format != FORMAT {
            return Err(wrong(&format!(
                "haechi {version} passes format {format}, and haechi {} reads {FORMAT}: restart instead",
                env!("CARGO_PKG_VERSION")
            )));
        }
        let offer: Offer = serde_json::from_slice(&handoff.blob)?;
        let (doors, sockets) = take_apart(&offer, handoff.descriptors)?;
        (self.version, self.doors, self.sockets) = (version, Mutex::new(Some(doors)), Mutex::new(sockets));
        self.claimed = offer.claimed;
        Ok(())
    }

    /// Whose place it takes, for people.
    pub(crate) fn whose(&self) -> String {
        format!("process {}, haechi {}", self.of, self.version)
    }

    /// The doors of the API, once.
    pub(crate) fn doors(&self) -> Option<LentDoors> {
        lock(&self.doors).take()
    }

    /// The listening sockets, once.
    pub(in crate::control) fn sockets(&self) -> Lent {
        std::mem::take(&mut *lock(&self.sockets))
    }

    /// Addresses that no kernel moves, and that are this node's.
    pub(in crate::control) fn claimed(&self) -> &[IpAddr] {
        &self.claimed
    }

    /// It could serve at once. Gives what the other process knows; nothing if that one is no more.
    ///
    /// # Errors
    /// The other one hangs, or what it says can't be understood. It still serves.
    pub(in crate::control) async fn ready(&self) -> Result<Option<Estate>, String> {
        let ready = Word::Ready { version: env!("CARGO_PKG_VERSION").to_owned() };
        let heard: io::Result<(Estate, _)> = match self.line.send(&[], &ready) {
            Ok(()) => self.line.hear(PATIENCE).await,
            Err(error) => Err(error),
        };
        match heard {
            Ok((estate, descriptors)) => Ok(Some(estate.with(descriptors))),
            Err(error) if is_gone(&error) => Ok(None),
            Err(error) => Err(format!("{} does not pass its state: {error}", self.whose())),
        }
    }

    /// It serves.
    pub(in crate::control) fn serving(&self) {
        // If the other one is no more, nobody needs to be told.
        let _ = self.line.send(&[], &Word::Serving);
    }

    /// It can't serve. Means nothing once it does.
    pub(crate) fn refuse(&self, text: &str) {
        let _ = self.line.send(&[], &Word::Refused { text: text.to_owned() });
    }
}

fn parse(value: &str) -> Option<(i32, u64)> {
    let (process_id, origin) = value.split_once(':')?;
    Some((process_id.parse().ok()?, origin.parse().ok()?))
}

/// Standard input, if it is a line to this process; from then on standard input is empty.
fn line_to(process_id: i32) -> io::Result<Option<Line>> {
    let stream = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    if !handoff::peer(&stream).is_ok_and(|peer| peer.process_id == process_id) {
        return Ok(None);
    }
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    Ok(Some(Line(Arc::new(stream))))
}

fn take_apart(offer: &Offer, descriptors: Vec<OwnedFd>) -> io::Result<(LentDoors, Lent)> {
    let mut descriptors = descriptors.into_iter();
    let mut next = || descriptors.next().ok_or_else(|| wrong("a socket is missing"));
    let unix = next()?;
    let mut door = |address: SocketAddr| next().map(|socket| (address, socket));
    let tcp = offer.api.map(&mut door).transpose()?;
    let mut all = |(address, count): &(SocketAddr, usize)| {
        let sockets = (0..*count).map(|_| next()).collect::<io::Result<_>>();
        sockets.map(|sockets| (*address, sockets))
    };
    let streams = offer.sockets.iter().map(&mut all).collect::<io::Result<_>>()?;
    let datagrams = offer.datagrams.iter().map(&mut all).collect::<io::Result<_>>()?;
    Ok((LentDoors { unix, tcp }, Lent { streams, datagrams }))
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use haechi_proxy::LentSockets;

    use super::*;

    #[test]
    fn sockets_are_told_apart_by_their_order() {
        let descriptor = || OwnedFd::from(File::open("/dev/null").unwrap());
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let rows = [
            (None, vec![], 1, true),
            (None, vec![], 0, false),
            (Some(address(1)), vec![], 2, true),
            (Some(address(1)), vec![], 1, false),
            (None, vec![(address(80), 2), (address(81), 1)], 4, true),
            (None, vec![(address(80), 2), (address(81), 2)], 4, false),
            (None, vec![(address(80), usize::MAX)], 4, false),
        ];
        let with_udp = rows
            .clone()
            .map(|(api, sockets, count, whole)| (api, sockets, vec![(address(53), 2)], count + 2, whole));
        let without = rows.map(|(api, sockets, count, whole)| (api, sockets, Vec::new(), count, whole));
        for (api, sockets, datagrams, count, whole) in with_udp.into_iter().chain(without) {
            let offer =
                Offer { format: FORMAT, version: "1".into(), api, sockets, datagrams, claimed: Vec::new() };
            let taken = take_apart(&offer, (0..count).map(|_| descriptor()).collect());
            assert_eq!(taken.is_ok(), whole, "{offer:?} with {count}");
            let Ok((doors, sockets)) = taken else { continue };
            assert_eq!(doors.tcp.map(|(address, _)| address), api);
            let found = |lent: &LentSockets| -> Vec<_> {
                lent.iter().map(|(address, all)| (*address, all.len())).collect()
            };
            assert_eq!(
                (found(&sockets.streams), found(&sockets.datagrams)),
                (offer.sockets, offer.datagrams)
            );
        }
    }

    #[test]
    fn an_inheritance_for_another_process_is_none() {
        let rows =
            [("", None), ("1", None), ("1:", None), (":1", None), ("x:1", None), ("7:12", Some((7, 12)))];
        for (value, wanted) in rows {
            assert_eq!(parse(value), wanted, "{value}");
        }
    }
}
