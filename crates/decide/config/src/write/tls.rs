//! What a listener shows to clients, and a pool asks of endpoints, as keys and values.

use haechi_model::{
    CertificateFiles, ClientCertificates, HostMatch, ListenerCertificate, ListenerTls, PoolTls, TlsPolicy,
    TlsVersion,
};

use super::acme;
use super::tree::{Field, Out, count, host, may, must};
use crate::defaults;

/// The section `tls` of a listener.
pub(super) fn listener(tls: &ListenerTls) -> Out {
    let policy = match tls.policy {
        TlsPolicy::Intermediate => "intermediate",
        TlsPolicy::Modern => "modern",
    };
    let version = match tls.minimum_version {
        TlsVersion::Tls12 => "1.2",
        TlsVersion::Tls13 => "1.3",
    };
    let mut fields = vec![
        must("certificates", Out::List(tls.certificates.iter().map(certificate).collect())),
        may("policy", Out::bare(policy), tls.policy == TlsPolicy::default()),
        may("minimumVersion", Out::text(version), tls.minimum_version == tls.policy.minimum_version()),
        count("strictSni", &tls.strict_sni, &false),
        count("maxHandshakes", &tls.max_handshakes, &defaults::MAX_HANDSHAKES),
    ];
    fields.extend(tls.ticket_keys.as_ref().map(|keys| must("ticketKeys", Out::text(keys))));
    if let Some(ClientCertificates { ca, crl, optional, names }) = &tls.client {
        let mut client = vec![must("ca", Out::text(ca))];
        client.extend(crl.as_ref().map(|crl| must("crl", Out::text(crl))));
        let mode = if *optional { "optional" } else { "required" };
        client.push(may("mode", Out::bare(mode), !optional));
        client.extend(hosts("names", names));
        fields.push(must("clientCertificates", Out::Map(client)));
    }
    Out::Map(fields)
}

fn hosts(key: &'static str, names: &[HostMatch]) -> Option<Field> {
    (!names.is_empty()).then(|| must(key, Out::List(names.iter().filter_map(host).collect())))
}

fn certificate(certificate: &ListenerCertificate) -> Out {
    match certificate {
        ListenerCertificate::Files(named) => files(named),
        ListenerCertificate::Ordered(ordered) => acme::ordered(ordered),
    }
}

fn files(files: &CertificateFiles) -> Out {
    let mut fields = vec![must("certificate", Out::text(&files.certificate))];
    fields.push(may("key", Out::text(&files.key), files.key == files.certificate));
    fields.extend(hosts("names", &files.names));
    fields.extend(files.ocsp.as_ref().map(|ocsp| must("ocsp", Out::text(ocsp))));
    Out::Map(fields)
}

/// The section `tls` of a pool.
pub(super) fn pool(tls: &PoolTls) -> Out {
    let mut fields = Vec::new();
    fields.extend(tls.ca.as_ref().map(|ca| must("ca", Out::text(ca))));
    fields.extend(tls.server_name.as_ref().map(|name| must("serverName", Out::text(name))));
    if let Some(client) = &tls.client {
        fields.push(must("certificate", Out::text(&client.certificate)));
        fields.push(may("key", Out::text(&client.key), client.key == client.certificate));
    }
    fields.push(count("verify", &tls.verify, &true));
    Out::Map(fields)
}
