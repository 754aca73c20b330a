//! The kubelet's flags and its configuration file.

use std::{
    collections::BTreeMap,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    time::Duration,
};

use kube::known_flags;
use kube::object;
use serde_json::Value;

/// Everything the kubelet was told.
#[derive(Debug, Clone)]
pub struct Config {
    pub node: String,
    pub address: Ipv4Addr,
    pub kubeconfig: PathBuf,
    /// With what the kubelet would ask for a kubeconfig; named in an error only.
    pub bootstrap_kubeconfig: Option<PathBuf>,
    /// Empty: no static Pods.
    pub manifests: PathBuf,
    /// How often the manifests are read even when nobody told of a change.
    pub file_check: Duration,
    /// Signs the clients of the kubelet's own server; empty: nobody is let in.
    pub client_ca: PathBuf,
    /// Port of the kubelet's own server.
    pub port: u16,
    /// Port of its health endpoint on loopback; 0: none.
    pub healthz_port: u16,
    pub taints: Vec<Value>,
}

const KNOWN: [&str; 9] = [
    "client-ca-file",
    "config",
    "container-runtime-endpoint",
    "healthz-port",
    "hostname-override",
    "kubeconfig",
    "node-ip",
    "pod-manifest-path",
    "port",
];
/// What the reference has besides, as a list of [`known_flags`].
const BEYOND: &str = include_str!("flags.txt");

/// What `kubelet --help` prints.
pub const HELP: &str = "\
The kubelet is the agent of a node: it runs the static Pods whose manifests lie in the folder that
its configuration file names, and the Pods that the API server has bound to its node. Here it is
this lab's own, with the flags that kubeadm gives; everything else is set in the file.

Usage:
  kubelet [flags]

Flags:
      --bootstrap-kubeconfig string        Accepted: the lab has given the kubelet its certificate
      --config string                      The kubelet's configuration file (kubeadm: /var/lib/kubelet/config.yaml)
      --container-runtime-endpoint string  Where containers are run; it must be the node's own
  -h, --help                               help for kubelet
      --hostname-override string           The node's name, if it is not the machine's
      --kubeconfig string                  How to reach the API server (kubeadm: /etc/kubernetes/kubelet.conf)
      --node-ip string                     The node's address
      --pod-infra-container-image string   Accepted: Pods have no such container
  -v, --v int                              Accepted: the log's level
      --version                            Print version information and quit
";

/// `--name=value` and `--name value`.
fn flags(args: &[String]) -> Result<BTreeMap<String, String>, String> {
    let mut flags = BTreeMap::new();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let Some(flag) = arg.strip_prefix("--").or_else(|| arg.strip_prefix('-')) else {
            return Err(format!("unknown command {arg:?}"));
        };
        let (name, value) = match flag.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (flag, None),
        };
        let beyond = known_flags::find(BEYOND, name);
        if !KNOWN.contains(&name) && beyond.is_none() {
            return Err(format!("unknown flag: --{name}"));
        }
        let value = match value {
            Some(value) => value,
            None if beyond.is_some_and(|flag| !flag.takes_value) => "true".to_owned(),
            None => args
                .next()
                .cloned()
                .ok_or(format!("flag needs an argument: --{name}"))?,
        };
        if beyond.is_some_and(|flag| !flag.accepts(&value)) {
            return Err(format!(
                "flag --{name} is not supported: {}",
                known_flags::REFUSED
            ));
        }
        flags.insert(name.to_owned(), value);
    }
    Ok(flags)
}

/// A duration as Go writes it in such files: `20s`, `1m30s`; zero and absent are the default.
fn duration(value: &Value, default: Duration) -> Duration {
    let mut total = Duration::ZERO;
    let mut number = String::new();
    for letter in value.as_str().unwrap_or_default().chars() {
        let unit = match letter {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            _ => {
                number.push(letter);
                continue;
            }
        };
        total += Duration::from_secs(number.parse::<u64>().unwrap_or(0) * unit);
        number.clear();
    }
    if total.is_zero() { default } else { total }
}

/// Reads the file's object.
///
/// # Errors
/// What is wrong with it, as `LoadKubeletConfigFile` says it (`pkg/kubelet/kubeletconfig`, 1.32).
fn decode(text: &str, path: &Path) -> Result<Value, String> {
    if text.is_empty() {
        return Err(format!(
            "kubelet config file {:?} was empty",
            path.display().to_string()
        ));
    }
    let failed = |why: String| format!("failed lenient decoding: {why}");
    let mut documents = kube::yaml::parse_documents(text).map_err(|e| failed(e.to_string()))?;
    let config = documents.pop().unwrap_or(Value::Null);
    let (version, kind) = (
        object::text(&config, "apiVersion"),
        object::text(&config, "kind"),
    );
    match (version, kind) {
        (_, "") => Err(failed(format!("Object 'Kind' is missing in '{config}'"))),
        ("", _) => Err(failed(format!(
            "Object 'apiVersion' is missing in '{config}'"
        ))),
        ("kubelet.config.k8s.io/v1beta1", "KubeletConfiguration") => Ok(config),
        _ => Err(failed(format!(
            "no kind {kind:?} is registered for version {version:?} in scheme \
             \"k8s.io/kubernetes/pkg/kubelet/apis/config/scheme/scheme.go:33\""
        ))),
    }
}

impl Config {
    /// Reads flags and the file that they name. `hostname` is the machine's.
    ///
    /// # Errors
    /// What is wrong with them, as the kubelet says it.
    pub fn read(args: &[String], hostname: &str) -> Result<Self, String> {
        let flags = flags(args)?;
        let file = flags.get("config").map(Path::new);
        let text = match file {
            None => String::new(),
            Some(path) => std::fs::read_to_string(path).map_err(|error| {
                format!(
                    "failed to load kubelet config file, path: {0}, error: failed to load Kubelet \
                     config file {0}, error failed to read kubelet config file {0:?}, error: open \
                     {0}: {1}",
                    path.display(),
                    gowords::errno(&error)
                )
            })?,
        };
        let config = match file {
            None => Value::Null,
            Some(path) => decode(&text, path).map_err(|why| {
                format!(
                    "failed to load kubelet config file, path: {0}, error: failed to load Kubelet \
                     config file {0}, error {why}",
                    path.display()
                )
            })?,
        };
        // The file counts only where the flag, which is older, is not given.
        let endpoint = flags.get("container-runtime-endpoint").map_or(
            object::text(&config, "containerRuntimeEndpoint"),
            String::as_str,
        );
        crate::crictl::check_socket(endpoint)
            .map_err(|why| format!("failed to run Kubelet: {why}"))?;
        // Flags go before the file.
        let number = |key: &str, flag: &str, default: u16| match flags.get(flag) {
            Some(text) => text.parse().map_err(|_| {
                format!(
                    "invalid argument {text:?} for \"--{flag}\" flag: strconv.ParseInt: parsing \
                     {text:?}: invalid syntax"
                )
            }),
            None => Ok(object::int(&config, key)
                .and_then(|port| u16::try_from(port).ok())
                .unwrap_or(default)),
        };
        let path = |key: &str, flag: &str| match flags.get(flag) {
            Some(path) => path.into(),
            None => object::text(&config, key).into(),
        };
        let address = flags.get("node-ip").and_then(|ip| ip.parse().ok());
        Ok(Self {
            node: flags
                .get("hostname-override")
                .cloned()
                .unwrap_or_else(|| hostname.to_lowercase()),
            address: address.unwrap_or(Ipv4Addr::LOCALHOST),
            kubeconfig: flags
                .get("kubeconfig")
                .map(PathBuf::from)
                .unwrap_or_default(),
            bootstrap_kubeconfig: flags.get("bootstrap-kubeconfig").map(PathBuf::from),
            manifests: path("staticPodPath", "pod-manifest-path"),
            file_check: duration(
                object::at(&config, "fileCheckFrequency"),
                Duration::from_secs(20),
            ),
            client_ca: path("authentication.x509.clientCAFile", "client-ca-file"),
            port: number("port", "port", 10250)?,
            healthz_port: number("healthzPort", "healthz-port", 10248)?,
            taints: object::list(&config, "registerWithTaints").to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_writes_them() {
        let default = Duration::from_secs(20);
        for (text, seconds) in [
            ("0s", 20),
            ("", 20),
            ("5s", 5),
            ("1m30s", 90),
            ("1h0m0s", 3600),
        ] {
            assert_eq!(
                duration(&Value::from(text), default).as_secs(),
                seconds,
                "{text}"
            );
        }
    }

    #[test]
    fn unknown_flags_are_refused() {
        let error = Config::read(&["--no-such-flag=1".into()], "node01").unwrap_err();
        assert_eq!(error, "unknown flag: --no-such-flag");
    }
}
