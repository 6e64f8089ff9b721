//! The runner as a program.

use std::process::ExitCode;

use codex_runner::{Config, exit, harden, run};

fn main() -> ExitCode {
    // Before anything else: from here on nothing of the same user can look into this process.
    if let Err(error) = harden::close_process() {
        eprintln!("codex-runner: cannot protect itself from the processes of the task: {error}");
        return ExitCode::from(exit::SYSTEM);
    }
    let config = match Config::from_env(harden::take_secrets()) {
        Ok(config) => config,
        Err(errors) => {
            // Without a whole configuration no frame could be trusted, so this is plain text.
            for error in errors.0 {
                eprintln!("codex-runner: {error}");
            }
            return ExitCode::from(exit::USAGE);
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(4)
        .build();
    let code = match runtime {
        Ok(runtime) => runtime.block_on(run(config, std::io::stdout())),
        Err(error) => {
            eprintln!("codex-runner: cannot start: {error}");
            exit::SYSTEM
        }
    };
    // A thread that still waits for a reader of standard output must not keep the Pod alive.
    std::process::exit(code.into())
}
