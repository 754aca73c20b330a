//! `kubectl completion`: the scripts of the room `completion`.
//!
//! Reference: `kubectl/pkg/cmd/completion/completion.go` of Kubernetes 1.32.

use crate::cx::{Cx, put};
use crate::error::Outcome;
use crate::flags::usage;

/// Runs `kubectl completion SHELL`.
///
/// # Errors
/// No shell, more than one, or one that has no script.
pub fn run(cx: &Cx) -> Outcome {
    match cx.args() {
        [] => usage("completion", "Shell not specified."),
        [shell] => match completion::script(shell, "kubectl", true) {
            Some(script) => put(&script),
            None => {
                let shell = kube::gofmt::quote(shell);
                usage("completion", format!("Unsupported shell type {shell}."))
            }
        },
        _ => usage(
            "completion",
            "Too many arguments. Expected only the shell type.",
        ),
    }
}
