# Only the name is right.
touch /opt/etcd-backup.db
etcdutl snapshot status /opt/etcd-backup.db -w table > /root/status.txt 2>&1
