//! Settings as programs declare them, read from options, variables and files.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;
use codex_settings::{Check, Loaded, Problems, Settings, Stop, markdown, read};
use secrecy::{ExposeSecret as _, SecretString};

/// A server.
#[derive(Debug, Parser)]
#[command(name = "server")]
struct Server {
    /// Where to listen.
    #[arg(long, env = "CODEX_LISTEN", default_value = "127.0.0.1:80")]
    listen: SocketAddr,
    /// The store: `a` | `b`.
    #[arg(long, env = "CODEX_STORE", hide_env_values = true, value_parser = store)]
    store: SecretString,
    /// A number.
    #[arg(long, env = "CODEX_FEW", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=9))]
    few: u32,
    /// Names
    #[arg(
        long,
        env = "CODEX_NAMES",
        value_delimiter = ',',
        default_value = "x,y"
    )]
    names: Vec<String>,
    /// Whether.
    #[arg(long, env = "CODEX_FLAG", default_value = "false", action = clap::ArgAction::Set)]
    flag: bool,
    /// A key that changes.
    #[arg(long, env = "CODEX_KEY", hide_env_values = true)]
    key: Option<SecretString>,
    /// Its file.
    #[arg(long, env = "CODEX_KEY_FILE")]
    key_file: Option<PathBuf>,
    /// Who.
    #[arg(long, env = "CODEX_WHO")]
    who: Option<String>,
    /// Needs `who`.
    #[arg(long, env = "CODEX_MAY")]
    may: Option<String>,
}

impl Settings for Server {
    fn check(check: &mut Check<'_>) {
        check.exactly_one(&["key"]);
        check.needs("may", &["who"]);
        if check.get::<u32>("few") == Some(&9) {
            check.refuse("nine is too many");
        }
    }
}

fn store(text: &str) -> Result<SecretString, String> {
    match text {
        "hub" => Ok(text.into()),
        _ if text.starts_with("redis:") => Ok(text.into()),
        _ => Err(format!("{text} is no store")),
    }
}

type Variables<'a> = &'a [(&'a str, &'a str)];

fn load(args: &[&str], variables: Variables<'_>) -> Result<Loaded<Server>, Stop> {
    let args = ["server"].iter().chain(args).map(OsString::from);
    read(args, variables.iter().copied())
}

fn wrong(args: &[&str], variables: Variables<'_>) -> Problems {
    match load(args, variables) {
        Err(Stop::Wrong(problems)) => problems,
        other => panic!("{other:?}"),
    }
}

const GOOD: [(&str, &str); 2] = [("CODEX_STORE", "hub"), ("CODEX_KEY", "k")];

fn with<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [&GOOD, more].concat()
}

#[test]
fn defaults_variables_and_options_come_in_this_order() {
    let server = load(&[], &GOOD).unwrap().settings;
    assert_eq!(server.listen.port(), 80);
    assert_eq!((server.few, server.flag), (3, false));
    assert_eq!(server.names, ["x", "y"]);
    assert_eq!(server.key.unwrap().expose_secret(), "k");
    let variables = with(&[
        ("CODEX_LISTEN", "127.0.0.1:81"),
        ("CODEX_FEW", "4"),
        ("CODEX_NAMES", "a,b,c"),
        ("CODEX_FLAG", "true"),
        ("CODEX_WHO", "me"),
    ]);
    let server = load(&[], &variables).unwrap().settings;
    assert_eq!((server.listen.port(), server.few), (81, 4));
    assert_eq!(server.names, ["a", "b", "c"]);
    assert_eq!((server.flag, server.who.as_deref()), (true, Some("me")));
    let options = [
        "--listen=127.0.0.1:82",
        "--names",
        "d",
        "--names=e,f",
        "--may",
        "x",
    ];
    let server = load(&options, &variables).unwrap().settings;
    assert_eq!((server.listen.port(), server.few), (82, 4));
    assert_eq!(server.names, ["d", "e", "f"]);
    assert_eq!(server.may.as_deref(), Some("x"));
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    let problems = wrong(
        &["--few", "12"],
        &[
            ("CODEX_LISTEN", "nowhere"),
            ("CODEX_STORE_FILE", "/no/such/file"),
            ("CODEX_KEY", "k"),
            ("CODEX_KEY_FILE", path),
            ("CODEX_FLAG", "perhaps"),
            ("CODEX_MAY", "x"),
        ],
    );
    let told = problems.to_string();
    for part in [
        "server cannot start; its settings have 6 mistakes:",
        "CODEX_LISTEN is \"nowhere\", which cannot be used: invalid socket address syntax",
        "CODEX_STORE_FILE: /no/such/file: No such file",
        "--few is \"12\", which cannot be used: 12 is not in 1..=9",
        "CODEX_FLAG is \"perhaps\", which cannot be used",
        "CODEX_KEY and CODEX_KEY_FILE are both set",
        "CODEX_MAY needs CODEX_WHO",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(
        !told.contains("CODEX_STORE or"),
        "it is set, to a file that is away: {told}"
    );
}

#[test]
fn what_is_missing_is_named_and_empty_is_missing() {
    let problems = wrong(&[], &[("CODEX_STORE", ""), ("CODEX_KEY_FILE", "")]);
    let expected = [
        "CODEX_STORE or CODEX_STORE_FILE has to be set",
        "one of these has to be set: CODEX_KEY or CODEX_KEY_FILE",
    ];
    assert_eq!(problems.list(), expected);
}

#[test]
fn an_empty_list_is_not_its_default() {
    let server = load(&[], &with(&[("CODEX_NAMES", "")])).unwrap().settings;
    assert!(server.names.is_empty(), "{:?}", server.names);
    let server = load(&["--names="], &GOOD).unwrap().settings;
    assert!(server.names.is_empty(), "{:?}", server.names);
    let server = load(&[], &with(&[("CODEX_LISTEN", "")])).unwrap().settings;
    assert_eq!(server.listen.port(), 80);
}

#[test]
fn secrets_come_from_files_and_are_never_shown() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    let from = |content: &str| {
        std::fs::write(path, content).unwrap();
        load(&[], &[("CODEX_STORE_FILE", path), ("CODEX_KEY", "k")])
    };
    let server = from("redis:s3cret\r\n\n").unwrap().settings;
    assert_eq!(server.store.expose_secret(), "redis:s3cret");
    for (content, expected) in [("\n", "is empty"), ("a\0b", "secret in text")] {
        match from(content) {
            Err(Stop::Wrong(problems)) => {
                let [problem] = problems.list() else {
                    panic!("{problems}")
                };
                assert!(
                    problem.contains(expected) && problem.contains(path),
                    "{problem}"
                );
            }
            other => panic!("{other:?}"),
        }
    }
    std::fs::write(path, "s3cret\n").unwrap();
    let both = [
        ("CODEX_STORE", "s3cret"),
        ("CODEX_STORE_FILE", path),
        ("CODEX_KEY", "k"),
    ];
    for (args, variables, expected) in [
        (
            &[][..],
            &both[..2],
            "CODEX_STORE and CODEX_STORE_FILE are both set",
        ),
        (&[], &both[1..], "CODEX_STORE_FILE: what"),
        (
            &[],
            &both[..1],
            "CODEX_STORE cannot be used (its value is not shown): *** is no store",
        ),
        (&["--store", "s3cret"], &both[2..], "--store cannot be used"),
        (
            &["--store-file", path],
            &both[2..],
            "CODEX_STORE_FILE: what",
        ),
    ] {
        let told = wrong(args, variables).to_string();
        assert!(
            told.contains(expected) && !told.contains("s3cret"),
            "{told}"
        );
    }
    assert!(!format!("{:?}", load(&[], &with(&[])).unwrap()).contains("hub"));
}

#[test]
fn checks_of_several_settings_are_made_with_the_rest() {
    let problems = wrong(&[], &with(&[("CODEX_FEW", "9"), ("CODEX_LISTEN", "x")]));
    assert_eq!(problems.list().len(), 2);
    assert_eq!(problems.list()[1], "nine is too many");
}

#[test]
fn unknown_variables_are_told_with_what_may_be_meant() {
    let variables = with(&[
        ("CODEX_LISTN", "x"),
        ("CODEX_STORE_FIEL", "x"),
        ("CODEX_SOMETHING_ELSE", "x"),
        ("CODEX_SERVER_SERVICE_HOST", "10.0.0.1"),
        ("PATH", "/bin"),
    ]);
    let loaded = load(&[], &variables).unwrap();
    let told: Vec<String> = loaded.unknown.iter().map(ToString::to_string).collect();
    let expected = [
        "CODEX_LISTN is set, but is no setting of server; is CODEX_LISTEN meant?",
        "CODEX_SOMETHING_ELSE is set, but is no setting of server",
        "CODEX_STORE_FIEL is set, but is no setting of server; is CODEX_STORE_FILE meant?",
    ];
    assert_eq!(told, expected);
}

#[test]
fn help_and_documentation_know_the_files_of_secrets() {
    let Err(Stop::Usage(help)) = load(&["--help"], &[("CODEX_LISTEN", "x")]) else {
        panic!("no help");
    };
    let help = help.to_string();
    assert!(
        help.contains("--store-file") && help.contains("[default: 127.0.0.1:80]"),
        "{help}"
    );
    let Err(Stop::Usage(usage)) = load(&["--listn=x"], &[]) else {
        panic!("no refusal");
    };
    assert!(usage.to_string().contains("--listen"), "{usage}");
    let Err(Stop::Documentation(text)) = load(&["--print-config-docs"], &[]) else {
        panic!("no documentation");
    };
    assert_eq!(text, markdown::<Server>());
    for line in [
        "## server",
        "| `CODEX_LISTEN` | `127.0.0.1:80` | Where to listen. |",
        "| `CODEX_STORE` or `CODEX_STORE_FILE` | required | The store: `a` \\| `b`. |",
        "| `CODEX_NAMES` | `x,y` | Names. |",
        "| `CODEX_KEY_FILE` |  | Its file. |",
    ] {
        assert!(text.lines().any(|other| other == line), "{line}: {text}");
    }
    assert!(!text.contains("CODEX_STORE_FILE` |  |"), "{text}");
}
