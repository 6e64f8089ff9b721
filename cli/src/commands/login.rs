//! `codex-remote login`: gets a token and keeps it.

use std::{
    io::{self, IsTerminal as _, Write as _},
    process::ExitCode,
};

use anyhow::{Context as _, bail};
use clap::Args;
use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};
use secrecy::{ExposeSecret as _, SecretString};

use crate::client::{
    Client,
    credentials::{self, Login},
    is_loopback,
};

/// The options of `login`.
#[derive(Args, Debug)]
pub struct LoginArgs {
    /// The gateway's address, such as https://codex.example.com.
    pub url: String,
    /// Who logs in.
    #[arg(long)]
    pub email: String,
    /// Read the password from standard input, up to the end of its first line, in place of asking for it.
    #[arg(long)]
    pub password_stdin: bool,
}

/// Logs in and stores the token, readable for this user only.
///
/// # Errors
/// When the gateway cannot be reached or refuses, or the token cannot be stored.
pub async fn run(args: LoginArgs) -> anyhow::Result<ExitCode> {
    let url = credentials::parse_url(&args.url)?;
    if url.scheme() == "http" && !is_loopback(&url) {
        eprintln!(
            "warning: the password travels unencrypted to {url}; use https where others share the network"
        );
    }
    let password = if args.password_stdin {
        first_line(&mut io::stdin().lock())?
    } else {
        ask(&args.email).await?
    };
    let tokens = Client::login(&url, &args.email, password.expose_secret()).await?;
    let file = credentials::default_file()?;
    let login = Login {
        url,
        email: args.email,
        access_token: tokens.access_token,
        refresh_token: tokens.refresh_token,
    };
    credentials::save(&file, &login)?;
    println!("Logged in to {} as {}.", login.url, login.email);
    Ok(ExitCode::SUCCESS)
}

fn first_line(input: &mut impl io::BufRead) -> anyhow::Result<SecretString> {
    let mut line = String::new();
    input
        .read_line(&mut line)
        .context("cannot read the password")?;
    let password = line.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        bail!("the password is empty");
    }
    Ok(password.into())
}

/// Asks on the terminal without showing what is typed.
async fn ask(email: &str) -> anyhow::Result<SecretString> {
    if !io::stdin().is_terminal() {
        bail!("there is no terminal to ask for the password on; use --password-stdin");
    }
    eprint!("Password for {email}: ");
    io::stderr().flush()?;
    let echo = NoEcho::begin()?;
    // A thread waits for the line, so that Ctrl-C is noticed here and the terminal is left as it was.
    let line = tokio::task::spawn_blocking(|| first_line(&mut io::stdin().lock()));
    let password = tokio::select! {
        password = line => password.context("cannot read the password")?,
        _ = tokio::signal::ctrl_c() => {
            drop(echo);
            eprintln!();
            // The thread still waits for a line; only the end of the process ends it.
            std::process::exit(130);
        }
    };
    drop(echo);
    eprintln!();
    password
}

/// The terminal shows nothing of what is typed until this is dropped.
struct NoEcho(Termios);

impl NoEcho {
    fn begin() -> anyhow::Result<Self> {
        let before = tcgetattr(io::stdin()).context("cannot read the terminal's settings")?;
        let mut silent = before.clone();
        silent.local_flags.remove(LocalFlags::ECHO);
        tcsetattr(io::stdin(), SetArg::TCSAFLUSH, &silent).context("cannot hide the password")?;
        Ok(Self(before))
    }
}

impl Drop for NoEcho {
    fn drop(&mut self) {
        // Nothing better can be done if the terminal is gone.
        let _ = tcsetattr(io::stdin(), SetArg::TCSANOW, &self.0);
    }
}
