//! What a wire carries, as tcpdump reads it: a judge who is neither haechi nor its peer.

use std::io::{BufRead, BufReader};
use std::net::IpAddr;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::{Network, eventually};

/// One advertisement on the wire.
#[derive(Clone, PartialEq, Debug)]
pub struct Frame {
    /// When it passed, since 1970.
    pub at: Duration,
    /// Who sent it, as the IP header says.
    pub source: IpAddr,
    /// Where to.
    pub destination: IpAddr,
    /// What it says.
    pub priority: u8,
    /// As tcpdump tells it.
    pub text: String,
}

/// Listens until it is dropped.
#[derive(Debug)]
pub struct Capture {
    tcpdump: Child,
    text: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Capture {
    /// On the switch's end of a host's cable, so that unicast is seen too. Returns when it listens.
    ///
    /// # Panics
    /// When there is no tcpdump.
    pub fn start(network: &Network, host: &str) -> Self {
        let mut tcpdump: Command = network.switch().command("tcpdump");
        tcpdump.args(["-l", "-n", "-tt", "-v", "-i", &format!("to-{host}"), "ip proto 112 or ip6 proto 112"]);
        tcpdump.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut tcpdump = tcpdump.spawn().expect("this needs tcpdump (Debian: tcpdump)");
        let mut said = BufReader::new(tcpdump.stderr.take().unwrap()).lines().map_while(Result::ok);
        assert!(said.any(|line| line.contains("listening on")), "tcpdump does not listen");
        let out = BufReader::new(tcpdump.stdout.take().unwrap());
        let text = Arc::<Mutex<String>>::default();
        let notes = Arc::clone(&text);
        let reader = std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                let mut notes = notes.lock().unwrap();
                // What belongs to the line before is indented.
                notes.push_str(if line.starts_with(' ') { "" } else { "\n" });
                notes.push_str(&line);
            }
        });
        Self { tcpdump, text, reader: Some(reader) }
    }

    /// The advertisements of one host so far, but for the last of all, which may not be whole yet.
    ///
    /// # Panics
    /// When tcpdump speaks in another way than is known here.
    pub fn of(&self, source: &str) -> Vec<Frame> {
        let (text, source) = (self.text.lock().unwrap().clone(), source.parse::<IpAddr>().unwrap());
        let (whole, _) = text.rsplit_once('\n').unwrap_or_default();
        let frames = whole.lines().filter(|line| line.contains("VRRPv3"));
        frames.map(|line| frame(line).expect(line)).filter(|frame| frame.source == source).collect()
    }

    /// Waits for so many more of a host, and gives these.
    #[track_caller]
    pub fn more_of(&self, source: &str, count: usize) -> Vec<Frame> {
        let before = self.of(source).len();
        eventually(Duration::from_secs(30), &format!("{count} advertisements of {source}"), || {
            self.of(source).len() >= before + count
        });
        self.of(source).split_off(before)
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        let _ = self.tcpdump.kill();
        let _ = self.tcpdump.wait();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

/// `1700000000.123456 IP (…) 10.0.0.1 > 224.0.0.18: … VRRPv3, Advertisement, vrid 51, prio 150, intvl 10cs, …`
fn frame(line: &str) -> Option<Frame> {
    let mut words = line.split_whitespace();
    let at = Duration::try_from_secs_f64(words.next()?.parse().ok()?).ok()?;
    let arrow = line.find(" > ")?;
    let source = line.get(..arrow)?.split_whitespace().next_back()?.parse().ok()?;
    let destination = line.get(arrow + 3..)?.split_whitespace().next()?.trim_end_matches(':').parse().ok()?;
    let priority =
        line.split_once(", prio ")?.1.split(',').next()?.split_whitespace().next()?.parse().ok()?;
    Some(Frame { at, source, destination, priority, text: line.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_families_are_read() {
        let four = "1700000000.250000 IP (tos 0xc0, ttl 255, id 1, offset 0, flags [none], proto VRRP (112), length 32) \
                    10.0.0.1 > 224.0.0.18: vrrp 10.0.0.1 > 224.0.0.18: VRRPv3, Advertisement, vrid 51, prio 150, intvl 10cs, length 12, addrs: 10.0.0.100";
        let found = frame(four).unwrap();
        assert_eq!((found.at.as_millis(), found.priority), (1_700_000_000_250, 150));
        assert_eq!(
            (found.source, found.destination),
            ("10.0.0.1".parse().unwrap(), "224.0.0.18".parse().unwrap())
        );
        let six = "1.5 IP6 (hlim 255, next-header VRRP (112) payload length: 40) fe80::1 > ff02::12: ip-proto-112: VRRPv3, Advertisement, vrid 51, prio 0, intvl 10cs, length 40, addrs(2): fe80::100,fd00::100";
        assert_eq!(frame(six).unwrap().destination, "ff02::12".parse::<IpAddr>().unwrap());
        assert_eq!(frame("1.5 ARP, Request who-has 10.0.0.1"), None);
    }
}
