# Deletes the mirror Pod, which stops nothing.
kubectl -n kube-system delete pod kube-apiserver-controlplane --wait=false
etcdutl snapshot restore /opt/$file.db --data-dir=/var/lib/etcd-restored
old=$(pgrep -x etcd)
sed -i '/hostPath/{n;s|path: /var/lib/etcd$|path: /var/lib/etcd-restored|}' /etc/kubernetes/manifests/etcd.yaml
for attempt in $(seq 300); do new=$(pgrep -x etcd); [ -n "$new" ] && [ "$new" != "$old" ] && break; sleep 0.1; done
for attempt in $(seq 300); do kubectl get deployment $keep >/dev/null 2>&1 && break; sleep 0.1; done
kubectl wait --for=condition=Available deployment/$keep --timeout=60s
