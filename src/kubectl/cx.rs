//! What every command has at hand: its flags, the kubeconfig's choice, the
//! client, the namespace.

use crate::client::{Access, Client};
use crate::error::{Outcome, fail};
use crate::files;
use crate::flags::Flags;
use kube::kubeconfig::{self, Chosen, Overrides};
use serde_json::Value;
use std::cell::OnceCell;
use std::io::Write as _;

/// The running command.
pub struct Cx {
    /// Its words after `kubectl`, e.g. `rollout status`.
    pub command: &'static str,
    /// Its flags and arguments.
    pub flags: Flags,
    client: OnceCell<Client>,
    chosen: OnceCell<Chosen>,
}

impl Cx {
    /// A command with its parsed flags.
    pub fn new(command: &'static str, flags: Flags) -> Self {
        Self {
            command,
            flags,
            client: OnceCell::new(),
            chosen: OnceCell::new(),
        }
    }

    /// The arguments that are no flags.
    pub fn args(&self) -> &[String] {
        &self.flags.args
    }

    /// Text of a flag.
    pub fn text(&self, name: &str) -> &str {
        self.flags.text(name)
    }

    /// Boolean of a flag.
    pub fn bool(&self, name: &str) -> bool {
        self.flags.bool(name)
    }

    fn chosen(&self) -> Outcome<&Chosen> {
        if let Some(chosen) = self.chosen.get() {
            return Ok(chosen);
        }
        let config = files::load_kubeconfig(&self.flags)?.merged;
        let overrides = Overrides {
            context: self.text("context").to_owned(),
            cluster: self.text("cluster").to_owned(),
            user: self.text("user").to_owned(),
            namespace: self.text("namespace").to_owned(),
        };
        let mut chosen = kubeconfig::choose(&config, &overrides)?;
        self.override_cluster(&mut chosen);
        self.override_user(&mut chosen);
        in_cluster(&mut chosen);
        Ok(self.chosen.get_or_init(|| chosen))
    }

    fn override_cluster(&self, chosen: &mut Chosen) {
        for (flag, field) in [
            ("server", "server"),
            ("certificate-authority", "certificate-authority"),
            ("tls-server-name", "tls-server-name"),
        ] {
            if !self.text(flag).is_empty() {
                chosen
                    .cluster
                    .insert(field.to_owned(), Value::from(self.text(flag)));
                if flag == "certificate-authority" {
                    chosen.cluster.remove("certificate-authority-data");
                }
            }
        }
        if self.flags.given("insecure-skip-tls-verify") {
            let skip = self.bool("insecure-skip-tls-verify");
            chosen
                .cluster
                .insert("insecure-skip-tls-verify".to_owned(), Value::from(skip));
        }
    }

    fn override_user(&self, chosen: &mut Chosen) {
        for field in [
            "token",
            "username",
            "password",
            "client-certificate",
            "client-key",
        ] {
            if !self.text(field).is_empty() {
                chosen
                    .user
                    .insert(field.to_owned(), Value::from(self.text(field)));
                chosen.user.remove(&format!("{field}-data"));
                if field == "token" {
                    chosen.user.remove("tokenFile");
                }
            }
        }
    }

    /// The namespace in force, and whether somebody named it.
    pub fn namespace(&self) -> Outcome<String> {
        Ok(self.chosen()?.namespace.clone())
    }

    /// The namespace of the `--namespace` flag alone.
    pub fn namespace_enforced(&self) -> bool {
        !self.text("namespace").is_empty()
    }

    /// The client, made when it is first wanted.
    pub fn client(&self) -> Outcome<&Client> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let mut access = Access::new(self.chosen()?);
        if !self.text("as").is_empty() {
            access
                .extra_headers
                .push(("Impersonate-User".to_owned(), self.text("as").to_owned()));
        }
        if !self.text("as-uid").is_empty() {
            access
                .extra_headers
                .push(("Impersonate-Uid".to_owned(), self.text("as-uid").to_owned()));
        }
        for group in self.flags.list("as-group") {
            access
                .extra_headers
                .push(("Impersonate-Group".to_owned(), group.to_owned()));
        }
        if (self.flags.given("as-group") || self.flags.given("as-uid"))
            && self.text("as").is_empty()
        {
            return fail("requesting uid, groups or user-extra for  without impersonating a user");
        }
        let timeout = self.text("request-timeout");
        if timeout != "0" {
            let seconds = crate::flags::parse_duration(timeout)
                .or_else(|| timeout.parse::<u32>().ok().map(f64::from));
            let Some(seconds) = seconds else {
                return fail(
                    "Invalid timeout value. Timeout must be a single integer in seconds, or an integer followed by a corresponding time unit (e.g. 1s | 2m | 3h)",
                );
            };
            access.timeout = (seconds > 0.0).then(|| std::time::Duration::from_secs_f64(seconds));
        }
        let client = Client::new(&access)?;
        Ok(self.client.get_or_init(|| client))
    }
}

/// Inside a Pod without a kubeconfig, the service account's files serve.
fn in_cluster(chosen: &mut Chosen) {
    if chosen.cluster.contains_key("server") {
        return;
    }
    let (Ok(host), Ok(port)) = (
        std::env::var("KUBERNETES_SERVICE_HOST"),
        std::env::var("KUBERNETES_SERVICE_PORT"),
    ) else {
        return;
    };
    let directory = "/var/run/secrets/kubernetes.io/serviceaccount";
    let token = format!("{directory}/token");
    if !std::path::Path::new(&token).exists() {
        return;
    }
    chosen.cluster.insert(
        "server".to_owned(),
        Value::from(format!("https://{host}:{port}")),
    );
    chosen.cluster.insert(
        "certificate-authority".to_owned(),
        Value::from(format!("{directory}/ca.crt")),
    );
    chosen.user.entry("tokenFile").or_insert(Value::from(token));
    if !chosen.namespace_named
        && let Ok(namespace) = std::fs::read_to_string(format!("{directory}/namespace"))
    {
        namespace.trim().clone_into(&mut chosen.namespace);
    }
}

/// Writes to standard output at once.
pub fn put(text: &str) -> Outcome {
    put_bytes(text.as_bytes())
}

/// Writes bytes to standard output at once.
pub fn put_bytes(bytes: &[u8]) -> Outcome {
    let mut out = std::io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()?;
    Ok(())
}

/// Writes a line to standard output.
pub fn say(text: impl std::fmt::Display) -> Outcome {
    put(&format!("{text}\n"))
}

/// Seconds since 1970.
pub fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |d| i64::try_from(d.as_secs()).unwrap_or(i64::MAX))
}
