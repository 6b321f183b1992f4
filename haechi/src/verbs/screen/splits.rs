//! Routes with several pools: each pool's part as it should be and as it is.

use haechi_admin::api::{ListenerStatus, ShareStatus, SplitStatus};

use crate::output::{self, Align, Paint, Table};

/// Nothing where no route has several pools.
pub(super) fn render(listeners: &[ListenerStatus], paint: Paint) -> String {
    let mut table = Table::new(&[
        ("SPLIT", Align::Left),
        ("BY", Align::Left),
        ("POOL", Align::Left),
        ("WEIGHT", Align::Right),
        ("SHARE", Align::Right),
        ("REQUESTS", Align::Right),
        ("IN TURN", Align::Right),
        ("BY KEY", Align::Right),
        ("SEEN", Align::Right),
    ]);
    let mut any = false;
    for listener in listeners {
        for split in &listener.splits {
            any = true;
            rows(&listener.name, split, &mut table);
        }
    }
    if any { format!("\n{}", table.render(paint)) } else { String::new() }
}

fn rows(listener: &str, split: &SplitStatus, table: &mut Table) {
    let weights: u64 = split.pools.iter().map(|share| u64::from(share.weight)).sum();
    let requests: u64 = split.pools.iter().map(all).sum();
    let percent = |part: u64, whole: u64| match whole {
        0 => "-".to_owned(),
        _ => format!("{:.1}%", part as f64 * 100.0 / whole as f64),
    };
    for share in &split.pools {
        table.row(vec![
            format!("{listener}: {}", split.route).into(),
            split.by.as_deref().unwrap_or("turns").into(),
            share.pool.as_str().into(),
            share.weight.to_string().into(),
            percent(share.weight.into(), weights).into(),
            output::count(all(share)).into(),
            output::count(share.turns).into(),
            output::count(share.keyed).into(),
            percent(all(share), requests).into(),
        ]);
    }
}

fn all(share: &ShareStatus) -> u64 {
    share.turns + share.keyed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_as_they_should_be_and_as_they_are() {
        let share =
            |pool: &str, weight, turns, keyed| ShareStatus { pool: pool.into(), weight, turns, keyed };
        let split =
            |by: Option<&str>, pools| SplitStatus { route: "*/".into(), by: by.map(Into::into), pools };
        let mut listener: ListenerStatus = serde_json::from_value(serde_json::json!({
            "name": "web", "protocol": "http", "bind": [], "routes": 1, "open": 0, "accepted": 0, "requests": 0,
            "faults": {},
        }))
        .unwrap();
        assert_eq!(render(std::slice::from_ref(&listener), Paint::new(false)), "");
        listener.splits = vec![
            split(None, vec![share("stable", 90, 9, 0), share("canary", 10, 1, 0)]),
            split(Some("cookie user"), vec![share("none", 0, 0, 0)]),
        ];
        let expected = "
SPLIT    BY           POOL    WEIGHT  SHARE  REQUESTS  IN TURN  BY KEY   SEEN
web: */  turns        stable      90  90.0%         9        9       0  90.0%
web: */  turns        canary      10  10.0%         1        1       0  10.0%
web: */  cookie user  none         0      -         0        0       0      -
";
        assert_eq!(render(&[listener], Paint::new(false)), expected);
    }
}
