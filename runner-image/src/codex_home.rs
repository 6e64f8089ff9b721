//! The configuration that Codex runs with: one model provider, no credential, nothing that needs the internet.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use serde::Serialize;

use crate::config::{Config, McpServer};

/// How often a request is repeated, and how often a broken stream. Codex waits 0.2 s before the first repetition and twice
/// as long before each further one, so a model that is down ends the task after about ten seconds.
const REQUEST_RETRIES: u32 = 4;
const STREAM_RETRIES: u32 = 2;

/// The name of the provider. A session can only be resumed under the same name.
const PROVIDER: &str = "proxy";

/// What git needs to know in the Pod: whom commits are by when the repository says nothing, and that the volume may belong to
/// somebody else.
const GIT_CONFIG: &str = "\
[user]
\tname = Codex
\temail = codex@localhost
[safe]
\tdirectory = *
[init]
\tdefaultBranch = main
";

#[derive(Serialize)]
struct CodexConfig<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    model_provider: &'static str,
    check_for_update_on_startup: bool,
    /// A login shell reads `/etc/profile`, which resets `PATH`.
    allow_login_shell: bool,
    analytics: Switch,
    feedback: Switch,
    features: Features,
    tools: Tools,
    model_providers: BTreeMap<&'static str, Provider>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    mcp_servers: &'a BTreeMap<String, McpServer>,
}

#[derive(Serialize)]
struct Switch {
    enabled: bool,
}

#[derive(Serialize)]
struct Features {
    plugins: bool,
    apps: bool,
    remote_plugin: bool,
    /// Otherwise a proxy that is away would be waited for without end.
    unbounded_connection_retries: bool,
}

#[derive(Serialize)]
struct Tools {
    /// Plans become `todo_list` items.
    update_plan: Switch,
}

#[derive(Serialize)]
struct Provider {
    name: &'static str,
    base_url: String,
    wire_api: &'static str,
    request_max_retries: u32,
    stream_max_retries: u32,
}

/// Writes the configuration of Codex, and of git for its commands, into the folder that is their home.
///
/// # Errors
/// The error of the system when the folder cannot be written.
pub fn write(config: &Config, forwarder: SocketAddr) -> std::io::Result<()> {
    let home = &config.codex_home;
    std::fs::create_dir_all(home)?;
    std::fs::write(
        home.join("config.toml"),
        codex_config(config.model.as_deref(), &config.mcp_servers, forwarder),
    )?;
    write_new(&home.join(".gitconfig"), GIT_CONFIG)
}

fn write_new(path: &Path, text: &str) -> std::io::Result<()> {
    match std::fs::exists(path)? {
        true => Ok(()),
        false => std::fs::write(path, text),
    }
}

fn codex_config(
    model: Option<&str>,
    mcp_servers: &BTreeMap<String, McpServer>,
    forwarder: SocketAddr,
) -> String {
    let off = || Switch { enabled: false };
    let config = CodexConfig {
        model,
        model_provider: PROVIDER,
        check_for_update_on_startup: false,
        allow_login_shell: false,
        analytics: off(),
        feedback: off(),
        features: Features {
            plugins: false,
            apps: false,
            remote_plugin: false,
            unbounded_connection_retries: false,
        },
        tools: Tools {
            update_plan: Switch { enabled: true },
        },
        model_providers: BTreeMap::from([(
            PROVIDER,
            Provider {
                name: PROVIDER,
                base_url: format!("http://{forwarder}/v1"),
                wire_api: "responses",
                request_max_retries: REQUEST_RETRIES,
                stream_max_retries: STREAM_RETRIES,
            },
        )]),
        mcp_servers,
    };
    toml::to_string(&config).expect("text, numbers and maps with text keys always serialize")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_is_the_one_that_codex_was_tried_with() {
        let servers = BTreeMap::from([(
            "my \"docs\"".to_owned(),
            McpServer {
                command: "docs".into(),
                args: vec!["--quiet\t".into()],
                env: BTreeMap::from([("A".into(), "\u{7f}\\".into())]),
            },
        )]);
        let text = codex_config(Some("gpt-5.5"), &servers, "127.0.0.1:1".parse().unwrap());
        let wanted = r#"model = "gpt-5.5"
model_provider = "proxy"
check_for_update_on_startup = false
allow_login_shell = false

[analytics]
enabled = false

[feedback]
enabled = false

[features]
plugins = false
apps = false
remote_plugin = false
unbounded_connection_retries = false

[tools.update_plan]
enabled = true

[model_providers.proxy]
name = "proxy"
base_url = "http://127.0.0.1:1/v1"
wire_api = "responses"
request_max_retries = 4
stream_max_retries = 2

[mcp_servers.'my "docs"']
command = "docs"
args = ["--quiet\t"]

[mcp_servers.'my "docs"'.env]
A = "\u007F\\"
"#;
        assert_eq!(text, wanted);
    }
}
