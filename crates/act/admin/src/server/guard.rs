//! What the TCP door lets through.

use std::net::IpAddr;

use axum::Router;
use axum::extract::Request;
use axum::http::header::HOST;
use axum::http::uri::Authority;
use axum::http::{Method, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};

use super::refusal::Refusal;

/// The same routes for readers without credentials.
pub(super) fn read_only(router: Router) -> Router {
    router.layer(from_fn(guard))
}

async fn guard(request: Request, next: Next) -> Response {
    if !is_direct(&request) {
        let text = "the host must be an IP address or `localhost`: a name could have been made to point here by a \
                    web page (DNS rebinding)";
        return Refusal::new(StatusCode::FORBIDDEN, text).into_response();
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let text = "this address only shows; use the Unix socket to change anything (`haechi endpoint …`, `haechi \
                    reload`, or `curl --unix-socket PATH`)";
        return Refusal::new(StatusCode::FORBIDDEN, text).into_response();
    }
    next.run(request).await
}

/// Whether the client asked for an address rather than for a name.
fn is_direct(request: &Request) -> bool {
    // A target in absolute form overrules the field (RFC 9112 section 3.2.2).
    if let Some(authority) = request.uri().authority() {
        return is_address(authority);
    }
    let mut fields = request.headers().get_all(HOST).iter();
    let (Some(field), None) = (fields.next(), fields.next()) else { return false };
    Authority::try_from(field.as_bytes()).is_ok_and(|authority| is_address(&authority))
}

fn is_address(authority: &Authority) -> bool {
    if authority.as_str().contains('@') {
        return false;
    }
    let host = authority.host();
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_localhost_only() {
        let rows = [
            ("127.0.0.1", true),
            ("127.0.0.1:7070", true),
            ("[::1]", true),
            ("[::1]:7070", true),
            ("10.0.0.1:80", true),
            ("localhost", true),
            ("LocalHost:7070", true),
            ("evil.example", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("localhost@evil.example", false),
            ("evil@localhost", false),
            ("2130706433", false),
        ];
        for (host, direct) in rows {
            let request =
                Request::builder().uri("/").header(HOST, host).body(axum::body::Body::empty()).unwrap();
            assert_eq!(is_direct(&request), direct, "{host}");
        }
    }

    #[test]
    fn no_host_or_two_are_refused_and_the_target_overrules() {
        let request = |uri: &str, hosts: &[&str]| {
            let mut builder = Request::builder().uri(uri);
            for host in hosts {
                builder = builder.header(HOST, *host);
            }
            builder.body(axum::body::Body::empty()).unwrap()
        };
        assert!(!is_direct(&request("/", &[])));
        assert!(!is_direct(&request("/", &["127.0.0.1", "127.0.0.1"])));
        assert!(!is_direct(&request("/", &[""])));
        assert!(!is_direct(&request("http://evil.example/", &["127.0.0.1"])));
        assert!(is_direct(&request("http://127.0.0.1/", &["evil.example"])));
    }
}
