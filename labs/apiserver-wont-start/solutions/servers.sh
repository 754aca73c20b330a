# Its last words, and where it looks for etcd.
crictl ps -a --name kube-apiserver
crictl logs $(crictl ps -a --name kube-apiserver -q | head -1) 2>&1 | tail -3
grep -e --etcd-servers /etc/kubernetes/manifests/kube-apiserver.yaml
grep -e --listen-client-urls /etc/kubernetes/manifests/etcd.yaml

# Scheme, address and port are those of one of etcd's client URLs. A changed file is a new
# Pod for the kubelet, which it starts without any back-off.
sed -i 's|--etcd-servers=.*|--etcd-servers=https://127.0.0.1:2379|' /etc/kubernetes/manifests/kube-apiserver.yaml
for attempt in $(seq 300); do kubectl get --raw /readyz >/dev/null 2>&1 && break; sleep 0.1; done
kubectl get configmaps
