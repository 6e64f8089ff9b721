//! From options, variables and files to the settings of a program.

use std::collections::HashMap;
use std::error::Error as _;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use clap::builder::{Resettable, ValueParser};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{ArgMatches, Command};

use crate::check::Check;
use crate::declared::{Declared, PRINT_DOCS, declared, lenient};
use crate::problems::{Problems, shown, without};
use crate::unknown::{Unknown, unknown};
use crate::{Settings, docs};

/// What a program ends with when its settings are wrong: the same as for options that do not exist.
const WRONG_SETTINGS: i32 = 2;
/// No secret is longer, in bytes; what is, is another file.
const MAX_SECRET: usize = 1 << 20;

/// The settings of a program.
#[derive(Debug)]
pub struct Loaded<T> {
    /// The settings.
    pub settings: T,
    /// Variables that look like settings and are none.
    pub unknown: Vec<Unknown>,
}

/// Why there are no settings.
#[derive(Debug)]
pub enum Stop {
    /// The command line makes no sense, or asks for help.
    Usage(clap::Error),
    /// The documentation was asked for.
    Documentation(String),
    /// They are wrong.
    Wrong(Problems),
}

impl<T> Loaded<T> {
    /// The settings. What is unknown goes to the log as warnings, so start it before.
    #[must_use]
    pub fn warn(self) -> T {
        for unknown in &self.unknown {
            tracing::warn!(variable = unknown.name, "{unknown}");
        }
        self.settings
    }
}

impl Stop {
    /// Tells it, and ends the process.
    pub fn exit(self) -> ! {
        match self {
            Self::Usage(error) => error.exit(),
            Self::Documentation(text) => {
                print!("{text}");
                std::process::exit(0)
            }
            Self::Wrong(problems) => {
                eprintln!("{problems}");
                std::process::exit(WRONG_SETTINGS)
            }
        }
    }
}

/// Reads the settings of this process. It ends here when they are wrong, with 2, or when `--help` was asked for.
#[must_use]
pub fn load<T: Settings>() -> Loaded<T> {
    read(std::env::args_os(), std::env::vars_os()).unwrap_or_else(|stop| stop.exit())
}

/// Reads settings. An option stands above the variable of the same meaning.
///
/// # Errors
/// [`Stop`] with everything that is wrong.
pub fn read<T: Settings>(
    args: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    variables: impl IntoIterator<Item = (impl Into<OsString>, impl Into<OsString>)>,
) -> Result<Loaded<T>, Stop> {
    let args: Vec<OsString> = args.into_iter().map(Into::into).collect();
    let variables: HashMap<OsString, OsString> = variables
        .into_iter()
        .map(|(name, value)| (name.into(), value.into()))
        .collect();
    let (command, settings) = declared::<T>();
    let program = command.get_name().to_owned();
    let mut problems = Vec::new();

    let options = options(&command, &settings, &args)?;
    if options.get_flag(PRINT_DOCS) {
        return Err(Stop::Documentation(docs::markdown::<T>()));
    }
    let mut found = Found::new(&settings, &options, &variables);
    found.read_files(&settings, &mut problems);

    let mut command = lenient(&command, &settings);
    for setting in &settings {
        let Some(values) = found.values(&setting.id) else {
            if setting.is_required && !found.is_set_or_in_file(setting) {
                problems.push(missing(setting));
            }
            continue;
        };
        let given = values.to_vec();
        command = match refusal(&command, &setting.id, &given) {
            Some(reason) => {
                problems.push(found.refusal(setting, reason));
                command.mut_arg(&setting.id, |arg| arg.default_value(Resettable::Reset))
            }
            None => command.mut_arg(&setting.id, |arg| arg.default_values(given)),
        };
    }
    // Every value has been tried, and stands there as the default now.
    let matches = command
        .try_get_matches_from([&program])
        .map_err(Stop::Usage)?;
    T::check(&mut Check {
        settings: &settings,
        found: &found,
        matches: &matches,
        problems: &mut problems,
    });
    if !problems.is_empty() {
        return Err(Stop::Wrong(Problems {
            program,
            list: problems,
        }));
    }
    Ok(Loaded {
        settings: T::from_arg_matches(&matches).map_err(Stop::Usage)?,
        unknown: unknown(&program, &settings, variables.keys()),
    })
}

/// What the command line says, as text.
fn options(
    command: &Command,
    settings: &[Declared],
    args: &[OsString],
) -> Result<ArgMatches, Stop> {
    let mut texts = lenient(command, settings);
    for setting in settings {
        texts = texts.mut_arg(&setting.id, |arg| {
            arg.default_value(Resettable::Reset)
                .value_parser(ValueParser::os_string())
        });
    }
    texts.try_get_matches_from(args).map_err(|error| {
        // The same from the command as it is declared tells defaults and variables in the help.
        let told = command.clone().try_get_matches_from(args).err();
        let told = told.filter(|told| told.kind() == error.kind());
        Stop::Usage(told.unwrap_or(error))
    })
}

/// Why a setting cannot have these values.
fn refusal(command: &Command, id: &str, values: &[OsString]) -> Option<String> {
    let arg = command.get_arguments().find(|arg| arg.get_id() == id)?;
    let option = format!("--{}=", arg.get_long()?);
    let args = values.iter().map(|value| {
        let mut arg = OsString::from(&option);
        arg.push(value);
        arg
    });
    let alone = Command::new("setting")
        .no_binary_name(true)
        .arg(arg.clone());
    let error = alone.try_get_matches_from(args).err()?;
    if let Some(source) = error.source() {
        return Some(source.to_string());
    }
    match (error.kind(), error.get(ContextKind::ValidValue)) {
        (_, Some(ContextValue::Strings(values))) => Some(format!("write {}", values.join(" or "))),
        (ErrorKind::InvalidUtf8, _) => Some("it is not UTF-8".to_owned()),
        _ => Some("it is malformed".to_owned()),
    }
}

fn missing(setting: &Declared) -> String {
    let variable = &setting.variable;
    match &setting.file {
        Some(_) => format!("{variable} or {variable}_FILE has to be set"),
        None => format!("{variable} has to be set"),
    }
}

/// Where a value comes from.
enum Origin {
    Option,
    Variable,
    /// The file that another setting names.
    File(PathBuf),
}

/// What somebody has set.
pub(crate) struct Found(HashMap<String, (Origin, Vec<OsString>)>);

impl Found {
    fn new(
        settings: &[Declared],
        options: &ArgMatches,
        variables: &HashMap<OsString, OsString>,
    ) -> Self {
        let find = |setting: &Declared| {
            let id = setting.id.as_str();
            if options.value_source(id) == Some(ValueSource::CommandLine) {
                let mut values: Vec<_> = options.get_raw(id)?.map(OsStr::to_owned).collect();
                if setting.is_list {
                    values.retain(|value| !value.is_empty());
                }
                return Some((Origin::Option, values));
            }
            let value = variables.get(OsStr::new(&setting.variable))?;
            // An empty variable is one that somebody left empty. But an empty list is not its default: it may allow nothing, where
            // that allows everything.
            match (value.is_empty(), setting.is_list) {
                (false, _) => Some((Origin::Variable, vec![value.clone()])),
                (true, true) => Some((Origin::Variable, Vec::new())),
                (true, false) => None,
            }
        };
        let all = settings.iter();
        Self(
            all.filter_map(|it| Some((it.id.clone(), find(it)?)))
                .collect(),
        )
    }

    /// Whether there is a value. An empty list is none.
    pub(crate) fn is_set(&self, id: &str) -> bool {
        self.values(id).is_some_and(|values| !values.is_empty())
    }

    fn is_set_or_in_file(&self, setting: &Declared) -> bool {
        let file = setting.file.as_ref();
        self.is_set(&setting.id) || file.is_some_and(|file| self.is_set(&file.id))
    }

    fn values(&self, id: &str) -> Option<&[OsString]> {
        self.0.get(id).map(|(_, values)| values.as_slice())
    }

    /// What somebody called it who set it.
    pub(crate) fn name(&self, setting: &Declared) -> String {
        match self.0.get(&setting.id) {
            Some((Origin::Option, _)) => setting.option.clone(),
            Some((Origin::File(_), _)) => format!("{}_FILE", setting.variable),
            _ => setting.variable.clone(),
        }
    }

    /// Takes secrets from the files that were named for them.
    fn read_files(&mut self, settings: &[Declared], problems: &mut Vec<String>) {
        for secret in settings {
            let Some(file) = &secret.file else { continue };
            let Some(named) = settings.iter().find(|other| other.id == file.id) else {
                continue;
            };
            let Some(path) = self.values(&file.id).and_then(<[_]>::first) else {
                continue;
            };
            let path = PathBuf::from(path);
            let name = self.name(named);
            if self.is_set(&secret.id) {
                let secret = self.name(secret);
                problems.push(format!(
                    "{secret} and {name} are both set; keep one of them"
                ));
            } else if file.is_read_here {
                match read_secret(&path) {
                    Ok(text) => {
                        let value = (Origin::File(path), vec![text]);
                        self.0.insert(secret.id.clone(), value);
                    }
                    Err(reason) => problems.push(format!("{name}: {reason}")),
                }
            }
        }
    }

    /// A sentence about a value that cannot be used.
    fn refusal(&self, setting: &Declared, reason: String) -> String {
        let name = self.name(setting);
        let Some((origin, values)) = self.0.get(&setting.id) else {
            return format!("{name} cannot be used: {reason}");
        };
        let value = values.join(OsStr::new(","));
        if let Origin::File(path) = origin {
            let path = path.display();
            return format!(
                "{name}: what {path} holds cannot be used: {}",
                without(&value, reason)
            );
        }
        if setting.is_secret {
            let reason = without(&value, reason);
            return format!("{name} cannot be used (its value is not shown): {reason}");
        }
        let value_shown = shown(&value);
        // The reason may repeat what is left out.
        let reason = match value_shown.contains("***") {
            true => without(&value, reason),
            false => reason,
        };
        format!("{name} is {value_shown}, which cannot be used: {reason}")
    }
}

/// The content of a file without the line end that editors add.
fn read_secret(path: &Path) -> Result<OsString, String> {
    let shown = path.display();
    let mut content = std::fs::read(path).map_err(|error| format!("{shown}: {error}"))?;
    while content.ends_with(b"\n") || content.ends_with(b"\r") {
        content.pop();
    }
    if content.is_empty() {
        return Err(format!("{shown} is empty"));
    }
    if content.len() > MAX_SECRET || content.contains(&0) {
        return Err(format!("{shown} does not hold a secret in text"));
    }
    Ok(OsString::from_vec(content))
}
