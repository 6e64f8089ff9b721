//! The table of all settings of a program, for the documentation.

use std::fmt::Write as _;

use clap::Arg;

use crate::Settings;
use crate::declared::{Declared, declared};

/// The settings of a program as a section of a Markdown page.
#[must_use]
pub fn markdown<T: Settings>() -> String {
    let (command, settings) = declared::<T>();
    let about = command.get_about().map(ToString::to_string);
    let mut text = format!("## {}\n\n", command.get_name());
    if let Some(about) = about {
        text.push_str(&sentence(&about));
        text.push_str("\n\n");
    }
    text.push_str("| variable | default | meaning |\n|---|---|---|\n");
    for arg in command.get_arguments() {
        let id = arg.get_id().as_str();
        let Some(setting) = settings.iter().find(|setting| setting.id == id) else {
            continue;
        };
        // The file of a secret stands in the line of the secret.
        let is_file = |other: &Declared| {
            other
                .file
                .as_ref()
                .is_some_and(|file| file.id == id && file.is_read_here)
        };
        if settings.iter().any(is_file) {
            continue;
        }
        let help = arg.get_long_help().or_else(|| arg.get_help());
        let help = help.map(ToString::to_string).unwrap_or_default();
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "| {} | {} | {} |",
            names(setting),
            default(setting, arg),
            sentence(&help)
        );
    }
    text
}

fn names(setting: &Declared) -> String {
    let variable = &setting.variable;
    match &setting.file {
        Some(file) if file.is_read_here => format!("`{variable}` or `{variable}_FILE`"),
        _ => format!("`{variable}`"),
    }
}

fn default(setting: &Declared, arg: &Arg) -> String {
    let values = arg.get_default_values();
    let values: Vec<_> = values.iter().map(|value| value.to_string_lossy()).collect();
    match values.as_slice() {
        [] if setting.is_required => "required".to_owned(),
        [] => String::new(),
        values => format!("`{}`", values.join(",")),
    }
}

/// On one line, with a period, and without what would end a cell of a table.
fn sentence(text: &str) -> String {
    let mut text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    text = text.replace('|', "\\|");
    if !text.is_empty() && !text.ends_with(['.', ']', ':']) {
        text.push('.');
    }
    text
}
