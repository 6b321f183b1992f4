//! Why there is no certificate, and whose fault that is.

use std::error::Error;
use std::fmt;

use haechi_acme::Blame;
use instant_acme::Problem;

/// What an issuer says is cut here: it stands in events and status.
const MOST_TEXT: usize = 400;

/// Where the names of errors begin (RFC 8555 section 6.7).
const URN: &str = "urn:ietf:params:acme:error:";

/// Why an order failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// Whose fault it is.
    pub blame: Blame,
    /// In a sentence.
    pub text: String,
    /// When the issuer wants to hear of us again, in seconds since 1970.
    pub until: Option<i64>,
    /// The issuer does not know our account any more.
    pub(crate) account_gone: bool,
}

impl Failure {
    pub(crate) fn new(blame: Blame, text: impl Into<String>) -> Self {
        Self { blame, text: text.into(), until: None, account_gone: false }
    }

    /// What an issuer says in the form that is made for it (RFC 7807).
    pub(crate) fn of(problem: &Problem) -> Self {
        let kind = problem.r#type.as_deref().unwrap_or_default();
        let kind = kind.strip_prefix(URN).unwrap_or(kind);
        let blame = match kind {
            "rateLimited" => Blame::Limit,
            "unauthorized"
            | "connection"
            | "dns"
            | "tls"
            | "caa"
            | "incorrectResponse"
            | "compound"
            | "rejectedIdentifier"
            | "unsupportedIdentifier"
            | "orderNotReady" => Blame::Name,
            "accountDoesNotExist"
            | "externalAccountRequired"
            | "userActionRequired"
            | "invalidContact"
            | "unsupportedContact"
            | "invalidProfile"
            | "badCSR"
            | "malformed"
            | "badPublicKey" => Blame::Us,
            _ => Blame::Issuer,
        };
        let detail = problem.subproblems.iter().find_map(|one| one.detail.as_deref());
        let detail = problem.detail.as_deref().or(detail).unwrap_or("no reason given");
        let text = format!("the issuer says: {} ({})", clean(detail), clean(kind));
        Self { account_gone: kind == "accountDoesNotExist", ..Self::new(blame, text) }
    }
}

/// Others' words, cut and without what a terminal would obey.
pub(crate) fn clean(text: &str) -> String {
    let clean = text.chars().take(MOST_TEXT).map(|c| if c.is_control() { ' ' } else { c });
    clean.collect()
}

impl From<instant_acme::Error> for Failure {
    fn from(error: instant_acme::Error) -> Self {
        use instant_acme::Error as Acme;
        match error {
            Acme::Api(problem) => Self::of(&problem),
            Acme::Other(inner) => match inner.downcast::<Self>() {
                Ok(failure) => *failure,
                Err(other) => Self::new(Blame::Issuer, clean(&other.to_string())),
            },
            Acme::Json(error) => Self::new(
                Blame::Issuer,
                format!("the issuer's answer is not what RFC 8555 wants: {}", clean(&error.to_string())),
            ),
            Acme::Timeout(_) => Self::new(Blame::Issuer, "the issuer takes longer than it is waited for"),
            error @ (Acme::Crypto | Acme::KeyRejected) => {
                Self::new(Blame::Us, format!("our account's key can't be used: {error}"))
            }
            error => Self::new(Blame::Issuer, clean(&error.to_string())),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(json: &str) -> Failure {
        Failure::of(&serde_json::from_str(json).unwrap())
    }

    #[test]
    fn each_error_has_somebody_to_ask() {
        for (kind, blame) in [
            ("urn:ietf:params:acme:error:rateLimited", Blame::Limit),
            ("urn:ietf:params:acme:error:unauthorized", Blame::Name),
            ("urn:ietf:params:acme:error:connection", Blame::Name),
            ("urn:ietf:params:acme:error:rejectedIdentifier", Blame::Name),
            ("urn:ietf:params:acme:error:externalAccountRequired", Blame::Us),
            ("urn:ietf:params:acme:error:serverInternal", Blame::Issuer),
            ("about:blank", Blame::Issuer),
        ] {
            let failure = problem(&format!("{{\"type\": \"{kind}\", \"detail\": \"so\\u001b[2J\"}}"));
            assert_eq!(failure.blame, blame, "{kind}");
            assert!(failure.text.contains("so [2J"), "{failure}");
        }
        assert_eq!(problem("{}").blame, Blame::Issuer);
        assert!(problem("{\"type\": \"urn:ietf:params:acme:error:accountDoesNotExist\"}").account_gone);
        let long = problem(&format!("{{\"detail\": \"{}\"}}", "x".repeat(100_000)));
        assert!(long.text.len() < 2 * MOST_TEXT);
    }
}
