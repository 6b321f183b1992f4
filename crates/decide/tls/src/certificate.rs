//! What stands in a certificate (RFC 5280), as far as a listener needs it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use haechi_model::HostMatch;

use crate::der::{
    BIT_STRING, Der, GENERALIZED_TIME, INTEGER, NotDer, OCTET_STRING, OID, SEQUENCE, SET, UTC_TIME,
};

/// What was read of a certificate.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Facts {
    /// DNS names that it is for, in lower case; `*.example.com` as it stands there. Empty where it has none.
    pub names: Vec<Box<str>>,
    /// Addresses that it is for.
    pub addresses: Vec<IpAddr>,
    /// The subject's common name, for people: names are looked up in `names` only (RFC 9525 section 6.3).
    pub common_name: Option<Box<str>>,
    /// First second that it is valid, since 1970 (negative before).
    pub not_before: i64,
    /// Last second that it is valid.
    pub not_after: i64,
    /// Its key.
    pub key: KeyKind,
    /// Signed with SHA-1 or MD5, which can be forged.
    pub weakly_signed: bool,
}

/// The parts of a certificate that matter here, as they stand in it.
pub(crate) struct Outline<'a> {
    signature: &'a [u8],
    validity: Der<'a>,
    pub(crate) subject: Der<'a>,
    key: Der<'a>,
    /// Subject alternative names.
    pub(crate) names: Der<'a>,
}

impl<'a> Outline<'a> {
    pub(crate) fn read(der: &'a [u8]) -> Result<Self, Malformed> {
        let mut certificate = Der::new(der).sequence()?;
        let mut body = certificate.sequence()?;
        body.skip_if(VERSION)?;
        body.expect(INTEGER)?;
        let signature = body.sequence()?.expect(OID)?;
        body.expect(SEQUENCE)?;
        let (validity, subject, key) = (body.sequence()?, body.sequence()?, body.sequence()?);
        let mut names = Der::new(&[]);
        while !body.is_empty() {
            let (tag, content) = body.next()?;
            let mut extensions =
                if tag == EXTENSIONS { Der::new(content).sequence()? } else { Der::new(&[]) };
            while !extensions.is_empty() {
                let mut extension = extensions.sequence()?;
                if extension.expect(OID)? != SUBJECT_ALT_NAME {
                    continue;
                }
                extension.skip_boolean()?;
                let found = Der::new(extension.expect(OCTET_STRING)?).sequence()?;
                if !names.is_empty() {
                    // RFC 5280 section 4.2: once. Of two, another reader may believe the other.
                    return Err(Malformed);
                }
                names = found;
            }
        }
        Ok(Self { signature, validity, subject, key, names })
    }
}

/// What kind of key a certificate has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyKind {
    /// RSA with a modulus of so many bits.
    Rsa(usize),
    /// On the curve P-256, P-384 or P-521.
    Ecdsa(u16),
    /// Ed25519.
    Ed25519,
    /// Something else: rustls says whether it can use it.
    Other,
}

/// The bytes are no X.509 certificate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Malformed;

/// Characters of a common name that are kept: no more are allowed (X.520).
const LONGEST: usize = 64;

impl From<NotDer> for Malformed {
    fn from(_: NotDer) -> Self {
        Self
    }
}

const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
const P521: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x23];
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
/// MD5 and SHA-1 with RSA, SHA-1 with ECDSA and with DSA.
const WEAK: [&[u8]; 4] = [
    &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x04],
    &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x05],
    &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01],
    &[0x2a, 0x86, 0x48, 0xce, 0x38, 0x04, 0x03],
];
/// `[0]`, the version, and `[3]`, the extensions.
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
/// `dNSName` and `iPAddress` of a subject alternative name.
pub(crate) const DNS_NAME: u8 = 0x82;
pub(crate) const IP_ADDRESS: u8 = 0x87;

impl Facts {
    /// Reads one certificate in DER.
    ///
    /// # Errors
    /// It is none.
    pub fn read(der: &[u8]) -> Result<Self, Malformed> {
        let Outline { signature, mut validity, subject, key: info, names: mut all } = Outline::read(der)?;
        let (not_before, not_after) = (time(&mut validity)?, time(&mut validity)?);
        let (mut names, mut addresses) = (Vec::new(), Vec::new());
        while !all.is_empty() {
            match all.next()? {
                (DNS_NAME, name) => names.extend(dns_name(name)),
                (IP_ADDRESS, bytes) => addresses.extend(address(bytes)),
                _ => {}
            }
        }
        let (common_name, key) = (common_name(subject)?, key(info)?);
        let weakly_signed = WEAK.contains(&signature);
        Ok(Self { names, addresses, common_name, not_before, not_after, key, weakly_signed })
    }

    /// Whether it is for somebody of this name: one of its DNS names, or its common name if it has none. What clients
    /// show is often made by a CA that gives them nothing else.
    pub fn is_for(&self, name: &HostMatch) -> bool {
        // One that may have been cut off could be the beginning of another.
        let common =
            self.common_name.as_deref().filter(|common| self.names.is_empty() && common.len() < LONGEST);
        let mut own = self.names.iter().map(|own| &**own).chain(common);
        match name {
            HostMatch::Any => true,
            HostMatch::Exact(name) => own.any(|own| own.eq_ignore_ascii_case(name)),
            HostMatch::Wildcard(parent) => own.any(|own| {
                let label = own.split_once('.').filter(|(_, rest)| rest.eq_ignore_ascii_case(parent));
                label.is_some_and(|(label, _)| !label.is_empty() && !label.contains('*'))
            }),
        }
    }

    /// What to call it: its first name, or its common name.
    pub fn title(&self) -> Option<&str> {
        self.names.first().or(self.common_name.as_ref()).map(|name| &**name)
    }
}

/// A name that a client could ask for. One with a NUL or another odd byte is nobody's, so it is left out: a
/// parser that stops at a NUL reads another name there (CVE-2009-2408).
pub(crate) fn dns_name(bytes: &[u8]) -> Option<Box<str>> {
    let usable = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.*".contains(byte);
    let name = bytes.strip_suffix(b".").unwrap_or(bytes);
    let text = std::str::from_utf8(name).ok().filter(|_| !name.is_empty() && name.iter().all(usable))?;
    Some(text.to_ascii_lowercase().into())
}

pub(crate) fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(|octets| Ipv4Addr::from(octets).into());
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(|octets| Ipv6Addr::from(octets).into())).ok()
}

fn common_name(mut subject: Der<'_>) -> Result<Option<Box<str>>, Malformed> {
    while !subject.is_empty() {
        let mut names = Der::new(subject.expect(SET)?);
        while !names.is_empty() {
            let mut name = names.sequence()?;
            if name.expect(OID)? == COMMON_NAME {
                let text: String = String::from_utf8_lossy(name.next()?.1).chars().take(LONGEST).collect();
                return Ok(Some(text.replace(char::is_control, "?").into()));
            }
        }
    }
    Ok(None)
}

fn key(mut info: Der<'_>) -> Result<KeyKind, Malformed> {
    let mut algorithm = info.sequence()?;
    let kind = algorithm.expect(OID)?;
    let bits = info.expect(BIT_STRING)?;
    Ok(match kind {
        RSA => {
            // The first byte says how many bits are unused: none.
            let mut modulus = Der::new(bits.get(1..).unwrap_or_default()).sequence()?;
            KeyKind::Rsa(bit_length(modulus.expect(INTEGER)?))
        }
        EC => match algorithm.expect(OID)? {
            P256 => KeyKind::Ecdsa(256),
            P384 => KeyKind::Ecdsa(384),
            P521 => KeyKind::Ecdsa(521),
            _ => KeyKind::Other,
        },
        ED25519 => KeyKind::Ed25519,
        _ => KeyKind::Other,
    })
}

fn bit_length(number: &[u8]) -> usize {
    let mut digits = number.iter().skip_while(|digit| **digit == 0);
    let Some(first) = digits.next() else { return 0 };
    digits.count() * 8 + (u8::BITS - first.leading_zeros()) as usize
}

/// A point in time as seconds since 1970 (RFC 5280 section 4.1.2.5): `YYMMDDHHMMSSZ` for the years 1950 to 2049,
/// `YYYYMMDDHHMMSSZ` for others.
fn time(der: &mut Der<'_>) -> Result<i64, Malformed> {
    let (tag, text) = der.next()?;
    let text = text.strip_suffix(b"Z").ok_or(Malformed)?;
    let digits = text.iter().map(|byte| byte.is_ascii_digit().then(|| i64::from(byte - b'0')));
    let digits: Vec<i64> = digits.collect::<Option<_>>().ok_or(Malformed)?;
    let (year, rest) = match (tag, digits.as_slice()) {
        (UTC_TIME, [a, b, rest @ ..]) => {
            let year = a * 10 + b;
            (year + if year < 50 { 2000 } else { 1900 }, rest)
        }
        (GENERALIZED_TIME, [a, b, c, d, rest @ ..]) => (a * 1000 + b * 100 + c * 10 + d, rest),
        _ => return Err(Malformed),
    };
    let pairs: Vec<i64> =
        rest.chunks(2).map(|pair| pair.iter().fold(0, |sum, digit| sum * 10 + digit)).collect();
    let ([month @ 1..=12, day @ 1..=31, hour @ 0..=23, minute @ 0..=59, second @ 0..=60], 10) =
        (pairs.as_slice(), rest.len())
    else {
        return Err(Malformed);
    };
    Ok(((days(year, *month, *day) * 24 + hour) * 60 + minute) * 60 + second)
}

/// Days from 1970-01-01 in the Gregorian calendar, counting years from March, so that the leap day is the last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utc(text: &[u8]) -> Result<i64, Malformed> {
        time(&mut Der::new(&[&[UTC_TIME, u8::try_from(text.len()).unwrap()], text].concat()))
    }

    #[test]
    fn times_are_seconds_since_1970() {
        assert_eq!(utc(b"700101000000Z"), Ok(0));
        assert_eq!(utc(b"491231235959Z"), Ok(2_524_607_999));
        assert_eq!(utc(b"500101000000Z"), Ok(-631_152_000));
        assert_eq!(utc(b"240229120000Z"), Ok(1_709_208_000));
        let late = [&[GENERALIZED_TIME, 15][..], b"99991231235959Z"].concat();
        assert_eq!(time(&mut Der::new(&late)), Ok(253_402_300_799));
        for broken in [
            &b"700101000000"[..],
            b"7001010000Z",
            b"701301000000Z",
            b"70010100000xZ",
            b"Z",
            b"70010100000000Z",
        ] {
            assert_eq!(utc(broken), Err(Malformed), "{broken:?}");
        }
    }

    #[test]
    fn a_name_with_an_odd_byte_is_nobodys() {
        assert_eq!(dns_name(b"WWW.Example.com.").as_deref(), Some("www.example.com"));
        assert_eq!(dns_name(b"*.example.com").as_deref(), Some("*.example.com"));
        for odd in [&b"bank.com\0.evil.com"[..], b"a b", b"", b".", b"a\nb", "é.com".as_bytes()] {
            assert_eq!(dns_name(odd), None, "{odd:?}");
        }
    }

    #[test]
    fn a_certificate_is_for_its_names_and_without_any_for_its_common_name() {
        let facts = |names: &[&str], common: &str| {
            let mut params =
                rcgen::CertificateParams::new(names.iter().map(|name| (*name).into()).collect::<Vec<_>>())
                    .unwrap();
            params.distinguished_name.push(rcgen::DnType::CommonName, common);
            let key = rcgen::KeyPair::generate().unwrap();
            Facts::read(params.self_signed(&key).unwrap().der()).unwrap()
        };
        let exact = |name: &str| HostMatch::Exact(name.into());
        let below = |name: &str| HostMatch::Wildcard(name.into());
        let named = facts(&["a.example.com", "*.example.org"], "alice");
        for (name, wanted) in [
            (exact("a.example.com"), true),
            (exact("alice"), false),
            (exact("b.example.org"), false),
            (below("example.com"), true),
            (below("com"), false),
            (below("example.org"), false),
            (HostMatch::Any, true),
        ] {
            assert_eq!(named.is_for(&name), wanted, "{name:?}");
        }
        assert!(facts(&[], "Alice").is_for(&exact("alice")));
        assert!(facts(&[], "a.example.com").is_for(&below("example.com")));
        let long = "x".repeat(70);
        assert!(!facts(&[], &long).is_for(&exact(&long[..LONGEST])));
    }

    #[test]
    fn a_made_certificate_says_what_was_put_in() {
        let mut params =
            rcgen::CertificateParams::new(vec!["shop.example.com".into(), "*.example.org".into()]).unwrap();
        params.subject_alt_names.push(rcgen::SanType::IpAddress("2001:db8::1".parse().unwrap()));
        params.distinguished_name.push(rcgen::DnType::CommonName, "the shop");
        params.not_before = rcgen::date_time_ymd(2024, 2, 29);
        params.not_after = rcgen::date_time_ymd(2055, 1, 1);
        for (algorithm, kind) in [
            (&rcgen::PKCS_ECDSA_P256_SHA256, KeyKind::Ecdsa(256)),
            (&rcgen::PKCS_ECDSA_P384_SHA384, KeyKind::Ecdsa(384)),
            (&rcgen::PKCS_ED25519, KeyKind::Ed25519),
            (&rcgen::PKCS_RSA_SHA256, KeyKind::Rsa(2048)),
        ] {
            let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
            let facts = Facts::read(params.clone().self_signed(&key).unwrap().der()).unwrap();
            assert_eq!(facts.names, ["shop.example.com".into(), "*.example.org".into()]);
            assert_eq!(facts.addresses, ["2001:db8::1".parse::<IpAddr>().unwrap()]);
            assert_eq!(facts.common_name.as_deref(), Some("the shop"));
            assert_eq!((facts.not_before, facts.not_after), (1_709_164_800, 2_682_374_400));
            assert_eq!((facts.key, facts.weakly_signed), (kind, false));
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_safe_and_cut_ones_are_malformed(bytes: Vec<u8>, cut in 0usize..300) {
            let _ = Facts::read(&bytes);
            let key = rcgen::KeyPair::generate().unwrap();
            let whole = rcgen::CertificateParams::new(vec!["a.b".into()]).unwrap().self_signed(&key).unwrap();
            proptest::prop_assert_eq!(Facts::read(&whole.der()[..cut]), Err(Malformed));
        }
    }
}
