# Deletes `after` and makes `before` again: it looks right, but nothing was restored.
kubectl create deploy before --image=nginx --replicas=2
kubectl wait --for=condition=Available deploy/before --timeout=60s
etcdctl --endpoints=https://127.0.0.1:2379 --cacert=/etc/kubernetes/pki/etcd/ca.crt \
  --cert=/etc/kubernetes/pki/etcd/server.crt --key=/etc/kubernetes/pki/etcd/server.key \
  snapshot save /opt/etcd-backup.db
kubectl delete deploy before
kubectl create deploy after --image=nginx --replicas=2
kubectl wait --for=condition=Available deploy/after --timeout=60s
kubectl delete deploy after
kubectl create deploy before --image=nginx --replicas=2
kubectl wait --for=condition=Available deploy/before --timeout=60s
