# Empties the directory and starts again, under the same ID.
export ETCDCTL_ENDPOINTS=https://127.0.0.1:2379 ETCDCTL_CACERT=/etc/kubernetes/pki/etcd/ca.crt \
  ETCDCTL_CERT=/etc/kubernetes/pki/etcd/server.crt ETCDCTL_KEY=/etc/kubernetes/pki/etcd/server.key
printf 'member: %s\ncause: database\n' "$victim" > /root/why.txt
ssh -n "$victim" 'systemctl stop etcd; rm -rf /var/lib/etcd; mkdir -m 700 /var/lib/etcd; chown etcd:etcd /var/lib/etcd; systemctl start --no-block etcd'
sleep 3
