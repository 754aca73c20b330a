# No API server.
mv /etc/kubernetes/manifests/kube-apiserver.yaml /root/
for attempt in $(seq 300); do pgrep -x kube-apiserver >/dev/null || break; sleep 0.1; done
crictl ps

# etcd goes back.
etcdutl snapshot restore /opt/$file.db --data-dir=/var/lib/etcd-restored
sed -i '/hostPath/{n;s|path: /var/lib/etcd$|path: /var/lib/etcd-restored|}' /etc/kubernetes/manifests/etcd.yaml

# It answers with what was lost.
for attempt in $(seq 300); do
  ETCDCTL_API=3 etcdctl --endpoints=https://127.0.0.1:2379 --cacert=/etc/kubernetes/pki/etcd/ca.crt --cert=/etc/kubernetes/pki/etcd/server.crt \
    --key=/etc/kubernetes/pki/etcd/server.key get /registry/deployments/default/$keep --keys-only 2>/dev/null | grep -q . && break
  sleep 0.1
done

# The API server again.
mv /root/kube-apiserver.yaml /etc/kubernetes/manifests/
for attempt in $(seq 300); do kubectl get --raw /readyz >/dev/null 2>&1 && break; sleep 0.1; done
kubectl wait --for=condition=Available deployment/$keep --timeout=60s
kubectl get deployments
