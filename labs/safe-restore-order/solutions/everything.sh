# Nothing of the control plane runs.
mv /etc/kubernetes/manifests /root/manifests
mkdir /etc/kubernetes/manifests
for attempt in $(seq 300); do pgrep -x 'etcd|kube-apiserver' >/dev/null || break; sleep 0.1; done

ETCDCTL_API=3 etcdctl snapshot restore /opt/$file.db --data-dir=/var/lib/etcd-restored
sed -i '/hostPath/{n;s|path: /var/lib/etcd$|path: /var/lib/etcd-restored|}' /root/manifests/etcd.yaml

# etcd first, then the rest.
mv /root/manifests/etcd.yaml /etc/kubernetes/manifests/
for attempt in $(seq 300); do pgrep -x etcd >/dev/null && break; sleep 0.1; done
mv /root/manifests/kube-*.yaml /etc/kubernetes/manifests/
for attempt in $(seq 300); do kubectl get --raw /readyz >/dev/null 2>&1 && break; sleep 0.1; done
kubectl wait --for=condition=Available deployment/$keep --timeout=60s
