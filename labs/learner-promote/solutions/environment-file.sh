# What `member add` prints are the settings of the newcomer, as environment variables.
export ETCDCTL_ENDPOINTS=https://127.0.0.1:2379 ETCDCTL_CACERT=/etc/kubernetes/pki/etcd/ca.crt \
  ETCDCTL_CERT=/etc/kubernetes/pki/etcd/server.crt ETCDCTL_KEY=/etc/kubernetes/pki/etcd/server.key
for attempt in $(seq 15); do etcdctl member add etcd3 --learner --peer-urls=https://192.168.10.173:2380 > /root/added && break; sleep 1; done
cat /root/added
grep ^ETCD_ /root/added > /root/etcd3.env
cat >> /root/etcd3.env <<'END'
ETCD_DATA_DIR="/var/lib/etcd"
ETCD_LISTEN_CLIENT_URLS="https://127.0.0.1:2379,https://192.168.10.173:2379"
ETCD_ADVERTISE_CLIENT_URLS="https://192.168.10.173:2379"
ETCD_LISTEN_PEER_URLS="https://192.168.10.173:2380"
ETCD_CLIENT_CERT_AUTH="true"
ETCD_TRUSTED_CA_FILE="/etc/kubernetes/pki/etcd/ca.crt"
ETCD_CERT_FILE="/etc/kubernetes/pki/etcd/server.crt"
ETCD_KEY_FILE="/etc/kubernetes/pki/etcd/server.key"
ETCD_PEER_CLIENT_CERT_AUTH="true"
ETCD_PEER_TRUSTED_CA_FILE="/etc/kubernetes/pki/etcd/ca.crt"
ETCD_PEER_CERT_FILE="/etc/kubernetes/pki/etcd/peer.crt"
ETCD_PEER_KEY_FILE="/etc/kubernetes/pki/etcd/peer.key"
END
scp /root/etcd3.env etcd3:/etc/default/etcd

# A unit that reads them.
ssh etcd3 bash <<'END'
cat > /etc/systemd/system/etcd.service <<'UNIT'
[Unit]
Description=etcd
After=network-online.target

[Service]
User=etcd
Type=notify
EnvironmentFile=/etc/default/etcd
ExecStart=/usr/local/bin/etcd
Restart=on-failure

[Install]
WantedBy=multi-user.target
UNIT
systemctl daemon-reload
systemctl enable --now etcd
systemctl status etcd --no-pager
END

for attempt in $(seq 15); do
  etcdctl member promote "$(etcdctl member list | grep 192.168.10.173:2380 | cut -d, -f1)" && break
  sleep 1
done
etcdctl member list -w table
