# Everything that etcdctl needs can stand in the environment.
export ETCDCTL_API=3 ETCDCTL_ENDPOINTS=https://127.0.0.1:2379 \
  ETCDCTL_CACERT=/etc/kubernetes/pki/etcd/ca.crt \
  ETCDCTL_CERT=/etc/kubernetes/pki/etcd/healthcheck-client.crt \
  ETCDCTL_KEY=/etc/kubernetes/pki/etcd/healthcheck-client.key
# Without a limit it waits for ever where nobody answers.
etcdctl --command-timeout=30s snapshot save /opt/etcd-backup.db

# etcdutl works on files alone.
etcdutl --write-out=table snapshot status /opt/etcd-backup.db > /root/status.txt
cat /root/status.txt
