//! TCP segments without data as Ethernet frames (RFC 9293, RFC 791, RFC 8200), written and read.

use std::net::{IpAddr, SocketAddr};

use socket2::SockFilter;

use crate::mac::Mac;
use crate::packet::{IPV4, IPV6, checksum};

pub(super) const SYN: u8 = 0x02;
pub(super) const RST: u8 = 0x04;
pub(super) const ACK: u8 = 0x10;

const ETHERNET: usize = 14;
const TCP: u8 = 6;
/// Bytes of a TCP header without options.
const TCP_HEADER: u16 = 20;
const IPV4_HEADER: usize = 20;
const IPV6_HEADER: usize = 40;
/// As kernels send it; it also says how many nodes may pass it on.
const HOPS: u8 = 64;

/// Between whom.
pub(super) struct Ends {
    pub(super) own: Mac,
    pub(super) other: Mac,
    pub(super) source: SocketAddr,
    pub(super) target: SocketAddr,
}

/// What somebody answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Said {
    pub(super) from: Mac,
    /// Of ours.
    pub(super) port: u16,
    pub(super) acknowledged: u32,
    pub(super) flags: u8,
}

/// One segment from `source` to `target`.
pub(super) fn segment(ends: &Ends, flags: u8, number: u32) -> Vec<u8> {
    let mut tcp = Vec::with_capacity(TCP_HEADER.into());
    tcp.extend(ends.source.port().to_be_bytes());
    tcp.extend(ends.target.port().to_be_bytes());
    tcp.extend(number.to_be_bytes());
    // Nothing acknowledged; five words of header; the largest window without scaling.
    tcp.extend([0, 0, 0, 0, 5 << 4, flags, 0xff, 0xff, 0, 0, 0, 0]);
    let sum = checksum(&[&pseudo_header(ends.source.ip(), ends.target.ip()), &tcp]);
    tcp[16..18].copy_from_slice(&sum.to_be_bytes());

    let mut frame = Vec::with_capacity(ETHERNET + IPV6_HEADER + tcp.len());
    frame.extend(ends.other.octets());
    frame.extend(ends.own.octets());
    match (ends.source.ip(), ends.target.ip()) {
        (IpAddr::V4(source), IpAddr::V4(target)) => {
            frame.extend(IPV4.to_be_bytes());
            // Version 4 with five words, 40 bytes in all, not to be cut in pieces.
            let mut header = [0x45, 0, 0, 40, 0, 0, 0x40, 0, HOPS, TCP, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            header[12..16].copy_from_slice(&source.octets());
            header[16..].copy_from_slice(&target.octets());
            let sum = checksum(&[&header]);
            header[10..12].copy_from_slice(&sum.to_be_bytes());
            frame.extend(header);
        }
        (source, target) => {
            frame.extend(IPV6.to_be_bytes());
            frame.extend([0x60, 0, 0, 0, 0, 20, TCP, HOPS]);
            frame.extend(octets(source));
            frame.extend(octets(target));
        }
    }
    frame.extend(tcp);
    frame
}

fn pseudo_header(source: IpAddr, target: IpAddr) -> Vec<u8> {
    let mut all = octets(source);
    all.extend(octets(target));
    all.extend([0, TCP]);
    all.extend(TCP_HEADER.to_be_bytes());
    all
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// What a frame says, if it comes from `target` and goes to `source`. Checksums are not looked at: within a host they
/// are often left to a card that there is not.
pub(super) fn read(frame: &[u8], target: SocketAddr, source: IpAddr) -> Option<Said> {
    let from = Mac::read(frame.get(6..)?)?;
    let inside = frame.get(ETHERNET..)?;
    let (kind, header, own, other) = match target.ip() {
        IpAddr::V4(_) => {
            let length = usize::from(inside.first()? & 0x0f) * 4;
            (inside.get(9)?, length.max(IPV4_HEADER), inside.get(16..20)?, inside.get(12..16)?)
        }
        IpAddr::V6(_) => (inside.get(6)?, IPV6_HEADER, inside.get(24..40)?, inside.get(8..24)?),
    };
    let tcp: &[u8; 20] = inside.get(header..)?.first_chunk()?;
    let ours = *kind == TCP
        && own == octets(source)
        && other == octets(target.ip())
        && tcp[..2] == target.port().to_be_bytes();
    ours.then(|| Said {
        from,
        port: u16::from_be_bytes([tcp[2], tcp[3]]),
        acknowledged: u32::from_be_bytes([tcp[8], tcp[9], tcp[10], tcp[11]]),
        flags: tcp[13],
    })
}

/// Steps of a filter: load a byte (`BPF_LD | BPF_B | BPF_ABS`), or four; compare (`BPF_JMP | BPF_JEQ`); end.
const BYTE: u16 = 0x30;
const WORD: u16 = 0x20;
const EQUAL: u16 = 0x15;
const END: u16 = 0x06;

/// For the kernel: only TCP from this address. Anything else would fill the queue of a busy host.
pub(super) fn filter(target: SocketAddr) -> Vec<SockFilter> {
    let (kind_at, from_at) = if target.is_ipv4() { (23, 26) } else { (20, 22) };
    let mut checks = vec![(BYTE, kind_at, u32::from(TCP))];
    for (number, word) in octets(target.ip()).chunks_exact(4).enumerate() {
        let at = from_at + 4 * u32::try_from(number).unwrap_or_default();
        checks.push((WORD, at, u32::from_be_bytes([word[0], word[1], word[2], word[3]])));
    }
    let count = checks.len();
    let mut program = Vec::new();
    for (number, (load, at, wanted)) in checks.into_iter().enumerate() {
        // Past the checks that are left, and the end that takes the frame.
        let away = u8::try_from(2 * (count - number - 1) + 1).unwrap_or_default();
        program.push(SockFilter::new(load, 0, 0, at));
        program.push(SockFilter::new(EQUAL, 0, away, wanted));
    }
    program.push(SockFilter::new(END, 0, 0, u32::MAX));
    program.push(SockFilter::new(END, 0, 0, 0));
    program
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Mac = Mac::new([2, 0, 0, 0, 0, 1]);
    const OTHER: Mac = Mac::new([2, 0, 0, 0, 0, 2]);

    fn ends(source: &str, target: &str) -> Ends {
        Ends { own: OWN, other: OTHER, source: source.parse().unwrap(), target: target.parse().unwrap() }
    }

    #[test]
    fn checksums_sum_up_to_nothing_and_what_is_written_is_read() {
        for (source, target) in [("10.0.0.1:61000", "10.0.0.100:80"), ("[fd00::1]:61000", "[fd00::100]:80")] {
            let there = ends(source, target);
            let frame = segment(&there, SYN, 7);
            let header = if there.source.is_ipv4() { IPV4_HEADER } else { IPV6_HEADER };
            if there.source.is_ipv4() {
                assert_eq!(checksum(&[&frame[ETHERNET..][..IPV4_HEADER]]), 0);
            }
            let pseudo = pseudo_header(there.source.ip(), there.target.ip());
            assert_eq!(checksum(&[&pseudo, &frame[ETHERNET + header..]]), 0, "{target}");
            // The other side's answer has the same form.
            let back = Ends { own: OTHER, other: OWN, source: there.target, target: there.source };
            let answer = segment(&back, SYN | ACK, 9);
            let said = read(&answer, there.target, there.source.ip());
            assert_eq!(said, Some(Said { from: OTHER, port: 61000, acknowledged: 0, flags: SYN | ACK }));
            assert_eq!(read(&frame, there.target, there.source.ip()), None, "our own");
            for cut in 0..answer.len() {
                let said = read(&answer[..cut], there.target, there.source.ip());
                assert_eq!(said, None, "cut at {cut}");
            }
        }
    }

    #[test]
    fn a_filter_has_two_steps_for_each_check_and_two_ends() {
        assert_eq!(filter("10.0.0.100:80".parse().unwrap()).len(), 6);
        assert_eq!(filter("[fd00::100]:80".parse().unwrap()).len(), 12);
    }
}
