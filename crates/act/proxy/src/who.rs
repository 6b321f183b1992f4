//! Who asks: a client's address, and how endpoints are told.

use std::net::SocketAddr;

use haechi_tls::Identity;

use crate::preface::Origin;

/// A client, as endpoints are told of it.
pub(crate) struct Who {
    pub(crate) peer: SocketAddr,
    pub(crate) origin: Origin,
    /// Whether over TLS.
    pub(crate) secure: bool,
    lines: [u8; LINES],
    len: u8,
    /// The same lines, and those that say what its certificate does. Few clients have one.
    identified: Option<Box<[u8]>>,
}

/// `X-Forwarded-For` with the longest address (45 bytes as text) and `X-Forwarded-Proto` are 90 bytes.
const LINES: usize = 96;

impl Who {
    /// Writes the lines once for all requests of the connection.
    pub(crate) fn new(origin: Origin, over_tls: bool) -> Self {
        let peer = origin.client;
        let mut lines = [0; LINES];
        let mut rest = &mut lines[..];
        // It fits by the constant's doc; if it did not, the lines would be cut at the array's end.
        let _ = std::io::Write::write_fmt(
            &mut rest,
            format_args!(
                "X-Forwarded-For: {}\r\nX-Forwarded-Proto: http{}\r\n",
                peer.ip().to_canonical(),
                if over_tls { "s" } else { "" }
            ),
        );
        let len = u8::try_from(LINES - rest.len()).unwrap_or(0);
        Self { peer, origin, secure: over_tls, lines, len, identified: None }
    }

    /// The port that was asked; 0 if nobody looked.
    pub(crate) fn port(&self) -> u16 {
        self.origin.asked.map_or(0, |asked| asked.port())
    }

    /// Adds what a certificate says of the client, which was verified.
    pub(crate) fn identify(&mut self, certificate: &[u8]) {
        let mut lines = self.forwarding().to_vec();
        // The verifier has read it as well, so that what can't be read is refused there.
        let identity = Identity::read(certificate).ok();
        let (subject, names) = identity.map_or((None, None), |identity| (identity.subject, identity.names));
        let fingerprint = Some(haechi_trust::fingerprint(certificate));
        for (name, value) in [("Subject", subject), ("San", names), ("Fingerprint", fingerprint)] {
            if let Some(value) = value {
                lines.extend_from_slice(format!("X-Client-Cert-{name}: {value}\r\n").as_bytes());
            }
        }
        self.identified = Some(lines.into());
    }

    /// The lines about its certificate alone, for whoever writes the others anew.
    pub(crate) fn identity(&self) -> &[u8] {
        self.identified.as_deref().and_then(|all| all.get(usize::from(self.len)..)).unwrap_or_default()
    }

    /// Whole header lines that go on with every request.
    pub(crate) fn forwarding(&self) -> &[u8] {
        self.identified.as_deref().unwrap_or(&self.lines[..usize::from(self.len)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(peer: &str, over_tls: bool) -> Who {
        Who::new(Origin::of(peer.parse().unwrap()), over_tls)
    }

    #[test]
    fn the_longest_address_fits_and_a_mapped_one_is_plain() {
        let who = new("[2001:db8:1234:5678:9abc:def0:1234:5678]:65535", true);
        let text = std::str::from_utf8(who.forwarding()).unwrap();
        assert_eq!(
            text,
            "X-Forwarded-For: 2001:db8:1234:5678:9abc:def0:1234:5678\r\nX-Forwarded-Proto: https\r\n"
        );
        let mapped = new("[::ffff:192.0.2.1]:1", false);
        assert_eq!(mapped.forwarding(), b"X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: http\r\n");
    }
}
