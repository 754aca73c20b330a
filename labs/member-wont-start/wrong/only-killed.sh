# Stops what took the port, for now.
export ETCDCTL_ENDPOINTS=https://127.0.0.1:2379 ETCDCTL_CACERT=/etc/kubernetes/pki/etcd/ca.crt \
  ETCDCTL_CERT=/etc/kubernetes/pki/etcd/server.crt ETCDCTL_KEY=/etc/kubernetes/pki/etcd/server.key
printf 'member: %s\ncause: port\n' "$victim" > /root/why.txt
ssh -n "$victim" "systemctl stop $relay; systemctl restart etcd"
for attempt in $(seq 60); do
  [ "$(etcdctl endpoint health --cluster 2>&1 | grep -c 'is healthy')" = 3 ] && break
  sleep 0.5
done
