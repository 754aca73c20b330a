//! `completion bash|zsh|fish|powershell`: the scripts of the room `completion`.

use crate::exit::{Exit, Outcome};
use crate::flags::Invocation;
use crate::print;

/// Where the script of a shell belongs.
pub const fn about(shell: &str) -> &'static str {
    match shell.as_bytes() {
        b"bash" => {
            "To use it in this shell:\n\n$ source <(PROGRAM completion bash)\n\nTo use it in every new one:\n\n$ PROGRAM completion bash > /etc/bash_completion.d/PROGRAM"
        }
        b"fish" => {
            "To use it in this shell:\n\n$ PROGRAM completion fish | source\n\nTo use it in every new one:\n\n$ PROGRAM completion fish > ~/.config/fish/completions/PROGRAM.fish"
        }
        b"powershell" => {
            "To use it in this shell:\n\nPS> PROGRAM completion powershell | Out-String | Invoke-Expression\n\nTo use it in every new one, add the output to your profile."
        }
        _ => {
            "To use it in this shell:\n\n$ source <(PROGRAM completion zsh)\n\nTo use it in every new one:\n\n$ PROGRAM completion zsh > \"${fpath[1]}/_PROGRAM\"\n\nThe shell must have completion at all: `autoload -U compinit; compinit`."
        }
    }
}

/// `etcdctl completion …`.
pub fn etcdctl(invocation: &mut Invocation) -> Outcome {
    print(invocation, "etcdctl")
}

/// `etcdutl completion …`.
pub fn etcdutl(invocation: &mut Invocation) -> Outcome {
    print(invocation, "etcdutl")
}

fn print(invocation: &Invocation, program: &str) -> Outcome {
    let shell = invocation.path.last().map_or("", |command| command.name);
    let described = !invocation.flag("no-descriptions");
    match completion::script(shell, program, described) {
        Some(script) => print::stdout(script.as_bytes()),
        None => Err(Exit::bad_args(format!("no script for {shell}"))),
    }
}
