//! Who a client is by its certificate, in text that can stand in a header whatever the certificate holds.

use std::fmt::Write;

use crate::certificate::{DNS_NAME, IP_ADDRESS, Malformed, Outline, address, dns_name};
use crate::der::{Der, IA5_STRING, OID, PRINTABLE_STRING, SET, UTF8_STRING};

/// `rfc822Name` and `uniformResourceIdentifier` of a subject alternative name.
const EMAIL: u8 = 0x81;
const URI: u8 = 0x86;

/// Most bytes of a text. Subjects have some hundred; endpoints take heads of 8 KiB and more (nginx, Apache).
const MOST: usize = 2 << 10;

/// What endpoints are told of a client's certificate. Printable ASCII only.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// The subject as RFC 4514 writes it: `CN=alice,O=Example`, the last part of the certificate's first. `None` if it
    /// is empty or has more than 2 KiB.
    pub subject: Option<String>,
    /// Its other names: `DNS:a.example.com,IP:192.0.2.1,URI:spiffe://a/b,email:a@example.com`. `None` likewise.
    pub names: Option<String>,
}

impl Identity {
    /// Reads one certificate in DER.
    ///
    /// # Errors
    /// It is none.
    pub fn read(der: &[u8]) -> Result<Self, Malformed> {
        let outline = Outline::read(der)?;
        let told = |text: String| Some(text).filter(|text| (1..=MOST).contains(&text.len()));
        Ok(Self { subject: told(subject(outline.subject)?), names: told(names(outline.names)?) })
    }
}

fn subject(mut parts: Der<'_>) -> Result<String, Malformed> {
    let mut texts = Vec::new();
    while !parts.is_empty() {
        let mut part = Der::new(parts.expect(SET)?);
        let mut text = String::new();
        while !part.is_empty() {
            let mut pair = part.sequence()?;
            if !text.is_empty() {
                text.push('+');
            }
            attribute(pair.expect(OID)?, pair.next()?, &mut text)?;
        }
        texts.push(text);
    }
    texts.reverse();
    Ok(texts.join(","))
}

/// The short names of RFC 4514 section 3, and two that clients' certificates often have.
const SHORT: [(&[u8], &str); 11] = [
    (&[0x55, 4, 3], "CN"),
    (&[0x55, 4, 5], "serialNumber"),
    (&[0x55, 4, 6], "C"),
    (&[0x55, 4, 7], "L"),
    (&[0x55, 4, 8], "ST"),
    (&[0x55, 4, 9], "STREET"),
    (&[0x55, 4, 10], "O"),
    (&[0x55, 4, 11], "OU"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 1], "UID"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25], "DC"),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1], "emailAddress"),
];

fn attribute(kind: &[u8], (tag, value): (u8, &[u8]), out: &mut String) -> Result<(), Malformed> {
    let short = SHORT.iter().find(|(oid, _)| *oid == kind);
    match short {
        Some((_, name)) => out.push_str(name),
        None => dotted(kind, out)?,
    }
    out.push('=');
    if short.is_some() && [UTF8_STRING, PRINTABLE_STRING, IA5_STRING].contains(&tag) {
        escape(value, out);
    } else {
        // RFC 4514 section 2.4: the whole element, for whoever knows what it means.
        out.push('#');
        hex(&[tag], out);
        let length = u32::try_from(value.len()).map_err(|_| Malformed)?.to_be_bytes();
        let digits = &length[length.iter().take_while(|digit| **digit == 0).count()..];
        match (value.len(), digits.len()) {
            (short @ ..=0x7f, _) => hex(&[u8::try_from(short).unwrap_or_default()], out),
            (_, count) => {
                hex(&[0x80 | u8::try_from(count).unwrap_or_default()], out);
                hex(digits, out);
            }
        }
        hex(value, out);
    }
    Ok(())
}

fn hex(bytes: &[u8], out: &mut String) {
    for byte in bytes {
        // Writing to a String never fails.
        let _ = write!(out, "{byte:02x}");
    }
}

/// An object identifier in numbers: `1.2.840`.
fn dotted(oid: &[u8], out: &mut String) -> Result<(), Malformed> {
    let mut number = 0u64;
    let mut numbers = Vec::new();
    for byte in oid {
        number = number.checked_mul(0x80).ok_or(Malformed)? | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            numbers.push(number);
            number = 0;
        }
    }
    // The first number holds two (X.690 section 8.19.4).
    let (first, rest) = numbers.split_first().filter(|_| number == 0).ok_or(Malformed)?;
    let root = (first / 40).min(2);
    let _ = write!(out, "{root}.{}", first - 40 * root);
    for number in rest {
        let _ = write!(out, ".{number}");
    }
    Ok(())
}

/// RFC 4514 section 2.4, and all that is not printable ASCII as `\` and two digits.
fn escape(value: &[u8], out: &mut String) {
    for (at, byte) in value.iter().enumerate() {
        let at_an_end = at == 0 || at + 1 == value.len();
        match byte {
            b'"' | b'+' | b',' | b';' | b'<' | b'>' | b'\\' => out.extend(['\\', char::from(*byte)]),
            b'#' if at == 0 => out.push_str("\\#"),
            b' ' if at_an_end => out.push_str("\\ "),
            b' '..=b'~' => out.push(char::from(*byte)),
            _ => {
                // Writing to a String never fails.
                let _ = write!(out, "\\{byte:02X}");
            }
        }
    }
}

fn names(mut names: Der<'_>) -> Result<String, Malformed> {
    let mut out = String::new();
    while !names.is_empty() {
        let (tag, value) = names.next()?;
        let mut text = String::new();
        match tag {
            // One that no host has says nothing, and may be meant to look like another.
            DNS_NAME => {
                let Some(name) = dns_name(value) else { continue };
                text = format!("DNS:{name}");
            }
            IP_ADDRESS => {
                let Some(address) = address(value) else { continue };
                text = format!("IP:{address}");
            }
            URI | EMAIL => {
                text.push_str(if tag == URI { "URI:" } else { "email:" });
                escape(value, &mut text);
            }
            _ => continue,
        }
        if !out.is_empty() {
            out.push(',');
        }
        out.push_str(&text);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, CustomExtension, DnType, DnValue, KeyPair, SanType};

    use super::*;

    fn identity(params: &CertificateParams) -> Identity {
        let key = KeyPair::generate().unwrap();
        Identity::read(params.self_signed(&key).unwrap().der()).unwrap()
    }

    /// With no name but these.
    fn named(names: &[(DnType, DnValue)]) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        for (kind, value) in names {
            params.distinguished_name.push(kind.clone(), value.clone());
        }
        params
    }

    fn text(text: &str) -> DnValue {
        DnValue::Utf8String(text.into())
    }

    #[test]
    fn a_subject_is_written_as_openssl_writes_it() {
        let params = named(&[
            (DnType::CountryName, DnValue::PrintableString("DE".try_into().unwrap())),
            (DnType::OrganizationName, text("Example, Inc. \"+;<>\\")),
            (DnType::CustomDnType(vec![2, 5, 4, 97]), text("a")),
            (DnType::CommonName, text("#alice\r\nX: y ")),
        ]);
        assert_eq!(
            identity(&params).subject.unwrap(),
            "CN=\\#alice\\0D\\0AX: y\\ ,2.5.4.97=#0c0161,O=Example\\, Inc. \\\"\\+\\;\\<\\>\\\\,C=DE"
        );
        assert_eq!(identity(&named(&[])).subject, None);
        let umlaut = identity(&named(&[(DnType::CommonName, text("Jürgen"))]));
        assert_eq!(umlaut.subject.unwrap(), "CN=J\\C3\\BCrgen");
    }

    #[test]
    fn other_names_are_told_apart_and_hold_nothing_odd() {
        let mut params = named(&[]);
        params.subject_alt_names = vec![
            SanType::DnsName("a.example.com".try_into().unwrap()),
            SanType::URI("spiffe://a/b,c".try_into().unwrap()),
            SanType::Rfc822Name("a@example.com".try_into().unwrap()),
            SanType::IpAddress("2001:db8::1".parse().unwrap()),
        ];
        let told = identity(&params).names.unwrap();
        assert_eq!(told, "DNS:a.example.com,URI:spiffe://a/b\\,c,email:a@example.com,IP:2001:db8::1");
        // A name with a NUL, and a URI with a line's end.
        let mut params = named(&[]);
        let content = [&[0x30, 10, DNS_NAME, 3, b'a', 0, b'b', URI, 3][..], b"\r\nx"].concat();
        params.custom_extensions.push(CustomExtension::from_oid_content(&[2, 5, 29, 17], content));
        assert_eq!(identity(&params).names.unwrap(), "URI:\\0D\\0Ax");
    }

    #[test]
    fn what_is_too_long_for_a_header_is_left_out() {
        for (length, told) in [(MOST - 3, true), (MOST - 2, false)] {
            let params = named(&[(DnType::CommonName, text(&"x".repeat(length)))]);
            assert_eq!(identity(&params).subject.is_some(), told, "{length}");
        }
    }

    #[test]
    fn numbers_are_as_they_are_written() {
        for (oid, wanted) in [
            (&[0x2a, 0x86, 0x48][..], Some("1.2.840")),
            (&[0x55, 4, 97], Some("2.5.4.97")),
            (&[0x88, 0x37], Some("2.999")),
            (&[0x27], Some("0.39")),
            (&[], None),
            (&[0x86], None),
            (&[0xff; 12], None),
        ] {
            let mut out = String::new();
            assert_eq!(dotted(oid, &mut out).ok().map(|()| &*out), wanted, "{oid:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_damaged_certificate_is_harmless_in_a_header(damage: Vec<(u16, u8)>) {
            let mut params = named(&[(DnType::CommonName, text("alice")), (DnType::OrganizationName, text("a, b"))]);
            params.subject_alt_names = vec![SanType::URI("spiffe://a/b".try_into().unwrap())];
            let key = KeyPair::generate().unwrap();
            let mut der = params.self_signed(&key).unwrap().der().to_vec();
            for (at, byte) in damage {
                let at = usize::from(at) % der.len();
                der[at] = byte;
            }
            if let Ok(Identity { subject, names }) = Identity::read(&der) {
                for told in [subject, names].into_iter().flatten() {
                    let printable = told.bytes().all(|byte| (b' '..=b'~').contains(&byte));
                    proptest::prop_assert!(printable && (1..=MOST).contains(&told.len()), "{told:?}");
                }
            }
        }

        #[test]
        fn any_text_is_harmless_in_a_header(value: Vec<u8>) {
            let mut out = String::new();
            escape(&value, &mut out);
            proptest::prop_assert!(out.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
            proptest::prop_assert!(!out.ends_with(' ') || out.ends_with("\\ "));
        }
    }
}
