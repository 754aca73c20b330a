//! The applet `kubeadm`: what it says of a cluster that is there. It makes none.

mod cluster;
mod expiration;
mod help;
mod images;
mod line;
mod renew;

use std::{ffi::OsString, process::ExitCode};

use serde_json::{Value, json};

use crate::node::KUBELET_VERSION as VERSION;
use line::Line;

/// Every command of the real one.
const COMMANDS: [&str; 10] = [
    "certs",
    "completion",
    "config",
    "init",
    "join",
    "kubeconfig",
    "reset",
    "token",
    "upgrade",
    "version",
];

/// The applet `kubeadm`; `args[0]` is its name.
pub fn run_kubeadm(args: Vec<OsString>) -> ExitCode {
    let words: Vec<String> = args
        .into_iter()
        .skip(1)
        .map(|arg| arg.to_string_lossy().into_owned())
        .collect();
    match answer(&words) {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            eprintln!("To see the stack trace of this error execute with --v=5 or higher");
            ExitCode::FAILURE
        }
    }
}

fn answer(words: &[String]) -> Result<String, String> {
    let line = Line::parse(words);
    let plain: Vec<&str> = line.plain.iter().map(String::as_str).collect();
    let known = || line.trouble.clone().map_or(Ok(()), Err);
    match plain[..] {
        [] => Ok(help::of(&[])),
        _ if line.wants_help => Ok(help::of(&plain)),
        ["version", ref rest @ ..] => {
            known().and_then(|()| nothing(rest, "version"))?;
            version(&line.output)
        }
        ["certs" | "certificates", "check-expiration", ref rest @ ..] => {
            known().and_then(|()| nothing(rest, "certs check-expiration"))?;
            expiration::check(&line)
        }
        ["certs" | "certificates", "renew", ref names @ ..] => {
            known()?;
            let now = jiff::Timestamp::now().as_second();
            renew::run(names, renew::dir(), now, || {
                cluster::preamble("renew", &line)
            })
        }
        ["certs" | "certificates"] | ["config"] | ["config", "images"] => Ok(help::of(&plain)),
        ["certs" | "certificates", other, ..] => Err(refusal(&format!("certs {other}"))),
        ["config", "images", "list", ref rest @ ..] => {
            known().and_then(|()| nothing(rest, "config images list"))?;
            images::list(line.kubernetes_version.as_deref(), &line.output)
        }
        ["config", "images", other, ..] => Err(refusal(&format!("config images {other}"))),
        [command, ..] if COMMANDS.contains(&command) => {
            let shown: Vec<&str> = plain.iter().copied().take(2).collect();
            Err(refusal(&shown.join(" ")))
        }
        [other, ..] => Err(format!("unknown command {other:?} for \"kubeadm\"")),
    }
}

/// No word may follow the command.
fn nothing(words: &[&str], command: &str) -> Result<(), String> {
    match words {
        [] => Ok(()),
        [word, ..] => Err(format!(
            "unknown command {word:?} for \"kubeadm {command}\""
        )),
    }
}

fn refusal(what: &str) -> String {
    format!(
        "kubeadm {what} is not part of kubedrill: the lab has made its cluster; version, certs \
         check-expiration, certs renew and config images list work"
    )
}

fn structured(output: &str, value: &Value) -> Result<String, String> {
    match output {
        "json" => Ok(kube::gofmt::json_pretty(value) + "\n"),
        "yaml" => Ok(kube::yaml::to_string(value)),
        _ => Err(format!("invalid output format: {output}")),
    }
}

fn version(output: &str) -> Result<String, String> {
    let minor = VERSION.split('.').nth(1).unwrap_or_default();
    let info = [
        ("major", "1"),
        ("minor", minor),
        ("gitVersion", VERSION),
        ("gitCommit", "59526cd4867447956156ae3a602fcbac10a2c335"),
        ("gitTreeState", "clean"),
        ("buildDate", "2025-04-22T16:02:27Z"),
        ("goVersion", "go1.23.6"),
        ("compiler", "gc"),
        ("platform", "linux/amd64"),
    ];
    let object: Value = info
        .iter()
        .map(|(key, value)| ((*key).to_owned(), json!(value)))
        .collect::<serde_json::Map<_, _>>()
        .into();
    match output {
        "short" => Ok(format!("{VERSION}\n")),
        "" => {
            let fields: Vec<String> = info
                .iter()
                .map(|(key, value)| {
                    let mut name = (*key).to_owned();
                    name[..1].make_ascii_uppercase();
                    format!("{name}:{value:?}")
                })
                .collect();
            Ok(format!(
                "kubeadm version: &version.Info{{{}}}\n",
                fields.join(", ")
            ))
        }
        other => structured(other, &json!({ "clientVersion": object })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(words: &str) -> Result<String, String> {
        let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        answer(&words)
    }

    #[test]
    fn the_version_is_said_in_every_form() {
        assert_eq!(run("version -o short").unwrap(), format!("{VERSION}\n"));
        assert_eq!(
            run("version --output=short").unwrap(),
            format!("{VERSION}\n")
        );
        let text = run("version").unwrap();
        assert!(text.starts_with("kubeadm version: &version.Info{Major:\"1\", Minor:\"32\", "));
        let json: Value = serde_json::from_str(&run("version -ojson").unwrap()).unwrap();
        assert_eq!(json["clientVersion"]["gitVersion"], VERSION);
    }

    #[test]
    fn what_is_not_there_is_refused_by_name() {
        for line in ["config print init-defaults", "config images pull"] {
            let error = run(line).unwrap_err();
            assert!(error.contains("is not part of kubedrill"), "{error}");
        }
        let error = run("token create --print-join-command").unwrap_err();
        assert!(
            error.contains("kubeadm token create is not part of"),
            "{error}"
        );
        assert!(
            run("nonsense")
                .unwrap_err()
                .contains("unknown command \"nonsense\"")
        );
    }

    #[test]
    fn help_and_images_are_of_what_was_asked() {
        assert!(
            run("certs renew --help")
                .unwrap()
                .contains("certs renew [command]")
        );
        assert!(run("certs -h").unwrap().contains("check-expiration"));
        assert!(run("").unwrap().contains("kubeadm [command]"));
        let images = run("config images list --kubernetes-version=v1.32.1 -o json").unwrap();
        assert!(images.contains("kube-scheduler:v1.32.1\""), "{images}");
        let images = run("config images list --kubernetes-version v1.32.2").unwrap();
        assert!(images.contains("kube-scheduler:v1.32.2\n"), "{images}");
    }
}
