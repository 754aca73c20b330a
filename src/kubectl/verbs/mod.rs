//! The verbs.

mod get;
mod version;
mod watch;

use crate::cx::Cx;
use crate::error::{Outcome, fail};

/// Runs the command that the words named.
///
/// # Errors
/// The command's.
pub async fn dispatch(cx: &Cx) -> Outcome {
    match cx.command {
        "get" => get::run(cx).await,
        "version" => version::run(cx).await,
        other => fail(format!(
            "'kubectl {other}' is not supported by this kubectl yet"
        )),
    }
}
