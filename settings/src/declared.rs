//! What a program declares.

use std::collections::HashSet;

use clap::builder::{Resettable, ValueParser};
use clap::{Arg, ArgAction, Command, CommandFactory};

/// The option that prints the table of all settings.
pub(crate) const PRINT_DOCS: &str = "print-config-docs";
const FILE: &str = "_FILE";

/// One setting of a program.
#[derive(Debug)]
pub(crate) struct Declared {
    /// What `clap` knows it by: the name of its field.
    pub id: String,
    /// The environment variable.
    pub variable: String,
    /// The option, with its dashes.
    pub option: String,
    pub is_required: bool,
    /// Whether it is a list, which may be empty.
    pub is_list: bool,
    /// Whether its value is never shown.
    pub is_secret: bool,
    /// Where else it may be: the id of the setting that names its file.
    pub file: Option<File>,
}

/// The setting that names the file of a secret.
#[derive(Debug)]
pub(crate) struct File {
    pub id: String,
    /// Whether it is read here, because the program does not declare it itself. A program does that for files that change while it
    /// runs, or that hold something other than text.
    pub is_read_here: bool,
}

/// The command of a program, with an option for the file of each secret, and its settings.
pub(crate) fn declared<T: CommandFactory>() -> (Command, Vec<Declared>) {
    let mut command = T::command();
    let ids: HashSet<String> = command.get_arguments().map(id).collect();
    let mut settings: Vec<Declared> = command.get_arguments().filter_map(setting).collect();
    for secret in settings.iter_mut().filter(|setting| setting.is_secret) {
        let file = format!("{}_file", secret.id);
        let is_read_here = !ids.contains(&file);
        if is_read_here {
            let help = format!("A file that holds {}.", secret.variable);
            let arg = Arg::new(file.clone())
                .long(format!("{}-file", secret.option.trim_start_matches('-')))
                .env(format!("{}{FILE}", secret.variable))
                .value_parser(ValueParser::path_buf())
                .help(help);
            command = command.arg(arg);
        }
        secret.file = Some(File {
            id: file,
            is_read_here,
        });
    }
    let added = settings
        .iter()
        .filter_map(|secret| Some((secret, secret.file.as_ref()?)))
        .filter(|(_, file)| file.is_read_here)
        .map(|(secret, file)| Declared {
            id: file.id.clone(),
            variable: format!("{}{FILE}", secret.variable),
            option: format!("{}-file", secret.option),
            is_required: false,
            is_list: false,
            is_secret: false,
            file: None,
        })
        .collect::<Vec<_>>();
    settings.extend(added);
    let print = Arg::new(PRINT_DOCS)
        .long(PRINT_DOCS)
        .action(ArgAction::SetTrue)
        .help("Print all settings as a Markdown table, and exit");
    (command.arg(print), settings)
}

/// The same command where everything may be left out and the environment does not matter.
pub(crate) fn lenient(command: &Command, settings: &[Declared]) -> Command {
    let mut command = command.clone();
    for setting in settings {
        command = command.mut_arg(&setting.id, |arg| {
            arg.required(false).env(Resettable::Reset)
        });
    }
    command
}

fn id(arg: &Arg) -> String {
    arg.get_id().to_string()
}

/// Nothing for `--help` and the like.
fn setting(arg: &Arg) -> Option<Declared> {
    Some(Declared {
        id: id(arg),
        variable: arg.get_env()?.to_str()?.to_owned(),
        option: format!("--{}", arg.get_long()?),
        is_required: arg.is_required_set(),
        is_list: arg.get_value_delimiter().is_some(),
        is_secret: arg.is_hide_env_values_set(),
        file: None,
    })
}
