# The database file from under the running member. Status reads it; a restore won't.
cp /var/lib/etcd/member/snap/db /opt/etcd-backup.db
etcdctl snapshot status /opt/etcd-backup.db -w table > /root/status.txt 2>&1
