//! Ordered certificates on the page: where from, and how it goes.

use super::sections::Section;
use crate::keys;

pub(crate) static SECTIONS: &[Section] = &[
    Section {
        heading: "Issuer",
        path: "acme.NAME",
        shape: &keys::ISSUER,
        intro: "Whoever gives out certificates by ACME (RFC 8555): Let's Encrypt, or a CA of your own. See \
                [ordered certificates](#ordered-certificates).",
        example: "\
acme:
  letsencrypt: { contact: ops@example.com, termsOfServiceAgreed: true }
listeners:
  plain: { bind: \":80\", protocol: http, routes: [{ pool: web }] }
  shop:
    bind: \":443\"
    protocol: https
    routes: [{ pool: web }]
    tls: { certificates: [{ acme: letsencrypt, names: [shop.example.com, www.example.com] }] }
",
    },
    Section {
        heading: "External account",
        path: "acme.NAME.externalAccount",
        shape: &keys::EXTERNAL_ACCOUNT,
        intro: "For issuers that serve customers only (ZeroSSL, Google, many private ones). It is used once, when our \
                account is made.",
        example: "\
acme:
  corporate:
    directory: https://ca.corp.example.com/acme/directory
    termsOfServiceAgreed: true
    ca: corp-root.pem
    externalAccount: { keyId: kid-1, keyFile: corp-mac.key }
",
    },
];

pub(super) const BEHAVIOUR: &str = "
## Ordered certificates

haechi orders a certificate for each name of an entry with `acme`, one name each: a name that can't be proved keeps no
other one from its certificate. Until the first one is there, a client that asks for the name gets what else the listener
has (the first certificate, or a refusal with `strictSni`); where it has nothing, the handshake is refused. haechi never
makes up a certificate of its own.

- **`http-01`** is answered by every `http` and `https` listener before its routes: `/.well-known/acme-challenge/TOKEN` for
  a host that is ordered here. A token that is not pending gets 404, and other hosts go to their routes. The issuer asks on
  port 80, so something must stand there, or lead from there to a listener.
- **`tls-alpn-01`** is answered inside the handshake of every `https` listener, by the protocol `acme-tls/1`, and the
  connection ends with it. The issuer asks on port 443. Where a listener demands client certificates, use `http-01`.
- **Renewal** begins when a third of a certificate's life is left, a little earlier by chance, so that not all come at
  once. The one in use stays until the new one is whole.
- **A failure** is tried again after 10 s, then twice as late each time: up to half an hour where the issuer can't be
  reached or the fault is ours, up to 6 h where it refused the name, and never more than 4 refusals an hour (Let's Encrypt
  blocks a name after 5). `Retry-After` is obeyed, up to a day. `haechi reload` tries again at once, but within these two.
- **Keys** are ECDSA P-256, new with each order. Account, certificates and what was tried stand in the state directory
  under `acme/ISSUER/`, for the user alone, and outlive restarts. With another `directory` the account is another one, and
  certificates are ordered anew.
- **A pair of nodes**: each has its own account and its own certificates, and shares neither. The issuer reaches whoever
  holds the virtual address, so a node that is active in no virtual router waits, and says so in `haechi status`; it orders
  as soon as it is active. So hand over once after the first setup (`haechi ha handover`), and look at the backup's
  expiry (`haechi_acme_certificate_expiry_timestamp_seconds`): where no second is to be lost, give both nodes files.
";
