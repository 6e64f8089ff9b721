//! Runs scenarios against one stack, in parallel and in any order, and stops the stack afterwards.

use std::future::Future;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use libtest_mimic::{Arguments, Failed, Trial};
use tokio::runtime::Runtime;

use crate::stack::{Stack, StackOptions};

/// Scenarios that share a stack.
pub struct Suite {
    arguments: Arguments,
    runtime: Arc<Runtime>,
    stack: Option<Arc<Stack>>,
    trials: Vec<Trial>,
}

impl Suite {
    /// Reads the command line of a test and starts the stack, unless the tests are only listed.
    ///
    /// # Errors
    /// When the stack does not start.
    pub fn start(options: StackOptions) -> Result<Self> {
        // Whoever installed a provider before is fine: it is the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let arguments = Arguments::from_args();
        let stack = if arguments.list {
            None
        } else {
            Some(Arc::new(Stack::start(options)?))
        };
        Ok(Self {
            arguments,
            runtime: Arc::new(Runtime::new()?),
            stack,
            trials: Vec::new(),
        })
    }

    /// Adds a scenario.
    pub fn add<F, S>(&mut self, name: &str, scenario: S)
    where
        S: FnOnce(Arc<Stack>) -> F + Send + 'static,
        F: Future<Output = Result<()>> + Send + 'static,
    {
        let stack = self.stack.clone();
        let runtime = Arc::clone(&self.runtime);
        self.trials.push(Trial::test(name, move || {
            let Some(stack) = stack else { return Ok(()) };
            let result = runtime.block_on(runtime.spawn(scenario(Arc::clone(&stack))));
            match result {
                Ok(Ok(())) => Ok(()),
                Ok(Err(error)) => Err(Failed::from(format!("{error:?}\n{}", stack.logs()))),
                Err(panic) => Err(Failed::from(format!("{panic}\n{}", stack.logs()))),
            }
        }));
    }

    /// Runs the scenarios one after the other instead of in parallel.
    pub const fn one_by_one(&mut self) {
        self.arguments.test_threads = Some(1);
    }

    /// Runs everything and stops the stack.
    #[must_use]
    pub fn run(mut self) -> ExitCode {
        if self.arguments.test_threads.is_none() {
            // Each scenario waits most of its time; a handful at once keeps two cores busy.
            self.arguments.test_threads = Some(4);
        }
        let conclusion = libtest_mimic::run(&self.arguments, self.trials);
        drop(self.stack);
        conclusion.exit_code()
    }
}
