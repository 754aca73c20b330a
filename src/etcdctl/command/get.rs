//! `etcdctl get`.

use wire::etcdserverpb as pb;
use wire::etcdserverpb::range_request::{SortOrder, SortTarget};

use super::{Session, block_on, exclusive, failed, from_key_range, prefix_range};
use crate::client::Retry;
use crate::exit::{Exit, Outcome, code};
use crate::flags::{Invocation, Parsed};
use crate::go::quote::quote;
use crate::print::Format;

/// The command.
pub fn run(invocation: &mut Invocation) -> Outcome {
    let request = request(&invocation.parsed)?;
    let mut session = Session::open(invocation)?;
    block_on(async {
        let response: pb::RangeResponse = session
            .ask("/etcdserverpb.KV/Range", request, Retry::Repeatable)
            .await
            .map_err(failed)?;
        if invocation.flag("count-only") && session.printer.format != Format::Fields {
            return Err(Exit::bad_args(
                "--count-only is only for `--write-out=fields`",
            ));
        }
        if invocation.flag("print-value-only") {
            if session.printer.format != Format::Simple {
                return Err(Exit::bad_args(
                    "print-value-only is only for `--write-out=simple`",
                ));
            }
            session.printer.style.value_only = true;
        }
        session.show(&response)
    })
}

/// The request that arguments and flags describe; `txn` uses it, too.
pub fn request(parsed: &Parsed) -> Result<pb::RangeRequest, Exit> {
    let args = &parsed.args;
    let Some(key) = args.first() else {
        return Err(Exit::bad_args(
            "get command needs one argument as key and an optional argument as range_end",
        ));
    };
    let (prefix, from_key) = (parsed.boolean("prefix"), parsed.boolean("from-key"));
    if prefix && from_key {
        return Err(exclusive("prefix", "from-key"));
    }
    if parsed.boolean("keys-only") && parsed.boolean("count-only") {
        return Err(exclusive("keys-only", "count-only"));
    }
    let serializable = match parsed.text("consistency") {
        "s" => true,
        "l" => false,
        other => {
            let text = format!("unknown consistency flag {}", quote(other.as_bytes()));
            return Err(Exit::new(code::BAD_FEATURE, text));
        }
    };
    let (key, range_end) = match args.get(1) {
        Some(_) if prefix || from_key => {
            return Err(Exit::bad_args(
                "too many arguments, only accept one argument when `--prefix` or `--from-key` is set",
            ));
        }
        Some(end) => (key.clone(), end.clone()),
        None if prefix => prefix_range(key),
        None if from_key => from_key_range(key),
        None => (key.clone(), Vec::new()),
    };
    let (sort_order, sort_target) = sorting(parsed)?;
    Ok(pb::RangeRequest {
        key: key.into(),
        range_end: range_end.into(),
        limit: parsed.int("limit"),
        revision: parsed.int("rev").max(0),
        sort_order: sort_order.into(),
        sort_target: sort_target.into(),
        serializable,
        keys_only: parsed.boolean("keys-only"),
        count_only: parsed.boolean("count-only"),
        ..Default::default()
    })
}

fn sorting(parsed: &Parsed) -> Result<(SortOrder, SortTarget), Exit> {
    let order = match parsed.text("order").to_uppercase().as_str() {
        "" => SortOrder::None,
        "ASCEND" => SortOrder::Ascend,
        "DESCEND" => SortOrder::Descend,
        _ => {
            return Err(Exit::new(
                code::BAD_FEATURE,
                format!("bad sort order {}", parsed.text("order")),
            ));
        }
    };
    let target = match parsed.text("sort-by").to_uppercase().as_str() {
        "" | "KEY" => SortTarget::Key,
        "CREATE" => SortTarget::Create,
        "MODIFY" => SortTarget::Mod,
        "VALUE" => SortTarget::Value,
        "VERSION" => SortTarget::Version,
        _ => {
            return Err(Exit::new(
                code::BAD_FEATURE,
                format!("bad sort target {}", parsed.text("sort-by")),
            ));
        }
    };
    // Keys come in ascending order anyway; saying so makes the server sort in
    // vain, so the reference's client leaves it out (client/v3/op.go, WithSort).
    if target == SortTarget::Key && order == SortOrder::Ascend {
        return Ok((SortOrder::None, target));
    }
    Ok((order, target))
}
