//! Errors in the words that the real kubelet's log has for them, which people search for.

/// Why a GET of `path` came to nothing, as client-go says it.
pub fn get(error: &rest::Error, path: &str) -> String {
    match error {
        rest::Error::Unreachable { address, why } => {
            format!("Get \"https://{address}{path}\": {why}")
        }
        rest::Error::Connection(why) => format!("Get {path:?}: {why}"),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_said_as_client_go_says_them() {
        let address = "192.168.10.150:6443";
        let refused = rest::Error::Unreachable {
            address: address.into(),
            why: format!("dial tcp {address}: connect: connection refused"),
        };
        assert_eq!(
            get(&refused, "/api/v1/nodes/n"),
            "Get \"https://192.168.10.150:6443/api/v1/nodes/n\": dial tcp 192.168.10.150:6443: \
             connect: connection refused"
        );
    }
}
