//! Some threads of a process stand still while the others go on: a hang, as a stuck disk or a deadlock makes it.
//!
//! SIGSTOP stops all threads. A debugger can stop one, and ptrace(2) is reached by Python, since it has no safe form
//! in Rust.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// Holds the threads that it is told until its input ends. Who traces and ends lets go (ptrace(2), PTRACE_DETACH).
const HOLD: &str = r#"
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long
SEIZE, INTERRUPT, WALL = 0x4206, 0x4207, 0x40000000
for thread in map(int, sys.argv[1:]):
    for request in (SEIZE, INTERRUPT):
        if libc.ptrace(request, thread, None, None) != 0:
            sys.exit("ptrace: " + os.strerror(ctypes.get_errno()))
    os.waitpid(thread, WALL)
print("held", flush=True)
sys.stdin.read()
"#;

/// Threads that stand still until this is dropped.
#[derive(Debug)]
pub struct Stall {
    debugger: Child,
}

impl Stall {
    /// Stops the threads of a process whose names begin so. Needs root.
    ///
    /// # Panics
    /// When there are none, or the system refuses.
    pub fn of(pid: u32, name: &str) -> Self {
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap().map(|task| task.unwrap().path());
        let named = tasks.filter(|task| fs::read_to_string(task.join("comm")).unwrap().starts_with(name));
        let threads: Vec<_> = named.map(|task| task.file_name().unwrap().to_owned()).collect();
        assert!(!threads.is_empty(), "process {pid} has no thread {name}…");
        let mut debugger = Command::new("python3");
        debugger.args(["-c", HOLD]).args(threads).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut debugger = debugger.spawn().expect("this needs python3 (Debian: python3)");
        let mut said = String::new();
        BufReader::new(debugger.stdout.take().unwrap()).read_line(&mut said).unwrap();
        assert_eq!(said, "held\n", "the threads of {pid} can't be stopped");
        Self { debugger }
    }
}

impl Drop for Stall {
    fn drop(&mut self) {
        drop(self.debugger.stdin.take());
        let _ = self.debugger.wait();
    }
}
