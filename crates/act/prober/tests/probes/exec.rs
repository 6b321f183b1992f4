//! Programs as probes, well-behaved and not.

use super::*;

fn command(words: &[&str]) -> Probe {
    Probe::Exec { command: words.iter().map(|word| (*word).into()).collect() }
}

fn shell(script: &str) -> Probe {
    command(&["/bin/sh", "-c", script])
}

async fn run(asked: Probe, timeout: Duration) -> LastProbe {
    probe("10.0.1.11:8080".parse().expect("an address"), check(asked, timeout)).await
}

#[tokio::test]
async fn exit_codes_and_first_lines() {
    let failed = Some(FailureKind::Exec);
    let long = "x".repeat(300);
    let cut = format!("{}…", "x".repeat(200));
    let say_long = format!("echo {long}");
    // The seed's script, as far as it goes on this machine.
    let seed = "if ! false; then\n echo \"CRITICAL: nginx process not running\"\n exit 1\nfi\necho \"OK: all checks passed\"\nexit 0";
    let table = [
        ("echo OK: all checks passed; echo more", (None, "OK: all checks passed")),
        ("exit 0", (None, "exit code 0")),
        (seed, (failed, "exit code 1: CRITICAL: nginx process not running")),
        ("exit 3", (failed, "exit code 3")),
        ("echo why >&2; exit 2", (failed, "exit code 2: why")),
        ("echo out; echo err >&2; exit 2", (failed, "exit code 2: out")),
        ("kill -9 $$", (failed, "killed by signal 9")),
        (r"printf '\033[31mred\007\n'", (None, "\u{fffd}[31mred\u{fffd}")),
        (&say_long, (None, &cut)),
        (
            "echo $HAECHI_POOL/$HAECHI_ENDPOINT at $HAECHI_ADDRESS:$HAECHI_PORT",
            (None, "web/web-1 at 10.0.1.11:8080"),
        ),
        // cargo sets this for the test, so a program that sees it has inherited our environment.
        ("echo [$CARGO_MANIFEST_DIR] $(test -n \"$PATH\" && echo path)", (None, "[] path")),
        ("read line; echo [$line]", (None, "[]")),
    ];
    for (script, expected) in table {
        assert_eq!(said(&run(shell(script), PATIENCE).await), expected, "{script}");
    }
}

#[tokio::test]
async fn there_is_no_shell_between() {
    let last = run(command(&["/bin/echo", "$HOME; exit 1"]), PATIENCE).await;
    assert_eq!(said(&last), (None, "$HOME; exit 1"));
}

#[tokio::test]
async fn a_program_that_can_not_be_run_is_a_failure() {
    let failed = Some(FailureKind::Exec);
    let last = run(command(&["/no/such/program"]), PATIENCE).await;
    assert_eq!(said(&last), (failed, "can't run /no/such/program: no such file or directory"));
    let last = run(command(&["/etc/passwd"]), PATIENCE).await;
    assert_eq!(said(&last), (failed, "can't run /etc/passwd: permission denied"));
    assert_eq!(said(&run(command(&[]), PATIENCE).await), (failed, "the check names no program"));
}

#[tokio::test]
async fn huge_output_ends_the_program() {
    for script in ["while :; do echo y; done", "while :; do echo y >&2; done"] {
        let last = run(shell(script), PATIENCE).await;
        assert_eq!(said(&last), (Some(FailureKind::Exec), "the program printed more than 64 KiB"));
    }
    // A single endless line is kept as little as many.
    let last = run(shell("while :; do printf yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy; done"), PATIENCE).await;
    assert_eq!(said(&last), (Some(FailureKind::Exec), "the program printed more than 64 KiB"));
}

/// Gone, or a zombie that only waits to be counted.
fn is_dead(process: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"));
    stat.map_or(true, |stat| {
        stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with(['Z', 'X']))
    })
}

async fn all_die(processes: &[&str]) {
    let wait = async {
        while !processes.iter().all(|process| is_dead(process)) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("all of its processes are dead");
}

/// Where a script tells which processes it started.
fn pid_file(name: &str) -> String {
    let path = std::env::temp_dir().join(format!("haechi-prober-{}-{name}", std::process::id()));
    path.to_str().expect("UTF-8").to_owned()
}

#[tokio::test]
async fn a_program_that_hangs_dies_with_all_that_it_started() {
    let file = pid_file("hangs");
    let script = format!("trap '' TERM; sleep 1000 & echo $$ $! > {file}; echo starting; wait");
    let last = run(shell(&script), Duration::from_secs(1)).await;
    assert_eq!(said(&last), (Some(FailureKind::Timeout), "no exit within 1s"));
    let pids = std::fs::read_to_string(&file).expect("the script wrote it");
    let pids: Vec<_> = pids.split_whitespace().collect();
    assert_eq!(pids.len(), 2);
    all_die(&pids).await;
    let _ = std::fs::remove_file(&file);
}

#[tokio::test]
async fn what_a_program_leaves_behind_dies_and_is_not_waited_for() {
    let file = pid_file("leaves");
    let script = format!("sleep 1000 & echo $! > {file}; echo done");
    let last = run(shell(&script), PATIENCE).await;
    assert_eq!(said(&last), (None, "done"));
    let pid = std::fs::read_to_string(&file).expect("the script wrote it");
    all_die(&[pid.trim()]).await;
    let _ = std::fs::remove_file(&file);
}

#[tokio::test]
async fn a_pipe_held_open_by_a_process_that_fled_is_not_waited_for() {
    let file = pid_file("fled");
    let script = format!(
        "setsid sh -c 'echo $$ > {file}; exec sleep 1000' & while ! test -s {file}; do :; done; echo done"
    );
    let last = run(shell(&script), PATIENCE).await;
    assert_eq!(said(&last), (None, "done"));
    let pid = std::fs::read_to_string(&file).expect("the script wrote it");
    assert!(!is_dead(pid.trim()), "it was the one that held the pipe");
    let killed = std::process::Command::new("kill").arg(pid.trim()).status().expect("kill runs");
    assert!(killed.success());
    let _ = std::fs::remove_file(&file);
}

#[tokio::test]
async fn dropping_the_prober_kills_a_running_program() {
    let file = pid_file("dropped");
    let _ = std::fs::remove_file(&file);
    let script = format!("sleep 1000 & echo $$ $! > {file}; wait");
    let (prober, _verdicts) = Prober::start(options());
    prober.set_targets(vec![target(
        "10.0.1.11:80".parse().expect("an address"),
        check(shell(&script), PATIENCE),
    )]);
    let pids = async {
        loop {
            match std::fs::read_to_string(&file) {
                Ok(pids) if pids.ends_with('\n') => return pids,
                _ => tokio::time::sleep(Duration::from_millis(2)).await,
            }
        }
    };
    let pids = tokio::time::timeout(PATIENCE, pids).await.expect("it runs");
    drop(prober);
    all_die(&pids.split_whitespace().collect::<Vec<_>>()).await;
    let _ = std::fs::remove_file(&file);
}
