//! What clients have open while an address moves as planned: nothing of it may break.

use std::net::{IpAddr, SocketAddr, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

use haechi_tests::{Namespace, download, speak, stream, upgraded};

use super::VIRTUAL;
use crate::problem::{Outcome, While};

/// Of each kind: downloads, upgraded connections (as WebSockets are), TCP streams.
const EACH: usize = 5;

/// A flow that waits longer hangs. A lost packet is sent again within a second.
const PATIENCE: Duration = Duration::from_secs(5);

/// Open until it is asked what became of them.
#[derive(Debug)]
pub(crate) struct Flows {
    downloads: Vec<JoinHandle<std::io::Result<()>>>,
    streams: Vec<TcpStream>,
}

impl Flows {
    pub(crate) fn open(client: &Namespace) -> Outcome<Self> {
        let ip: IpAddr = VIRTUAL.parse().while_doing(|| VIRTUAL.into())?;
        let (web, echo) = (SocketAddr::new(ip, 80), SocketAddr::new(ip, 7));
        let downloads = (0..EACH).map(|_| client.spawn(move || download(web, PATIENCE))).collect();
        let streams = client.run(|| {
            let upgraded = (0..EACH).map(|_| upgraded(web, PATIENCE));
            upgraded.chain((0..EACH).map(|_| stream(echo, PATIENCE))).collect::<Result<Vec<_>, _>>()
        });
        let mut flows = Self { downloads, streams: streams.while_doing(|| "opening streams".into())? };
        // A stream of a proxy begins with its first byte.
        for stream in &mut flows.streams {
            speak(stream, "before\n").while_doing(|| "a stream".into())?;
        }
        Ok(flows)
    }

    /// What those met that broke, and how many there were.
    pub(crate) fn end(mut self) -> (Vec<String>, usize) {
        let all = self.downloads.len() + self.streams.len();
        let silent = self.streams.iter_mut().filter_map(|stream| {
            let port = stream.local_addr().map_or(0, |own| own.port());
            let error = speak(stream, "after\n").err()?;
            Some(format!("a stream from port {port}: {error}"))
        });
        let mut broken: Vec<String> = silent.collect();
        let ended = self.downloads.into_iter().map(JoinHandle::join);
        broken.extend(ended.filter_map(|ended| match ended {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(format!("a download: {error}")),
            Err(_panic) => Some("a download panicked".to_owned()),
        }));
        (broken, all)
    }
}
