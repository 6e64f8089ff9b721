//! Two operators at once, and the Lease changes hands while a task talks: one Pod, one record, nothing twice.

use std::collections::HashSet;
use std::process::{Child, Stdio};
use std::sync::Arc;

use anyhow::{Result, ensure};
use codex_e2e::suite::Suite;
use codex_e2e::{Stack, Stores, until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use reqwest::Method;

use crate::crowd::Crowd;
use crate::operator::{IDENTITY, SecondOperator, holder};

pub(crate) fn add(suite: &mut Suite, stores: &Arc<Stores>) {
    let these = Arc::clone(stores);
    suite.add(
        "leases::taken_away_while_a_task_talks",
        |stack| async move { taken_away(&stack, &these).await },
    );
    let these = Arc::clone(stores);
    suite.add(
        "leases::a_leader_that_freezes_and_thaws_is_no_leader",
        |stack| async move { frozen(&stack, &these).await },
    );
}

async fn taken_away(stack: &Stack, stores: &Stores) -> Result<()> {
    let second = SecondOperator::start(stack)?;
    let pods = PodWatch::start(stack)?;
    let mut crowd = Crowd::gather(stack, 150).await?;
    for messages in [5, 75] {
        crowd.heard(messages).await?;
        let somebody = r#"{"spec":{"holderIdentity":"somebody-else"}}"#;
        stack.kubectl(&[
            "patch",
            "lease",
            "codex-operator",
            "--type=merge",
            "-p",
            somebody,
        ])?;
        until("an operator to take over", || async {
            let holder = holder(stack)?;
            Ok(["up", IDENTITY].contains(&holder.as_str()).then_some(()))
        })
        .await?;
    }
    compare(stack, stores, crowd, pods).await?;
    drop(second);
    Ok(())
}

async fn frozen(stack: &Stack, stores: &Stores) -> Result<()> {
    let second = SecondOperator::start(stack)?;
    let pods = PodWatch::start(stack)?;
    let mut crowd = Crowd::gather(stack, 150).await?;
    crowd.heard(5).await?;
    let leader = until("somebody to work", || async {
        Ok(Some(holder(stack)?).filter(|holder| !holder.is_empty()))
    })
    .await?;
    let pid = if leader == IDENTITY {
        second.pid()
    } else {
        stack.pid("operator")?
    };
    let frozen = Pid::from_raw(pid);
    kill(frozen, Signal::SIGSTOP)?;
    let other = until("the other to take over", || async {
        Ok(Some(holder(stack)?).filter(|holder| *holder != leader))
    })
    .await;
    // Before any failure is told: a frozen process does not even end when it should.
    kill(frozen, Signal::SIGCONT)?;
    let other = other?;
    until("the thawed operator to end", || async {
        let now = if leader == IDENTITY {
            second.pid()
        } else {
            stack.pid("operator")?
        };
        Ok((now != pid).then_some(()))
    })
    .await?;
    ensure!(holder(stack)? == other, "the other one goes on");
    compare(stack, stores, crowd, pods).await?;
    drop(second);
    Ok(())
}

async fn compare(stack: &Stack, stores: &Stores, crowd: Crowd, pods: PodWatch) -> Result<()> {
    let task = crowd.task.id.clone();
    crowd.compare(stores).await?;
    let seen = pods.finish(&task)?;
    ensure!(seen.len() == 1, "the task had the Pods {seen:?}");
    let list = format!("/api/tasks?q={task}");
    let (_, tasks) = stack.admin().await?.send(Method::GET, &list, None).await?;
    ensure!(tasks["total"] == 1, "{tasks}");
    Ok(())
}

/// Notes every Pod that there ever is.
struct PodWatch {
    kubectl: Child,
    output: tempfile::NamedTempFile,
}

impl PodWatch {
    fn start(stack: &Stack) -> Result<Self> {
        let output = tempfile::NamedTempFile::new()?;
        let line = r#"jsonpath={.metadata.name} {.metadata.uid}{"\n"}"#;
        let kubectl = stack
            .kubectl_command()?
            .args(["get", "pods", "--watch", "-o", line])
            .stdin(Stdio::null())
            .stdout(output.reopen()?)
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self { kubectl, output })
    }

    /// The UIDs of all Pods of a task.
    fn finish(mut self, task: &str) -> Result<HashSet<String>> {
        ensure!(
            self.kubectl.try_wait()?.is_none(),
            "kubectl ended before it had seen everything"
        );
        let text = std::fs::read_to_string(self.output.path())?;
        Ok(text
            .lines()
            .filter_map(|line| line.split_once(' '))
            .filter(|(name, _)| name.contains(task))
            .map(|(_, uid)| uid.to_owned())
            .collect())
    }
}

impl Drop for PodWatch {
    fn drop(&mut self) {
        // It watches until somebody ends it.
        let _ = self.kubectl.kill();
        let _ = self.kubectl.wait();
    }
}
