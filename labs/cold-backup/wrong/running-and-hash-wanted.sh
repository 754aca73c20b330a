# Copies from under the running member, and restores as if it were a snapshot.
cp /var/lib/etcd/member/snap/db /opt/cold.db
# etcd and the API server stop, etcd comes back on the other directory, then the API server.
mkdir -p /root/stopped
mv /etc/kubernetes/manifests/kube-apiserver.yaml /etc/kubernetes/manifests/etcd.yaml /root/stopped/
for attempt in $(seq 300); do pgrep -x etcd >/dev/null || pgrep -x kube-apiserver >/dev/null || break; sleep 0.1; done
etcdutl snapshot restore /opt/cold.db --data-dir=/var/lib/etcd-cold
sed -i '/hostPath/{n;s|path: /var/lib/etcd$|path: /var/lib/etcd-cold|}' /root/stopped/etcd.yaml
mv /root/stopped/etcd.yaml /etc/kubernetes/manifests/
mv /root/stopped/kube-apiserver.yaml /etc/kubernetes/manifests/
for attempt in $(seq 300); do kubectl get --raw /readyz >/dev/null 2>&1 && break; sleep 0.1; done
