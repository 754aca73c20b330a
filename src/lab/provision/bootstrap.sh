# What `kubeadm init` and `kubeadm join` leave in the API once it answers. NODES is how
# many nodes must be ready.
export KUBECONFIG=/etc/kubernetes/super-admin.conf
for attempt in $(seq 1500); do kubectl get --raw /readyz >/dev/null 2>&1 && break; sleep 0.02; done
kubectl get --raw /readyz >/dev/null || { echo "the API server did not become ready" >&2; exit 1; }
kubectl get clusterrolebinding kubeadm:cluster-admins >/dev/null 2>&1 ||
  kubectl create clusterrolebinding kubeadm:cluster-admins --clusterrole=cluster-admin --group=kubeadm:cluster-admins >/dev/null
for attempt in $(seq 1500); do
  [ "$(kubectl get nodes --no-headers 2>/dev/null | wc -l)" -ge "$NODES" ] && break
  sleep 0.02
done
kubectl wait --for=condition=Ready node --all --timeout=60s >/dev/null
