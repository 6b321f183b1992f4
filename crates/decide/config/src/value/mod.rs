//! What single values may look like: pure functions from text to a typed value or a [`Complaint`].

pub(crate) mod duration;
pub(crate) mod http;
pub(crate) mod net;
pub(crate) mod number;
mod payload;

pub(crate) use payload::{format_payload, hex, payload};

use crate::shape::Text;
use crate::{Code, Diagnostic};

/// Longest text: nothing that goes into a request line of the default 8 KiB needs more than half of it.
pub(crate) const MAX_TEXT: usize = 4096;

/// Longest name: a DNS label, which Kubernetes' names are too.
pub(crate) const MAX_NAME: usize = 63;

/// Why a text is not a value of its kind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Complaint {
    pub(crate) code: Code,
    /// Said at the place: "a number without a unit".
    pub(crate) label: String,
    pub(crate) help: Option<String>,
    pub(crate) suggestion: Option<String>,
}

impl Complaint {
    pub(crate) fn new(code: Code, label: impl Into<String>) -> Self {
        Self { code, label: label.into(), help: None, suggestion: None }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(crate) fn suggest(mut self, suggestion: impl Into<String>) -> Self {
        self.suggestion = Some(suggestion.into());
        self
    }

    /// Moves what it says into a diagnostic that has the headline.
    pub(crate) fn tell(self, diagnostic: &mut Diagnostic) {
        diagnostic.label(self.label).suggest(self.suggestion);
        diagnostic.help = self.help;
    }
}

/// Checks a name: see [`Code::Name`].
pub(crate) fn name(text: &str) -> Result<&str, Complaint> {
    let complaint = |label: String| {
        let help = "letters, digits, `-`, `_` and `.`; the first one a letter, a digit or `_`";
        let plain: String = text.chars().map(|c| if is_name_char(c) { c } else { '-' }).collect();
        let plain = plain.trim_matches(['-', '.']);
        let complaint = Complaint::new(Code::Name, label).help(help);
        if plain.is_empty() || plain.len() > MAX_NAME || !text.is_ascii() {
            complaint
        } else {
            complaint.suggest(plain)
        }
    };
    if text.is_empty() {
        return Err(complaint("a name can't be empty".into()));
    }
    if text.len() > MAX_NAME {
        return Err(complaint(format!("{} bytes long, at most {MAX_NAME} fit", text.len())));
    }
    if let Some(c) = text.chars().find(|&c| !is_name_char(c)) {
        return Err(complaint(format!("holds `{}`", c.escape_debug())));
    }
    if text.starts_with(['-', '.']) {
        return Err(complaint("starts with a sign that is not a letter, a digit or `_`".into()));
    }
    Ok(text)
}

const fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

/// Longest interface name that Linux knows (`IFNAMSIZ` is 16 with the final zero).
const MAX_INTERFACE: usize = 15;

/// Checks an interface's name by the kernel's own rule (`dev_valid_name`): see [`Code::Interface`].
pub(crate) fn interface(text: &str) -> Result<&str, Complaint> {
    let wrong = if text.is_empty() {
        "an interface's name can't be empty".to_owned()
    } else if text.len() > MAX_INTERFACE {
        format!("{} bytes long, Linux knows at most {MAX_INTERFACE}", text.len())
    } else if let Some((name, _)) = text.split_once([':', '@']) {
        // `ip addr` shows `eth0.5@eth0`, and ifconfig once had aliases.
        let complaint = Complaint::new(Code::Interface, "an alias or a link, not the interface itself");
        return Err(if interface(name).is_ok() { complaint.suggest(name) } else { complaint });
    } else if text.contains('/') || text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        "holds a character that no interface's name has".to_owned()
    } else if matches!(text, "." | "..") {
        "names a folder".to_owned()
    } else {
        return Ok(text);
    };
    Err(Complaint::new(Code::Interface, wrong).help("`ip link` lists the interfaces of a machine"))
}

/// Checks a text without rules of its own: see [`Code::Text`].
pub(crate) fn text(text: &str) -> Result<&str, Complaint> {
    if text.is_empty() {
        return Err(Complaint::new(Code::Text, "an empty text").help("remove the key to leave it out"));
    }
    if text.len() > MAX_TEXT {
        return Err(Complaint::new(
            Code::Text,
            format!("{} bytes long, at most {MAX_TEXT} are taken", text.len()),
        ));
    }
    Ok(text)
}

/// Regular expression for the JSON Schema, where one helps an editor.
pub(crate) const fn pattern(text: Text) -> Option<&'static str> {
    match text {
        Text::Name => Some("^[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}$"),
        Text::Address => Some("^(\\d{1,3}(\\.\\d{1,3}){3}|\\[[0-9A-Fa-f:.%]+\\]):\\d{1,5}$"),
        Text::Bind => Some("^(\\d{1,3}(\\.\\d{1,3}){3}|\\[[0-9A-Fa-f:.%]+\\])?:\\d{1,5}$"),
        Text::Path => Some("^/[^?#\\s]*$"),
        Text::Method => Some("^[A-Z][A-Z0-9!#$%&'*+.^_`|~-]*$"),
        Text::Status => Some("^[1-5]\\d\\d(-[1-5]\\d\\d)?$"),
        Text::Interface => Some("^[^/:\\s]{1,15}$"),
        Text::VirtualAddress => Some("^[0-9A-Fa-f:.]+/\\d{1,3}$"),
        Text::Peer => Some("^(\\d{1,3}(\\.\\d{1,3}){3}|\\[[0-9A-Fa-f:.%]+\\]|[0-9A-Fa-f:.]+)(:\\d{1,5})?$"),
        Text::KeyId => Some("^\\d{1,3}$"),
        Text::Secret => Some("^([0-9A-Fa-f]{2}){16,64}$"),
        Text::Origin => Some("^(\\*|https?://[^/\\s]+)$"),
        Text::HeaderName | Text::CookieName => Some("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"),
        Text::MediaType => Some("^[^/;\\s]+/[^/;\\s]+$"),
        Text::Network => Some("^[0-9A-Fa-f:.]+(/\\d{1,3})?$"),
        Text::Any | Text::Host | Text::Payload | Text::Redirect => None,
    }
}

#[cfg(test)]
mod tests;
