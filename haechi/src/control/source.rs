//! Where the config comes from.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use haechi_admin::Problem;
use haechi_config::{Diagnostic, MAX_BYTES, Severity, compile, render};
use haechi_model::Snapshot;
use haechi_trust::{Credentials, Trust};

use super::certificates::{Severely, look};

/// Where the config comes from.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    File(PathBuf),
    Flags(Arc<Snapshot>),
}

/// A config that compiles.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) snapshot: Arc<Snapshot>,
    /// Warnings as people read them; may be empty.
    pub(crate) warnings: String,
    /// What the files that it names hold; nothing where they were not looked at.
    pub(crate) credentials: Credentials,
}

impl Source {
    /// As status shows it.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Flags(_) => "command line".to_owned(),
        }
    }

    /// Where relative names of files start.
    pub(crate) fn folder(&self) -> PathBuf {
        match self {
            Self::File(path) => path.parent().map(Path::to_owned).unwrap_or_default(),
            Self::Flags(_) => PathBuf::new(),
        }
    }

    /// Reads and compiles. Files that it names are not looked at.
    ///
    /// # Errors
    /// It can't be read, or it has errors: all of them.
    pub(crate) fn load(&self, colour: bool) -> Result<Compiled, Problem> {
        self.load_with(colour, None)
    }

    /// The same with all certificates and the like.
    ///
    /// # Errors
    /// The same, and what is wrong with those files.
    pub(crate) fn load_whole(
        &self,
        colour: bool,
        trust: &Trust,
        severely: Severely,
    ) -> Result<Compiled, Problem> {
        self.load_with(colour, Some((trust, severely)))
    }

    fn load_with(&self, colour: bool, whole: Option<(&Trust, Severely)>) -> Result<Compiled, Problem> {
        let path = match self {
            Self::Flags(snapshot) => {
                let (warnings, credentials) = (String::new(), Credentials::default());
                return Ok(Compiled { snapshot: Arc::clone(snapshot), warnings, credentials });
            }
            Self::File(path) => path,
        };
        let text =
            read(path).map_err(|reason| refused(format!("can't read {}: {reason}", path.display())))?;
        let mut outcome = compile(&text);
        let credentials = match whole {
            Some((trust, severely)) => look(path, &mut outcome, trust, severely),
            None => Credentials::default(),
        };
        let name = path.display().to_string();
        let mut rendered = render(&outcome.diagnostics, &name, &text, colour);
        if outcome.omitted > 0 {
            rendered.push_str(&format!("… and {} more\n", outcome.omitted));
        }
        match outcome.snapshot {
            Some(snapshot) if !has_errors(&outcome.diagnostics) => {
                Ok(Compiled { snapshot: Arc::new(snapshot), warnings: rendered, credentials })
            }
            _ => Err(Problem::Refused {
                message: summary(&name, &outcome.diagnostics, outcome.omitted),
                rendered,
                diagnostics: as_json(&outcome.diagnostics),
            }),
        }
    }
}

/// A refusal that has no place in a file.
pub(crate) fn refused(message: String) -> Problem {
    Problem::Refused { message, rendered: String::new(), diagnostics: Vec::new() }
}

/// Reads a config file: text of at most [`MAX_BYTES`]. `-` is standard input, for verbs that read once.
///
/// # Errors
/// In words, with the way out. Pipes and devices are refused: one that nobody writes to would hold up a
/// reload for ever, and one that was read is empty at the next.
pub(crate) fn read(path: &Path) -> Result<String, String> {
    if path == Path::new("-") {
        return text(io::stdin().lock());
    }
    let metadata = fs::metadata(path).map_err(|error| explain(path, &error))?;
    if metadata.is_dir() {
        return Err("it is a directory; name the file in it".to_owned());
    }
    if !metadata.is_file() {
        return Err(
            "it is a pipe, socket or device, not a file; `-` stands for standard input in `haechi check`"
                .to_owned(),
        );
    }
    text(fs::File::open(path).map_err(|error| explain(path, &error))?)
}

fn text(from: impl Read) -> Result<String, String> {
    let mut bytes = Vec::new();
    // One byte over the limit is enough to know that it is too large, whatever its size was said to be.
    from.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() > MAX_BYTES {
        return Err(format!(
            "it is larger than {} MiB; a config of 10,000 routes and endpoints has about 2",
            MAX_BYTES >> 20
        ));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = valid.split(|byte| *byte == b'\n').count();
        format!("it is not UTF-8 text (line {line}, byte {}); save it as UTF-8", valid.len() + 1)
    })
}

fn explain(path: &Path, error: &io::Error) -> String {
    match (error.kind(), fs::read_link(path)) {
        (io::ErrorKind::NotFound, Ok(target)) => {
            format!("it is a link to {}, and nothing is there", target.display())
        }
        (io::ErrorKind::NotFound, Err(_)) => "there is no such file".to_owned(),
        (io::ErrorKind::PermissionDenied, _) => {
            "permission denied; haechi must be able to read it".to_owned()
        }
        _ => error.to_string(),
    }
}

fn summary(name: &str, diagnostics: &[Diagnostic], omitted: usize) -> String {
    let errors =
        diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).count() + omitted;
    format!("{name} has {errors} error{}", if errors == 1 { "" } else { "s" })
}

fn has_errors(diagnostics: &[Diagnostic]) -> bool {
    diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
}

fn as_json(diagnostics: &[Diagnostic]) -> Vec<serde_json::Value> {
    diagnostics.iter().filter_map(|diagnostic| serde_json::to_value(diagnostic).ok()).collect()
}
