//! Programs that virtual routers track: each runs in a task of its own, again and again, and its last verdict stands
//! until the next one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use haechi_ha::Tracked;
use haechi_model::{ProgramName, TrackedProgram, VirtualRouter, VirtualRouterName};
use haechi_prober::run_program;
use tokio::task::AbortHandle;

use super::lock;
use super::tracks::tracked;

type Key = (VirtualRouterName, ProgramName);

/// The programs of the config in force.
#[derive(Default)]
pub(super) struct Programs(HashMap<Key, Running>);

struct Running {
    program: TrackedProgram,
    /// `None` until it ended once: a program that never ran says nothing.
    verdict: Arc<Mutex<Option<Result<String, String>>>>,
    task: AbortHandle,
}

impl Programs {
    /// Ends those that nobody wants any more, and starts those that are new or were changed.
    pub(super) fn want(&mut self, routers: &[VirtualRouter]) {
        let programs = |router: &'_ VirtualRouter| {
            let name = router.name.clone();
            router.track.programs.clone().into_iter().map(move |it| ((name.clone(), it.name.clone()), it))
        };
        let wanted: HashMap<Key, TrackedProgram> = routers.iter().flat_map(programs).collect();
        self.0.retain(|key, running| wanted.get(key) == Some(&running.program));
        for (key, program) in wanted {
            self.0.entry(key.clone()).or_insert_with(|| Running::start(&key.0, program));
        }
    }

    /// What one virtual router's programs say.
    pub(super) fn of(&self, router: &VirtualRouter) -> Vec<Tracked> {
        let of = |program: &TrackedProgram| {
            let running = self.0.get(&(router.name.clone(), program.name.clone()))?;
            let verdict = lock(&running.verdict).clone();
            let verdict = verdict.unwrap_or_else(|| Ok("has not ended yet".to_owned()));
            Some(tracked(&format!("program {}", program.name), program.effect, verdict))
        };
        router.track.programs.iter().filter_map(of).collect()
    }
}

impl Running {
    fn start(router: &VirtualRouterName, program: TrackedProgram) -> Self {
        let verdict = Arc::new(Mutex::new(None));
        let environment =
            [("HAECHI_VIRTUAL_ROUTER", router.to_string()), ("HAECHI_PROGRAM", program.name.to_string())];
        let task = tokio::spawn(run(program.clone(), environment, Arc::clone(&verdict))).abort_handle();
        Self { program, verdict, task }
    }
}

/// A program that runs while it is not wanted any more is ended with all that it started.
impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(
    program: TrackedProgram,
    environment: [(&'static str, String); 2],
    verdict: Arc<Mutex<Option<Result<String, String>>>>,
) {
    let mut starts = tokio::time::interval(program.interval);
    starts.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        starts.tick().await;
        let found = run_program(&program.command, &environment, program.timeout).await;
        *lock(&verdict) = Some(found);
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU8;
    use std::time::Duration;

    use haechi_model::TrackEffect;

    use super::*;

    async fn first_verdict(script: &str) -> Result<String, String> {
        let program = TrackedProgram {
            name: "disk".into(),
            command: ["/bin/sh", "-c", script].map(Box::from).into(),
            interval: Duration::from_millis(10),
            timeout: Duration::from_millis(500),
            effect: TrackEffect::Lower(NonZeroU8::MIN),
        };
        let running = Running::start(&"edge".into(), program);
        for _ in 0..500 {
            if let Some(verdict) = lock(&running.verdict).clone() {
                return verdict;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{script} gave no verdict");
    }

    #[tokio::test]
    async fn a_program_is_well_by_its_exit_code_and_ends_in_time() {
        let told = first_verdict("echo $HAECHI_VIRTUAL_ROUTER $HAECHI_PROGRAM").await;
        assert_eq!(told, Ok("edge disk".to_owned()));
        assert_eq!(first_verdict("echo full; exit 3").await, Err("exit code 3: full".to_owned()));
        assert_eq!(first_verdict("exec sleep 60").await, Err("no exit within 500ms".to_owned()));
    }
}
