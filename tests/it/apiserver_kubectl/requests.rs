//! Requests for certificates: approved, issued, used; denied, refused.

use base64::Engine as _;
use rcgen::{CertificateParams, DnType, KeyPair};

use super::Cluster;

const VERSION: &str = "k1.32";

/// A request's manifest; its key is written to `NAME.key`.
fn manifest(cluster: &Cluster, name: &str, organization: &str, more: &str) -> String {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
        .distinguished_name
        .push(DnType::OrganizationName, organization);
    let request = params.serialize_request(&key).expect("a request");
    let request = request.pem().expect("PEM");
    let request = base64::engine::general_purpose::STANDARD.encode(request);
    cluster.write(&format!("{name}.key"), &key.serialize_pem());
    cluster.write(
        &format!("{name}.yaml"),
        &format!(
            "apiVersion: certificates.k8s.io/v1\nkind: CertificateSigningRequest\nmetadata: {{name: {name}}}\nspec:\n  request: {request}\n  signerName: kubernetes.io/kube-apiserver-client\n  usages: [client auth]\n{more}"
        ),
    )
}

fn state(cluster: &Cluster, name: &str) -> String {
    let row = cluster.ok(VERSION, &["get", "csr", name, "--no-headers"]);
    row.split_whitespace().last().unwrap_or_default().to_owned()
}

#[test]
fn an_approved_request_becomes_a_user() {
    let cluster = Cluster::start();
    let file = manifest(&cluster, "ada", "ops", "  expirationSeconds: 3600\n");
    cluster.ok(VERSION, &["create", "-f", &file]);
    assert_eq!(state(&cluster, "ada"), "Pending");
    assert_eq!(
        cluster.ok(VERSION, &["certificate", "approve", "ada"]),
        "certificatesigningrequest.certificates.k8s.io/ada approved"
    );
    cluster.until("the certificate is issued", |c| {
        state(c, "ada") == "Approved,Issued"
    });
    let since = "jsonpath={.status.conditions[0].lastTransitionTime}";
    assert!(
        cluster
            .ok(VERSION, &["get", "csr", "ada", "-o", since])
            .ends_with('Z')
    );
    let path = "jsonpath={.status.certificate}";
    let issued = cluster.ok(VERSION, &["get", "csr", "ada", "-o", path]);
    let issued = base64::engine::general_purpose::STANDARD
        .decode(issued)
        .expect("base64");
    cluster.write("ada.crt", &String::from_utf8(issued).expect("PEM"));
    cluster.kubeconfig("ada");
    let ada = |args: &[&str]| {
        let done = cluster.command(VERSION, "ada", args).output();
        let done = done.expect("kubectl runs");
        let (out, err) = (&done.stdout, &done.stderr);
        format!(
            "{}{}",
            String::from_utf8_lossy(out),
            String::from_utf8_lossy(err)
        )
    };
    let me = ada(&["auth", "whoami", "-o", "jsonpath={.status.userInfo}"]);
    assert!(me.contains("\"username\":\"ada\""), "{me}");
    assert!(me.contains("\"ops\""), "{me}");
    assert_eq!(
        ada(&["get", "pods"]),
        "Error from server (Forbidden): pods is forbidden: User \"ada\" cannot list resource \"pods\" in API group \"\" in the namespace \"default\"\n"
    );
    cluster.ok(
        VERSION,
        &["create", "role", "see", "--verb=list", "--resource=pods"],
    );
    cluster.ok(
        VERSION,
        &["create", "rolebinding", "see", "--role=see", "--group=ops"],
    );
    cluster.until("the group's rights are the user's", |_| {
        ada(&["get", "pods"]) == "No resources found in default namespace.\n"
    });
    // An hour, as was asked for: openssl finds it good now, and not two hours from now.
    let good = |seconds: &str| {
        let check = std::process::Command::new("openssl")
            .args(["x509", "-noout", "-checkend", seconds, "-in"])
            .arg(cluster.file("ada.crt"))
            .output();
        check.expect("openssl runs").status.success()
    };
    assert!(good("1800") && !good("7200"));
}

#[test]
fn what_is_not_approved_or_not_fit_is_not_issued() {
    let cluster = Cluster::start();
    let file = manifest(&cluster, "eve", "ops", "");
    cluster.ok(VERSION, &["create", "-f", &file]);
    cluster.ok(VERSION, &["certificate", "deny", "eve"]);
    let masters = manifest(&cluster, "mallory", "system:masters", "");
    assert!(cluster.err(VERSION, &["create", "-f", &masters]).ends_with(
        "certificatesigningrequests.certificates.k8s.io \"mallory\" is forbidden: use of kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed"
    ));
    let short = manifest(&cluster, "short", "ops", "  expirationSeconds: 60\n");
    assert!(cluster.err(VERSION, &["create", "-f", &short]).ends_with(
        "spec.expirationSeconds: Invalid value: 60: may not specify a duration less than 600 seconds (10 minutes)"
    ));
    let serving = manifest(&cluster, "serving", "ops", "");
    let text = std::fs::read_to_string(&serving).expect("a file");
    let serving = cluster.write("serving.yaml", &text.replace("client auth", "server auth"));
    cluster.ok(VERSION, &["create", "-f", &serving]);
    cluster.ok(VERSION, &["certificate", "approve", "serving"]);
    cluster.until("the signer says why it does not sign", |c| {
        state(c, "serving") == "Approved,Failed"
    });
    let why = "jsonpath={.status.conditions[?(@.type==\"Failed\")].message}";
    assert_eq!(
        cluster.ok(VERSION, &["get", "csr", "serving", "-o", why]),
        "invalid usage for client certificate: server auth"
    );
    // The denied one was there before, and would have been issued by now.
    assert_eq!(state(&cluster, "eve"), "Denied");
}
