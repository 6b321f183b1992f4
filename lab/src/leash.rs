//! A child that dies with the lab, even if the lab is killed with -9 or the child is stopped.
//!
//! Two ropes, because each has a gap. The kernel kills the child when its parent dies (`PR_SET_PDEATHSIG`),
//! stopped or not, but does nothing if the parent was gone before the child asked for it. The end of the
//! child's standard input, a pipe that only the lab holds, tells the same and can't be missed, but a stopped
//! child does not read.

use std::io;

use rustix::process::{Signal, set_parent_process_death_signal};

/// Ties this process to its parent. To be called once, early; takes standard input for itself.
///
/// # Errors
/// The system refuses the signal or a thread.
pub fn hold() -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    std::thread::Builder::new().name("leash".to_owned()).spawn(|| {
        // An error is an end as well: nobody holds the other side of what can't be read.
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        std::process::exit(0);
    })?;
    Ok(())
}
