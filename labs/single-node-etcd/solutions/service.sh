# Every flag of etcd is an environment variable as well.
cat > /etc/default/etcd <<END
ETCD_NAME=$name
ETCD_DATA_DIR=/var/lib/etcd
ETCD_LISTEN_CLIENT_URLS=http://127.0.0.1:$port,http://192.168.10.171:$port
ETCD_ADVERTISE_CLIENT_URLS=http://192.168.10.171:$port
END
cat > /etc/systemd/system/etcd.service <<'END'
[Unit]
Description=etcd

[Service]
Type=notify
EnvironmentFile=/etc/default/etcd
ExecStart=/usr/local/bin/etcd
Restart=on-failure

[Install]
WantedBy=multi-user.target
END

# `enable` makes systemd read its files anew, too.
systemctl enable --now etcd
systemctl status etcd --no-pager

etcdctl --endpoints=http://192.168.10.171:$port put "$key" "$value"
