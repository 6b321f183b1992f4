//! `check`, `diff` of two files, and `run --print-config`: verbs that read files and need nothing that runs.

use std::fs::File;

use crate::fake::Folder;
use crate::{haechi, run_in, write};

const GOOD: &str = "\
listeners:
  web:
    bind: [\"127.0.0.1:8080\"]
    protocol: http
    routes:
      - { path: /api, pool: api }
      - { pool: web }
  db: { bind: [\"127.0.0.1:5432\"], protocol: tcp, pool: db }
pools:
  web: { endpoints: { web-1: \"10.0.0.1:80\", web-2: \"10.0.0.2:80\" } }
  api: { endpoints: { api-1: \"10.0.0.3:80\" } }
  db: { endpoints: { db-1: \"10.0.0.4:5432\" } }
";

const DOUBTFUL: &str = "\
listeners:
  web: { bind: [\"127.0.0.1:8080\"], protocol: http, routes: [{ pool: web }] }
pools:
  web: { endpoints: { web-1: \"10.0.0.1:80\" } }
  idle: { endpoints: { idle-1: \"10.0.0.2:80\" } }
";

const BAD: &str = "\
listeners:
  web: { bind: [\"127.0.0.1:8080\"], protocol: http, routes: [{ pool: wbe }] }
pools:
  web: { endpoints: { web-1: \"10.0.0.1:80\" }, tiemouts: {} }
";

#[tokio::test]
async fn a_good_file_is_summed_up() {
    let folder = Folder::new("files-good");
    write(&folder, "haechi.yaml", GOOD);
    let ran = run_in(folder.path(), &["check", "-c", "haechi.yaml"]).await;
    assert_eq!((ran.code, &*ran.err), (0, ""));
    assert_eq!(ran.out, "haechi.yaml: 2 listeners, 3 pools, 4 endpoints, 2 routes: ok\n");
    let json = run_in(folder.path(), &["check", "-c", "haechi.yaml", "-o", "json"]).await.json();
    assert_eq!((&json["valid"], &json["content"]["endpoints"]), (&true.into(), &4.into()));
}

#[tokio::test]
async fn the_environment_names_the_file() {
    let folder = Folder::new("files-env");
    write(&folder, "haechi.yaml", GOOD);
    let file = folder.path().join("haechi.yaml");
    let output = haechi(["check"]).env("HAECHI_CONFIG", &file).output().await.unwrap();
    assert_eq!(output.status.code(), Some(0));
}

#[tokio::test]
async fn warnings_pass_unless_denied() {
    let folder = Folder::new("files-doubt");
    write(&folder, "haechi.yaml", DOUBTFUL);
    let ran = run_in(folder.path(), &["check", "-c", "haechi.yaml"]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.starts_with("warning[HCH0502]"), "{}", ran.out);
    assert!(ran.out.ends_with("1 listener, 2 pools, 2 endpoints, 1 route: ok, 1 warning\n"), "{}", ran.out);
    assert_eq!(run_in(folder.path(), &["check", "-c", "haechi.yaml", "--deny-warnings"]).await.code, 1);
    let json = run_in(folder.path(), &["check", "-c", "haechi.yaml", "--deny-warnings", "-o", "json"]).await;
    assert_eq!((json.code, &json.json()["warnings"]), (1, &1.into()));
}

#[tokio::test]
async fn all_that_is_wrong_is_said_at_once() {
    let folder = Folder::new("files-bad");
    write(&folder, "haechi.yaml", BAD);
    let ran = run_in(folder.path(), &["check", "-c", "haechi.yaml"]).await;
    assert_eq!((ran.code, &*ran.err), (1, ""));
    for says in
        ["HCH0201", "did you mean `timeouts`?", "HCH0401", "did you mean `web`?", "--> haechi.yaml:2:"]
    {
        assert!(ran.out.contains(says), "{says}: {}", ran.out);
    }
    assert!(ran.out.ends_with("haechi.yaml: 2 errors\n"), "{}", ran.out);
    assert!(!ran.out.contains('\x1b'), "no colour for a pipe");
    let json = run_in(folder.path(), &["check", "-c", "haechi.yaml", "-o", "json"]).await;
    assert_eq!((json.code, &json.json()["valid"], &json.json()["errors"]), (1, &false.into(), &2.into()));
}

#[tokio::test]
async fn files_that_are_no_config_are_refused_with_a_reason() {
    let folder = Folder::new("files-odd");
    // Sparse: it takes no room, and reading it all would be noticed.
    File::create(folder.path().join("huge.yaml")).unwrap().set_len(100 << 30).unwrap();
    write(&folder, "latin1.yaml", b"node: { name: caf\xe9 }\n");
    write(&folder, "empty.yaml", "");
    std::fs::create_dir(folder.path().join("folder.yaml")).unwrap();
    let rows = [
        ("missing.yaml", "no such file"),
        ("huge.yaml", "larger than 16 MiB"),
        ("latin1.yaml", "not UTF-8"),
        ("folder.yaml", "directory"),
        ("empty.yaml", "HCH0102"),
        ("/dev/zero", "not a file"),
    ];
    for (file, says) in rows {
        let ran = run_in(folder.path(), &["check", "-c", file]).await;
        assert_eq!(ran.code, 1, "{file}: {ran:?}");
        assert!(format!("{}{}", ran.out, ran.err).contains(says), "{file}: {ran:?}");
        let json = run_in(folder.path(), &["check", "-c", file, "-o", "json"]).await;
        assert_eq!((json.code, &*json.err), (1, ""), "{file}");
        assert!(json.json().is_object(), "{file}");
    }
}

const SPREAD: &str = "\
node: { name: lb2 }
virtualRouters:
  edge:
    spread: { nodes: [lb1, lb2], firstId: 51 }
    interface: eth0
    addresses: [192.0.2.100/24, 192.0.2.101/24]
    transport: udp
    source: \"192.0.2.2:7112\"
    peers: { lb1: \"192.0.2.1:7112\" }
    keys: keys.yaml
  own: { id: 60, interface: eth0, addresses: [192.0.2.7/24, 192.0.2.8/24], priority: 255 }
";

const SECRET: &str = "00112233445566778899aabbccddeeff";

#[tokio::test]
async fn virtual_routers_are_explained_and_their_keys_are_looked_at() {
    let folder = Folder::new("files-vrrp");
    std::fs::create_dir(folder.path().join("etc")).unwrap();
    write(&folder, "etc/haechi.yaml", format!("{SPREAD}{GOOD}").replace("127.0.0.1:8080", ":8080"));
    let check = async || run_in(folder.path(), &["check", "-c", "etc/haechi.yaml"]).await;
    let as_json = async || run_in(folder.path(), &["check", "-c", "etc/haechi.yaml", "-o", "json"]).await;

    let ran = check().await;
    let routers = "\
virtual router edge-1: 192.0.2.100/24 on eth0, id 51, priority 190 here
virtual router edge-2: 192.0.2.101/24 on eth0, id 52, priority 200 here
virtual router own: 2 addresses on eth0, id 60, priority 255 here, their owner
etc/haechi.yaml: 2 listeners, 3 pools, 4 endpoints, 2 routes, 3 virtual routers: ";
    assert_eq!(
        ran.out,
        format!(
            "warning: can't read the keys file etc/keys.yaml: there is no such file\n\n{routers}ok, 1 warning\n"
        )
    );
    assert_eq!(ran.code, 0, "where a config is checked, its secrets need not be");
    let json = as_json().await.json();
    assert_eq!((&json["valid"], &json["content"]["virtualRouters"]), (&true.into(), &3.into()));
    assert_eq!(json["keysFiles"][0]["unreadable"], "there is no such file");

    write(&folder, "etc/keys.yaml", format!("sign: 1\nkeys: {{ 1: {SECRET} }}\n"));
    assert_eq!(check().await.out, format!("{routers}ok\n"));
    write(&folder, "etc/keys.yaml", format!("sign: 1\nkeys:\n  1: {SECRET}x\n"));
    let (ran, json) = (check().await, as_json().await);
    assert_eq!((ran.code, json.code, &json.json()["valid"]), (1, 1, &false.into()));
    assert!(ran.out.starts_with("error[HCH0318]") && ran.out.ends_with(": 1 error\n"), "{}", ran.out);
    assert!(!format!("{}{}", ran.out, json.out).contains(&SECRET[..8]), "{}{}", ran.out, json.out);
}

#[tokio::test]
async fn a_name_cannot_write_to_the_terminal() {
    let folder = Folder::new("files-name");
    write(&folder, "x\x1b[2J.yaml", GOOD);
    for file in ["x\x1b[2J.yaml", "missing\x1b[2J.yaml"] {
        let ran = run_in(folder.path(), &["check", "-c", file]).await;
        assert!(!format!("{}{}", ran.out, ran.err).contains('\x1b'), "{ran:?}");
    }
}

#[tokio::test]
async fn diff_says_what_changes_and_whom_it_disturbs() {
    let folder = Folder::new("files-diff");
    write(&folder, "old.yaml", GOOD);
    write(&folder, "new.yaml", GOOD.replace("10.0.0.2:80", "10.0.0.9:80"));
    write(&folder, "bad.yaml", BAD);
    let diff = async |words: &[&str]| run_in(folder.path(), &[&["diff"][..], words].concat()).await;

    let same = diff(&["old.yaml", "old.yaml"]).await;
    assert_eq!((same.code, &*same.out), (0, "no changes\n"));
    let changed = diff(&["old.yaml", "new.yaml"]).await;
    assert_eq!(changed.code, 0);
    assert!(
        changed.out.starts_with("endpoint web/web-2: address \"10.0.0.2:80\" -> \"10.0.0.9:80\" ("),
        "{}",
        changed.out
    );
    let json = diff(&["old.yaml", "new.yaml", "-o", "json"]).await.json();
    assert_eq!(json["steps"][0]["subject"], "endpoint web/web-2");
    assert_eq!(json["disruption"], json["steps"][0]["disruption"]);

    let bad = diff(&["old.yaml", "bad.yaml"]).await;
    assert_eq!((bad.code, &*bad.out), (1, ""));
    assert!(bad.err.contains("HCH0401") && bad.err.contains("error: bad.yaml has 2 errors"), "{}", bad.err);

    for (new, code) in [("old.yaml", 0), ("new.yaml", 1), ("bad.yaml", 2), ("missing.yaml", 2)] {
        assert_eq!(diff(&["old.yaml", new, "--exit-code"]).await.code, code, "{new}");
    }
}

#[tokio::test]
async fn flags_print_the_file_that_they_equal() {
    let folder = Folder::new("files-print");
    let words = ["run", "--listen", ":8080", "--to", "localhost:9001", "--to", "127.0.0.1:9002"];
    let ran =
        run_in(folder.path(), &[&words[..], &["--algorithm", "ipHash", "--print-config"]].concat()).await;
    assert_eq!((ran.code, &*ran.err), (0, ""));
    assert!(ran.out.contains("algorithm: ipHash"), "{}", ran.out);
    write(&folder, "haechi.yaml", &ran.out);
    let check = run_in(folder.path(), &["check", "-c", "haechi.yaml", "--deny-warnings"]).await;
    assert_eq!(check.out, "haechi.yaml: 1 listener, 1 pool, 2 endpoints, 1 route: ok\n", "{check:?}");
    let again = run_in(folder.path(), &["run", "-c", "haechi.yaml", "--print-config"]).await;
    assert_eq!(again.out, ran.out);
    // Flags are nearer to the hand than the environment.
    let file = folder.path().join("haechi.yaml");
    let other = haechi(["run", "--listen", ":1", "--to", "1.1.1.1:1", "--print-config"]);
    let output = { other }.env("HAECHI_CONFIG", file).output().await.unwrap();
    assert!(String::from_utf8(output.stdout).unwrap().contains("1.1.1.1:1"));
}

#[tokio::test]
async fn what_cannot_be_served_is_not_started() {
    let folder = Folder::new("files-start");
    write(&folder, "bad.yaml", BAD);
    let socket = folder.socket();
    let socket = socket.to_str().unwrap();
    let rows: &[(&[&str], &str)] = &[
        (&["-c", "bad.yaml"], "HCH0401"),
        (&["-c", "missing.yaml"], "no such file"),
        (&["--listen", "127.0.0.1:1", "--listen", "127.0.0.1:1", "--to", "1.1.1.1:1"], "HCH0402"),
    ];
    for (words, says) in rows {
        let ran = run_in(folder.path(), &[&["run", "--admin-socket", socket], *words].concat()).await;
        assert_eq!((ran.code, &*ran.out), (1, ""), "{words:?}");
        assert!(ran.err.contains(says), "{words:?}: {}", ran.err);
        assert!(!folder.socket().exists());
    }
}
