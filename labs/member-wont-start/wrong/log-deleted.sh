# Deletes what is damaged, and all that was promised in it: the old ID goes on without its log.
export ETCDCTL_ENDPOINTS=https://127.0.0.1:2379 ETCDCTL_CACERT=/etc/kubernetes/pki/etcd/ca.crt \
  ETCDCTL_CERT=/etc/kubernetes/pki/etcd/server.crt ETCDCTL_KEY=/etc/kubernetes/pki/etcd/server.key
printf 'member: %s\ncause: log\n' "$victim" > /root/why.txt
ssh "$victim" 'systemctl stop etcd; rm -rf /var/lib/etcd/member; systemctl start --no-block etcd' < /dev/null
sleep 3
