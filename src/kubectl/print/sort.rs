//! `--sort-by`.

use crate::error::{Error, Outcome};
use kube::jsonpath::{JsonPath, relaxed};
use kube::quantity::Quantity;
use serde_json::Value;
use std::cmp::Ordering;

/// Sorts things that have an object each by an expression's first result; those
/// without one come first.
///
/// # Errors
/// A bad expression, or one that no object has.
pub fn sort_by<T>(things: &mut [T], expression: &str, object: impl Fn(&T) -> &Value) -> Outcome {
    let path = JsonPath::parse(&relaxed(expression)?)?.allow_missing_keys(true);
    let mut keys: Vec<(usize, Option<Value>)> = Vec::with_capacity(things.len());
    for (at, thing) in things.iter().enumerate() {
        let mut found = path.find(object(thing))?.into_iter().flatten();
        keys.push((at, found.next()));
    }
    if !keys.is_empty() && keys.iter().all(|(_, key)| key.is_none()) {
        let shown = relaxed(expression)?;
        return Err(Error::Message(format!(
            "couldn't find any field with path {} in the list of objects",
            kube::gofmt::quote(&shown)
        )));
    }
    keys.sort_by(|(_, a), (_, b)| match (a, b) {
        (Some(a), Some(b)) => compare(a, b),
        (a, b) => a.is_some().cmp(&b.is_some()),
    });
    let order: Vec<usize> = keys.into_iter().map(|(at, _)| at).collect();
    permute(things, order);
    Ok(())
}

/// Puts `things[order[i]]` at place `i`.
fn permute<T>(things: &mut [T], mut order: Vec<usize>) {
    for start in 0..order.len() {
        let mut at = start;
        while order[at] != start {
            let from = order[at];
            things.swap(at, from);
            order[at] = at;
            at = from;
        }
        order[at] = at;
    }
}

fn compare(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a
            .as_f64()
            .partial_cmp(&b.as_f64())
            .unwrap_or(Ordering::Equal),
        (Value::String(a), Value::String(b)) => match (Quantity::parse(a), Quantity::parse(b)) {
            (Some(a), Some(b)) => a.milli().cmp(&b.milli()),
            _ => natural(a, b),
        },
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        _ => Ordering::Equal,
    }
}

/// Text in which runs of digits count as numbers.
fn natural(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    while let (Some(&x), Some(&y)) = (a.first(), b.first()) {
        if x.is_ascii_digit() && y.is_ascii_digit() {
            let digits = |s: &[u8]| s.iter().take_while(|c| c.is_ascii_digit()).count();
            let (n, m) = (digits(a), digits(b));
            let trimmed = |s: &[u8]| {
                s.iter()
                    .skip_while(|&&c| c == b'0')
                    .copied()
                    .collect::<Vec<_>>()
            };
            let (p, q) = (trimmed(&a[..n]), trimmed(&b[..m]));
            let order = p
                .len()
                .cmp(&q.len())
                .then_with(|| p.cmp(&q))
                .then(n.cmp(&m));
            if order.is_ne() {
                return order;
            }
            (a, b) = (&a[n..], &b[m..]);
        } else if x != y {
            return x.cmp(&y);
        } else {
            (a, b) = (&a[1..], &b[1..]);
        }
    }
    a.len().cmp(&b.len())
}

#[cfg(test)]
mod tests {
    use super::sort_by;
    use serde_json::json;

    #[test]
    fn by_number_quantity_and_name() {
        let mut items = vec![
            json!({"n": "pod-10", "q": "1Gi", "i": 3}),
            json!({"n": "pod-9", "q": "500Mi", "i": 20}),
            json!({"n": "a", "q": "2Gi"}),
        ];
        sort_by(&mut items, ".n", |v| v).unwrap();
        assert_eq!(
            items
                .iter()
                .map(|v| v["n"].as_str().unwrap())
                .collect::<Vec<_>>(),
            ["a", "pod-9", "pod-10"]
        );
        sort_by(&mut items, "{.q}", |v| v).unwrap();
        assert_eq!(
            items
                .iter()
                .map(|v| v["q"].as_str().unwrap())
                .collect::<Vec<_>>(),
            ["500Mi", "1Gi", "2Gi"]
        );
        sort_by(&mut items, "i", |v| v).unwrap();
        assert_eq!(
            items.iter().map(|v| v["i"].as_i64()).collect::<Vec<_>>(),
            [None, Some(3), Some(20)]
        );
        assert!(sort_by(&mut items, ".none", |v| v).is_err());
    }
}
