# The same list of members everywhere.
five=$(for n in 1 2 3 4 5; do echo etcd$n=https://192.168.10.17$n:2380; done | paste -sd,)

# One unit file a machine: its own name and addresses.
unit() {
  cat <<END
[Unit]
Description=etcd
After=network-online.target

[Service]
User=etcd
Type=notify
ExecStart=/usr/local/bin/etcd --name=etcd$1 --data-dir=/var/lib/etcd \
  --listen-client-urls=https://127.0.0.1:2379,https://192.168.10.17$1:2379 --advertise-client-urls=https://192.168.10.17$1:2379 \
  --listen-peer-urls=https://192.168.10.17$1:2380 --initial-advertise-peer-urls=https://192.168.10.17$1:2380 \
  --initial-cluster=$2 --initial-cluster-token=$token --initial-cluster-state=new \
  --client-cert-auth --trusted-ca-file=/etc/kubernetes/pki/etcd/ca.crt \
  --cert-file=/etc/kubernetes/pki/etcd/server.crt --key-file=/etc/kubernetes/pki/etcd/server.key \
  --peer-client-cert-auth --peer-trusted-ca-file=/etc/kubernetes/pki/etcd/ca.crt \
  --peer-cert-file=/etc/kubernetes/pki/etcd/peer.crt --peer-key-file=/etc/kubernetes/pki/etcd/peer.key
Restart=always

[Install]
WantedBy=multi-user.target
END
}
begin() {
  unit $1 $2 | ssh etcd$1 "cat > /etc/systemd/system/etcd.service; systemctl daemon-reload; systemctl enable etcd; systemctl start --no-block etcd"
}
for n in 1 2 3 4 5; do begin $n "$five"; done

# Three of five found the cluster; then all five answer.
export ETCDCTL_ENDPOINTS=https://127.0.0.1:2379 ETCDCTL_CACERT=/etc/kubernetes/pki/etcd/ca.crt \
  ETCDCTL_CERT=/etc/kubernetes/pki/etcd/server.crt ETCDCTL_KEY=/etc/kubernetes/pki/etcd/server.key
for attempt in $(seq 40); do
  [ "$(etcdctl endpoint health --cluster 2>&1 | grep -c 'is healthy')" = 5 ] && break
  sleep 0.5
done
etcdctl endpoint status --cluster -w table
etcdctl put $key "$value"
