//! Notes when what was done.

use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use codex_tasklog::{Period, Phases};

/// What the runner spends its time with.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stage {
    Prepare,
    Codex,
    Patch,
    Upload,
}

/// Notes when what was done, for the trace of the task.
#[derive(Debug, Default)]
pub(crate) struct Clock(Mutex<Phases>);

/// A stage under way. It is over when this is dropped, also when what was done there is cut off.
#[must_use]
pub(crate) struct Running<'a> {
    clock: &'a Clock,
    stage: Stage,
    start: u64,
}

impl Clock {
    /// Begins a stage. One that was there before goes on.
    pub(crate) fn begin(&self, stage: Stage) -> Running<'_> {
        Running {
            clock: self,
            stage,
            start: now(),
        }
    }

    /// What is over.
    pub(crate) fn phases(&self) -> Phases {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let mut phases = self.clock.0.lock().unwrap_or_else(PoisonError::into_inner);
        let period = match self.stage {
            Stage::Prepare => &mut phases.prepare,
            Stage::Codex => &mut phases.codex,
            Stage::Patch => &mut phases.patch,
            Stage::Upload => &mut phases.upload,
        };
        let start = period.map_or(self.start, |before| before.0);
        *period = Some(Period(start, now()));
    }
}

fn now() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_that_comes_again_goes_on() {
        let clock = Clock::default();
        assert!(clock.phases().iter().next().is_none());
        drop(clock.begin(Stage::Upload));
        let first = clock.phases().upload.unwrap();
        drop(clock.begin(Stage::Upload));
        let second = clock.phases().upload.unwrap();
        assert_eq!(first.0, second.0);
        assert!(second.1 >= first.1);
        assert_eq!(clock.phases().iter().count(), 1);
    }
}
