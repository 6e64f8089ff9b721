//! What is printed when everything runs.

use std::io::Write as _;

use secrecy::ExposeSecret as _;

use super::{
    credentials::Model,
    plan::{ADMIN_EMAIL, NAMESPACE},
    start::{Prepared, Running},
    supervisor::Shared,
};

/// Tells the user, and with `--json` whatever program has started this one.
pub fn announce(prepared: &Prepared, running: &Running, shared: &Shared) {
    shared.progress.line(text(prepared, running));
    if prepared.args.json {
        let line = serde_json::json!({
            "url": running.url,
            "email": ADMIN_EMAIL,
            "password": prepared.secrets.admin_password.expose_secret(),
            "kubeconfig": running.kubeconfig,
        });
        let mut stdout = std::io::stdout().lock();
        if let Err(error) = writeln!(stdout, "{line}").and_then(|()| stdout.flush()) {
            shared
                .progress
                .warn(format!("cannot write the ready line: {error}"));
        }
    }
}

fn text(prepared: &Prepared, running: &Running) -> String {
    let repositories: Vec<String> = prepared
        .allow_list
        .repositories
        .iter()
        .map(|repository| {
            format!(
                "/srv/repos/{}  <-  {}",
                repository.name,
                repository.folder.display()
            )
        })
        .collect();
    let model = match &prepared.model {
        Model::Upstream { origin, .. } => {
            format!("{} (key from {origin})", prepared.args.upstream_url)
        }
        Model::Demo { because } => format!(
            "THE DEMO MODEL: answers are scripted, not intelligent\n               ({because})"
        ),
    };
    let kubeconfig = running.kubeconfig.display();
    // As it was typed, so that the lines below can be copied even when the program is not on the path.
    let program = std::env::args()
        .next()
        .unwrap_or_else(|| "codex-remote".to_owned());
    format!(
        "
ready in {:.1} s

  address      {}
  user         {ADMIN_EMAIL}
  password     in {}
  kubeconfig   {kubeconfig}
  data, logs   {}
  model        {model}
  repositories {}

  {program} login {} --email {ADMIN_EMAIL} --password-stdin < {}
  {program} run \"Document this repository\"
  kubectl --kubeconfig {kubeconfig} -n {NAMESPACE} get codextasks

Ctrl-C stops everything.",
        running.took.as_secs_f64(),
        running.url,
        prepared.secrets.admin_password_file.display(),
        prepared.layout.root().display(),
        repositories.join("\n               "),
        running.url,
        prepared.secrets.admin_password_file.display(),
    )
}
