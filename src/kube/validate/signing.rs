//! Checks of requests for certificates. (`pkg/apis/certificates/validation`, 1.32.)

use base64::Engine as _;
use serde_json::Value;

use super::FieldError;
use crate::object::{at, int, list, text};
use crate::signing::Request;

/// What a certificate may be used for.
const USAGES: [&str; 23] = [
    "any",
    "cert sign",
    "client auth",
    "code signing",
    "content commitment",
    "crl sign",
    "data encipherment",
    "decipher only",
    "digital signature",
    "email protection",
    "encipher only",
    "ipsec end system",
    "ipsec tunnel",
    "ipsec user",
    "key agreement",
    "key encipherment",
    "microsoft sgc",
    "netscape sgc",
    "ocsp signing",
    "s/mime",
    "server auth",
    "signing",
    "timestamping",
];

/// Checks a request for a certificate.
pub(super) fn request(object: &Value, errors: &mut Vec<FieldError>) {
    let given = text(object, "spec.request");
    let pem = base64::engine::general_purpose::STANDARD.decode(given);
    let parsed = pem
        .map_err(|e| e.to_string())
        .and_then(|pem| Request::parse(&pem));
    if let Err(why) = parsed {
        let value = at(object, "spec.request");
        errors.push(FieldError::invalid("spec.request", value, &why));
    }
    let usages = list(object, "spec.usages");
    if usages.is_empty() {
        errors.push(FieldError::required("spec.usages", ""));
    }
    for (index, usage) in usages.iter().enumerate() {
        let path = format!("spec.usages[{index}]");
        let word = usage.as_str().unwrap_or_default();
        if !USAGES.contains(&word) {
            errors.push(FieldError::unsupported(&path, word, &USAGES));
        }
        if usages[..index].contains(usage) {
            errors.push(FieldError::duplicate(path, usage));
        }
    }
    signer_name(at(object, "spec.signerName"), errors);
    if let Some(seconds) = int(object, "spec.expirationSeconds").filter(|s| *s < 600) {
        errors.push(FieldError::invalid(
            "spec.expirationSeconds",
            &Value::from(seconds),
            "may not specify a duration less than 600 seconds (10 minutes)",
        ));
    }
}

fn signer_name(given: &Value, errors: &mut Vec<FieldError>) {
    let field = "spec.signerName";
    match given.as_str().unwrap_or_default() {
        "" => errors.push(FieldError::required(field, "")),
        "kubernetes.io/legacy-unknown" => errors.push(FieldError::invalid(
            field,
            given,
            "the legacy signerName is not allowed via this API version",
        )),
        name if name.split('/').filter(|part| !part.is_empty()).count() != 2 => {
            errors.push(FieldError::invalid(
                field,
                given,
                "must be a fully qualified domain and path of the form 'example.com/signer-name'",
            ));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::request;
    use base64::Engine as _;
    use serde_json::{Value, json};

    const GOOD: &str = include_str!("../signing/two-groups.csr");

    fn said(change: impl FnOnce(&mut Value)) -> Vec<String> {
        let text = base64::engine::general_purpose::STANDARD.encode(GOOD);
        let mut object = json!({"spec": {"request": text, "usages": ["client auth"],
            "signerName": "kubernetes.io/kube-apiserver-client"}});
        change(&mut object["spec"]);
        let mut errors = Vec::new();
        request(&object, &mut errors);
        errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn requests_have_the_words_of_the_reference() {
        assert_eq!(said(|_| {}), [""; 0]);
        assert_eq!(
            said(|spec| spec["request"] = json!("eA==")),
            ["spec.request: Invalid value: \"eA==\": PEM block type must be CERTIFICATE REQUEST"]
        );
        assert_eq!(
            said(|spec| *spec = json!({"request": spec["request"]})),
            [
                "spec.usages: Required value",
                "spec.signerName: Required value"
            ]
        );
        assert_eq!(
            said(|spec| spec["expirationSeconds"] = json!(599)),
            [
                "spec.expirationSeconds: Invalid value: 599: may not specify a duration less than 600 seconds (10 minutes)"
            ]
        );
        assert_eq!(
            said(|spec| spec["usages"] = json!(["client auth", "client auth"])),
            ["spec.usages[1]: Duplicate value: \"client auth\""]
        );
        assert!(
            said(|spec| spec["signerName"] = json!("mine"))[0].contains("fully qualified domain")
        );
    }
}
