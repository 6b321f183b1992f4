//! Values on the command line. What can't be understood is a usage error that says what would do.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use hyper::Uri;
use hyper::header::{HeaderName, HeaderValue};

use crate::cli::{By, EndpointPath, Listen, Url};

/// `:80` for every address, or an address.
pub(crate) fn listen(text: &str) -> Result<Listen, String> {
    if let Some(port) = text.strip_prefix(':').or_else(|| text.strip_prefix("*:")) {
        let port = port.parse().map_err(|_| "the port is not a number from 1 to 65535".to_owned())?;
        let both = [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)];
        return Ok(Listen(both.map(|ip| SocketAddr::new(ip, port)).to_vec()));
    }
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("write `:{text}` for every address of this host"));
    }
    address(text).map(|address| Listen(vec![address]))
}

/// One address to accept on, for what stands on this host only.
pub(crate) fn one_listen(text: &str) -> Result<SocketAddr, String> {
    match listen(text)?.0[..] {
        [address] => Ok(address),
        _ => Err(format!("one address is needed: write `127.0.0.1{text}`")),
    }
}

/// Where requests go.
pub(crate) fn to(text: &str) -> Result<SocketAddr, String> {
    address(text)
}

fn address(text: &str) -> Result<SocketAddr, String> {
    if let Some((_, rest)) = text.split_once("://") {
        return Err(format!("an address has no scheme: write `{}`", rest.trim_end_matches('/')));
    }
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let Some((host, port)) = text.rsplit_once(':') else {
        return Err("the port is missing, as in `127.0.0.1:9001`".to_owned());
    };
    if host.eq_ignore_ascii_case("localhost") {
        let port = port.parse().map_err(|_| "the port is not a number from 1 to 65535".to_owned())?;
        return Ok(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port));
    }
    if host.parse::<IpAddr>().is_ok() || host.contains(':') {
        return Err("not an address with its port, as in `127.0.0.1:9001` or `[::1]:9001`".to_owned());
    }
    Err(format!("names are not resolved: write the IP address (`getent ahosts {host}` lists them)"))
}

/// A time with its unit.
pub(crate) fn time(text: &str) -> Result<Duration, String> {
    let parsed = text.parse::<jiff::SignedDuration>().ok().and_then(|time| Duration::try_from(time).ok());
    // A week: beyond it, timers of the system could overflow, and nobody waits so long for a drain.
    parsed
        .filter(|time| *time <= Duration::from_secs(7 * 86_400))
        .ok_or_else(|| "a time has its unit, as in `500ms`, `60s` or `5m`, and is at most `7d`".to_owned())
}

/// `POOL/ENDPOINT`
pub(crate) fn endpoint(text: &str) -> Result<EndpointPath, String> {
    match text.split_once('/') {
        Some((pool, endpoint)) if !pool.is_empty() && !endpoint.is_empty() => {
            Ok(EndpointPath { pool: pool.to_owned(), endpoint: endpoint.to_owned() })
        }
        _ => Err("pool and endpoint are needed, as in `web/web-1`; `haechi status` lists them".to_owned()),
    }
}

/// An `http` URL.
pub(crate) fn url(text: &str) -> Result<Url, String> {
    if !text.contains("://") {
        return Err(format!("the scheme is missing: write `http://{text}`"));
    }
    let uri: Uri = text.parse().map_err(|error| format!("not a URL: {error}"))?;
    match uri.scheme_str().unwrap_or_default() {
        "http" => {}
        other => return Err(format!("`{other}` is not spoken: only http:// is")),
    }
    let authority = uri.authority().ok_or_else(|| "the host is missing".to_owned())?;
    if authority.as_str().contains('@') {
        return Err("a name and password in front of the host are not sent".to_owned());
    }
    Ok(Url {
        text: text.to_owned(),
        name: authority.host().trim_matches(['[', ']']).to_owned(),
        port: uri.port_u16().unwrap_or(80),
        authority: authority.as_str().to_owned(),
        target: uri.path_and_query().map_or_else(|| "/".to_owned(), |target| target.as_str().to_owned()),
    })
}

/// What can stand in a `Host` field.
pub(crate) fn host(text: &str) -> Result<String, String> {
    let fine = !text.is_empty() && HeaderValue::try_from(text).is_ok() && !text.contains(['/', ' ', '@']);
    fine.then(|| text.to_owned()).ok_or_else(|| "not a host, as in `shop.example.com`".to_owned())
}

/// `header:NAME`, `json:FIELD`
pub(crate) fn by(text: &str) -> Result<By, String> {
    match text.split_once(':') {
        Some(("header", name)) => {
            HeaderName::try_from(name).map(By::Header).map_err(|_| format!("`{name}` is not a header's name"))
        }
        Some(("json", field)) if !field.is_empty() => Ok(By::Json(field.to_owned())),
        _ => Err("write `header:NAME` or `json:FIELD`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listen_addresses() {
        let all = |port| Listen(vec![([0, 0, 0, 0], port).into(), (Ipv6Addr::UNSPECIFIED, port).into()]);
        assert_eq!(listen(":8080"), Ok(all(8080)));
        assert_eq!(listen("*:80"), Ok(all(80)));
        assert_eq!(listen("127.0.0.1:80"), Ok(Listen(vec![([127, 0, 0, 1], 80).into()])));
        assert_eq!(listen("localhost:80"), Ok(Listen(vec![([127, 0, 0, 1], 80).into()])));
        assert_eq!(listen("[::1]:80"), Ok(Listen(vec![(Ipv6Addr::LOCALHOST, 80).into()])));
        let rows =
            [("8080", "`:8080`"), (":x", "1 to 65535"), (":70000", "1 to 65535"), ("", "`:`"), ("h", "port")];
        for (text, way_out) in rows {
            let why = listen(text).unwrap_err();
            assert!(why.contains(way_out), "{text}: {why}");
        }
    }

    #[test]
    fn addresses() {
        assert_eq!(to("10.0.0.1:80"), Ok(([10, 0, 0, 1], 80).into()));
        assert_eq!(to("LocalHost:9001"), Ok(([127, 0, 0, 1], 9001).into()));
        let rows = [
            ("http://10.0.0.1:80/", "write `10.0.0.1:80`"),
            ("10.0.0.1", "the port is missing"),
            ("web.example:80", "`getent ahosts web.example`"),
            ("::1:80", "[::1]:9001"),
            ("10.0.0.1:x", "not an address"),
            ("localhost:x", "1 to 65535"),
            (":80", "names are not resolved"),
        ];
        for (text, way_out) in rows {
            let why = to(text).unwrap_err();
            assert!(why.contains(way_out), "{text}: {why}");
        }
    }

    #[test]
    fn times() {
        assert_eq!(time("60s"), Ok(Duration::from_secs(60)));
        assert_eq!(time("1m30s"), Ok(Duration::from_secs(90)));
        assert_eq!(time("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(time("0s"), Ok(Duration::ZERO));
        for text in ["", "60", "-1s", "web/web-1", "8d", "9999999999999999999h", "1y"] {
            assert!(time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn endpoints() {
        let path = EndpointPath { pool: "web".into(), endpoint: "web-1".into() };
        assert_eq!(endpoint("web/web-1"), Ok(path));
        for text in ["web", "/web-1", "web/", "/", ""] {
            assert!(endpoint(text).unwrap_err().contains("`web/web-1`"), "{text}");
        }
    }

    #[test]
    fn urls() {
        let parsed = url("http://[::1]:8080/a?b=c").unwrap();
        assert_eq!((&*parsed.name, parsed.port, &*parsed.target), ("::1", 8080, "/a?b=c"));
        assert_eq!(parsed.authority, "[::1]:8080");
        let parsed = url("http://shop.example").unwrap();
        assert_eq!((&*parsed.name, parsed.port, &*parsed.target), ("shop.example", 80, "/"));
        let rows = [
            ("https://a/", "only http://"),
            ("a.example/x", "http://"),
            ("127.0.0.1:8080", "`http://127.0.0.1:8080`"),
            ("http://u:p@a/", "password"),
            ("http:///x", "URL"),
            ("/x", "`http:///x`"),
            ("http://a b/", "not a URL"),
            ("", "http://"),
        ];
        for (text, way_out) in rows {
            let why = url(text).unwrap_err();
            assert!(why.contains(way_out), "{text}: {why}");
        }
    }

    #[test]
    fn hosts_and_fields() {
        assert_eq!(host("shop.example.com:8080"), Ok("shop.example.com:8080".to_owned()));
        for text in ["", "a b", "a/b", "a\r\nX: y", "u@h"] {
            assert!(host(text).is_err(), "{text:?}");
        }
        assert_eq!(by("header:X-Served-By"), Ok(By::Header(HeaderName::from_static("x-served-by"))));
        assert_eq!(by("json:pod"), Ok(By::Json("pod".into())));
        for text in ["", "pod", "json:", "header:", "header:a b", "cookie:x"] {
            assert!(by(text).is_err(), "{text:?}");
        }
    }
}
