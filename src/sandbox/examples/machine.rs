//! Tries the sandbox alone: `machine up DIR` boots two nodes until its input
//! ends; `machine exec DIR NODE COMMAND…`, `shell`, `net`, `reboot`, `kill`, `stop`, `remove`.
use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, ExitCode};

use sandbox::{Exec, Fabric, FabricSpec, NodeSpec};

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    let word = args
        .get(1)
        .and_then(|w| w.to_str())
        .unwrap_or("")
        .to_owned();
    if word.starts_with("sandbox-") {
        return sandbox::run_internal(args[1..].to_vec());
    }
    let name = Path::new(&args[0])
        .file_name()
        .and_then(|n| n.to_str())
        .unwrap_or("")
        .to_owned();
    match name.as_str() {
        "systemctl" => return sandbox::run_systemctl(args),
        "journalctl" => return sandbox::run_journalctl(args),
        "sudo" => return sandbox::run_sudo(args),
        "ssh" => return sandbox::run_ssh(args),
        "reboot" | "poweroff" => return sandbox::run_power(args),
        "ctr" => return ctr(&args[1..]),
        _ => {}
    }
    match run(&word, &args[2..]) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn ctr(args: &[OsString]) -> ExitCode {
    use sandbox::container::*;
    let words: Vec<String> = args
        .iter()
        .map(|a| a.to_string_lossy().into_owned())
        .collect();
    let spec = ContainerSpec {
        id: words[0].clone(),
        argv: words[1..].to_vec(),
        log: "/var/log/c.log".into(),
        applets: vec!["etcd".into()],
        binds: vec![Bind {
            host_path: "/opt".into(),
            mount_path: "/data/x".into(),
            read_only: false,
        }],
        ..Default::default()
    };
    match Container::start(&spec) {
        Ok(c) => {
            println!("pid {:?}", c.pid());
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            println!("{:?}", runtime.block_on(c.wait()));
            ExitCode::SUCCESS
        }
        Err(e) => {
            println!("{e}");
            ExitCode::FAILURE
        }
    }
}

fn run(word: &str, args: &[OsString]) -> Result<u8, Box<dyn std::error::Error>> {
    if word == "preflight" {
        sandbox::preflight()?;
        println!("fine; users: {}", sandbox::maps_users());
        return Ok(0);
    }
    let dir = Path::new(&args[0]);
    if word == "up" {
        let mut spec = FabricSpec::new(dir);
        for (n, name) in ["controlplane", "node01"].into_iter().enumerate() {
            let mut node = NodeSpec::new(name, spec.subnet.host(150 + n as u32));
            node.applets = ["systemctl", "journalctl", "sudo", "ssh", "ctr", "reboot"]
                .map(String::from)
                .to_vec();
            spec.nodes.push(node);
        }
        let begin = std::time::Instant::now();
        let fabric = Fabric::start(&spec)?;
        println!("up in {:?}", begin.elapsed());
        std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
        let begin = std::time::Instant::now();
        fabric.stop()?;
        println!("stopped in {:?}", begin.elapsed());
        return Ok(0);
    }
    if word == "remove" {
        sandbox::remove_session(dir)?;
        return Ok(0);
    }
    let fabric = Fabric::attach(dir)?.ok_or("not running")?;
    let node = args
        .get(1)
        .map(|n| n.to_string_lossy().into_owned())
        .unwrap_or_default();
    let rest: Vec<String> = args
        .iter()
        .skip(2)
        .map(|w| w.to_string_lossy().into_owned())
        .collect();
    let mut command = match word {
        "exec" => fabric.command(&node, &Exec::new(rest))?,
        "tty" => fabric.command(
            &node,
            &Exec {
                tty: true,
                ..Exec::new(rest)
            },
        )?,
        "shell" => fabric.shell(&node)?,
        "net" => fabric.enter_network(Command::new(&node).args(&rest))?,
        "reboot" => {
            fabric.reboot(&node)?;
            return Ok(0);
        }
        "kill" => {
            fabric.kill_node(&node)?;
            return Ok(0);
        }
        "stop" => {
            fabric.stop()?;
            return Ok(0);
        }
        _ => return Err("what?".into()),
    };
    let status = command.status()?;
    Ok(status.code().unwrap_or(255) as u8)
}
