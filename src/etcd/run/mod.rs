//! The applet `etcd`: flags, logs, listeners, the member, signals.

mod daemon;
mod host;
mod ports;
mod say;
mod serving;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, ffi::OsString, fs, process::ExitCode};

use serde_json::Value;

use crate::{
    flags::{self, Asked, EnvNote, Options, Trouble, Values},
    log::{self, Level},
    version::VERSION,
};

/// Runs a member until it is told to stop. `args[0]` is the program's name.
///
/// The exit status is etcd's: 0 after `--version`, `--help` or when the member
/// was removed from its cluster, 2 for flags that can't be read, 1 for all other
/// troubles, 143 and 130 after SIGTERM and SIGINT (0 as process 1).
#[must_use]
pub fn run(args: Vec<OsString>) -> ExitCode {
    let args: Vec<String> = args
        .into_iter()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    match configure(&args) {
        Configured::Run(options) => start(&options),
        Configured::Done(code) => code,
    }
}

enum Configured {
    Run(Box<Options>),
    Done(ExitCode),
}

fn configure(args: &[String]) -> Configured {
    // Until the flags say otherwise, everything from info upward goes to standard error.
    let _ = log::install(Level::Info, &[log::Output::Stderr]);
    let words = args.get(1..).unwrap_or_default();
    if let Some(command @ ("gateway" | "grpc-proxy")) = words.first().map(String::as_str) {
        eprintln!(
            "Error: the proxy \"etcd {command}\" is not supported by this server; let clients talk to the members"
        );
        return Configured::Done(ExitCode::FAILURE);
    }
    let values = match flags::command_line(words) {
        Ok(Asked::Run(values)) => Ok(values),
        Ok(Asked::Help) => {
            eprintln!("{}", flags::USAGE);
            println!("{}", flags::HELP.trim_end_matches('\n').to_owned() + "\n");
            return Configured::Done(ExitCode::SUCCESS);
        }
        Err(Trouble::Usage(text)) => {
            eprintln!("{text}\n{}", flags::USAGE);
            return Configured::Done(ExitCode::from(2));
        }
        Err(Trouble::Stray(word)) => Err(format!("'{word}' is not a valid flag")),
    };
    if let Ok(values) = &values
        && values.bool("version")
    {
        print_version();
        return Configured::Done(ExitCode::SUCCESS);
    }
    let read = values.and_then(read_settings);
    let options = read.and_then(|mut values| {
        let logging = flags::logging(&values)?;
        log::install(logging.level, &logging.outputs).map_err(|error| error.to_string())?;
        let host = host::default_host();
        let used = match &host {
            Ok(host) => values.advertise(host)?,
            Err(_) => false,
        };
        Ok((Options::from_values(&values)?, host, used))
    });
    if let Ok((options, ..)) = &options {
        say(&options.warnings);
    }
    crate::info!("etcdmain/etcd.go:73", "Running: ", "args" => args);
    match options {
        Ok((options, host, used)) => {
            match host {
                Ok(host) if used => {
                    crate::info!("etcdmain/etcd.go:94", "detected default host for advertise", "host" => host);
                }
                Ok(_) => {}
                Err(error) => {
                    crate::info!("etcdmain/etcd.go:100", "failed to detect default host", "error" => error);
                }
            }
            Configured::Run(Box::new(options))
        }
        Err(error) => {
            crate::warn!("etcdmain/etcd.go:75", "failed to verify flags", "error" => error);
            if error.starts_with("--advertise-client-urls is required") {
                crate::warn!("etcdmain/etcd.go:78", "advertise client URLs are not set", "error" => error);
            }
            Configured::Done(ExitCode::FAILURE)
        }
    }
}

fn say(warnings: &[(&'static str, String)]) {
    for (caller, text) in warnings {
        crate::warn!(caller, text);
    }
}

fn print_version() {
    println!("etcd Version: {VERSION}");
    println!("Git SHA: kubedrill-{}", env!("CARGO_PKG_VERSION"));
    println!("Go Version: none (Rust)");
    let arch = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    println!("Go OS/Arch: {}/{arch}", std::env::consts::OS);
}

/// Takes the configuration file, or else the environment, into account.
fn read_settings(mut values: Values) -> Result<Values, String> {
    let env: BTreeMap<String, String> = std::env::vars_os()
        .map(|(key, value)| {
            (
                key.to_string_lossy().into_owned(),
                value.to_string_lossy().into_owned(),
            )
        })
        .collect();
    let mut path = values.text("config-file").to_owned();
    if path.is_empty() {
        path = env.get("ETCD_CONFIG_FILE").cloned().unwrap_or_default();
    }
    if path.is_empty() {
        tell(flags::environment(&mut values, &env)?)?;
        return Ok(values);
    }
    let text = fs::read_to_string(&path)
        .map_err(|error| format!("open {path}: {}", gowords::errno(&error)))?;
    let (values, unknown) = flags::parse_file(&text)?;
    for key in unknown {
        crate::warn!("embed/config.go:545", "found a key that means nothing in the configuration file", "path" => path, "key" => key);
    }
    crate::info!(
        "etcdmain/config.go:374",
        "loaded server configuration, other configuration command line flags and environment variables will be ignored if provided",
        "path" => path,
    );
    Ok(values)
}

fn tell(notes: Vec<EnvNote>) -> Result<(), String> {
    for note in notes {
        match note {
            EnvNote::Used(name, value) => crate::info!(
                "flags/flag.go:113", "recognized and used environment variable",
                "variable-name" => name, "variable-value" => value,
            ),
            EnvNote::Version(value) => crate::warn!(
                "etcdmain/config.go:399", "cannot set special environment variable",
                "key" => "ETCD_VERSION", "value" => value,
            ),
            EnvNote::Unknown(variable) => crate::warn!(
                "flags/flag.go:93", "unrecognized environment variable",
                "environment-variable" => variable,
            ),
            EnvNote::Shadowed(name) => {
                fatal(
                    "flags/flag.go:85",
                    "conflicting environment variable is shadowed by corresponding command-line flag (either unset environment variable or disable flag))",
                    &[("environment-variable", log::field(&name))],
                );
                return Err(format!(
                    "the environment variable {name} and its flag are both set"
                ));
            }
        }
    }
    Ok(())
}

fn fatal(caller: &str, message: &str, fields: &[(&str, Value)]) {
    log::write(Level::Fatal, None, caller, message, fields);
}

fn start(options: &Options) -> ExitCode {
    if options.data_dir_defaulted {
        crate::warn!(
            "etcdmain/etcd.go:107", "'data-dir' was empty; using default",
            "data-dir" => options.server.data_dir.display().to_string(),
        );
    }
    let initialized = match inspect_data_dir(options) {
        Ok(initialized) => initialized,
        Err(code) => return code,
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("etcd")
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            fatal(
                "etcdmain/etcd.go:204",
                "discovery failed",
                &[("error", log::field(error.to_string()))],
            );
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(serving::serve(options, initialized));
    // A blocking read of a client's snapshot must not hold up the end.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    code
}

/// Whether the data directory holds a member already; warns of what does not belong there.
fn inspect_data_dir(options: &Options) -> Result<bool, ExitCode> {
    let dir = options.server.data_dir.display().to_string();
    let entries = match fs::read_dir(&options.server.data_dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => {
            let error = format!("open {dir}: {}", gowords::errno(&error));
            let fields = [("dir", log::field(&dir)), ("error", log::field(error))];
            fatal(
                "etcdmain/etcd.go:433",
                "failed to list data directory",
                &fields,
            );
            return Err(ExitCode::FAILURE);
        }
    };
    let (mut member, mut proxy) = (false, false);
    for entry in entries.flatten() {
        match entry.file_name().to_string_lossy().as_ref() {
            "member" => member = true,
            "proxy" => proxy = true,
            other => crate::warn!(
                "etcdmain/etcd.go:446", "found invalid file under data directory",
                "filename" => other, "data-dir" => dir,
            ),
        }
    }
    if member && proxy {
        fatal(
            "etcdmain/etcd.go:455",
            "invalid datadir; both member and proxy directories exist",
            &[],
        );
        return Err(ExitCode::FAILURE);
    }
    if member {
        crate::info!(
            "etcdmain/etcd.go:120", "server has been already initialized",
            "data-dir" => dir, "dir-type" => "member",
        );
    }
    Ok(member)
}
