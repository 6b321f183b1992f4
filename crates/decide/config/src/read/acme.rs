//! Where certificates are ordered from, and which.

use haechi_model::{AcmeChallenge, ExternalAccount, Issuer, OrderedCertificates};

use super::{References, named};
use crate::object::{Object, Read, item, many};
use crate::report::{Report, quote};
use crate::tree::{Data, Node};
use crate::value::{self, Complaint, http};
use crate::{Code, Span, defaults, keys};

/// Why a name must be plain.
const PLAIN: &str =
    "a wildcard or an address can't be proved by a request or a handshake; name a file instead";

/// The section `acme`.
pub(super) fn issuers(root: &Object<'_, '_>, report: &mut Report) -> Vec<Issuer> {
    let entries = named(root, "acme", "an issuer", report).unwrap_or_default();
    let read = |entry: &crate::tree::Entry<'_>| {
        let object = Object::open(&entry.value, &keys::ISSUER, entry.key.span, report)?;
        Some(issuer(&entry.key.text, &object, report))
    };
    entries.iter().filter_map(read).collect()
}

fn issuer(name: &str, object: &Object<'_, '_>, report: &mut Report) -> Issuer {
    let directory = object.parsed("directory", "the URL of a directory", report, |text, _| url(text));
    let contact = contact(object, report);
    let agreed = object.flag("termsOfServiceAgreed", report);
    if let Read::Given(false, span) = agreed {
        report
            .add(Code::Contradiction, span, "nothing is ordered without agreement to the terms of service")
            .help("read them (the directory's `termsOfService` says where), then write `true`; or remove the issuer");
    }
    let ca = super::tls::file(object, "ca", report);
    let external_account = external_account(object, report);
    let challenges = challenges(object, report);
    let profile = object.parsed("profile", "a profile's name", report, |text, _| value::text(text));
    Issuer {
        name: name.into(),
        directory: directory.or(defaults::ACME_DIRECTORY).into(),
        contact,
        ca,
        external_account,
        challenges,
        profile: profile.ok().map(Into::into),
    }
}

fn url(text: &str) -> Result<&str, Complaint> {
    let bad = |label: &str| Complaint::new(Code::Text, label);
    value::text(text)?;
    let Some(rest) = text.strip_prefix("https://") else {
        return Err(bad("does not start with `https://`").help("RFC 8555 section 6.1 asks for TLS"));
    };
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    if authority.is_empty()
        || authority.contains('@')
        || text.contains(|c: char| !c.is_ascii_graphic() || c == '#')
    {
        return Err(bad("not a URL such as `https://ca.example.com/directory`"));
    }
    Ok(text)
}

fn contact(object: &Object<'_, '_>, report: &mut Report) -> Vec<Box<str>> {
    let Some((node, at)) = object.node("contact") else { return Vec::new() };
    let mail = |text: &str| {
        let plain = text.strip_prefix("mailto:").unwrap_or(text);
        let whole = plain.split_once('@').is_some_and(|(who, host)| !who.is_empty() && host.contains('.'));
        if whole && plain.chars().all(|c| c.is_ascii_graphic() && !matches!(c, ',' | '?' | '<' | '>')) {
            return Ok(plain.into());
        }
        Err(Complaint::new(Code::Text, "not a mail address such as `ops@example.com`"))
    };
    let wanted = "a mail address";
    many(node)
        .iter()
        .filter_map(|node| item(node, at, "contact", wanted, report, |text, _| mail(text)))
        .collect()
}

fn external_account(object: &Object<'_, '_>, report: &mut Report) -> Option<ExternalAccount> {
    let section = object.section("externalAccount", report);
    let key_id = section.parsed("keyId", "a key's id", report, |text, _| value::text(text));
    let key_file = super::tls::file(&section, "keyFile", report);
    section.done();
    Some(ExternalAccount { key_id: key_id.ok()?.into(), key_file: key_file? })
}

fn challenges(object: &Object<'_, '_>, report: &mut Report) -> Vec<AcmeChallenge> {
    let Some((node, at)) = object.node("challenges") else { return defaults::ACME_CHALLENGES.to_vec() };
    if matches!(&node.data, Data::List(items) if items.is_empty()) {
        report
            .add(Code::WrongType, node.span, "`challenges` needs at least one")
            .help("`http-01` asks on port 80, `tls-alpn-01` on port 443");
    }
    let mut challenges = Vec::new();
    for node in many(node) {
        let read = item(node, at, "challenges", "`http-01` or `tls-alpn-01`", report, |text, _| match text {
            "http-01" => Ok(AcmeChallenge::Http01),
            "tls-alpn-01" => Ok(AcmeChallenge::TlsAlpn01),
            _ => Err(Complaint::new(Code::Word, "not one of `http-01`, `tls-alpn-01`")),
        });
        match read {
            Some(challenge) if challenges.contains(&challenge) => {
                report.add(Code::DuplicateKey, node.span, format!("`{}` is given twice", challenge.name()));
            }
            read => challenges.extend(read),
        }
    }
    challenges
}

/// Certificates of a listener that name their issuer.
pub(super) fn ordered(
    object: &Object<'_, '_>,
    references: &References,
    report: &mut Report,
) -> Option<OrderedCertificates> {
    let issuer = object.parsed("acme", "the name of an issuer", report, |text, _| Ok(text));
    if let Read::Given(name, span) = issuer {
        known(name, span, references, report);
    }
    let Some((node, at)) = object.node("names").filter(|(node, _)| !is_empty(node)) else {
        report
            .add(Code::MissingKey, object.key_span("acme"), "an ordered certificate needs `names`")
            .help("each of these names gets a certificate of its own");
        return None;
    };
    let mut names: Vec<Box<str>> = Vec::new();
    for node in many(node) {
        let name =
            item(node, at, "names", "a name such as `shop.example.com`", report, |text, _| plain(text));
        match name {
            Some(name) if names.contains(&name) => {
                report.add(Code::DuplicateKey, node.span, format!("{} is given twice", quote(&name)));
            }
            name => names.extend(name),
        }
    }
    Some(OrderedCertificates { issuer: issuer.ok()?.into(), names })
}

fn is_empty(node: &Node<'_>) -> bool {
    matches!(&node.data, Data::List(items) if items.is_empty())
}

fn plain(text: &str) -> Result<Box<str>, Complaint> {
    let name = http::host(text)?;
    match name {
        haechi_model::HostMatch::Exact(name)
            if !name.starts_with('[') && !name.contains('_') && name.parse::<std::net::IpAddr>().is_err() =>
        {
            Ok(name)
        }
        _ => Err(Complaint::new(Code::Host, "not a plain name").help(PLAIN)),
    }
}

fn known(name: &str, span: Span, references: &References, report: &mut Report) {
    if references.issuers.iter().any(|issuer| issuer == name) {
        return;
    }
    let guess = report.guess(name, references.issuers.iter().map(String::as_str));
    let diagnostic = report.add(Code::UnknownIssuer, span, format!("there is no issuer {}", quote(name)));
    diagnostic.label("not in `acme`").suggest(guess);
    if guess.is_none() {
        diagnostic.help("add it under `acme`, at the top of the config");
    }
}
