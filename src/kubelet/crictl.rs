//! The applet `crictl`: what the node's containers do. It reads the kubelet's book on
//! disk and so works while no kubelet runs, as the real one does.

mod args;
mod exec;
mod inspect;
mod logs;
mod objects;
mod pattern;
mod show;
mod stop;
mod table;
mod view;

use std::{ffi::OsString, io::Write, process::ExitCode};

use args::{Args, Flag};
use view::View;

/// The version whose flags and tables these are.
const VERSION: &str = "v1.32.0";
/// Where containerd listens; here the kubelet does.
pub const SOCKET: &str = "/run/containerd/containerd.sock";

/// Why a command came to nothing: what is printed after `FATA[0000] `.
type Fatal = String;

const GLOBAL: &[Flag] = &[
    Flag::value("config", 'c'),
    Flag::switch("debug", 'D'),
    Flag::value("image-endpoint", 'i'),
    Flag::value("runtime-endpoint", 'r'),
    Flag::value("timeout", 't'),
    Flag::switch("version", 'v'),
    Flag::switch("help", 'h'),
];

/// Commands that the real one has and this one does not, with what to do instead.
const REFUSED: [(&[&str], &str); 8] = [
    (
        &[
            "checkpoint",
            "create",
            "run",
            "runp",
            "start",
            "update",
            "update-runtime-config",
        ],
        "its containers come from the kubelet: write a manifest, or use kubectl",
    ),
    (
        &["imagefsinfo", "pull", "rmi"],
        "its images need no registry: the ones that Pods name are there, unless their tag is none \
         that images have",
    ),
    (&["inspecti"], "use crictl images -o json"),
    (&["attach"], "use crictl exec -it CONTAINER sh"),
    (
        &["config"],
        "edit /etc/crictl.yaml, or use --runtime-endpoint",
    ),
    (&["runtime-config"], "use crictl info"),
    (
        &["completion", "events", "port-forward"],
        "use kubectl for that",
    ),
    (
        &["metricdescs", "metricsp", "stats", "statsp"],
        "what containers use is not measured; ps and top on the node show their processes",
    ),
];

/// The commands that there are, with their flags and what they are for.
const COMMANDS: [(&str, &[Flag], &str); 13] = [
    ("exec", exec::FLAGS, "Run a command in a running container"),
    ("images", show::LIST, "List images"),
    (
        "inspect",
        inspect::INSPECT,
        "Display the status of one or more containers",
    ),
    (
        "inspectp",
        inspect::INSPECT,
        "Display the status of one or more pods",
    ),
    (
        "info",
        inspect::INSPECT,
        "Display information of the container runtime",
    ),
    ("logs", logs::FLAGS, "Fetch the logs of a container"),
    ("ps", show::LIST, "List containers"),
    ("pods", show::LIST, "List pods"),
    ("rm", stop::REMOVE, "Remove one or more containers"),
    ("rmp", stop::REMOVE, "Remove one or more pods"),
    ("stop", stop::STOP, "Stop one or more running containers"),
    ("stopp", stop::STOP, "Stop one or more running pods"),
    ("version", &[], "Display runtime version information"),
];

/// What `crictl COMMAND --help` prints.
fn help_of(command: &str) -> Option<String> {
    let name = match command {
        "image" | "img" => "images",
        other => other,
    };
    let (name, flags, purpose) = COMMANDS.iter().find(|(known, ..)| *known == name)?;
    let options: String = flags.iter().map(Flag::line).collect();
    Some(format!(
        "NAME:\n   crictl {name} - {purpose}\n\nUSAGE:\n   crictl {name} [command options] \
         [arguments...]\n\nOPTIONS:\n{options}   --help, -h\n"
    ))
}

/// Whether help is asked for, and not by a command that is to run in a container.
fn wants_help(command: &str, words: &[String]) -> bool {
    let asks = |word: &String| word == "--help" || word == "-h";
    match command {
        "exec" => words.first().is_some_and(asks),
        _ => words.iter().any(asks),
    }
}

const HELP: &str = "\
NAME:
   crictl - client for CRI

USAGE:
   crictl [global options] command [command options] [arguments...]

COMMANDS:
   exec       Run a command in a running container
   images, image, img  List images
   inspect    Display the status of one or more containers
   inspectp   Display the status of one or more pods
   info       Display information of the container runtime
   logs       Fetch the logs of a container
   ps         List containers
   pods       List pods
   rm         Remove one or more containers
   rmp        Remove one or more pods
   stop       Stop one or more running containers
   stopp      Stop one or more running pods
   version    Display runtime version information
   help, h    Shows a list of commands or help for one command

GLOBAL OPTIONS:
   --config value, -c value            Location of the client config file
   --debug, -D                         Enable debug mode (default: false)
   --image-endpoint value, -i value    Endpoint of CRI image manager service
   --runtime-endpoint value, -r value  Endpoint of CRI container runtime service
   --timeout value, -t value           Timeout of connecting to the server
   --help, -h                          show help
   --version, -v                       print the version
";

/// The applet `crictl`; `args[0]` is its name.
pub fn run_crictl(args: Vec<OsString>) -> ExitCode {
    let args: Vec<String> = args
        .into_iter()
        .skip(1)
        .map(|arg| arg.to_string_lossy().into_owned())
        .collect();
    match run(args) {
        Ok(code) => code,
        Err(fatal) => {
            eprintln!("FATA[0000] {fatal}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: Vec<String>) -> Result<ExitCode, Fatal> {
    let global = Args::parse(words, GLOBAL, true)?;
    let mut words = global.rest.clone().into_iter();
    let command = words.next().unwrap_or_default();
    if global.has("version") {
        return print(&format!("crictl version {VERSION}\n"));
    }
    if global.has("help") || matches!(command.as_str(), "" | "help" | "h") {
        return print(HELP);
    }
    let words: Vec<String> = words.collect();
    if let Some((_, instead)) = REFUSED
        .iter()
        .find(|(names, _)| names.contains(&command.as_str()))
    {
        return Err(format!(
            "crictl {command} is not part of kubedrill: {instead}"
        ));
    }
    if wants_help(&command, &words)
        && let Some(text) = help_of(&command)
    {
        return print(&text);
    }
    check_endpoint(&global)?;
    let view = || View::read();
    match command.as_str() {
        "ps" => show::ps(&view(), words),
        "pods" => show::pods(&view(), words),
        "images" | "image" | "img" => show::images(&view(), words),
        "inspect" => inspect::inspect(&view(), words),
        "inspectp" => inspect::inspect_pods(&view(), words),
        "info" => inspect::info(words),
        "version" => print(&format!(
            "Version:  0.1.0\nRuntimeName:  containerd\nRuntimeVersion:  {}\n\
             RuntimeApiVersion:  v1\n",
            runtime_version()
        )),
        "logs" => logs::run(&view(), words),
        "exec" => exec::run(&view(), words),
        "stop" => stop::stop(&view(), words),
        "rm" => stop::rm(&view(), words),
        "stopp" => stop::stopp(&view(), words),
        "rmp" => stop::rmp(&view(), words),
        other => {
            eprintln!("No help topic for '{other}'");
            Ok(ExitCode::from(3))
        }
    }
}

/// As the node's status says it, with the `v` that the runtime itself says.
fn runtime_version() -> String {
    crate::node::RUNTIME_VERSION.replace("containerd://", "v")
}

/// Writes to standard output. Somebody who stops reading is no error.
fn print(text: &str) -> Result<ExitCode, Fatal> {
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(ExitCode::SUCCESS)
}

/// The endpoint by flag, environment or `/etc/crictl.yaml`; it must be the node's.
fn check_endpoint(global: &Args) -> Result<(), Fatal> {
    let config = global.value("config").unwrap_or("/etc/crictl.yaml");
    let from_file = std::fs::read_to_string(config).ok().and_then(|text| {
        let mut documents = kube::yaml::parse_documents(&text).ok()?;
        let endpoint = documents.pop()?["runtime-endpoint"].as_str()?.to_owned();
        Some(endpoint)
    });
    let endpoint = global
        .value("runtime-endpoint")
        .map(str::to_owned)
        .or_else(|| std::env::var("CONTAINER_RUNTIME_ENDPOINT").ok())
        .or(from_file);
    check_socket(endpoint.as_deref().unwrap_or_default())
}

/// Whether an endpoint is the node's; empty is.
///
/// # Errors
/// What clients of the runtime say where nothing listens.
pub fn check_socket(endpoint: &str) -> Result<(), String> {
    let path = endpoint.strip_prefix("unix://").unwrap_or(endpoint);
    let real = path.strip_prefix("/var").unwrap_or(path);
    if path.is_empty() || real == SOCKET {
        return Ok(());
    }
    Err(format!(
        "validate service connection: validate CRI v1 runtime API for endpoint {endpoint:?}: rpc \
         error: code = Unavailable desc = connection error: desc = \"transport: Error while \
         dialing: dial unix {path}: connect: no such file or directory\""
    ))
}
