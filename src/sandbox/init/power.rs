//! The applets `reboot`, `poweroff`, `halt`, `shutdown`.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use super::protocol::{Request, Response, ask};

/// Asks process 1 to end or to boot again. Returns at once; the node goes down
/// under the caller.
pub(crate) fn run(args: &[OsString]) -> ExitCode {
    let words: Vec<String> = args
        .iter()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let name = words
        .first()
        .map(|word| Path::new(word).file_name().unwrap_or_default());
    let name = name.unwrap_or_default().to_string_lossy().into_owned();
    if words[1..]
        .iter()
        .any(|word| word == "--help" || word == "-h")
    {
        println!(
            "{name} [--force]\n\nShuts this node down; `reboot` and `shutdown -r` boot it again."
        );
        return ExitCode::SUCCESS;
    }
    let reboot = name == "reboot" || words.iter().any(|word| word == "-r" || word == "--reboot");
    request(reboot)
}

pub(super) fn request(reboot: bool) -> ExitCode {
    match ask(&Request::Shutdown { reboot }) {
        Ok(Response::Ok) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
