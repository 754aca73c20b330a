# Always the same name: each run overwrites the only copy there is.
{ echo '#!/bin/bash'; echo 'set -e'; echo 'export ETCDCTL_API=3 ETCDCTL_ENDPOINTS=https://127.0.0.1:2379
export ETCDCTL_CACERT=/etc/kubernetes/pki/etcd/ca.crt
export ETCDCTL_CERT=/etc/kubernetes/pki/etcd/server.crt ETCDCTL_KEY=/etc/kubernetes/pki/etcd/server.key'; echo "mkdir -p $dir; etcdctl snapshot save $dir/etcd.db && etcdctl snapshot status $dir/etcd.db"; } > /usr/local/bin/etcd-backup
chmod +x /usr/local/bin/etcd-backup
cat > /etc/systemd/system/etcd-backup.service <<END
[Unit]
Description=Backup of etcd

[Service]
Type=oneshot
ExecStart=/usr/local/bin/etcd-backup
END
cat > /etc/systemd/system/etcd-backup.timer <<END
[Unit]
Description=Backup of etcd, every 30 minutes

[Timer]
OnCalendar=*:0/30
Persistent=true

[Install]
WantedBy=timers.target
END
systemctl daemon-reload
systemctl enable --now etcd-backup.timer
