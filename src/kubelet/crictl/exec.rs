//! `crictl exec`.

use std::process::{ExitCode, Stdio};

use sandbox::{Exec, container::Container};

use super::{
    Fatal,
    args::{Args, Flag},
    view::{State, View},
};
use crate::image::{self, Image};

pub const FLAGS: &[Flag] = &[
    Flag::switch("interactive", 'i'),
    Flag::switch("tty", 't'),
    Flag::switch("sync", 's'),
    Flag::value("timeout", ' '),
    Flag::switch("quiet", 'q'),
    Flag::value("transport", 'r'),
];

pub fn run(view: &View, words: Vec<String>) -> Result<ExitCode, Fatal> {
    let args = Args::parse(words, FLAGS, true)?;
    let Some((id, command)) = args.rest.split_first() else {
        return Err("ID cannot be empty".into());
    };
    if command.is_empty() {
        return Err("please specify the command to execute".into());
    }
    let entry = view.container(id)?;
    if entry.state != State::Running {
        return Err(format!(
            "execing command in container: rpc error: code = Unknown desc = container is in \
             {} state",
            entry.state.constant()
        ));
    }
    if image::classify(&entry.image) != Image::Real {
        return Err(format!(
            "the container {:?} is simulated: kubedrill has no image of {} to run commands in",
            entry.name, entry.image
        ));
    }
    let failed = |error: String| format!("execing command in container: {error}");
    let mut exec = Exec::new(command);
    exec.tty = args.has("tty");
    let mut child = Container::open(&entry.id)
        .and_then(|container| container.exec(&exec))
        .map_err(|error| failed(error.to_string()))?;
    if !args.has("interactive") {
        child.stdin(Stdio::null());
    }
    let status = child.status().map_err(|error| failed(error.to_string()))?;
    match status.code() {
        Some(0) => Ok(ExitCode::SUCCESS),
        code => Err(failed(format!(
            "command terminated with exit code {}",
            code.unwrap_or(137)
        ))),
    }
}
