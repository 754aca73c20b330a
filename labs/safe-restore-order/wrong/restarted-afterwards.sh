# The API server goes on writing while the snapshot is unpacked, and is started anew later.
etcdutl snapshot restore /opt/$file.db --data-dir=/var/lib/etcd-restored
sleep 12
mkdir -p /root/stopped
mv /etc/kubernetes/manifests/kube-apiserver.yaml /etc/kubernetes/manifests/etcd.yaml /root/stopped/
for attempt in $(seq 300); do pgrep -x etcd >/dev/null || pgrep -x kube-apiserver >/dev/null || break; sleep 0.1; done
sed -i '/hostPath/{n;s|path: /var/lib/etcd$|path: /var/lib/etcd-restored|}' /root/stopped/etcd.yaml
mv /root/stopped/etcd.yaml /etc/kubernetes/manifests/
mv /root/stopped/kube-apiserver.yaml /etc/kubernetes/manifests/
for attempt in $(seq 300); do kubectl get --raw /readyz >/dev/null 2>&1 && break; sleep 0.1; done
kubectl wait --for=condition=Available deployment/$keep --timeout=60s
