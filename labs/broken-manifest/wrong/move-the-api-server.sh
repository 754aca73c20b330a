# Lets the API server follow etcd to the wrong port instead of mending etcd.
sed -i 's|--etcd-servers=https://127.0.0.1:2379|--etcd-servers=https://127.0.0.1:2397|' /etc/kubernetes/manifests/kube-apiserver.yaml
for attempt in $(seq 300); do kubectl get --raw /readyz >/dev/null 2>&1 && break; sleep 0.1; done
kubectl get configmaps
