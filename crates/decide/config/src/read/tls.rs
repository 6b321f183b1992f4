//! What a listener shows to clients, and a pool asks of endpoints. The files are named here and read by the shell.

use haechi_model::{
    CertificateFiles, ClientCertificates, ClientFiles, HostMatch, ListenerCertificate, ListenerTls, PoolTls,
    TlsPolicy, TlsVersion,
};

use super::listener::NOWHERE_HELP;
use super::{References, acme};
use crate::object::{Object, item, many};
use crate::report::Report;
use crate::tree::Data;
use crate::value::{self, http};
use crate::{Code, defaults, keys};

/// The section `tls` of an https listener.
pub(super) fn listener(object: &Object<'_, '_>, references: &References, report: &mut Report) -> ListenerTls {
    if !object.has("tls") {
        report.add(Code::MissingKey, object.at, "an https listener needs `tls`").help(NOWHERE_HELP);
    }
    let tls = object.section("tls", report);
    let certificates = certificates(&tls, references, report);
    let policy = match tls.word("policy", report).or("intermediate") {
        "modern" => TlsPolicy::Modern,
        _ => TlsPolicy::Intermediate,
    };
    let version = tls.word("minimumVersion", report);
    let minimum_version = match version.ok() {
        Some("1.2") => TlsVersion::Tls12,
        Some(_) => TlsVersion::Tls13,
        None => policy.minimum_version(),
    };
    if let Some(span) = version.span().filter(|_| minimum_version < policy.minimum_version()) {
        report
            .add(Code::Contradiction, span, "`policy: modern` speaks TLS 1.3 only")
            .help("remove `minimumVersion`, or set `policy: intermediate`");
    }
    let strict_sni = tls.flag("strictSni", report).or(false);
    let max_handshakes = tls.int("maxHandshakes", report).or(defaults::MAX_HANDSHAKES);
    let ticket_keys = file(&tls, "ticketKeys", report);
    let client = client(&tls, report);
    tls.done();
    ListenerTls { certificates, policy, minimum_version, strict_sni, max_handshakes, ticket_keys, client }
}

fn client(tls: &Object<'_, '_>, report: &mut Report) -> Option<ClientCertificates> {
    let object = tls.section("clientCertificates", report);
    let ca = file(&object, "ca", report);
    let crl = file(&object, "crl", report);
    let optional = object.word("mode", report).or("required") == "optional";
    let names = names(&object, report);
    object.done();
    ca.map(|ca| ClientCertificates { ca, crl, optional, names })
}

fn certificates(
    tls: &Object<'_, '_>,
    references: &References,
    report: &mut Report,
) -> Vec<ListenerCertificate> {
    let Some((node, at)) = tls.node("certificates") else { return Vec::new() };
    if matches!(&node.data, Data::List(items) if items.is_empty()) {
        report.add(Code::WrongType, node.span, "`certificates` needs at least one").help(NOWHERE_HELP);
    }
    let read = |node| {
        let object = Object::open(node, &keys::CERTIFICATE, at, report)?;
        let certificate = if object.has("acme") {
            let ordered = acme::ordered(&object, references, report).map(ListenerCertificate::Ordered);
            for key in ["certificate", "key", "ocsp"] {
                let why = "the certificate is ordered";
                super::not_here(&object, key, why, "name files in an entry of their own", report);
            }
            ordered
        } else {
            object.node("acme");
            files(&object, report).map(ListenerCertificate::Files)
        };
        object.done();
        certificate
    };
    many(node).iter().filter_map(read).collect()
}

fn files(object: &Object<'_, '_>, report: &mut Report) -> Option<CertificateFiles> {
    if !object.has("certificate") {
        report
            .add(Code::MissingKey, object.at, "a certificate needs `certificate` or `acme`")
            .help("name the PEM file, or the issuer that it is ordered from");
    }
    let certificate = file(object, "certificate", report);
    let key = file(object, "key", report);
    let names = names(object, report);
    let ocsp = file(object, "ocsp", report);
    let certificate = certificate?;
    let key = key.unwrap_or_else(|| certificate.clone());
    Some(CertificateFiles { certificate, key, names, ocsp })
}

fn names(object: &Object<'_, '_>, report: &mut Report) -> Vec<HostMatch> {
    let Some((node, at)) = object.node("names") else { return Vec::new() };
    let name = |node| {
        item(node, at, "names", "a name such as `shop.example.com`", report, |text, _| http::host(text))
    };
    many(node).iter().filter_map(name).collect()
}

/// The name of a file, which the shell looks at: its place is kept for what is found there.
pub(super) fn file(object: &Object<'_, '_>, key: &str, report: &mut Report) -> Option<Box<str>> {
    let read = object.parsed(key, "a file name", report, |text, _| value::text(text));
    if let (Some(name), Some(span)) = (read.ok(), read.span()) {
        report.names_file(name, span);
    }
    read.ok().map(Into::into)
}

/// The section `tls` of a pool.
pub(super) fn pool(object: &Object<'_, '_>, report: &mut Report) -> Option<PoolTls> {
    let tls = object.section("tls", report);
    let ca = file(&tls, "ca", report);
    let server_name = tls.parsed("serverName", "a name", report, |text, _| http::server_name(text));
    let certificate = file(&tls, "certificate", report);
    let key = file(&tls, "key", report);
    let verify = tls.flag("verify", report).or(true);
    if key.is_some() && !tls.has("certificate") {
        report
            .add(Code::MissingKey, tls.key_span("key"), "a key without `certificate`")
            .help("name the file of its certificate, or remove it");
    }
    if !verify && ca.is_some() {
        report
            .add(
                Code::Contradiction,
                tls.key_span("ca"),
                "`verify: false` accepts any certificate, so `ca` would not be looked at",
            )
            .help("remove `verify` to trust this CA");
    }
    tls.done();
    let client = certificate.map(|certificate| {
        let key = key.unwrap_or_else(|| certificate.clone());
        ClientFiles { certificate, key }
    });
    object.has("tls").then(|| PoolTls { ca, server_name: server_name.ok().map(Into::into), client, verify })
}
