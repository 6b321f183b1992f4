//! What is wrong with a file, for the author of the config that names it.

use haechi_tls::Doubt;

/// One thing that was found in a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// The file, as the config names it.
    pub file: Box<str>,
    /// What kind of thing.
    pub problem: Problem,
    /// In one sentence.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

/// Kinds of findings.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Problem {
    /// It is not there, or may not be read.
    Unreadable,
    /// It does not hold what it should.
    NotPem,
    /// The key is another certificate's.
    KeyMismatch,
    /// Its time is over.
    Expired,
    /// Its time has not begun.
    NotYetValid,
    /// Nobody should trust it, whoever signed it.
    WeakKey,
    /// It holds no keys for tickets.
    TicketKeys,
    /// It holds no users, or hashes that are no good.
    Passwords,
    /// Its time is over soon: it can be used.
    ExpiresSoon,
}

impl Problem {
    /// Whether the file can be used all the same, if it must be.
    pub const fn is_usable(self) -> bool {
        matches!(self, Self::Expired | Self::NotYetValid | Self::ExpiresSoon)
    }
}

impl Finding {
    pub(crate) fn new(file: &str, problem: Problem, message: impl Into<String>) -> Self {
        Self { file: file.into(), problem, message: message.into(), help: None }
    }

    /// What stands first in `file` is PEM, and no certificate.
    pub(crate) fn malformed(file: &str) -> Self {
        let message = format!("the first certificate in {file} is malformed");
        Self::new(file, Problem::NotPem, message)
            .help("`openssl x509 -in FILE -text` shows what can be read of it")
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// What speaks against the certificate in `file`; `title` is what people call it.
    pub(crate) fn doubt(file: &str, title: &str, doubt: Doubt) -> Self {
        match doubt {
            Doubt::Expired(ago) => Self::new(
                file,
                Problem::Expired,
                format!("the certificate for {title} expired {} ago", span(ago)),
            )
            .help("renew it"),
            Doubt::NotYetValid(left) => Self::new(
                file,
                Problem::NotYetValid,
                format!("the certificate for {title} is valid in {} only", span(left)),
            )
            .help("wait, or look at the clocks of this machine and of the one that made it"),
            Doubt::ShortKey(bits) => Self::new(
                file,
                Problem::WeakKey,
                format!("the certificate for {title} has an RSA key of {bits} bits"),
            )
            .help("make one with at least 2048 bits, or better an ECDSA key"),
            Doubt::WeakSignature => Self::new(
                file,
                Problem::WeakKey,
                format!("the certificate for {title} is signed with SHA-1 or MD5"),
            )
            .help("have it signed with SHA-256"),
            Doubt::ExpiresSoon(left) => Self::new(
                file,
                Problem::ExpiresSoon,
                format!("the certificate for {title} expires in {}", span(left)),
            )
            .help("renew it; the new file is taken when it is there"),
        }
    }
}

/// As people say it: the largest unit that fits.
fn span(seconds: i64) -> String {
    let (count, unit) = match seconds {
        ..120 => (seconds, "second"),
        120..7_200 => (seconds / 60, "minute"),
        7_200..172_800 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_said_in_their_largest_unit() {
        for (seconds, text) in [
            (0, "0 seconds"),
            (1, "1 second"),
            (119, "119 seconds"),
            (120, "2 minutes"),
            (7_199, "119 minutes"),
            (7_200, "2 hours"),
            (172_799, "47 hours"),
            (172_800, "2 days"),
            (31_536_000, "365 days"),
        ] {
            assert_eq!(span(seconds), text);
        }
    }
}
