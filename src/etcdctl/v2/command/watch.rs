//! `watch`.

use super::{End, client_and_key, end_at_interrupt, server_error};
use crate::v2::{Context, keys::Watch, say};

/// Waits for a change of a key, or shows every change.
pub fn run(context: &Context) -> Result<(), End> {
    let (mut client, key) = client_and_key(context)?;
    let recursive = context.is_set("recursive");
    let mut watch = Watch::new(key, context.int("after-index") as u64, recursive);
    end_at_interrupt();
    loop {
        let response = watch.next(&mut client).map_err(server_error)?;
        if response.node.dir {
            continue;
        }
        if recursive {
            say!("[{}] {}", response.action, response.node.key);
        }
        response.show(&context.output());
        if !context.is_set("forever") {
            return Ok(());
        }
    }
}
