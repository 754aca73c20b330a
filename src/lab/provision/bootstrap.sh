# What `kubeadm init` and `kubeadm join` leave in the API once it answers. NODES is how
# many nodes must be ready, APIS are the addresses of all API servers, UPLOADS the objects.
export KUBECONFIG=/etc/kubernetes/super-admin.conf
for api in $APIS; do
  for attempt in $(seq 1500); do kubectl --server=https://$api:6443 get --raw /readyz >/dev/null 2>&1 && break; sleep 0.02; done
  kubectl --server=https://$api:6443 get --raw /readyz >/dev/null || { echo "the API server at $api did not become ready" >&2; exit 1; }
done
kubectl create -f - <<<"$UPLOADS" >/dev/null || exit
for attempt in $(seq 1500); do
  [ "$(kubectl get nodes --no-headers 2>/dev/null | wc -l)" -ge "$NODES" ] && break
  sleep 0.02
done
kubectl wait --for=condition=Ready node --all --timeout=60s >/dev/null || exit
# An API server hears of the binding by its watch, and may decide without it until then.
for api in $APIS; do
  may() { kubectl --kubeconfig=/etc/kubernetes/admin.conf --server=https://$api:6443 auth can-i '*' '*' >/dev/null 2>&1; }
  for attempt in $(seq 1500); do may && continue 2; sleep 0.02; done
  echo "the API server at $api does not let the administrator in" >&2
  exit 1
done
