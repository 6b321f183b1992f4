//! Hosts, paths, methods and header fields, as RFC 9110 and RFC 3986 write them.

use std::net::Ipv6Addr;

use haechi_model::{HostMatch, OriginMatch, Scheme};

use super::{Complaint, MAX_TEXT};
use crate::Code;

/// Longest DNS name in text form (RFC 1035 section 2.3.4).
const MAX_HOST: usize = 253;
/// Longest label of it.
const MAX_LABEL: usize = 63;

/// A name that a TLS server may have: DNS, or an address.
pub(crate) fn server_name(text: &str) -> Result<&str, Complaint> {
    let address = text.parse::<std::net::IpAddr>().is_ok();
    match host(text) {
        _ if address => Ok(text),
        Ok(HostMatch::Exact(_)) if !text.starts_with('[') && !text.contains('_') => Ok(text),
        Ok(_) => Err(Complaint::new(Code::Host, "not the name of one server")),
        Err(complaint) => Err(complaint),
    }
}

/// A route's host, in lower case without a final dot.
pub(crate) fn host(text: &str) -> Result<HostMatch, Complaint> {
    let complaint = |label: &str| Complaint::new(Code::Host, label);
    let lower = text.to_ascii_lowercase();
    let plain = lower.strip_suffix('.').unwrap_or(&lower);
    if plain == "*" {
        return Err(complaint("not a host").help("remove the key to take every host"));
    }
    if let Some((scheme, rest)) = plain.split_once("://") {
        let host = rest.split(['/', ':']).next().unwrap_or_default();
        return Err(complaint(&format!("`{scheme}://` is not part of a host")).suggest(host));
    }
    if let Some((host, path)) = plain.split_once('/') {
        return Err(complaint("a path is not part of a host")
            .suggest(host)
            .help(format!("give the path as `path: /{path}`")));
    }
    if plain.starts_with('[') {
        let ip = plain.strip_prefix('[').and_then(|ip| ip.strip_suffix(']'));
        return match ip.and_then(|ip| ip.parse::<Ipv6Addr>().ok()) {
            Some(_) => Ok(HostMatch::Exact(plain.into())),
            None => Err(complaint("not an IPv6 address in brackets, without a port")),
        };
    }
    if let Some((host, _)) = plain.split_once(':') {
        return Err(complaint("a route's host has no port").suggest(host).help("the port is the listener's"));
    }
    let (wildcard, parent) = plain.strip_prefix("*.").map_or((false, plain), |parent| (true, parent));
    if parent.contains('*') {
        return Err(complaint("`*` can only be the whole first label")
            .help("write `*.example.com`, or several routes"));
    }
    labels(parent)?;
    Ok(if wildcard { HostMatch::Wildcard(parent.into()) } else { HostMatch::Exact(parent.into()) })
}

fn labels(host: &str) -> Result<(), Complaint> {
    let complaint = |label: String| Err(Complaint::new(Code::Host, label));
    if host.len() > MAX_HOST {
        return complaint(format!("{} bytes long, a DNS name has at most {MAX_HOST}", host.len()));
    }
    if !host.is_ascii() {
        return Err(Complaint::new(Code::Host, "browsers send other scripts in ASCII form")
            .help("write the name as `idn` or a browser's address bar converts it: `xn--…`"));
    }
    for label in host.split('.') {
        if label.is_empty() {
            return complaint("has an empty label".into());
        }
        if label.len() > MAX_LABEL {
            return complaint(format!("has a label of {} bytes, at most {MAX_LABEL} fit", label.len()));
        }
        if let Some(c) = label.chars().find(|c| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_')) {
            return complaint(format!("holds `{}`", c.escape_debug()));
        }
        if label.starts_with('-') || label.ends_with('-') {
            return complaint(format!("the label `{label}` starts or ends with `-`"));
        }
    }
    Ok(())
}

/// A route's path, checked but not changed.
pub(crate) fn path(text: &str) -> Result<&str, Complaint> {
    let complaint = |label: &str| Complaint::new(Code::Path, label);
    if !text.starts_with('/') {
        return Err(complaint("does not start with `/`").suggest(format!("/{text}")));
    }
    if text.len() > MAX_TEXT {
        return Err(complaint(&format!("{} bytes long, at most {MAX_TEXT} are taken", text.len())));
    }
    if let Some((path, _)) = text.split_once(['?', '#']) {
        return Err(complaint("holds `?` or `#`, where a path has ended")
            .help("queries are not matched")
            .suggest(path));
    }
    if text.ends_with("/*") {
        let parent = text.trim_end_matches('*').trim_end_matches('/');
        let parent = if parent.is_empty() { "/" } else { parent };
        return Err(complaint("there are no patterns")
            .help("a plain path takes everything below it")
            .suggest(parent));
    }
    if let Some(c) = text.chars().find(|&c| !is_path_char(c)) {
        let complaint = complaint(&format!("holds `{}`, which a URL can't", c.escape_debug()));
        return Err(match c {
            '{' | '}' => complaint.help("there are no patterns; write the prefix before it"),
            _ => complaint.suggest(encode(text)),
        });
    }
    if text.split('/').any(is_dot_segment) {
        return Err(complaint("has a `.` or `..` element")
            .help("write the path that is meant; clients resolve such elements before they ask"));
    }
    let bad = text
        .split('%')
        .skip(1)
        .any(|rest| rest.len() < 2 || !rest.bytes().take(2).all(|b| b.is_ascii_hexdigit()));
    if bad {
        return Err(complaint("`%` is not followed by two hexadecimal digits")
            .help("write `%25` for the sign itself"));
    }
    Ok(text)
}

/// The same prefix without its trailing slash: `/api/` is `/api` by elements.
pub(crate) fn prefix(path: &str) -> &str {
    let trimmed = path.trim_end_matches('/');
    if trimmed.is_empty() { "/" } else { trimmed }
}

/// Path and query that a probe asks for.
pub(crate) fn target(text: &str) -> Result<&str, Complaint> {
    let complaint = |label: &str| Complaint::new(Code::Path, label);
    if !text.starts_with('/') {
        return Err(complaint("does not start with `/`").suggest(encode(&format!("/{text}"))));
    }
    if text.len() > MAX_TEXT {
        return Err(complaint(&format!("{} bytes long, at most {MAX_TEXT} are taken", text.len())));
    }
    if let Some(c) = text.chars().find(|&c| !c.is_ascii_graphic() || c == '#') {
        return Err(
            complaint(&format!("holds `{}`, which a request can't", c.escape_debug())).suggest(encode(text))
        );
    }
    Ok(text)
}

/// `Host` header of a probe: what stands in a URL between `//` and `/`, without user.
pub(crate) fn authority(text: &str) -> Result<&str, Complaint> {
    let text = super::text(text)?;
    match text.chars().find(|c| !c.is_ascii_graphic() || matches!(c, '/' | '@' | '?' | '#' | ',')) {
        Some(c) => Err(Complaint::new(Code::Host, format!("holds `{}`", c.escape_debug()))
            .help("write a name or address, with `:port` if need be")),
        None => Ok(text),
    }
}

/// A request method.
pub(crate) fn method(text: &str) -> Result<&str, Complaint> {
    if text.is_empty() || text.len() > super::MAX_NAME || !text.bytes().all(is_token) {
        return Err(Complaint::new(Code::Method, "not a method such as `GET`"));
    }
    if text.bytes().any(|b| b.is_ascii_lowercase()) {
        return Err(Complaint::new(Code::Method, "case counts in methods").suggest(text.to_ascii_uppercase()));
    }
    if matches!(text, "CONNECT" | "TRACE") {
        return Err(Complaint::new(Code::Method, "haechi answers this method itself and never forwards it"));
    }
    Ok(text)
}

/// Statuses that send a client elsewhere (RFC 9110 §15.4). With 301 and 302 a POST may become a GET.
pub(crate) const REDIRECTS: [u16; 5] = [301, 302, 303, 307, 308];

/// The status of a redirect.
pub(crate) fn redirect_status(text: &str) -> Result<u16, Complaint> {
    let status = text.parse().ok().filter(|status| REDIRECTS.contains(status));
    status.ok_or_else(|| {
        Complaint::new(Code::Status, "not a status that sends a client elsewhere")
            .help("301 and 308 are for good, 302, 303 and 307 for now; with 307 and 308 the method stays")
    })
}

/// The name of one host, without a port.
pub(crate) fn host_name(text: &str) -> Result<Box<str>, Complaint> {
    match host(text)? {
        HostMatch::Exact(host) => Ok(host),
        _ => Err(Complaint::new(Code::Host, "not the name of one host")),
    }
}

/// Where a script comes from, as browsers write it: `https://a.example`, `https://*.a.example:8443`.
pub(crate) fn origin(text: &str) -> Result<OriginMatch, Complaint> {
    let complaint = |label: &str| {
        Complaint::new(Code::Host, label)
            .help("write `https://shop.example.com`, `https://*.example.com`, or `*` for all")
    };
    if text == "*" {
        return Ok(OriginMatch::Any);
    }
    let (scheme, authority) = match text.split_once("://") {
        Some(("https", authority)) => (Scheme::Https, authority),
        Some(("http", authority)) => (Scheme::Http, authority),
        _ => return Err(complaint("does not begin with `https://` or `http://`")),
    };
    let (name, port) = match authority.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (authority, None),
    };
    let number = port.map(str::parse::<u16>);
    let written = match (port, &number) {
        (None, _) => String::new(),
        (Some(port), Some(Ok(number))) if *number > 0 && number.to_string() == port => format!(":{port}"),
        _ => return Err(complaint("the port is not a number")),
    };
    if number.is_some_and(|number| number == Ok(scheme.port())) {
        return Err(complaint("browsers leave the scheme's own port out")
            .suggest(format!("{}://{name}", scheme.name())));
    }
    match host(name)? {
        HostMatch::Exact(host) => {
            Ok(OriginMatch::Exact(format!("{}://{host}{written}", scheme.name()).into()))
        }
        HostMatch::Wildcard(parent) => {
            Ok(OriginMatch::Within { scheme, parent: format!("{parent}{written}").into() })
        }
        HostMatch::Any => Err(complaint("has no host")),
    }
}

/// A header's name, in lower case.
pub(crate) fn header_name(text: &str) -> Result<String, Complaint> {
    let complaint = |label: &str| Complaint::new(Code::HeaderName, label);
    if let Some(name) = text.strip_suffix(':') {
        return Err(complaint("the colon is not part of the name").suggest(name));
    }
    if text.is_empty() || text.len() > MAX_TEXT {
        return Err(complaint("a header name has 1 to 4096 characters"));
    }
    match text.chars().find(|&c| !u8::try_from(c).is_ok_and(is_token)) {
        Some(c) => Err(complaint(&format!("holds `{}`", c.escape_debug()))),
        None => Ok(text.to_ascii_lowercase()),
    }
}

/// A cookie's name, which is a token as a header's is (RFC 6265 section 4.1.1), and in which case counts.
pub(crate) fn cookie_name(text: &str) -> Result<&str, Complaint> {
    match text.chars().find(|&c| !u8::try_from(c).is_ok_and(is_token)) {
        _ if text.is_empty() || text.len() > MAX_TEXT => {
            Err(Complaint::new(Code::HeaderName, "a cookie's name has 1 to 4096 characters"))
        }
        Some(c) => Err(Complaint::new(Code::HeaderName, format!("holds `{}`", c.escape_debug()))),
        None => Ok(text),
    }
}

/// A header's value as it is compared.
pub(crate) fn header_value(text: &str) -> Result<&str, Complaint> {
    let complaint = |label: &str| Complaint::new(Code::Text, label);
    if text.len() > MAX_TEXT {
        return Err(complaint(&format!("{} bytes long, at most {MAX_TEXT} are taken", text.len())));
    }
    if text.chars().any(|c| c.is_ascii_control() && c != '\t') {
        return Err(complaint("holds a control character, which a header can't"));
    }
    let plain = text.trim_matches([' ', '\t']);
    if plain.len() < text.len() {
        return Err(complaint("spaces around a value are removed before it is compared")
            .suggest(format!("\"{plain}\"")));
    }
    Ok(text)
}

/// What stands between quotes in a challenge.
pub(crate) fn realm(text: &str) -> Result<String, Complaint> {
    let plain = |byte: u8| (b' '..=b'~').contains(&byte) && !matches!(byte, b'"' | b'\\');
    if text.is_empty() || text.len() > 128 || !text.bytes().all(plain) {
        let label = "a realm has 1 to 128 letters, digits and signs of ASCII, without `\"` and `\\`";
        return Err(Complaint::new(Code::Text, label));
    }
    Ok(text.to_owned())
}

/// A media type without parameters, in lower case; `*` for all of its subtypes, or for all types.
pub(crate) fn media_type(text: &str) -> Result<String, Complaint> {
    let complaint = |label: &str| Complaint::new(Code::MediaType, label);
    if let Some((plain, _)) = text.split_once(';') {
        return Err(complaint("parameters make no difference here").suggest(plain.trim_end()));
    }
    let is_name = |name: &str| !name.is_empty() && name.bytes().all(|byte| is_token(byte) && byte != b'*');
    match text.split_once('/') {
        _ if text.is_empty() || text.len() > MAX_TEXT => {
            Err(complaint("a media type has 1 to 4096 characters"))
        }
        Some((kind, "*")) if kind == "*" || is_name(kind) => Ok(text.to_ascii_lowercase()),
        Some((kind, subtype)) if is_name(kind) && is_name(subtype) => Ok(text.to_ascii_lowercase()),
        Some(_) => {
            Err(complaint("holds what a type can't hold").help("`text/*` is all text, `*/*` is everything"))
        }
        None => Err(complaint("has no subtype").suggest(format!("{text}/*"))),
    }
}

/// One of these words.
pub(crate) fn one_of(text: &str, words: &[&'static str]) -> Result<&'static str, Complaint> {
    words.iter().find(|word| **word == text).copied().ok_or_else(|| {
        let known: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
        Complaint::new(Code::Word, "not one of its words").help(format!("it takes {}", known.join(", ")))
    })
}

const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

/// RFC 3986 section 3.3: pchar and `/`.
const fn is_path_char(c: char) -> bool {
    c.is_ascii_alphanumeric()
        || matches!(
            c,
            '/' | '-'
                | '.'
                | '_'
                | '~'
                | '%'
                | '!'
                | '$'
                | '&'
                | '\''
                | '('
                | ')'
                | '*'
                | '+'
                | ','
                | ';'
                | '='
                | ':'
                | '@'
        )
}

fn is_dot_segment(segment: &str) -> bool {
    let plain = segment.to_ascii_lowercase().replace("%2e", ".");
    plain == "." || plain == ".."
}

/// Percent-encodes what may not stand in a path or query.
fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        let c = char::from(byte);
        if is_path_char(c) || c == '?' { out.push(c) } else { out.push_str(&format!("%{byte:02X}")) }
    }
    out
}
