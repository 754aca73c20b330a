//! `update`.

use super::{End, client_and_key, server_error, value};
use crate::v2::{
    Context,
    keys::{self, Before, Set},
};

/// Sets the value of a key that is there.
pub fn run(context: &Context) -> Result<(), End> {
    let (mut client, key) = client_and_key(context)?;
    let set = Set {
        value: value(context)?,
        ttl: context.int("ttl"),
        before: Before::Something,
        ..Set::default()
    };
    keys::set(&mut client, key, &set)
        .map_err(server_error)?
        .show(&context.output());
    Ok(())
}
