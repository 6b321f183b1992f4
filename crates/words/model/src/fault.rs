//! Why a request did not get an endpoint's answer, and whose fault that was.

use serde::Serialize;

/// Whose fault a failure is. Operators page the owner of that side first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Side {
    /// The one who asked.
    Client,
    /// The one who should have answered.
    Endpoint,
    /// haechi or its config.
    Us,
}

macro_rules! faults {
    ($( $(#[$doc:meta])* $kind:ident: $side:ident, $status:literal, $name:literal, $text:literal; )*) => {
        /// One reason for each answer that haechi gives in an endpoint's place.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Fault {
            $( $(#[$doc])* $kind, )*
        }

        impl Fault {
            /// All of them, for tables and metrics.
            pub const ALL: &'static [Self] = &[$( Self::$kind, )*];

            /// Whose fault it is.
            pub const fn side(self) -> Side {
                match self { $( Self::$kind => Side::$side, )* }
            }

            /// The status that a client is told.
            pub const fn status(self) -> u16 {
                match self { $( Self::$kind => $status, )* }
            }

            /// Short stable name for metrics, logs and the `haechi-fault` response header.
            pub const fn name(self) -> &'static str {
                match self { $( Self::$kind => $name, )* }
            }

            /// What a client may read: no address, no name of an endpoint.
            pub const fn text(self) -> &'static str {
                match self { $( Self::$kind => $text, )* }
            }
        }
    };
}

faults! {
    /// The head breaks RFC 9112; the log line says which rule.
    BadRequest: Client, 400, "badRequest", "the request is malformed";
    /// The body's framing breaks RFC 9112.
    BadRequestBody: Client, 400, "badRequestBody", "the request body is malformed";
    /// Head not complete in time.
    HeaderTimeout: Client, 408, "headerTimeout", "the request head did not arrive in time";
    /// Body not complete in time.
    BodyTimeout: Client, 408, "bodyTimeout", "the request body did not arrive in time";
    /// Request line over its limit.
    UriTooLong: Client, 414, "uriTooLong", "the request line is too long";
    /// An expectation other than `100-continue`.
    ExpectationFailed: Client, 417, "expectationFailed", "the expectation can't be met";
    /// Head over its limit of bytes or fields.
    HeadTooLarge: Client, 431, "headTooLarge", "the request head is too large";
    /// A method that a proxy must not take part in (CONNECT, TRACE).
    MethodRefused: Client, 405, "methodRefused", "this method is not served here";
    /// A tunnel to another protocol than WebSocket (RFC 8441).
    ProtocolUnknown: Client, 501, "protocolUnknown", "no tunnel to this protocol is made here";
    /// A transfer coding other than `chunked`.
    CodingUnknown: Client, 501, "codingUnknown", "this transfer coding is not implemented";
    /// Neither HTTP/1.0 nor HTTP/1.1.
    VersionUnknown: Client, 505, "versionUnknown", "this HTTP version is not supported";
    /// What should say in front of a connection whose it is does not.
    BadPreface: Client, 400, "badPreface", "the PROXY protocol's preface is missing or malformed";
    /// Only who speaks the PROXY protocol may connect here.
    NotAProxy: Client, 403, "notAProxy", "only known proxies may connect here";
    /// A route does not serve this client's address.
    AddressRefused: Client, 403, "addressRefused", "this client's address is not served here";
    /// A route wants a login, and the request has none that is right.
    Unauthenticated: Client, 401, "unauthenticated", "a valid login is needed";
    /// A client asks more often than its route allows.
    RateLimited: Client, 429, "rateLimited", "too many requests from this client";
    /// A client has as many connections as its listener allows. It is reset without an answer.
    TooManyConnections: Client, 429, "tooManyConnections", "too many connections of this client";
    /// A client has as many requests that run as its route allows.
    TooManyAtOnce: Client, 429, "tooManyAtOnce", "too many requests of this client at a time";
    /// The body is over the limit of its route.
    BodyTooLarge: Client, 413, "bodyTooLarge", "the request body is too large";
    /// The client went away before its answer was there.
    ClientGone: Client, 499, "clientGone", "the client closed the connection";
    /// No route takes this request.
    NoRoute: Us, 404, "noRoute", "no route matches this request";
    /// Every endpoint is unhealthy, ejected, draining or of weight 0.
    NoEndpoint: Us, 503, "noEndpoint", "no endpoint can serve this request";
    /// The queue of the pool was full.
    QueueFull: Us, 503, "queueFull", "too many requests are waiting";
    /// Waited as long as the queue allows.
    QueueTimeout: Us, 503, "queueTimeout", "no endpoint became free in time";
    /// Logins come faster than they can be looked at.
    LoginsBusy: Us, 503, "loginsBusy", "too many logins are being checked";
    /// Near the most memory that this process may take.
    Overloaded: Us, 503, "overloaded", "the load balancer has no memory to spare";
    /// Out of file descriptors or ports, or the like.
    Exhausted: Us, 503, "exhausted", "the load balancer is out of resources";
    /// Who should say whether the request may go on did not.
    AuthFailed: Endpoint, 503, "authFailed", "nobody could check whether this request is allowed";
    /// Connection refused or unreachable.
    ConnectFailed: Endpoint, 502, "connectFailed", "the endpoint can't be reached";
    /// The endpoint can't prove that it is who it should be.
    Untrusted: Endpoint, 502, "untrusted", "the endpoint's certificate is not trusted";
    /// The endpoint does not speak TLS, or refuses ours.
    TlsFailed: Endpoint, 502, "tlsFailed", "no secure connection to the endpoint";
    /// No connection in time.
    ConnectTimeout: Endpoint, 504, "connectTimeout", "the endpoint did not accept in time";
    /// The connection broke before a response head.
    Reset: Endpoint, 502, "reset", "the endpoint closed the connection";
    /// No response head in time, or a pause too long in a body.
    ResponseTimeout: Endpoint, 504, "responseTimeout", "the endpoint did not answer in time";
    /// The endpoint did not take the request in time.
    SendTimeout: Endpoint, 504, "sendTimeout", "the endpoint did not read the request in time";
    /// What came is not an HTTP/1 response, or its framing is ambiguous.
    BadResponse: Endpoint, 502, "badResponse", "the endpoint's response is malformed";
    /// The response's body is over the limit of its route. One that has begun is cut off.
    ResponseTooLarge: Endpoint, 502, "responseTooLarge", "the endpoint's response is too large";
    /// The body ended before its announced end; the client's connection is closed so that it notices.
    Truncated: Endpoint, 502, "truncated", "the endpoint's response ended early";
}
