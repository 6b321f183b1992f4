//! The static table (RFC 7541 appendix A), and the way from a name to its place in it.

/// Names and values; the entry with index 1 stands at 0.
pub const STATIC: [(&[u8], &[u8]); 61] = [
    (b":authority", b""),
    (b":method", b"GET"),
    (b":method", b"POST"),
    (b":path", b"/"),
    (b":path", b"/index.html"),
    (b":scheme", b"http"),
    (b":scheme", b"https"),
    (b":status", b"200"),
    (b":status", b"204"),
    (b":status", b"206"),
    (b":status", b"304"),
    (b":status", b"400"),
    (b":status", b"404"),
    (b":status", b"500"),
    (b"accept-charset", b""),
    (b"accept-encoding", b"gzip, deflate"),
    (b"accept-language", b""),
    (b"accept-ranges", b""),
    (b"accept", b""),
    (b"access-control-allow-origin", b""),
    (b"age", b""),
    (b"allow", b""),
    (b"authorization", b""),
    (b"cache-control", b""),
    (b"content-disposition", b""),
    (b"content-encoding", b""),
    (b"content-language", b""),
    (b"content-length", b""),
    (b"content-location", b""),
    (b"content-range", b""),
    (b"content-type", b""),
    (b"cookie", b""),
    (b"date", b""),
    (b"etag", b""),
    (b"expect", b""),
    (b"expires", b""),
    (b"from", b""),
    (b"host", b""),
    (b"if-match", b""),
    (b"if-modified-since", b""),
    (b"if-none-match", b""),
    (b"if-range", b""),
    (b"if-unmodified-since", b""),
    (b"last-modified", b""),
    (b"link", b""),
    (b"location", b""),
    (b"max-forwards", b""),
    (b"proxy-authenticate", b""),
    (b"proxy-authorization", b""),
    (b"range", b""),
    (b"referer", b""),
    (b"refresh", b""),
    (b"retry-after", b""),
    (b"server", b""),
    (b"set-cookie", b""),
    (b"strict-transport-security", b""),
    (b"transfer-encoding", b""),
    (b"user-agent", b""),
    (b"vary", b""),
    (b"via", b""),
    (b"www-authenticate", b""),
];

/// Places for names: more than twice as many as there are, so that a search ends at once.
const PLACES: usize = 128;

/// For each place the first index with a name that belongs there; 0 is none.
static BY_NAME: [u8; PLACES] = {
    let mut places = [0u8; PLACES];
    let mut at = 0;
    while at < STATIC.len() {
        let name = STATIC[at].0;
        if at == 0 || !same(name, STATIC[at - 1].0) {
            let mut place = place_of(name);
            while places[place] != 0 {
                place = (place + 1) % PLACES;
            }
            // 61 entries: the index is the position and one.
            places[place] = (at + 1).to_le_bytes()[0];
        }
        at += 1;
    }
    places
};

const fn same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    let mut at = 0;
    while at < one.len() {
        if one[at] != other[at] {
            return false;
        }
        at += 1;
    }
    true
}

/// Length, first, middle and last byte tell nearly all names apart.
#[inline]
const fn place_of(name: &[u8]) -> usize {
    let len = name.len();
    if len == 0 {
        return 0;
    }
    let (first, middle, last) = (name[0] as usize, name[len / 2] as usize, name[len - 1] as usize);
    (len * 7 + first + middle * 5 + last * 3) % PLACES
}

/// The lowest index with this name.
#[inline]
pub fn static_name(name: &[u8]) -> Option<usize> {
    let mut place = place_of(name);
    loop {
        let index = usize::from(BY_NAME[place]);
        if index == 0 {
            return None;
        }
        if STATIC[index - 1].0 == name {
            return Some(index);
        }
        place = (place + 1) % PLACES;
    }
}

/// The index with this value, among those that share the name of `first`.
#[inline]
pub(crate) fn static_value(first: usize, value: &[u8]) -> Option<usize> {
    // `:path` has two, `:method` and `:scheme` too, `:status` seven; all others stand alone.
    let last = match first {
        2 => 3,
        4 => 5,
        6 => 7,
        8 => 14,
        alone => alone,
    };
    (first..=last).find(|index| STATIC[*index - 1].1 == value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_is_found_by_name_and_by_value() {
        for (at, (name, value)) in STATIC.iter().enumerate() {
            let first = static_name(name).unwrap();
            assert!(first <= at + 1);
            assert_eq!(STATIC[first - 1].0, *name);
            assert_eq!(static_value(first, value), Some(at + 1));
        }
        assert_eq!(static_name(b"x-none"), None);
        assert_eq!(static_name(b""), None);
        assert_eq!(static_name(b"agf"), None);
        assert_eq!(static_value(8, b"201"), None);
        assert_eq!(static_value(21, b"5"), None);
    }
}
