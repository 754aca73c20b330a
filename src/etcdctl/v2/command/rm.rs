//! `rm`.

use super::{End, client_and_key, server_error};
use crate::v2::{
    Context,
    keys::{self, Delete},
};

/// Removes a key or a directory.
pub fn run(context: &Context) -> Result<(), End> {
    let delete = Delete {
        dir: context.is_set("dir"),
        recursive: context.is_set("recursive"),
        prev_value: context.text("with-value"),
        prev_index: context.int("with-index") as u64,
    };
    remove(context, &delete)
}

/// Removes, and shows what was there unless it was a directory.
pub(super) fn remove(context: &Context, delete: &Delete) -> Result<(), End> {
    let (mut client, key) = client_and_key(context)?;
    let response = keys::delete(&mut client, key, delete).map_err(server_error)?;
    if !response.node.dir || context.output() != "simple" {
        response.show(&context.output());
    }
    Ok(())
}
