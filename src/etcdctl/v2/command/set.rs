//! `set`.

use super::{End, client_and_key, server_error, value};
use crate::v2::{
    Context,
    keys::{self, Set},
};

/// Sets the value of a key.
pub fn run(context: &Context) -> Result<(), End> {
    let (mut client, key) = client_and_key(context)?;
    let set = Set {
        value: value(context)?,
        ttl: context.int("ttl"),
        prev_value: context.text("swap-with-value"),
        prev_index: context.int("swap-with-index") as u64,
        ..Set::default()
    };
    keys::set(&mut client, key, &set)
        .map_err(server_error)?
        .show(&context.output());
    Ok(())
}
