//! `mk`.

use super::{End, client_and_key, server_error, value};
use crate::v2::{
    Context,
    keys::{self, Before, Set},
};

/// Makes a key that is not there yet.
pub fn run(context: &Context) -> Result<(), End> {
    let (mut client, key) = client_and_key(context)?;
    let (value, ttl) = (value(context)?, context.int("ttl"));
    let done = if context.is_set("in-order") {
        keys::create_in_order(&mut client, key, &value, ttl)
    } else {
        let set = Set {
            value,
            ttl,
            before: Before::Nothing,
            ..Set::default()
        };
        keys::set(&mut client, key, &set)
    };
    done.map_err(server_error)?.show(&context.output());
    Ok(())
}
