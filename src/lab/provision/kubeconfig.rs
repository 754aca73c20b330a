//! Kubeconfig files as kubeadm writes them.

use std::net::Ipv4Addr;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::pki::Pair;

fn config(ca: &str, api: Ipv4Addr, context_user: &str, user_name: &str, user: &str) -> String {
    let ca = STANDARD.encode(ca);
    format!(
        "apiVersion: v1\nclusters:\n- cluster:\n    certificate-authority-data: {ca}\n    \
         server: https://{api}:6443\n  name: kubernetes\ncontexts:\n- context:\n    \
         cluster: kubernetes\n    user: {user_name}\n  name: {context_user}@kubernetes\n\
         current-context: {context_user}@kubernetes\nkind: Config\npreferences: {{}}\nusers:\n\
         - name: {user_name}\n  user:\n{user}"
    )
}

/// A kubeconfig that carries the user's certificate and key.
pub fn embedded(ca: &str, api: Ipv4Addr, user: &str, pair: &Pair) -> String {
    let login = format!(
        "    client-certificate-data: {}\n    client-key-data: {}\n",
        STANDARD.encode(&pair.cert),
        STANDARD.encode(&pair.key)
    );
    config(ca, api, user, user, &login)
}

/// The kubelet's own, which names the certificate that it may renew.
pub fn kubelet(ca: &str, api: Ipv4Addr, node: &str) -> String {
    let pem = "/var/lib/kubelet/pki/kubelet-client-current.pem";
    let login = format!("    client-certificate: {pem}\n    client-key: {pem}\n");
    config(
        ca,
        api,
        &format!("system:node:{node}"),
        "default-auth",
        &login,
    )
}
