# The data directory in a tarball, taken while the member writes to it.
tar -czf /opt/etcd-backup.db -C /var/lib/etcd member
etcdutl snapshot status /opt/etcd-backup.db -w table > /root/status.txt 2>&1
