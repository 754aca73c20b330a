//! What is set for the kubelet and the control plane, rightly and wrongly: flags, the kubelet's
//! file, what kubeadm leaves on the disk.

use super::{on_control_plane, section};

#[test]
fn a_kubelet_that_is_set_up_wrongly_says_why() {
    let text = on_control_plane(
        r#"
        config=/var/lib/kubelet/config.yaml
        flags=/var/lib/kubelet/kubeadm-flags.env
        cp $config /root/config; cp $flags /root/flags
        last() { journalctl -u kubelet -o cat | grep 'command failed' | tail -1; }
        # Starts it anew, and shows what it says.
        broken() {
          before="$(last)"; systemctl restart kubelet
          until_ok '[ "$(last)" != "$before" ]'
          echo "== $1"; last
          cp /root/config $config; cp /root/flags $flags
          systemctl restart kubelet; until_ok 'curl -s http://127.0.0.1:10248/healthz'
        }
        sed -i 's/containerd.sock/cri-dockerd.sock/' $flags; broken socket
        sed -i 's/^kind: .*/kind: KubeletConfig/' $config; broken kind
        sed -i '/^kind: /d' $config; broken no-kind
        : > $config; broken empty
        sed -i 's/--node-ip/--max-pods=30 --node-ip/' $flags; broken refused
        echo "== tuned"; sed -i 's/--node-ip/--max-pods=110 --v=2 --fail-swap-on --node-ip/' $flags
        systemctl restart kubelet; until_ok 'curl -s http://127.0.0.1:10248/healthz'; systemctl is-active kubelet
        "#,
    );
    for (name, said) in [
        (
            "socket",
            "failed to run Kubelet: validate service connection: validate CRI v1 runtime API for endpoint \\\"unix:///var/run/containerd/cri-dockerd.sock\\\"",
        ),
        (
            "kind",
            "failed to load kubelet config file, path: /var/lib/kubelet/config.yaml, error: failed to load Kubelet config file /var/lib/kubelet/config.yaml, error failed lenient decoding: no kind \\\"KubeletConfig\\\" is registered",
        ),
        ("no-kind", "Object 'Kind' is missing in '{"),
        (
            "empty",
            "kubelet config file \\\"/var/lib/kubelet/config.yaml\\\" was empty",
        ),
        ("refused", "flag --max-pods is not supported"),
        ("tuned", "active\n"),
    ] {
        let section = section(&text, name);
        assert!(section.contains(said), "{name}: {section}\n{text}");
    }
}

#[test]
fn flags_of_the_control_plane_tune_or_are_refused_by_name() {
    let text = on_control_plane(
        r#"
        add() {
          before=$(newest $1)
          sed -i "s|^    - $1\$|&\n    - $2|" $1.yaml
          until_ok "[ \"\$(newest $1)\" != $before ]"
        }
        add kube-controller-manager --terminated-pod-gc-threshold=10
        add kube-scheduler --kube-api-qps=20
        add kube-apiserver --audit-log-maxage=30
        until_ok 'kubectl get --raw /readyz'
        for name in kube-controller-manager kube-scheduler kube-apiserver; do
          until_ok "[ $(state $name) = CONTAINER_RUNNING ]"
        done
        echo "== tuned"; pgrep -af 'maxage=30|threshold=10|api-qps=20' | wc -l
        add kube-apiserver --oidc-issuer-url=https://a
        until_ok '[ "$(state kube-apiserver)" = CONTAINER_EXITED ]'
        echo "== refused"; crictl logs "$(newest kube-apiserver)"
        sed -i 's/--oidc-issuer-url/--oidc-issuer/' kube-apiserver.yaml
        until_ok 'crictl logs "$(newest kube-apiserver)" 2>&1 | grep "unknown flag"'
        echo "== unknown"; crictl logs "$(newest kube-apiserver)"
        "#,
    );
    assert_eq!(section(&text, "tuned"), "3\n", "{text}");
    let refused = section(&text, "refused");
    assert!(
        refused.contains("flag --oidc-issuer-url is not supported: kubedrill has nothing"),
        "{refused}"
    );
    let unknown = section(&text, "unknown");
    assert!(
        unknown.contains("unknown flag: --oidc-issuer\n"),
        "{unknown}"
    );
}

#[test]
fn what_kubeadm_leaves_on_the_disk_is_there() {
    let text = on_control_plane(
        r#"
        echo "== mode"; stat -c %a /var/lib/etcd
        echo "== issuer"; openssl x509 -noout -issuer -subject -in /var/lib/kubelet/pki/kubelet.crt
        openssl x509 -noout -issuer -in /var/lib/kubelet/pki/kubelet-client-current.pem
        echo "== runtime"; crictl inspect "$(newest etcd)" | grep runtimeType
        echo "== service"; service kubelet stop; service kubelet status | grep Active:; service kubelet start
        service kubelet status | grep Active:; service kubelet; service --status-all | grep -o 'kubelet.service *loaded active'
        echo "== folders"
        echo deb | tee /etc/apt/sources.list.d/kubernetes.list
        echo overlay | tee /etc/modules-load.d/k8s.conf
        echo net.ipv4.ip_forward = 1 | tee /etc/sysctl.d/k8s.conf
        ls -d /etc/apt/keyrings
        echo "== missing"; mv /etc/kubernetes/pki/apiserver.crt /root/
        kubeadm certs renew apiserver --config /root/none -v 5; echo "left $?"
        kubeadm certs check-expiration --cert-dir /root; echo "left $?"
        mv /root/apiserver.crt /etc/kubernetes/pki/
        echo "== open"; chmod 755 /var/lib/etcd
        before=$(newest etcd); crictl stop "$before"; until_ok '[ "$(newest etcd)" != '"$before"' ]'
        until_ok 'kubectl get --raw /readyz'
        crictl logs "$(newest etcd)" 2>&1 | grep 'check file permission'
        "#,
    );
    assert_eq!(section(&text, "mode"), "700\n");
    let issuer = section(&text, "issuer");
    assert!(
        issuer.contains("controlplane-ca@")
            && issuer.contains("CN = controlplane@")
            && issuer.contains("CN = kubernetes\n"),
        "{issuer}"
    );
    assert!(section(&text, "runtime").contains("io.containerd.runc.v2"));
    let service: Vec<&str> = section(&text, "service").lines().map(str::trim).collect();
    assert!(
        service[0].starts_with("Active: inactive (dead)"),
        "{service:?}"
    );
    assert!(
        service[1].starts_with("Active: active (running)"),
        "{service:?}"
    );
    assert!(
        service[2].starts_with("Usage: service < option >"),
        "{service:?}"
    );
    assert_eq!(service[3], "kubelet.service loaded active");
    assert!(section(&text, "folders").ends_with("ip_forward = 1\n/etc/apt/keyrings\n"));
    let missing = section(&text, "missing");
    assert!(
        missing.contains("MISSING! certificate for serving the Kubernetes API\nleft 0\n")
            && missing.contains("looks at /etc/kubernetes/pki alone")
            && missing.ends_with("left 1\n"),
        "{missing}"
    );
    let open = section(&text, "open");
    assert!(
        open.contains(
            "directory \\\"/var/lib/etcd\\\" exist, but the permission is \\\"drwxr-xr-x\\\""
        ),
        "{open}"
    );
}
