//! Small texts that help: the nearest word, and how to call this program again.

use std::path::Path;

/// Least likeness of a guess, from 0 to 1. Below it a guess is about another word; clap uses the same 0.7.
const LIKE: f64 = 0.7;

/// Longest piece of what a person typed that is said back.
const SHOWN: usize = 40;

/// That there is no `kind` of this name: the nearest one, and all there are.
pub(crate) fn unknown(kind: &str, written: &str, known: &[&str]) -> String {
    let all = known.join(", ");
    let shown = short(written);
    match nearest(written, known) {
        Some(guess) => format!("there is no {kind} `{shown}`; did you mean `{guess}`? There are: {all}"),
        None => format!("there is no {kind} `{shown}`; there are: {all}"),
    }
}

fn nearest<'a>(written: &str, known: &[&'a str]) -> Option<&'a str> {
    let written = written.to_lowercase();
    let likeness = |known: &str| strsim::jaro_winkler(&written, &known.to_lowercase());
    let likely = known.iter().map(|known| (likeness(known), *known)).filter(|(likeness, _)| *likeness > LIKE);
    likely.max_by(|(one, _), (other, _)| one.total_cmp(other)).map(|(_, known)| known)
}

/// What a person typed, as far as a message shows it.
fn short(written: &str) -> String {
    let mut shown: String = written.chars().filter(|c| !c.is_control()).take(SHOWN).collect();
    if written.chars().count() > SHOWN {
        shown.push('…');
    }
    shown
}

/// How this program is called from a shell: as it was, or by its name if it was found in the path.
pub(crate) fn called(argument: Option<&str>) -> String {
    argument.map_or_else(|| "haechi".to_owned(), quoted)
}

/// A path as a shell reads it.
pub(crate) fn shell(path: &Path) -> String {
    quoted(&path.to_string_lossy())
}

fn quoted(text: &str) -> String {
    let safe =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_' | '+' | ':' | '=' | '@');
    if !text.is_empty() && text.chars().all(safe) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_wins_and_far_ones_are_not_guessed() {
        let known = ["web-1", "web-2", "kr1-a"];
        let all = "web-1, web-2, kr1-a";
        for (written, guess) in [("wbe-2", "web-2"), ("KR1-A", "kr1-a")] {
            let expected =
                format!("there is no endpoint `{written}`; did you mean `{guess}`? There are: {all}");
            assert_eq!(unknown("endpoint", written, &known), expected);
        }
        for written in ["nginx", ""] {
            let expected = format!("there is no endpoint `{written}`; there are: {all}");
            assert_eq!(unknown("endpoint", written, &known), expected);
        }
    }

    #[test]
    fn what_is_said_back_can_harm_no_terminal() {
        assert_eq!(short("a\u{1b}[2Jb"), "a[2Jb");
        assert_eq!(short(&"x".repeat(41)).chars().count(), 41);
        assert_eq!(short(&"x".repeat(40)), "x".repeat(40));
    }

    #[test]
    fn a_shell_reads_it_back() {
        assert_eq!(called(Some("target/release/haechi")), "target/release/haechi");
        assert_eq!(called(None), "haechi");
        assert_eq!(shell(Path::new("/a b/it's")), r"'/a b/it'\''s'");
    }
}
