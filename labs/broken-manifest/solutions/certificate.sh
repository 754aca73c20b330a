# The container ends at once, and says which file is not there.
crictl ps -a --name etcd
crictl logs $(crictl ps -a --name '^etcd$' -q | head -1) 2>&1 | tail -2
grep -e --cert-file -e --key-file /etc/kubernetes/manifests/etcd.yaml
ls /etc/kubernetes/pki/etcd

# The certificate that is there.
sed -i 's|--cert-file=/etc/kubernetes/pki/etcd/etcd-server.crt|--cert-file=/etc/kubernetes/pki/etcd/server.crt|' /etc/kubernetes/manifests/etcd.yaml
for attempt in $(seq 40); do kubectl --request-timeout=2s get --raw /readyz >/dev/null 2>&1 && break; sleep 0.5; done
kubectl get configmaps
