fn main() -> std::process::ExitCode {
    let args: Vec<_> = std::env::args_os().collect();
    if args[0].to_string_lossy().ends_with("etcdutl") {
        etcdctl::run_etcdutl(args)
    } else {
        etcdctl::run_etcdctl(args)
    }
}
