# Saves the snapshot when the change has happened already.
kubectl create deploy before --image=nginx --replicas=2
kubectl wait --for=condition=Available deploy/before --timeout=60s
kubectl delete deploy before
kubectl create deploy after --image=nginx --replicas=2
kubectl wait --for=condition=Available deploy/after --timeout=60s
etcdctl --endpoints=https://127.0.0.1:2379 --cacert=/etc/kubernetes/pki/etcd/ca.crt \
  --cert=/etc/kubernetes/pki/etcd/server.crt --key=/etc/kubernetes/pki/etcd/server.key \
  snapshot save /opt/etcd-backup.db
etcdctl snapshot restore /opt/etcd-backup.db --data-dir=/var/lib/etcd-restore
old=$(pgrep -x etcd)
sed -i '/hostPath/{n;s|path: /var/lib/etcd$|path: /var/lib/etcd-restore|}' /etc/kubernetes/manifests/etcd.yaml
for attempt in $(seq 300); do kill -0 $old 2>/dev/null || break; sleep 0.1; done
for attempt in $(seq 300); do kubectl get deploy after >/dev/null 2>&1 && break; sleep 0.1; done
