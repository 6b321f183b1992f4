//! Asking somebody else whether a request may go on: what is asked, and what an answer means.

use haechi_model::ExternalAuth;

/// The question of one route, ready for use.
#[derive(Clone, Debug)]
pub struct Check {
    /// Request line, and the host if it is always the same.
    begin: Box<[u8]>,
    names_host: bool,
    sends: Box<[Box<str>]>,
    copies: Box<[Box<str>]>,
}

/// What a question says of the request that it is for. All of it was checked when that was parsed.
#[derive(Clone, Copy, Debug)]
pub struct Questioned<'a> {
    /// As the client wrote it.
    pub method: &'a [u8],
    /// Path and query as the client wrote them.
    pub target: [&'a [u8]; 2],
    /// Host, with a port if the client said one.
    pub host: &'a [u8],
    /// Whole lines about who asks.
    pub forwarding: &'a [u8],
    /// Whether these tell the host too.
    pub tells_host: bool,
}

/// What an answer means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ruling {
    /// The request goes on.
    Allowed,
    /// The client gets this answer.
    Denied,
    /// This is no answer to the question.
    None,
}

impl Ruling {
    /// 2xx goes on; 401, 403 and what leads elsewhere (to a page where one signs in) is the client's. All else says
    /// that nobody could judge: a 404, say, is the answer of somebody who knows nothing of the question (nginx's
    /// `auth_request`).
    pub const fn of(status: u16) -> Self {
        match status {
            200..=299 => Self::Allowed,
            401 | 403 | 301 | 302 | 303 | 307 | 308 => Self::Denied,
            _ => Self::None,
        }
    }
}

impl Check {
    /// The question that this filter asks.
    pub fn new(auth: &ExternalAuth) -> Self {
        let mut begin = format!("GET {} HTTP/1.1\r\n", auth.path);
        if let Some(host) = &auth.host {
            begin.push_str(&format!("Host: {host}\r\n"));
        }
        Self {
            begin: begin.into_bytes().into(),
            names_host: auth.host.is_some(),
            sends: auth.request_headers.clone().into(),
            copies: auth.response_headers.clone().into(),
        }
    }

    /// Whether a field of this name comes from the answer, and from nobody else. `X_User` is `X-User` here, because
    /// programs behind CGI and its heirs see one variable for both (RFC 3875 section 4.1.18).
    pub fn copies(&self, name: &[u8]) -> bool {
        let plain = |byte: &u8| if *byte == b'_' { b'-' } else { byte.to_ascii_lowercase() };
        self.copies.iter().any(|copied| copied.bytes().map(|byte| plain(&byte)).eq(name.iter().map(plain)))
    }

    /// Names of fields that the question has from its request, in lower case.
    pub fn sends(&self) -> impl Iterator<Item = &str> {
        self.sends.iter().map(|name| &**name)
    }

    /// Appends the head of the question, but for fields that it [`sends`](Self::sends) and the empty line.
    pub fn write(&self, asked: &Questioned<'_>, out: &mut Vec<u8>) {
        let mut line = |pieces: &[&[u8]]| {
            pieces.iter().for_each(|piece| out.extend_from_slice(piece));
            out.extend_from_slice(b"\r\n");
        };
        let begin = self.begin.strip_suffix(b"\r\n").unwrap_or(&self.begin);
        line(&[begin]);
        if !self.names_host {
            line(&[b"Host: ", asked.host]);
        }
        line(&[b"X-Forwarded-Method: ", asked.method]);
        let [path, query] = asked.target;
        line(&[b"X-Forwarded-Uri: ", path, query]);
        if !asked.tells_host {
            line(&[b"X-Forwarded-Host: ", asked.host]);
        }
        out.extend_from_slice(asked.forwarding);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use haechi_model::PoolIndex;

    use super::*;

    fn check(host: Option<&str>) -> Check {
        Check::new(&ExternalAuth {
            pool: PoolIndex(1),
            path: "/verify?a=b".into(),
            host: host.map(Into::into),
            request_headers: vec!["cookie".into()],
            response_headers: vec!["x-user".into()],
            timeout: Duration::from_secs(1),
            allow_on_failure: false,
        })
    }

    #[test]
    fn a_question_tells_what_was_asked() {
        let asked = Questioned {
            method: b"POST",
            target: [b"/a", b"?b"],
            host: b"shop.example:8080",
            forwarding: b"X-Forwarded-For: 192.0.2.1\r\n",
            tells_host: false,
        };
        let written = |check: &Check, asked: &Questioned<'_>| {
            let mut out = Vec::new();
            check.write(asked, &mut out);
            String::from_utf8(out).unwrap()
        };
        let told = "X-Forwarded-Method: POST\r\nX-Forwarded-Uri: /a?b\r\n";
        let host = "X-Forwarded-Host: shop.example:8080\r\n";
        let chain = "X-Forwarded-For: 192.0.2.1\r\n";
        assert_eq!(
            written(&check(None), &asked),
            format!("GET /verify?a=b HTTP/1.1\r\nHost: shop.example:8080\r\n{told}{host}{chain}")
        );
        assert_eq!(
            written(&check(Some("auth")), &Questioned { tells_host: true, ..asked }),
            format!("GET /verify?a=b HTTP/1.1\r\nHost: auth\r\n{told}{chain}")
        );
        let check = check(None);
        assert!([&b"X-User"[..], b"x-user", b"X_USER"].into_iter().all(|name| check.copies(name)));
        assert!([&b"X-Users"[..], b"X-Use", b"XUser"].into_iter().all(|name| !check.copies(name)));
        assert_eq!(check.sends().collect::<Vec<_>>(), ["cookie"]);
    }

    #[test]
    fn what_each_status_means() {
        for status in 100..600 {
            let expected = match status {
                200..=299 => Ruling::Allowed,
                301 | 302 | 303 | 307 | 308 | 401 | 403 => Ruling::Denied,
                _ => Ruling::None,
            };
            assert_eq!(Ruling::of(status), expected, "{status}");
        }
    }
}
