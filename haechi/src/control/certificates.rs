//! Certificates and the like: what is wrong with them is said where the config names them.

use std::collections::BTreeSet;
use std::path::Path;

use haechi_config::{Code, Diagnostic, Outcome, Severity, Span};
use haechi_model::{ListenerKind, Snapshot};
use haechi_trust::{Credentials, Finding, Loaded, Problem, Trust};

use super::source::folder;

/// What refuses a config.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Severely {
    /// Also a certificate that nobody trusts now.
    All,
    /// The same, because there is a better one in use; but for that of these files, which has expired as well. One that
    /// nobody renews must not keep all others from being renewed.
    But(BTreeSet<Box<str>>),
    /// Only what can't be used at all: a node that serves many names does not stay down for one of them.
    Broken,
}

impl Severely {
    pub(super) fn refuses(&self, finding: &Finding) -> bool {
        match self {
            _ if finding.problem == Problem::ExpiresSoon => false,
            Self::All => true,
            Self::But(expired) => finding.problem != Problem::Expired || !expired.contains(&finding.file),
            Self::Broken => !finding.problem.is_usable(),
        }
    }
}

/// Looks at all files that a config names, and adds what is wrong with them to its diagnostics.
pub(crate) fn look(config: &Path, outcome: &mut Outcome, trust: &Trust, severely: &Severely) -> Credentials {
    let Some(snapshot) = &outcome.snapshot else { return Credentials::default() };
    outcome.diagnostics.extend(unspoken(snapshot));
    let Loaded { credentials, findings } = trust.load(folder(config), snapshot, now());
    for finding in &findings {
        let found = outcome.files.iter().find(|file| file.name == finding.file);
        let diagnostic = diagnostic(finding, found.map_or(Span::START, |file| file.span), severely);
        // One file may be named twice.
        if !outcome.diagnostics.contains(&diagnostic) {
            outcome.diagnostics.push(diagnostic);
        }
    }
    outcome.diagnostics.sort_by_key(|diagnostic| (diagnostic.span.offset, diagnostic.code));
    credentials
}

/// What a listener is to speak and this program was built without.
fn unspoken(snapshot: &Snapshot) -> Option<Diagnostic> {
    let wants = |kind: &ListenerKind| matches!(kind, ListenerKind::Http(http) if http.http3);
    let listener = snapshot.listeners.iter().find(|listener| wants(&listener.kind))?;
    let message = format!("listener {}: this haechi was built without HTTP/3", listener.name);
    let mut diagnostic = Diagnostic::new(Code::NotHere, Span::START, message);
    diagnostic.help =
        Some("remove `http3`, or take one that was built with it (cargo's feature `http3`)".into());
    (!haechi_proxy::SPEAKS_HTTP3).then_some(diagnostic)
}

/// Seconds since 1970.
pub(super) fn now() -> i64 {
    i64::try_from(super::wall_ms() / 1000).unwrap_or(i64::MAX)
}

fn diagnostic(finding: &Finding, span: Span, severely: &Severely) -> Diagnostic {
    let mut diagnostic = Diagnostic::new(code(finding.problem), span, finding.message.clone());
    if !severely.refuses(finding) {
        diagnostic.severity = Severity::Warning;
    }
    diagnostic.help.clone_from(&finding.help);
    diagnostic
}

pub(super) const fn code(problem: Problem) -> Code {
    match problem {
        Problem::Unreadable => Code::Unreadable,
        Problem::NotPem => Code::NotPem,
        Problem::KeyMismatch => Code::KeyMismatch,
        Problem::Expired => Code::Expired,
        Problem::NotYetValid => Code::NotYetValid,
        Problem::WeakKey => Code::WeakKey,
        Problem::TicketKeys => Code::TicketKeys,
        Problem::Passwords => Code::Passwords,
        Problem::ExpiresSoon => Code::ExpiresSoon,
    }
}
