//! The whole house in memory: packages and files. Read once, so that rules are functions of a value.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

use crate::text::Text;
use crate::{Packages, Source};

/// All that rules look at.
#[derive(Debug, Default)]
pub struct House {
    /// What cargo knows of it.
    pub packages: Packages,
    /// Our Rust files.
    pub sources: Vec<Source>,
    /// All files of ours that people write, the Rust files included.
    pub(crate) texts: Vec<Text>,
    /// Paths that git keeps, hidden ones and other people's included.
    pub(crate) committed: Vec<String>,
}

/// Not ours, or made by a program.
const SKIPPED: &[&str] = &["target", "node_modules", "dist", "corpus", "artifacts", "__pycache__"];

/// Hidden folders that hold work of ours.
const SHOWN: &[&str] = &[".ci"];

impl House {
    /// Reads the workspace that this crate stands in.
    ///
    /// # Errors
    /// Cargo does not run, a file can't be read, or a source is no Rust.
    pub fn read() -> Result<Self, String> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .ancestors()
            .nth(2)
            .ok_or("tests/house does not stand two folders below the root")?;
        let mut files = Vec::new();
        walk(root, &mut files).map_err(|error| format!("{}: {error}", root.display()))?;
        files.sort();
        let mut texts = Vec::new();
        for file in files {
            let path = file.strip_prefix(root).unwrap_or(&file).to_string_lossy().into_owned();
            // What is not text holds no words of ours.
            if let Ok(text) = fs::read_to_string(&file) {
                texts.push(Text { path, text });
            }
        }
        let packages = Packages::parse(&metadata(root)?, root)?;
        let house = Self::new(packages, texts)?;
        Ok(Self { committed: committed(root)?, ..house })
    }

    fn new(packages: Packages, texts: Vec<Text>) -> Result<Self, String> {
        let rust = texts.iter().filter(|text| text.extension() == "rs");
        let sources = rust.map(|text| Source::parse(&text.path, &text.text)).collect::<Result<_, _>>()?;
        Ok(Self { packages, sources, texts, committed: Vec::new() })
    }

    /// A house of these files and no packages: the samples that break a rule.
    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let texts = files.iter().map(|(path, text)| Text { path: (*path).into(), text: (*text).into() });
        Self::new(Packages::default(), texts.collect()).unwrap()
    }
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let (path, name) = {
            let entry = entry?;
            (entry.path(), entry.file_name().to_string_lossy().into_owned())
        };
        if path.is_dir() {
            let hidden = name.starts_with('.') && !SHOWN.contains(&name.as_str());
            if !hidden && !SKIPPED.contains(&name.as_str()) {
                walk(&path, files)?;
            }
        } else if path.is_file() {
            files.push(path);
        }
    }
    Ok(())
}

fn metadata(root: &Path) -> Result<String, String> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    said(Command::new(cargo).args(["metadata", "--format-version", "1", "--locked"]), root)
}

fn committed(root: &Path) -> Result<Vec<String>, String> {
    let paths = said(Command::new("git").args(["ls-files", "-z"]), root)?;
    Ok(paths.split_terminator('\0').map(str::to_owned).collect())
}

/// What a program says.
fn said(program: &mut Command, root: &Path) -> Result<String, String> {
    let name = program.get_program().to_string_lossy().into_owned();
    let output =
        program.current_dir(root).output().map_err(|error| format!("{name} does not run: {error}"))?;
    if output.status.success() {
        String::from_utf8(output.stdout).map_err(|error| error.to_string())
    } else {
        Err(format!("{name}: {}", String::from_utf8_lossy(&output.stderr)))
    }
}
