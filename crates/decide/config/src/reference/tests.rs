//! The page has all of the format, and nothing on it is untrue.

use std::collections::BTreeSet;

use super::*;
use crate::compile;

/// Every shape that can be reached from the top of the file.
fn shapes(shape: &'static Shape, found: &mut Vec<&'static Shape>) {
    if found.iter().any(|known| std::ptr::eq(*known, shape)) {
        return;
    }
    found.push(shape);
    for key in shape.keys {
        below(&key.kind, found);
    }
}

fn below(kind: &Kind, found: &mut Vec<&'static Shape>) {
    match *kind {
        Kind::Section(shape) => shapes(shape, found),
        Kind::Named(inner) | Kind::Keyed(_, inner) | Kind::List(inner) | Kind::Many(inner) => {
            below(inner, found)
        }
        Kind::Either(kinds) => kinds.iter().for_each(|kind| below(kind, found)),
        _ => {}
    }
}

#[test]
fn every_shape_has_one_section() {
    let mut all = Vec::new();
    shapes(&keys::ROOT, &mut all);
    for shape in &all {
        let sections = all_sections().filter(|section| std::ptr::eq(section.shape, *shape)).count();
        assert_eq!(sections, 1, "{}", shape.title);
    }
    assert_eq!(all_sections().count(), all.len());
    let headings: BTreeSet<_> = all_sections().map(|section| section.heading).collect();
    assert_eq!(headings.len(), all.len(), "a link leads to one heading");
}

/// As a reader would paste it: only pools that it names and does not show are put beside it.
#[test]
fn examples_compile_and_show_their_section() {
    for Section { heading, shape, example, .. } in all_sections() {
        let mut text = (*example).to_owned();
        if !text.contains("pools:") {
            text.push_str("pools:\n");
            for name in ["web", "api", "pg"].iter().filter(|name| example.contains(&format!("pool: {name}")))
            {
                text.push_str(&format!("  {name}: {{ endpoints: {{ a: \"10.0.0.1:80\" }} }}\n"));
            }
            text = text.replace("pools:\n\n", "").trim_end_matches("pools:\n").to_owned();
        }
        let outcome = compile(&text);
        let wrong: Vec<_> = outcome
            .diagnostics
            .iter()
            .filter(|one| !matches!(one.code, Code::NoListener | Code::UnusedPool))
            .collect();
        assert!(outcome.snapshot.is_some() && wrong.is_empty(), "{heading}: {wrong:?}\n{text}");
        let shown = shape.keys.iter().any(|key| example.contains(&format!("{}:", key.name)));
        assert!(shown, "{heading} shows none of its keys");
    }
}

#[test]
fn links_lead_to_headings() {
    let page = reference();
    let headings: BTreeSet<String> = page
        .lines()
        .filter_map(|line| line.trim_start_matches('#').strip_prefix(' ').filter(|_| line.starts_with('#')))
        .map(|heading| heading.to_lowercase().replace('/', "").replace(' ', "-"))
        .collect();
    let links: Vec<&str> = page.split("](#").skip(1).filter_map(|rest| rest.split(')').next()).collect();
    assert!(links.len() > all_sections().count());
    for link in links {
        assert!(headings.contains(link), "#{link} leads nowhere: {headings:?}");
    }
}

#[test]
fn bounds_of_all_sorts_are_readable() {
    let rows = [
        (Kind::Duration(Duration::ZERO, Duration::from_secs(86_400)), "0s to 1d"),
        (Kind::Duration(Duration::from_millis(1), Duration::from_secs(365 * 86_400)), "1ms to 365d"),
        (Kind::Size(128, 1 << 20), "128B to 1MiB"),
        (Kind::Int(1, 10), "1 to 10"),
        (Kind::Int(1, u32::MAX.into()), "from 1"),
        (Kind::Flag, ""),
    ];
    for (kind, text) in rows {
        assert_eq!(range(&kind), text);
    }
    assert_eq!(days(Duration::from_secs(90_000)), "25h");
}
