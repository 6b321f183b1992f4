//! `haechi explain`: the text behind a diagnostic's code.

use std::process::ExitCode;

use haechi_config::{Code, Severity};
use serde_json::{Value, json};

use super::Outcome;
use crate::cli::ExplainArgs;
use crate::failure::Failure;
use crate::output::{self, Align, Cell, Format, Table, Tone};

/// Columns of a paragraph, for eyes.
const COLUMNS: usize = 100;

pub(super) fn explain(args: &ExplainArgs, format: Format) -> Outcome {
    let Some(text) = &args.code else { return Ok(list(format)) };
    let code = Code::parse(text).ok_or_else(|| {
        Failure::new(format!(
            "no such code: `{text}`; codes look like HCH0201, and `haechi explain` lists them"
        ))
    })?;
    match format {
        Format::Json => output::json(&as_json(code)),
        Format::Text => {
            let title = output::paint().text(Tone::Strong, &format!("{code}: {}", code.title()));
            let paragraph = wrap(code.explanation());
            output::print(&format!("{title} ({})\n\n{paragraph}", severity(code)));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn list(format: Format) -> ExitCode {
    match format {
        Format::Json => output::json(&Code::ALL.iter().copied().map(as_json).collect::<Vec<_>>()),
        Format::Text => {
            let mut table = Table::new(&[
                ("CODE", Align::Left),
                ("SEVERITY", Align::Left),
                ("WHAT IT IS ABOUT", Align::Left),
            ]);
            for code in Code::ALL {
                let tone = if code.severity() == Severity::Error { Tone::Bad } else { Tone::Doubtful };
                table.row(vec![code.number().into(), Cell::new(tone, severity(*code)), code.title().into()]);
            }
            output::print(&table.render(output::paint()));
        }
    }
    ExitCode::SUCCESS
}

fn as_json(code: Code) -> Value {
    json!({
        "code": code, "severity": code.severity(), "title": code.title(), "explanation": code.explanation(),
    })
}

const fn severity(code: Code) -> &'static str {
    match code.severity() {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

fn wrap(text: &str) -> String {
    let (mut out, mut used) = (String::new(), 0);
    for word in text.split_whitespace() {
        if used > 0 && used + 1 + word.len() > COLUMNS {
            out.push('\n');
            used = 0;
        } else if used > 0 {
            out.push(' ');
            used += 1;
        }
        out.push_str(word);
        used += word.len();
    }
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_keep_their_words_and_their_width() {
        for code in Code::ALL {
            let wrapped = wrap(code.explanation());
            assert!(wrapped.lines().all(|line| line.len() <= COLUMNS), "{code}");
            assert!(wrapped.split_whitespace().eq(code.explanation().split_whitespace()), "{code}");
        }
    }
}
