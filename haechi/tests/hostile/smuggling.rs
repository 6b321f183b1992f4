//! The whole corpus in front of others' parsers: none of them sees two requests where haechi saw one, and none finds
//! fault with what haechi passes on.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use haechi_tests::{HaProxy, Nginx, Node, TempDir, address, eventually, get};

use super::requests::{PASSED, REFUSED, Way, converse};
use super::{BINARY, Front};

const SOON: Duration = Duration::from_secs(10);

/// A server in Python that takes HTTP/1.1 by the letter.
struct Strict {
    address: SocketAddr,
    child: Child,
    folder: TempDir,
}

impl Strict {
    fn start() -> Self {
        let (folder, address) = (TempDir::new("strict"), SocketAddr::new(address(), 8081));
        let log = folder.path().join("log");
        std::fs::write(&log, "").unwrap();
        let mut command = Command::new("python3");
        command.args(["-c", include_str!("strict.py")]).arg(address.ip().to_string());
        command.arg(address.port().to_string()).arg(&log).stdin(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().expect("scripts/setup test installs python3");
        eventually(SOON, "the strict server listens", || TcpStream::connect(address).is_ok());
        Self { address, child, folder }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }
}

impl Drop for Strict {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Who stands behind haechi, and before the strict server.
enum Behind {
    Nobody,
    Nginx(Nginx),
    HaProxy(HaProxy),
}

/// haechi, one other parser or none, and the strict server at the end.
struct Line {
    front: Front,
    behind: Behind,
    strict: Strict,
}

impl Line {
    fn new(which: &str) -> Self {
        let strict = Strict::start();
        let behind = match which {
            "nginx" => {
                let locations = format!(
                    "location / {{ access_log log.txt all; proxy_pass http://{}; proxy_http_version 1.1; \
                     proxy_set_header Host h; proxy_set_header Connection \"\"; }}",
                    strict.address
                );
                let format = "log_format all '\"$request\" $status'; ignore_invalid_headers off;";
                Behind::Nginx(Nginx::start("parser", address(), &locations, format))
            }
            "haproxy" => {
                let lines = format!("  log-format \"%{{+Q}}r %ST\"\n  server strict {}", strict.address);
                Behind::HaProxy(HaProxy::start("http", &lines))
            }
            _ => Behind::Nobody,
        };
        let to = match &behind {
            Behind::Nobody => strict.address,
            Behind::Nginx(nginx) => nginx.address,
            Behind::HaProxy(haproxy) => haproxy.address,
        };
        let listen = SocketAddr::new(address(), 80);
        let config = format!(
            "workers: 1\nlisteners:\n  web: {{ bind: \"{listen}\", protocol: http, routes: [{{ pool: web }}] }}\n\
             pools:\n  web: {{ endpoints: {{ e0: \"{to}\" }} }}\n"
        );
        Self { front: Front { listen, node: Node::start(BINARY, &config), config }, behind, strict }
    }

    /// What the parsers behind haechi logged so far, the nearest first.
    fn logs(&self) -> [String; 2] {
        let nearest = match &self.behind {
            Behind::Nobody => String::new(),
            Behind::Nginx(nginx) => std::fs::read_to_string(nginx.root().join("log.txt")).unwrap_or_default(),
            Behind::HaProxy(haproxy) => haproxy.log(),
        };
        [nearest, self.strict.log()]
    }

    /// Requests that haechi passed on.
    fn passed(&self) -> usize {
        usize::try_from(self.front.node.endpoint("web", "e0")["requests"].as_u64().unwrap()).unwrap()
    }

    /// What is wrong with what the others saw of something; `number` is that of the try. `cut`: haechi breaks off within
    /// the body, which nginx calls a bad request.
    fn judge(&self, number: usize, cut: bool, send: impl FnOnce()) -> Result<(), String> {
        let (before, passed) = (self.logs(), self.passed());
        send();
        // What was logged before this was, came of what was sent.
        let mark = format!("/mark-{number} ");
        let reply =
            get(self.front.listen, mark.trim_end()).map_err(|error| format!("afterwards: {error}"))?;
        let alone = matches!(self.behind, Behind::Nobody);
        eventually(SOON, "the mark is in the logs", || {
            let [nearest, last] = self.logs();
            last.contains(&mark) && (alone || nearest.contains(&mark))
        });
        let after = self.logs();
        let passed = self.passed() - passed - 1;
        for (before, after) in before.iter().zip(&after) {
            let new: Vec<&str> = after[before.len()..].lines().filter(|line| !line.contains(&mark)).collect();
            let fault = |line: &&&str| {
                line.contains("BAD") || (line.contains(" 400") && !cut) || line.contains("/smuggled")
            };
            if new.len() > passed || new.iter().find(fault).is_some() {
                return Err(format!("haechi passed {passed} on, and this was seen: {new:#?}"));
            }
        }
        if reply.status == 200 { Ok(()) } else { Err(format!("afterwards: {reply:?}")) }
    }
}

const PARSERS: [&str; 3] = ["strict", "nginx", "haproxy"];

#[test]
fn nobody_sees_two_requests_where_haechi_saw_one() {
    for which in PARSERS {
        let (line, mut wrong) = (Line::new(which), Vec::new());
        let rows = REFUSED.iter().chain(PASSED).map(|(what, bytes, _)| (what, bytes));
        for (number, (what, bytes)) in rows.enumerate() {
            let judged = line.judge(number, false, || drop(converse(&line.front, bytes, Way::Whole, true)));
            if let Err(why) = judged {
                wrong.push(format!("{what}: {why}"));
            }
        }
        assert!(wrong.is_empty(), "{which}:\n{}", wrong.join("\n"));
    }
}

/// A literal field that no table keeps (RFC 7541 section 6.2.2), not compressed, so that any byte can stand in it.
fn literal(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    out.push(0);
    for text in [name, value] {
        match u8::try_from(text.len()) {
            Ok(length) if length < 127 => out.push(length),
            _ => {
                let mut rest = text.len() - 127;
                out.push(127);
                while rest >= 128 {
                    out.push(u8::try_from(rest % 128 + 128).unwrap());
                    rest /= 128;
                }
                out.push(u8::try_from(rest).unwrap());
            }
        }
        out.extend_from_slice(text);
    }
}

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags, 0, 0, 0, stream], payload].concat()
}

/// Sends one request of HTTP/2 with these fields, and waits until its stream is over.
fn ask_http2(to: SocketAddr, fields: &[(&[u8], &[u8])], body: Option<&[u8]>) {
    let mut head = Vec::new();
    fields.iter().for_each(|(name, value)| literal(name, value, &mut head));
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(frame(4, 0, 0, &[]));
    bytes.extend(frame(1, if body.is_some() { 4 } else { 5 }, 1, &head));
    body.into_iter().for_each(|body| bytes.extend(frame(0, 1, 1, body)));
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream.write_all(&bytes).unwrap();
    let mut head = [0; 9];
    while stream.read_exact(&mut head).is_ok() {
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let mut payload = vec![0; length];
        let whole = stream.read_exact(&mut payload).is_ok();
        let (kind, ends) = (head[3], head[4] & 1 == 1 && head[8] == 1);
        // DATA or HEADERS that end the stream, RST_STREAM, GOAWAY.
        if !whole || (kind <= 1 && ends) || kind == 3 || kind == 7 {
            return;
        }
    }
}

type Field = (&'static str, &'static str);

const TOO_LONG: &str = "a length that is too long";

/// What, the fields in place of or behind the usual ones, the body.
#[rustfmt::skip]
const OVER_HTTP2: &[(&str, &[Field], Option<&str>)] = &[
    ("plain", &[], None),
    ("a body of unknown length that looks like chunks", &[(":method", "POST")], Some("0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n")),
    ("a length that is too short (H2.CL)", &[(":method", "POST"), ("content-length", "0")], Some("GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n")),
    (TOO_LONG, &[(":method", "POST"), ("content-length", "900")], Some("x")),
    ("a length and no body (HAProxy d12edebe4)", &[(":method", "POST"), ("content-length", "40")], None),
    ("two lengths", &[(":method", "POST"), ("content-length", "1"), ("content-length", "40")], Some("x")),
    ("a list of lengths", &[(":method", "POST"), ("content-length", "1, 40")], Some("x")),
    ("a signed length", &[(":method", "POST"), ("content-length", "+1")], Some("x")),
    ("an empty length", &[(":method", "POST"), ("content-length", "")], Some("x")),
    ("a coding (H2.TE)", &[(":method", "POST"), ("transfer-encoding", "chunked")], Some("0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n")),
    ("a coding in other letters", &[(":method", "POST"), ("Transfer-Encoding", "chunked")], Some("0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n")),
    ("a coding with an underscore", &[(":method", "POST"), ("transfer_encoding", "chunked")], Some("0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n")),
    ("a connection field", &[("connection", "content-length")], None),
    ("an upgrade", &[("upgrade", "h2c"), ("http2-settings", "AAMAAABkAAQAAP__")], None),
    ("a line in a value", &[("a", "b\r\ntransfer-encoding: chunked")], None),
    ("a request in a value", &[("a", "b\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n")], None),
    ("LF in a value", &[("a", "b\ntransfer-encoding: chunked")], None),
    ("CR in a value", &[("a", "b\rtransfer-encoding: chunked")], None),
    ("NUL in a value", &[("a", "b\0c")], None),
    ("a line in a name", &[("a: b\r\ntransfer-encoding", "chunked")], None),
    ("a colon in a name", &[("transfer-encoding: chunked\r\na", "b")], None),
    ("a blank in a name", &[("content-length ", "5")], None),
    ("an empty name", &[("", "b")], None),
    ("a request in the method", &[(":method", "GET /smuggled HTTP/1.1\r\nhost: h\r\n\r\nGET")], None),
    ("a request in the path", &[(":path", "/ HTTP/1.1\r\nhost: h\r\n\r\nGET /smuggled")], None),
    ("a version in the path", &[(":path", "/smuggled HTTP/1.0")], None),
    ("a tab in the path", &[(":path", "/\tx")], None),
    ("a path that is none", &[(":path", "x")], None),
    ("an absolute path", &[(":path", "http://i/smuggled")], None),
    ("a line in the authority", &[(":authority", "h\r\ntransfer-encoding: chunked")], None),
    ("a path in the authority", &[(":authority", "h/smuggled")], None),
    ("a scheme that leads out", &[(":scheme", "http://h/smuggled HTTP/1.1\r\n\r\n")], None),
    ("another host", &[("host", "i")], None),
    ("two paths", &[(":path", "/"), (":path", "/smuggled")], None),
    ("a pseudo field behind others", &[("a", "b"), (":path", "/smuggled")], None),
    ("crumbs of a cookie with a line", &[("cookie", "a=b"), ("cookie", "c=d\r\nx: y")], None),
    ("an expectation without a body", &[("expect", "100-continue")], None),
    ("TE that is ours alone", &[("te", "chunked")], None),
];

#[test]
fn nor_over_http2() {
    for which in PARSERS {
        let (line, mut wrong) = (Line::new(which), Vec::new());
        for (number, (what, fields, body)) in OVER_HTTP2.iter().enumerate() {
            let mut all: Vec<Field> =
                vec![(":method", "GET"), (":scheme", "http"), (":authority", "h"), (":path", "/")];
            // The first of a usual one takes its place; a second one is one too many.
            for (at, field) in fields.iter().enumerate() {
                let first =
                    fields[..at].iter().all(|before| before.0.starts_with(':') && before.0 != field.0);
                match all.iter_mut().take(4).find(|usual| usual.0 == field.0).filter(|_| first) {
                    Some(usual) => usual.1 = field.1,
                    None => all.push(*field),
                }
            }
            let all: Vec<(&[u8], &[u8])> =
                all.iter().map(|field| (field.0.as_bytes(), field.1.as_bytes())).collect();
            let cut = *what == TOO_LONG;
            let judged =
                line.judge(number, cut, || ask_http2(line.front.listen, &all, body.map(str::as_bytes)));
            if let Err(why) = judged {
                wrong.push(format!("{what}: {why}"));
            }
        }
        assert!(wrong.is_empty(), "{which}:\n{}", wrong.join("\n"));
    }
}
