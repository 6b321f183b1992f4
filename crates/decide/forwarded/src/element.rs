//! Elements of `Forwarded` (RFC 7239 section 4).

/// One element: what one proxy said of whom it was asked by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Element<'a> {
    /// As it stands there.
    pub(crate) raw: &'a [u8],
    /// `for`, without quotes.
    pub(crate) node: Option<&'a [u8]>,
    /// `proto`
    pub(crate) proto: Option<&'a [u8]>,
    /// `host`
    pub(crate) host: Option<&'a [u8]>,
}

/// What stands at the begin of the rest of a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Next<'a> {
    /// An element, and what follows its comma.
    Element(Element<'a>, &'a [u8]),
    /// Nothing more.
    End,
    /// What is no element. Where the next one begins, nobody can say.
    Broken,
}

/// Takes the next element. Empty ones do not count (RFC 9110 section 5.6.1).
pub(crate) fn next(mut value: &[u8]) -> Next<'_> {
    loop {
        value = value.trim_ascii_start();
        match value {
            [] => return Next::End,
            [b',', rest @ ..] => value = rest,
            _ => break,
        }
    }
    let whole = value;
    let mut element = Element { raw: whole, node: None, proto: None, host: None };
    let mut rest = whole;
    loop {
        let Some((name, value, after)) = pair(rest) else { return Next::Broken };
        let place = if name.eq_ignore_ascii_case(b"for") {
            Some(&mut element.node)
        } else if name.eq_ignore_ascii_case(b"proto") {
            Some(&mut element.proto)
        } else if name.eq_ignore_ascii_case(b"host") {
            Some(&mut element.host)
        } else {
            None
        };
        if place.is_some_and(|place| place.replace(value).is_some()) {
            // Twice is not allowed, and somebody else may read the other one.
            return Next::Broken;
        }
        let raw = &whole[..whole.len() - after.len()];
        rest = after.trim_ascii_start();
        let more = matches!(rest, [b';', ..]);
        // Pairs may be empty too.
        while let [b';', behind @ ..] = rest {
            rest = behind.trim_ascii_start();
        }
        match rest {
            [] => return Next::Element(Element { raw, ..element }, &[]),
            [b',', behind @ ..] => return Next::Element(Element { raw, ..element }, behind),
            _ if more => {}
            _ => return Next::Broken,
        }
    }
}

/// A name, its value without quotes, and what follows.
fn pair(text: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (name, rest) = token(text)?;
    let (value, rest) = match rest.strip_prefix(b"=")? {
        [b'"', quoted @ ..] => {
            let end = closing_quote(quoted)?;
            (&quoted[..end], &quoted[end + 1..])
        }
        plain => token(plain)?,
    };
    Some((name, value, rest))
}

fn token(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    let len = text.iter().take_while(|byte| is_token(byte)).count();
    (len > 0).then(|| text.split_at(len))
}

/// Where the quotes end that began before `text`. A backslash takes the meaning from what follows it; what stands
/// behind one is no address and no host, so values are not rewritten.
fn closing_quote(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        match text.get(at)? {
            b'"' => return Some(at),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(value: &str) -> Option<Vec<String>> {
        let (mut rest, mut all) = (value.as_bytes(), Vec::new());
        loop {
            match next(rest) {
                Next::End => return Some(all),
                Next::Broken => return None,
                Next::Element(element, more) => {
                    assert!(!element.raw.is_empty() && more.len() < rest.len());
                    all.push(
                        element.node.map_or("-".into(), |node| String::from_utf8_lossy(node).into_owned()),
                    );
                    rest = more;
                }
            }
        }
    }

    #[test]
    fn elements_of_the_rfc_and_what_is_none() {
        let rows: [(&str, Option<&[&str]>); 23] = [
            ("for=\"_gazonk\"", Some(&["_gazonk"])),
            ("For=\"[2001:db8:cafe::17]:4711\"", Some(&["[2001:db8:cafe::17]:4711"])),
            ("for=192.0.2.60;proto=http;by=203.0.113.43", Some(&["192.0.2.60"])),
            ("for=192.0.2.43, for=198.51.100.17", Some(&["192.0.2.43", "198.51.100.17"])),
            (
                "for=192.0.2.43,for=\"[2001:db8::1]\",for=unknown",
                Some(&["192.0.2.43", "[2001:db8::1]", "unknown"]),
            ),
            ("for=_hidden, for=_SEVKISEK", Some(&["_hidden", "_SEVKISEK"])),
            (" , ,for=a ,", Some(&["a"])),
            ("proto=https", Some(&["-"])),
            ("for=a; proto=https ; host=b", Some(&["a"])),
            ("for=\"a,for=b\", for=c", Some(&["a,for=b", "c"])),
            ("for=\"a\\\",for=b\"", Some(&["a\\\",for=b"])),
            ("for=a;; proto=b; ;, for=c;", Some(&["a", "c"])),
            ("", Some(&[])),
            ("for=[::1]", None),
            ("for=192.0.2.1:80", None),
            ("for=\"192.0.2.1", None),
            ("for=\"192.0.2.1\\", None),
            ("for=a;for=b", None),
            ("for", None),
            ("for=", None),
            ("for =a", None),
            ("=a", None),
            ("for=a b", None),
        ];
        for (value, wanted) in rows {
            let wanted = wanted.map(|all| all.iter().map(|&one| one.to_owned()).collect::<Vec<_>>());
            assert_eq!(nodes(value), wanted, "{value}");
        }
    }

    #[test]
    fn an_element_goes_on_as_it_stands() {
        let Next::Element(element, rest) = next(b" for=a;x=\"1, 2\" , for=b") else { panic!("is one") };
        assert_eq!((element.raw, rest), (&b"for=a;x=\"1, 2\""[..], &b" for=b"[..]));
    }
}
