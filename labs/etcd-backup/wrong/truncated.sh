# The disk was full, or the copy broke off: the first half of a snapshot.
export ETCDCTL_API=3 ETCDCTL_ENDPOINTS=https://127.0.0.1:2379
export ETCDCTL_CACERT=/etc/kubernetes/pki/etcd/ca.crt
export ETCDCTL_CERT=/etc/kubernetes/pki/etcd/server.crt ETCDCTL_KEY=/etc/kubernetes/pki/etcd/server.key
etcdctl snapshot save /root/whole.db
head -c $(($(stat -c %s /root/whole.db) / 2)) /root/whole.db > /opt/etcd-backup.db
etcdctl snapshot status /opt/etcd-backup.db -w table > /root/status.txt 2>&1
