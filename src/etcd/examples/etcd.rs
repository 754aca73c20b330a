//! The applet alone.
fn main() -> std::process::ExitCode {
    etcd::run(std::env::args_os().collect())
}
