# Saves a snapshot while etcd runs, and restores that: no copy, and no missing hash.
mkdir -p /root/stopped
mv /etc/kubernetes/manifests/kube-apiserver.yaml /root/stopped/
for attempt in $(seq 300); do pgrep -x kube-apiserver >/dev/null || break; sleep 0.1; done
ETCDCTL_API=3 etcdctl --endpoints=https://127.0.0.1:2379 --cacert=/etc/kubernetes/pki/etcd/ca.crt \
  --cert=/etc/kubernetes/pki/etcd/server.crt --key=/etc/kubernetes/pki/etcd/server.key snapshot save /opt/cold.db
mv /etc/kubernetes/manifests/etcd.yaml /root/stopped/
for attempt in $(seq 300); do pgrep -x etcd >/dev/null || break; sleep 0.1; done
etcdutl snapshot restore /opt/cold.db --data-dir=/var/lib/etcd-cold
sed -i '/hostPath/{n;s|path: /var/lib/etcd$|path: /var/lib/etcd-cold|}' /root/stopped/etcd.yaml
mv /root/stopped/etcd.yaml /etc/kubernetes/manifests/
mv /root/stopped/kube-apiserver.yaml /etc/kubernetes/manifests/
for attempt in $(seq 300); do kubectl get --raw /readyz >/dev/null 2>&1 && break; sleep 0.1; done
kubectl wait --for=condition=Available deployment/$app --timeout=60s
