//! One order, from the wish to the certificate.

use std::sync::Arc;
use std::time::Duration;

use haechi_acme::Blame;
use haechi_model::{AcmeChallenge, Issuer};
use haechi_trust::{Challenges, Pending};
use instant_acme::{
    Account, AuthorizationHandle, AuthorizationStatus, ChallengeType, Identifier, KeyAuthorization, NewOrder,
    Order, OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::sign::CertifiedKey;

use crate::failure::Failure;

/// How an issuer is asked whether it is done: soon, then slower, unless it says itself when.
const ASK: RetryPolicy = RetryPolicy::new()
    .initial_delay(Duration::from_millis(250))
    .backoff(1.5)
    .timeout(Duration::from_secs(90));

/// Longest token. RFC 8555 section 8.3 wants 128 bits of chance at least, which are 22 letters.
const MOST_TOKEN: usize = 256;

/// Orders; gives key and chain as PEM.
pub(crate) async fn run(
    account: &Account,
    issuer: &Issuer,
    name: &str,
    failures: u32,
    challenges: &Arc<Challenges>,
) -> Result<String, Failure> {
    let identifiers = [Identifier::Dns(name.to_owned())];
    let mut new = NewOrder::new(&identifiers);
    if let Some(profile) = &issuer.profile {
        new = new.profile(profile);
    }
    let mut order = account.new_order(&new).await?;
    let pending = prove(&mut order, &ways(issuer, failures), name, challenges).await?;
    match order.poll_ready(&ASK).await {
        Ok(OrderStatus::Ready) => {}
        Ok(_) | Err(instant_acme::Error::Api(_)) => return Err(why_not(&mut order, name).await),
        Err(error) => return Err(error.into()),
    }
    drop(pending);
    let (key, request) = request(name).map_err(|error| ours(&error))?;
    order.finalize_csr(&request).await?;
    let chain = order.poll_certificate(&ASK).await?;
    Ok(format!("{}{chain}", key.serialize_pem()))
}

/// Ways of proof: those that failed give way to the next.
fn ways(issuer: &Issuer, failures: u32) -> Vec<AcmeChallenge> {
    let mut ways = issuer.challenges.clone();
    if !ways.is_empty() {
        let first = usize::try_from(failures).unwrap_or_default() % ways.len();
        ways.rotate_left(first);
    }
    ways
}

/// Answers for the name wherever the issuer will look, and tells it to.
async fn prove(
    order: &mut Order,
    ways: &[AcmeChallenge],
    name: &str,
    challenges: &Arc<Challenges>,
) -> Result<Vec<Pending>, Failure> {
    let mut pending = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        match authorization.status {
            AuthorizationStatus::Valid => continue,
            AuthorizationStatus::Pending => {}
            status => {
                let text = format!("the issuer's authorization for {name} is {status:?} before it began");
                return Err(Failure::new(Blame::Issuer, text));
            }
        }
        if authorization.identifier().to_string() != name {
            return Err(Failure::new(
                Blame::Issuer,
                "the issuer wants proof for a name that was not ordered",
            ));
        }
        pending.push(prove_one(&mut authorization, ways, name, challenges).await?);
    }
    Ok(pending)
}

async fn prove_one<'a>(
    authorization: &'a mut AuthorizationHandle<'a>,
    ways: &[AcmeChallenge],
    name: &str,
    challenges: &Arc<Challenges>,
) -> Result<Pending, Failure> {
    let offers = |way: &&AcmeChallenge| authorization.challenges.iter().any(|one| one.r#type == kind(**way));
    let Some(way) = ways.iter().find(offers).copied() else {
        let text = format!("the issuer offers none of the configured challenges for {name}");
        return Err(Failure::new(Blame::Us, text));
    };
    let Some(mut challenge) = authorization.challenge(kind(way)) else {
        return Err(Failure::new(Blame::Issuer, "the issuer's challenge went away"));
    };
    let base64url = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if challenge.token.is_empty()
        || challenge.token.len() > MOST_TOKEN
        || !challenge.token.chars().all(base64url)
    {
        return Err(Failure::new(Blame::Issuer, "the issuer's token is none (RFC 8555 section 8.3)"));
    }
    let answer = challenge.key_authorization();
    let pending = match way {
        AcmeChallenge::Http01 => challenges.pend_token(name, &challenge.token, answer.as_str().as_bytes()),
        AcmeChallenge::TlsAlpn01 => {
            let certificate = certificate_of(name, &answer).map_err(|error| ours(&error))?;
            challenges.pend_certificate(name, certificate)
        }
    };
    challenge.set_ready().await?;
    Ok(pending)
}

const fn kind(way: AcmeChallenge) -> ChallengeType {
    match way {
        AcmeChallenge::Http01 => ChallengeType::Http01,
        AcmeChallenge::TlsAlpn01 => ChallengeType::TlsAlpn01,
    }
}

/// What a handshake by `acme-tls/1` shows (RFC 8737 section 3). Nobody else ever sees it.
fn certificate_of(name: &str, answer: &KeyAuthorization) -> Result<CertifiedKey, String> {
    let mut params = CertificateParams::new([name.to_owned()]).map_err(|error| error.to_string())?;
    params.distinguished_name = DistinguishedName::new();
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(answer.digest().as_ref())];
    let key = KeyPair::generate().map_err(|error| error.to_string())?;
    let certificate = params.self_signed(&key).map_err(|error| error.to_string())?;
    let der = PrivatePkcs8KeyDer::from(key.serialize_der());
    // `from_der` would look into the certificate, and refuse its critical extension.
    let key = default_provider().key_provider.load_private_key(der.into());
    let key = key.map_err(|error| error.to_string())?;
    Ok(CertifiedKey::new(vec![certificate.der().clone()], key))
}

/// A new key, and the request for a certificate of it.
fn request(name: &str) -> Result<(KeyPair, Vec<u8>), String> {
    let mut params = CertificateParams::new([name.to_owned()]).map_err(|error| error.to_string())?;
    params.distinguished_name = DistinguishedName::new();
    let key = KeyPair::generate().map_err(|error| error.to_string())?;
    let request = params.serialize_request(&key).map_err(|error| error.to_string())?;
    Ok((key, request.der().to_vec()))
}

fn ours(error: &str) -> Failure {
    Failure::new(Blame::Us, format!("a key can't be made: {error}"))
}

/// What the issuer saw when it looked for the proof.
async fn why_not(order: &mut Order, name: &str) -> Failure {
    let whole = order.state().error.as_ref().map(Failure::of);
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        let Ok(state) = authorization.refresh().await else { break };
        let seen = state.challenges.iter().find_map(|one| Some((one.r#type.clone(), one.error.as_ref()?)));
        if let Some((way, problem)) = seen {
            let way = match way {
                ChallengeType::Http01 => AcmeChallenge::Http01.name(),
                ChallengeType::TlsAlpn01 => AcmeChallenge::TlsAlpn01.name(),
                _ => "a challenge",
            };
            let failure = Failure::of(problem);
            let text = format!("{name} was not proved by {way}: {failure}");
            return Failure { blame: Blame::Name, text, ..failure };
        }
    }
    whole.unwrap_or_else(|| {
        Failure::new(Blame::Name, format!("{name} was not proved, and the issuer says no more"))
    })
}
