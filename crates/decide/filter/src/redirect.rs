//! Where a client is sent: always a whole URL, so that no path can be read as another host.

use haechi_model::{Redirect, Scheme};

use crate::Asked;
use crate::path::NewPath;

/// A redirect, ready to be written.
#[derive(Clone, Debug)]
pub(crate) struct Elsewhere {
    scheme: Option<Scheme>,
    host: Option<Box<[u8]>>,
    port: Option<Box<[u8]>>,
    path: Option<NewPath>,
    status: u16,
}

impl Elsewhere {
    pub(crate) fn new(redirect: &Redirect, matched: &str) -> Self {
        Self {
            scheme: redirect.scheme,
            host: redirect.host.as_ref().map(|host| host.as_bytes().into()),
            port: redirect.port.map(|port| format!(":{port}").into_bytes().into()),
            path: redirect.path.as_ref().map(|path| NewPath::new(path, matched)),
            status: redirect.status,
        }
    }

    pub(crate) const fn status(&self) -> u16 {
        self.status
    }

    /// Appends the line with the `Location`.
    pub(crate) fn write(&self, asked: &Asked<'_>, out: &mut Vec<u8>) {
        let scheme = self.scheme.unwrap_or(if asked.over_tls { Scheme::Https } else { Scheme::Http });
        out.extend_from_slice(b"location: ");
        out.extend_from_slice(scheme.name().as_bytes());
        out.extend_from_slice(b"://");
        let (host, port) = split(asked.host);
        out.extend_from_slice(self.host.as_deref().unwrap_or(host));
        out.extend_from_slice(self.port_of(scheme, port));
        match &self.path {
            Some(path) if asked.path != b"*" => path.write(asked.path, out),
            _ if asked.path.starts_with(b"/") => out.extend_from_slice(asked.path),
            _ => out.push(b'/'),
        }
        out.extend_from_slice(asked.query);
        out.extend_from_slice(b"\r\n");
    }

    /// The port with its colon, but for the one that the scheme has anyway.
    fn port_of<'a>(&'a self, scheme: Scheme, asked: &'a [u8]) -> &'a [u8] {
        let port = match (&self.port, self.scheme) {
            (Some(port), _) => port,
            // The port that the client used belongs to the scheme that it used.
            (None, Some(_)) => &b""[..],
            (None, None) => asked,
        };
        let usual: &[u8] = match scheme {
            Scheme::Http => b":80",
            Scheme::Https => b":443",
        };
        if port == usual { b"" } else { port }
    }
}

/// Host and port with its colon. An IPv6 address stands in brackets.
fn split(authority: &[u8]) -> (&[u8], &[u8]) {
    let after = authority.iter().rposition(|byte| *byte == b']').map_or(0, |bracket| bracket + 1);
    let colon = authority[after..].iter().position(|byte| *byte == b':');
    authority.split_at(colon.map_or(authority.len(), |colon| after + colon))
}
