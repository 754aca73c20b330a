# etcd runs, and the API server does not reach it.
crictl ps -a
crictl logs $(crictl ps -a --name kube-apiserver -q | head -1) 2>&1 | tail -2
grep -e --etcd-servers /etc/kubernetes/manifests/kube-apiserver.yaml
grep -e --listen-client-urls /etc/kubernetes/manifests/etcd.yaml

# The port where the API server, and everybody else, looks for it.
sed -i 's|127.0.0.1:2397|127.0.0.1:2379|' /etc/kubernetes/manifests/etcd.yaml
for attempt in $(seq 40); do kubectl --request-timeout=2s get --raw /readyz >/dev/null 2>&1 && break; sleep 0.5; done
kubectl get configmaps
