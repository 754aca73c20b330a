//! What `kubeadm` says while it looks for the cluster's configuration (kubeadm 1.32
//! `cmd/certs.go`, `util/config/cluster.go`).

use std::{path::Path, time::Duration};

use rest::{Access, Client};

use super::{VERSION, line::Line};

const ADMIN: &str = "/etc/kubernetes/admin.conf";
const CONFIG_MAP: &str = "/api/v1/namespaces/kube-system/configmaps/kubeadm-config";

/// kubeadm tries again and again within about half a second; a server that is there answers
/// at once.
const PATIENCE: Duration = Duration::from_secs(1);

/// The lines before the answer of `kubeadm certs PART`. Without a kubeconfig, or with a file of
/// one's own (`--config`), the API is not asked and nothing is said.
pub fn preamble(part: &str, line: &Line) -> String {
    let kubeconfig = line.kubeconfig.as_deref().unwrap_or(ADMIN);
    let access = Access::from_kubeconfig(Path::new(kubeconfig));
    let Some(access) = access.ok().filter(|_| !line.has_config) else {
        return String::new();
    };
    let failed = if is_there(access) {
        String::new()
    } else {
        format!(
            "[{part}] Error reading configuration from the Cluster. Falling back to default \
             configuration\n"
        )
    };
    format!(
        "[{part}] Reading configuration from the \"kubeadm-config\" ConfigMap in namespace \
         \"kube-system\"...\n\
         [{part}] Use 'kubeadm init phase upload-config --config your-config.yaml' to re-upload \
         it.\n{failed}\n"
    )
}

/// Whether the API serves the configuration.
fn is_there(access: Access) -> bool {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    else {
        return false;
    };
    let client = Client::new(access, &format!("kubeadm/{VERSION} (linux/amd64)"));
    let answer = async { tokio::time::timeout(PATIENCE, client.get(CONFIG_MAP)).await };
    runtime
        .block_on(answer)
        .is_ok_and(|answered| answered.is_ok())
}
