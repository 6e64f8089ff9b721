//! `codex-remote run`: a new task, watched to its end.

use std::{
    io::{self, IsTerminal as _, Read as _, Write as _},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, bail};
use clap::Args;

use crate::client::{
    Client, ClientError,
    api::{Accepted, NewTask},
    connect,
    watch::{Form, OnInterrupt, Until, Watch},
};

/// How often a new task is offered to a gateway that is away.
const ATTEMPTS: u32 = 5;

/// The options of `run`.
#[derive(Args, Debug)]
pub struct RunArgs {
    /// What Codex is to do. With - or nothing, it is read from standard input.
    pub prompt: Option<String>,
    /// Where: a path in a repository, as `codex-remote repositories` lists them. [default: the gateway's choice]
    #[arg(long, short = 'C', value_name = "PATH")]
    pub cwd: Option<String>,
    /// An environment variable for the task; may be given several times. The gateway says which names it allows.
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_env)]
    pub env: Vec<(String, String)>,
    /// The model.
    #[arg(long, short)]
    pub model: Option<String>,
    /// The longest time that the task may take, in seconds.
    #[arg(long, value_name = "SECONDS")]
    pub timeout: Option<u64>,
    /// Print each event as a line of JSON: {"event","id","data"}.
    #[arg(long)]
    pub json: bool,
    /// Print the task's id and leave; the task goes on.
    #[arg(long)]
    pub detach: bool,
}

/// Creates a task and follows it. Ctrl-C cancels the task, twice leaves. The exit code is the task's, 130 when canceled.
///
/// # Errors
/// When the gateway cannot be reached or refuses.
pub async fn run(args: RunArgs) -> anyhow::Result<ExitCode> {
    let client = connect()?;
    let task = NewTask {
        prompt: prompt(args.prompt)?,
        cwd: args.cwd,
        env: args.env.into_iter().collect(),
        model: args.model,
        timeout_seconds: args.timeout,
    };
    let accepted = create(&client, &task).await?;
    if args.detach {
        let answer = if args.json {
            serde_json::to_string(&accepted)?
        } else {
            accepted.task_id
        };
        writeln!(io::stdout(), "{answer}")?;
        return Ok(ExitCode::SUCCESS);
    }
    let id = accepted.task_id;
    // On standard error, so that it is in no pipe.
    eprintln!("task {id}");
    let form = if args.json { Form::Json } else { Form::Pretty };
    let watch = Watch {
        client,
        task: id.clone(),
        after: 0,
        form,
        on_interrupt: OnInterrupt::Cancel,
        until: Until::Done,
    };
    let left = || format!("stopped watching; the task goes on, see `codex-remote logs -f {id}`");
    watch.run().await.with_context(left)
}

/// Offers the task until the gateway takes or refuses it. The key keeps it from being created twice.
async fn create(client: &Client, task: &NewTask) -> Result<Accepted, ClientError> {
    let key = hex::encode(rand::random::<[u8; 16]>());
    let mut pause = Duration::from_millis(250);
    for _ in 1..ATTEMPTS {
        match client.create_task(task, &key).await {
            Err(error) if error.is_passing() => {
                tokio::time::sleep(
                    error
                        .retry_after()
                        .unwrap_or(pause)
                        .min(Duration::from_secs(10)),
                )
                .await;
                pause *= 2;
            }
            other => return other,
        }
    }
    client.create_task(task, &key).await
}

fn prompt(argument: Option<String>) -> anyhow::Result<String> {
    let prompt = match argument {
        Some(prompt) if prompt != "-" => prompt,
        None if io::stdin().is_terminal() => {
            bail!(
                "there is no prompt; write it as an argument, or pipe it in: codex-remote run < prompt.txt"
            )
        }
        _ => {
            let mut prompt = String::new();
            io::stdin()
                .read_to_string(&mut prompt)
                .context("cannot read the prompt from standard input")?;
            prompt
        }
    };
    if prompt.trim().is_empty() {
        bail!("the prompt is empty");
    }
    Ok(prompt)
}

fn parse_env(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write it as NAME=VALUE".to_owned()),
    }
}
