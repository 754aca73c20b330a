# Forgets User=: whoever breaks into etcd is root.
arch=$(uname -m | sed "s/x86_64/amd64/;s/aarch64/arm64/")
mkdir -p /root/release && cd /root/release
wget https://github.com/etcd-io/etcd/releases/download/$version/etcd-$version-linux-$arch.tar.gz
wget https://github.com/etcd-io/etcd/releases/download/$version/SHA256SUMS
sha256sum -c --ignore-missing SHA256SUMS
scp etcd-$version-linux-$arch.tar.gz etcd1:/root/
ssh -n etcd1 tar -xf /root/etcd-$version-linux-$arch.tar.gz -C /root
ssh -n etcd1 mv /root/etcd-$version-linux-$arch/etcd /root/etcd-$version-linux-$arch/etcdctl /usr/local/bin/
ssh -n etcd1 useradd --system --no-create-home --shell /sbin/nologin etcd
cat > /root/etcd.service <<'END'
[Unit]
Description=etcd key-value store
Documentation=https://etcd.io
After=network.target

[Service]

Type=notify
ExecStart=/usr/local/bin/etcd \
  --name node1 \
  --data-dir=/var/lib/etcd \
  --listen-client-urls=http://127.0.0.1:2379 \
  --advertise-client-urls=http://127.0.0.1:2379 \
  --listen-peer-urls=http://127.0.0.1:2380 \
  --initial-advertise-peer-urls=http://127.0.0.1:2380 \
  --initial-cluster=node1=http://127.0.0.1:2380 \
  --initial-cluster-state=new

Restart=always
RestartSec=5

[Install]
WantedBy=multi-user.target
END
scp /root/etcd.service etcd1:/etc/systemd/system/
ssh -n etcd1 systemctl daemon-reload
ssh -n etcd1 systemctl enable etcd
ssh -n etcd1 systemctl start etcd
ssh -n etcd1 systemctl status etcd --no-pager
ssh -n etcd1 etcdctl put "$key" "$value"
ssh -n etcd1 etcdctl get "$key"
ssh -n etcd1 reboot
for attempt in $(seq 60); do ssh -n etcd1 test -s /var/log/boot-report.txt 2>/dev/null && break; sleep 0.5; done
ssh -n etcd1 cat /var/log/boot-report.txt
