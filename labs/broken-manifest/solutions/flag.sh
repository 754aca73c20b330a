# The container ends at once, and says of which flag.
crictl ps -a --name etcd
crictl logs $(crictl ps -a --name '^etcd$' -q | head -1) 2>&1 | tail -2

# The flag's name. A changed file is a new Pod for the kubelet, which it starts without back-off.
sed -i 's|--listen-peers-urls=|--listen-peer-urls=|' /etc/kubernetes/manifests/etcd.yaml
for attempt in $(seq 40); do kubectl --request-timeout=2s get --raw /readyz >/dev/null 2>&1 && break; sleep 0.5; done
kubectl get configmaps
