//! Which scripts of other sites may read answers: the CORS protocol of the Fetch standard, §3.3.
//!
//! An origin is said back only if it was found in the config, byte for byte, or between two parts of it where only
//! what makes a host may stand. So nothing of a client's own invention gets into an answer.

use haechi_model::{Cors, OriginMatch};

/// Who may read, and what is told.
#[derive(Clone, Debug)]
pub(crate) struct Sharing {
    any: bool,
    exact: Box<[Box<str>]>,
    /// What stands around the labels of a wildcard: `https://` and `.example.com`.
    within: Box<[(Box<str>, Box<str>)]>,
    credentials: bool,
    /// Lines of an answer to a preflight.
    preflight: Box<[u8]>,
    /// Lines of other answers.
    exposed: Box<[u8]>,
}

impl Sharing {
    pub(crate) fn new(cors: &Cors) -> Self {
        let line = |name: &str, list: &[Box<str>]| match list {
            [] => String::new(),
            list => format!("{name}: {}\r\n", list.join(", ")),
        };
        let preflight = [
            line("access-control-allow-methods", &cors.methods),
            line("access-control-allow-headers", &cors.headers),
            format!("access-control-max-age: {}\r\n", cors.max_age.as_secs()),
        ];
        let exact = cors.origins.iter().filter_map(|origin| match origin {
            OriginMatch::Exact(origin) => Some(origin.clone()),
            OriginMatch::Any | OriginMatch::Within { .. } => None,
        });
        let within = cors.origins.iter().filter_map(|origin| match origin {
            OriginMatch::Within { scheme, parent } => {
                Some((format!("{}://", scheme.name()).into(), format!(".{parent}").into()))
            }
            OriginMatch::Any | OriginMatch::Exact(_) => None,
        });
        Self {
            any: cors.origins.contains(&OriginMatch::Any),
            exact: exact.collect(),
            within: within.collect(),
            credentials: cors.credentials,
            preflight: preflight.concat().into_bytes().into(),
            exposed: line("access-control-expose-headers", &cors.expose).into_bytes().into(),
        }
    }

    /// Fields that an answer must not bring from its endpoint: two that differ are one that no browser takes.
    pub(crate) fn removes(name: &[u8]) -> bool {
        const PREFIX: &[u8] = b"access-control-";
        name.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX))
    }

    /// Appends the lines for a request that names this origin, or none.
    pub(crate) fn write(&self, origin: Option<&[u8]>, preflight: bool, out: &mut Vec<u8>) {
        if !self.any {
            // The next client's answer is another one, so no cache may mix them up.
            out.extend_from_slice(b"vary: origin\r\n");
        }
        let origin: &[u8] = match origin {
            // Whoever asks: a cache may keep the answer to one that named no origin for one that does.
            _ if self.any => b"*",
            Some(origin) if self.allows(origin) => origin,
            _ => return,
        };
        for piece in [&b"access-control-allow-origin: "[..], origin, b"\r\n"] {
            out.extend_from_slice(piece);
        }
        if self.credentials {
            out.extend_from_slice(b"access-control-allow-credentials: true\r\n");
        }
        out.extend_from_slice(if preflight { &self.preflight } else { &self.exposed });
    }

    fn allows(&self, origin: &[u8]) -> bool {
        let between = |(start, end): &(Box<str>, Box<str>)| {
            let rest = origin.strip_prefix(start.as_bytes());
            let labels = rest.and_then(|rest| rest.strip_suffix(end.as_bytes()));
            labels.is_some_and(|labels| !labels.is_empty() && labels.iter().all(|byte| is_host(*byte)))
        };
        self.exact.iter().any(|known| known.as_bytes() == origin) || self.within.iter().any(between)
    }
}

const fn is_host(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.' | b'_')
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use haechi_model::Scheme;

    use super::*;

    fn sharing(origins: Vec<OriginMatch>, credentials: bool) -> Sharing {
        Sharing::new(&Cors {
            origins,
            methods: vec!["GET".into(), "PUT".into()],
            headers: vec!["x-a".into()],
            expose: vec!["x-b".into(), "etag".into()],
            credentials,
            max_age: Duration::from_secs(600),
        })
    }

    fn lines(sharing: &Sharing, origin: &str, preflight: bool) -> String {
        let mut out = Vec::new();
        sharing.write(Some(origin.as_bytes()).filter(|origin| !origin.is_empty()), preflight, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn an_origin_is_said_back_only_if_it_is_known() {
        let some = sharing(
            vec![
                OriginMatch::Exact("https://a.example".into()),
                OriginMatch::Within { scheme: Scheme::Https, parent: "b.example:8443".into() },
            ],
            true,
        );
        for (origin, allowed) in [
            ("https://a.example", true),
            ("https://x.b.example:8443", true),
            ("https://x.y-1.b.example:8443", true),
            ("", false),
            ("null", false),
            ("http://a.example", false),
            ("https://a.example.evil", false),
            ("https://evil.https://a.example", false),
            ("https://b.example:8443", false),
            ("https://.b.example:8443", false),
            ("https://evil/.b.example:8443", false),
            ("https://evil#.b.example:8443", false),
            ("https://evil\r\nx: y.b.example:8443", false),
            ("https://x.b.example", false),
        ] {
            let told = lines(&some, origin, false);
            assert!(told.starts_with("vary: origin\r\n"), "{told}");
            let expected = if allowed {
                format!(
                    "vary: origin\r\naccess-control-allow-origin: {origin}\r\n\
                     access-control-allow-credentials: true\r\naccess-control-expose-headers: x-b, etag\r\n"
                )
            } else {
                "vary: origin\r\n".to_owned()
            };
            assert_eq!(told, expected, "{origin}");
        }
    }

    /// A cache kept the answer to whoever named no origin, and gave it to scripts.
    #[test]
    fn who_may_be_read_by_all_says_so_to_all() {
        let all = sharing(vec![OriginMatch::Any], false);
        assert_eq!(lines(&all, "", false), lines(&all, "https://any.example", false));
    }

    #[test]
    fn a_preflight_is_told_what_is_allowed_and_for_how_long() {
        let all = sharing(vec![OriginMatch::Any], false);
        assert_eq!(
            lines(&all, "https://any.example", true),
            "access-control-allow-origin: *\r\naccess-control-allow-methods: GET, PUT\r\n\
             access-control-allow-headers: x-a\r\naccess-control-max-age: 600\r\n"
        );
        assert!(Sharing::removes(b"Access-Control-Allow-Origin") && !Sharing::removes(b"Access"));
    }
}
