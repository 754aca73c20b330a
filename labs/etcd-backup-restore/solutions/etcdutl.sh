# Something worth keeping.
kubectl create deployment before --image=nginx --replicas=2
kubectl rollout status deployment/before --timeout=60s

# The snapshot, with the settings in the environment.
export ETCDCTL_API=3 ETCDCTL_ENDPOINTS=https://127.0.0.1:2379 \
  ETCDCTL_CACERT=/etc/kubernetes/pki/etcd/ca.crt \
  ETCDCTL_CERT=/etc/kubernetes/pki/etcd/healthcheck-client.crt \
  ETCDCTL_KEY=/etc/kubernetes/pki/etcd/healthcheck-client.key
# Without a limit it waits for ever where nobody answers.
etcdctl --command-timeout=30s snapshot save /opt/etcd-backup.db
etcdutl snapshot status /opt/etcd-backup.db -w table

# The change.
kubectl delete deployment before
kubectl create deployment after --image=nginx --replicas=2
kubectl rollout status deployment/after --timeout=60s

# Nobody may read or write while etcd goes back: the API server and etcd stop.
mkdir -p /root/stopped
mv /etc/kubernetes/manifests/kube-apiserver.yaml /etc/kubernetes/manifests/etcd.yaml /root/stopped/
for attempt in $(seq 300); do pgrep -x etcd >/dev/null || pgrep -x kube-apiserver >/dev/null || break; sleep 0.1; done
etcdutl snapshot restore /opt/etcd-backup.db --data-dir /var/lib/etcd-restore
sed -i '/hostPath/{n;s|path: /var/lib/etcd$|path: /var/lib/etcd-restore|}' /root/stopped/etcd.yaml

# etcd first, then the API server.
mv /root/stopped/etcd.yaml /etc/kubernetes/manifests/
mv /root/stopped/kube-apiserver.yaml /etc/kubernetes/manifests/
for attempt in $(seq 300); do kubectl get --raw /readyz >/dev/null 2>&1 && break; sleep 0.1; done
kubectl wait --for=condition=Available deployment/before --timeout=60s
kubectl get deployments
