//! What a listener shows to clients, and a pool asks of endpoints, as keys and values.

use haechi_model::{CertificateFiles, ListenerTls, PoolTls, TlsPolicy, TlsVersion};

use super::tree::{Out, count, host, may, must};
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
    Out::Map(vec![
        must("certificates", Out::List(tls.certificates.iter().map(certificate).collect())),
        may("policy", Out::bare(policy), tls.policy == TlsPolicy::default()),
        may("minimumVersion", Out::text(version), tls.minimum_version == tls.policy.minimum_version()),
        count("strictSni", &tls.strict_sni, &false),
        count("maxHandshakes", &tls.max_handshakes, &defaults::MAX_HANDSHAKES),
    ])
}

fn certificate(files: &CertificateFiles) -> Out {
    let mut fields = vec![must("certificate", Out::text(&files.certificate))];
    fields.push(may("key", Out::text(&files.key), files.key == files.certificate));
    if !files.names.is_empty() {
        fields.push(must("names", Out::List(files.names.iter().filter_map(host).collect())));
    }
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
