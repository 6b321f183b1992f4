//! What a route does to its requests and to their answers, besides choosing a pool.

use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use crate::{ExternalAuth, Network};

use crate::RouteCompression;

/// The filters of a route, named as Gateway API names them where it has them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Filters {
    /// Which clients are served.
    pub addresses: Addresses,
    /// How often each client may ask.
    pub rate: Option<Rate>,
    /// Most requests of one client that run at a time.
    pub max_concurrent: Option<NonZeroU32>,
    /// Who may come in.
    pub basic_auth: Option<BasicAuth>,
    /// Longest body of a request, in bytes; none for any.
    pub max_request_body: Option<u64>,
    /// Longest body of an endpoint's answer, in bytes; none for any.
    pub max_response_body: Option<u64>,
    /// Which scripts of other sites may read answers.
    pub cors: Option<Cors>,
    /// Who else is asked whether requests may go on.
    pub auth: Option<ExternalAuth>,
    /// What changes in the fields of a request.
    pub request_headers: HeaderEdits,
    /// What changes in the fields of an endpoint's answer.
    pub response_headers: HeaderEdits,
    /// What changes in a request's host and path.
    pub rewrite: Rewrite,
    /// Requests are sent elsewhere by an answer at once, and reach no pool.
    pub redirect: Option<Redirect>,
    /// How its answers' bodies are made smaller.
    pub compression: RouteCompression,
}

/// Which clients are served, by their address.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Addresses {
    /// Only these; all if empty.
    pub allow: Vec<Network>,
    /// Never these, whatever `allow` says.
    pub deny: Vec<Network>,
}

/// Which scripts of other sites may read answers (the Fetch standard's CORS protocol).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cors {
    /// Whose scripts.
    pub origins: Vec<OriginMatch>,
    /// What they may ask with.
    pub methods: Vec<Box<str>>,
    /// Names of fields that they may send.
    pub headers: Vec<Box<str>>,
    /// Names of fields of answers that they may read.
    pub expose: Vec<Box<str>>,
    /// Whether cookies go with their requests; never with [`OriginMatch::Any`].
    pub credentials: bool,
    /// How long a browser may remember it; whole seconds.
    pub max_age: Duration,
}

/// Where a script comes from: scheme, host, and port if it is not the scheme's own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OriginMatch {
    /// From anywhere.
    Any,
    /// From here, as browsers write it.
    Exact(Box<str>),
    /// From any host below this one, which may have a port.
    Within {
        /// With this scheme.
        scheme: Scheme,
        /// `example.com` stands for `*.example.com`, any number of labels.
        parent: Box<str>,
    },
}

/// Who may come in, by user and password (RFC 7617).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BasicAuth {
    /// Their file, as `htpasswd` writes it. A relative one starts at the config's folder.
    pub file: Box<str>,
    /// What browsers show when they ask: printable ASCII, without `"` and `\\`.
    pub realm: Box<str>,
    /// Whether endpoints see the `Authorization` field.
    pub passes_on: bool,
}

/// How often one client may ask.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rate {
    /// So many requests …
    pub requests: NonZeroU32,
    /// … in so much time.
    pub per: Duration,
    /// Most of them at once, after a pause.
    pub burst: NonZeroU32,
}

/// Edits of header fields. Names are in lower case, and none says how a message is framed or is for one connection
/// only.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct HeaderEdits {
    /// In place of all fields of these names.
    pub set: Vec<HeaderLine>,
    /// Beside those that are there.
    pub add: Vec<HeaderLine>,
    /// Taken out.
    pub remove: Vec<Box<str>>,
}

/// A field to write.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HeaderLine {
    /// In lower case.
    pub name: Box<str>,
    /// Without control characters, and without white space at its ends.
    pub value: Box<str>,
}

/// What stands in a request for what the client sent.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Rewrite {
    /// The host, without a port.
    pub host: Option<Box<str>>,
    /// The path.
    pub path: Option<PathRewrite>,
}

/// What stands for a path. The query stays as it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PathRewrite {
    /// This stands for the whole path.
    Full(Box<str>),
    /// This stands for the prefix by which the route matched; `/` takes it off.
    Prefix(Box<str>),
}

/// Where a client is sent. What is not said here is as in the request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Redirect {
    /// `http` or `https`.
    pub scheme: Option<Scheme>,
    /// The host, without a port.
    pub host: Option<Box<str>>,
    /// With a new scheme and no port, the scheme's own.
    pub port: Option<NonZeroU16>,
    /// The path.
    pub path: Option<PathRewrite>,
    /// 301, 302, 303, 307 or 308.
    pub status: u16,
}

/// How HTTP is carried, as a URL says it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scheme {
    /// In the clear.
    Http,
    /// Over TLS.
    Https,
}

impl Scheme {
    /// As in a URL.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port that a URL need not say (RFC 9110 §4.2).
    pub const fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl HeaderEdits {
    /// Whether nothing changes.
    pub const fn is_empty(&self) -> bool {
        self.set.is_empty() && self.add.is_empty() && self.remove.is_empty()
    }
}
