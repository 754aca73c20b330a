# The container ends at once, and misses a file that is on the node: the container does not see it.
crictl ps -a --name etcd
crictl logs $(crictl ps -a --name '^etcd$' -q | head -1) 2>&1 | tail -2
grep -A4 volumeMounts /etc/kubernetes/manifests/etcd.yaml

# The folder is mounted where the flags look for it.
sed -i 's|mountPath: /etc/kubernetes/pki/etcd-certs|mountPath: /etc/kubernetes/pki/etcd|' /etc/kubernetes/manifests/etcd.yaml
for attempt in $(seq 40); do kubectl --request-timeout=2s get --raw /readyz >/dev/null 2>&1 && break; sleep 0.5; done
kubectl get configmaps
