# Brings the old member back from the copy of its disk. It looks healthy.
ssh -n "$victim" 'rm -rf /var/lib/etcd && cp -a /root/old-disk /var/lib/etcd && systemctl start etcd'
export ETCDCTL_ENDPOINTS=https://127.0.0.1:2379 ETCDCTL_CACERT=/etc/kubernetes/pki/etcd/ca.crt \
  ETCDCTL_CERT=/etc/kubernetes/pki/etcd/server.crt ETCDCTL_KEY=/etc/kubernetes/pki/etcd/server.key
for attempt in $(seq 300); do
  [ "$(etcdctl endpoint health --cluster 2>&1 | grep -c 'is healthy')" = 3 ] && break
  sleep 0.2
done
