# The snapshot that an earlier colleague left is not of today.
cp /var/backups/first-day.db /opt/etcd-backup.db
etcdutl snapshot status /opt/etcd-backup.db -w table > /root/status.txt
