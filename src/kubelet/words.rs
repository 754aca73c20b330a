//! Errors in the words that the real kubelet's log has for them, which people search for.

use kube::go_words::plain;

/// Why a GET of `path` came to nothing, as client-go says it.
pub fn get(error: &rest::Error, path: &str) -> String {
    let rest::Error::Connection(text) = error else {
        return error.to_string();
    };
    let Some((address, why)) = text.split_once(": ") else {
        return format!("Get {path:?}: {text}");
    };
    let why = if why.contains("UnknownIssuer") || why.contains("BadSignature") {
        "tls: failed to verify certificate: x509: certificate signed by unknown authority".into()
    } else if why.contains("Expired") || why.contains("certificate expired") {
        "tls: failed to verify certificate: x509: certificate has expired or is not yet valid"
            .into()
    } else if why.contains("os error") {
        format!("dial tcp {address}: connect: {}", plain(why))
    } else {
        why.to_owned()
    };
    format!("Get \"https://{address}{path}\": {why}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_said_as_go_says_them() {
        let refused = "192.168.10.150:6443: Connection refused (os error 111)";
        assert_eq!(
            get(&rest::Error::Connection(refused.into()), "/api/v1/nodes/n"),
            "Get \"https://192.168.10.150:6443/api/v1/nodes/n\": dial tcp 192.168.10.150:6443: \
             connect: connection refused"
        );
        let unknown = "h:6443: invalid peer certificate: UnknownIssuer";
        assert!(
            get(&rest::Error::Connection(unknown.into()), "/")
                .ends_with("x509: certificate signed by unknown authority")
        );
    }
}
