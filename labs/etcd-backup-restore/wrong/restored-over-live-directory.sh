# Throws the live directory away and restores into its place: no way back is left.
kubectl create deploy before --image=nginx --replicas=2
kubectl wait --for=condition=Available deploy/before --timeout=60s
etcdctl --endpoints=https://127.0.0.1:2379 --cacert=/etc/kubernetes/pki/etcd/ca.crt \
  --cert=/etc/kubernetes/pki/etcd/server.crt --key=/etc/kubernetes/pki/etcd/server.key \
  snapshot save /opt/etcd-backup.db
kubectl delete deploy before
kubectl create deploy after --image=nginx --replicas=2
kubectl wait --for=condition=Available deploy/after --timeout=60s
mkdir -p /root/stopped
mv /etc/kubernetes/manifests/etcd.yaml /etc/kubernetes/manifests/kube-apiserver.yaml /root/stopped/
for attempt in $(seq 300); do pgrep -x etcd >/dev/null || break; sleep 0.1; done
rm -rf /var/lib/etcd
etcdctl snapshot restore /opt/etcd-backup.db --data-dir=/var/lib/etcd
mv /root/stopped/etcd.yaml /root/stopped/kube-apiserver.yaml /etc/kubernetes/manifests/
for attempt in $(seq 300); do kubectl get deploy before >/dev/null 2>&1 && break; sleep 0.1; done
