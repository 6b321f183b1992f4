//! Where certificates are ordered from, as keys and values.

use haechi_model::{AcmeChallenge, Issuer, OrderedCertificates};

use super::tree::{Out, may, must};
use crate::defaults;

/// An entry of `acme`.
pub(super) fn issuer(issuer: &Issuer) -> Out {
    let texts = |all: &[Box<str>]| Out::List(all.iter().map(Out::text).collect());
    let mut fields =
        vec![may("directory", Out::text(&issuer.directory), *issuer.directory == *defaults::ACME_DIRECTORY)];
    if !issuer.contact.is_empty() {
        fields.push(must("contact", texts(&issuer.contact)));
    }
    fields.push(must("termsOfServiceAgreed", Out::bare(&true)));
    fields.extend(issuer.ca.as_ref().map(|ca| must("ca", Out::text(ca))));
    if let Some(account) = &issuer.external_account {
        let account =
            vec![must("keyId", Out::text(&account.key_id)), must("keyFile", Out::text(&account.key_file))];
        fields.push(must("externalAccount", Out::Map(account)));
    }
    let challenges = issuer.challenges.iter().map(|one| Out::bare(AcmeChallenge::name(*one)));
    let default = issuer.challenges == defaults::ACME_CHALLENGES;
    fields.push(may("challenges", Out::List(challenges.collect()), default));
    fields.extend(issuer.profile.as_ref().map(|profile| must("profile", Out::text(profile))));
    Out::Map(fields)
}

/// Certificates that are ordered, in a listener.
pub(super) fn ordered(ordered: &OrderedCertificates) -> Out {
    let names = ordered.names.iter().map(Out::text).collect();
    Out::Map(vec![must("acme", Out::text(&ordered.issuer)), must("names", Out::List(names))])
}
