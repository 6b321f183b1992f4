//! What a stranger meets: help, usage errors, and verbs that need no file.

use crate::{haechi, run};

const VERBS: &[&[&str]] = &[
    &["run"],
    &["check"],
    &["diff"],
    &["reload"],
    &["status"],
    &["top"],
    &["events"],
    &["endpoint"],
    &["endpoint", "drain"],
    &["test"],
    &["explain"],
    &["schema"],
    &["completions"],
];

#[tokio::test]
async fn each_verb_has_help() {
    let all = run(&["--help"]).await;
    assert_eq!((all.code, &*all.err), (0, ""));
    for verb in VERBS {
        assert!(all.out.contains(verb[0]), "{verb:?}");
        let help = run(&[verb, &["--help"][..]].concat()).await;
        assert_eq!((help.code, &*help.err), (0, ""), "{verb:?}");
        let about = help.out.lines().next().unwrap();
        assert!(about.len() > 15 && !about.starts_with("Usage"), "{verb:?} says nothing of itself: {about}");
        if verb.len() == 1 && !["schema", "completions"].contains(&verb[0]) {
            assert!(help.out.contains("Examples:"), "{verb:?}");
        }
    }
}

#[tokio::test]
async fn environment_twins_stand_in_help() {
    for (verb, name) in
        [("run", "HAECHI_CONFIG"), ("check", "HAECHI_CONFIG"), ("status", "HAECHI_ADMIN_SOCKET")]
    {
        assert!(run(&[verb, "--help"]).await.out.contains(name), "{verb}");
    }
}

#[tokio::test]
async fn usage_errors_are_2_and_say_what_would_do() {
    let rows: &[(&[&str], &str)] = &[
        (&[], "Usage: haechi"),
        (&["chekc"], "check"),
        (&["check"], "--config <FILE>"),
        (&["check", "-c", "x", "--deny-warning"], "--deny-warnings"),
        (&["check", "-c", "x", "-o", "yaml"], "text, json"),
        (&["diff", "one.yaml"], "<NEW>"),
        (&["diff", "a", "b", "-c", "x"], "cannot be used with"),
        (&["run"], "haechi run --listen :8080 --to 127.0.0.1:9001"),
        (&["run", "-c", "x", "--listen", ":1", "--to", "1.1.1.1:1"], "cannot be used with"),
        (&["run", "--listen", ":1"], "--to <HOST:PORT>"),
        (&["run", "--to", "1.1.1.1:1"], "--listen <ADDR>"),
        (&["run", "--listen", "8080", "--to", "1.1.1.1:1"], "`:8080`"),
        (&["run", "--listen", ":1", "--to", "web.example:80"], "names are not resolved"),
        (&["run", "--listen", ":1", "--to", "http://1.1.1.1:1"], "write `1.1.1.1:1`"),
        (&["run", "--listen", ":1", "--to", "1.1.1.1:1", "--algorithm", "roundRobbin"], "roundRobin"),
        (&["run", "-c", "x", "--workers", "2"], "cannot be used with"),
        (&["run", "--listen", ":1", "--to", "1.1.1.1:1", "--watch"], "cannot be used with"),
        (&["endpoint"], "drain"),
        (&["endpoint", "drian", "web/web-1"], "drain"),
        (&["endpoint", "drain", "web-1"], "`web/web-1`"),
        (&["endpoint", "drain", "web/web-1", "--wait", "60"], "`60s`"),
        (&["events", "-n", "0"], "1..=1000"),
        (&["top", "-n", "0"], "0"),
        (&["test"], "<URL>"),
        (&["test", "https://x/"], "only http://"),
        (&["test", "http://x/", "-n", "0"], "1..=1000000"),
        (&["test", "http://x/", "--by", "cookie"], "header:NAME"),
        (&["completions", "cmd"], "bash"),
        (&["schema", "extra"], "unexpected argument"),
    ];
    for (words, says) in rows {
        let ran = run(words).await;
        assert_eq!(ran.code, 2, "{words:?}: {ran:?}");
        assert_eq!(ran.out, "", "{words:?}");
        assert!(ran.err.contains(says), "{words:?} says nothing of {says:?}: {}", ran.err);
    }
}

#[tokio::test]
async fn explain_tells_one_or_lists_all() {
    let one = run(&["explain", "hch0201"]).await;
    assert_eq!((one.code, &*one.err), (0, ""));
    assert!(one.out.starts_with("HCH0201: an unknown key (error)\n\nThe key does not exist"), "{}", one.out);
    let json = run(&["explain", "HCH0501", "-o", "json"]).await.json();
    assert_eq!((&json["code"], &json["severity"]), (&"HCH0501".into(), &"warning".into()));

    let all = run(&["explain"]).await;
    assert_eq!(all.code, 0);
    let listed = run(&["explain", "-o", "json"]).await.json();
    assert_eq!(listed.as_array().unwrap().len(), all.out.lines().count() - 1);

    let none = run(&["explain", "HCH9999"]).await;
    assert_eq!((none.code, &*none.out), (1, ""));
    assert!(none.err.starts_with("error: no such code: `HCH9999`"), "{}", none.err);
}

#[tokio::test]
async fn schema_is_json_schema() {
    let schema = run(&["schema"]).await;
    assert_eq!((schema.code, &*schema.err), (0, ""));
    assert_eq!(schema.json()["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert!(schema.json()["properties"]["listeners"].is_object());
}

#[tokio::test]
async fn completions_know_the_verbs() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = run(&["completions", shell]).await;
        assert_eq!((script.code, &*script.err), (0, ""), "{shell}");
        assert!(script.out.contains("deny-warnings") && script.out.contains("drain"), "{shell}");
    }
}

#[tokio::test]
async fn a_reader_that_goes_away_is_no_error() {
    let mut child = haechi(["schema"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let ran = child.wait_with_output().await.unwrap();
    assert_eq!((ran.status.code(), ran.stderr.len()), (Some(0), 0));
}
