# No container is even made: the kubelet can't read the file, and says in which line.
crictl ps -a --name etcd
journalctl -u kubelet -n 5 --no-pager
head -15 /etc/kubernetes/manifests/etcd.yaml

# The colon that was lost.
sed -i 's|^  containers$|  containers:|' /etc/kubernetes/manifests/etcd.yaml
for attempt in $(seq 40); do kubectl --request-timeout=2s get --raw /readyz >/dev/null 2>&1 && break; sleep 0.5; done
kubectl get configmaps
