//! Runs the applet alone.

fn main() -> std::process::ExitCode {
    kubectl::run(std::env::args_os().collect())
}
