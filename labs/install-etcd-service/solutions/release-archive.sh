# The release, unpacked into the path.
arch=$(uname -m | sed "s/x86_64/amd64/;s/aarch64/arm64/")
wget https://github.com/etcd-io/etcd/releases/download/$version/etcd-$version-linux-$arch.tar.gz
tar -xvf etcd-$version-linux-$arch.tar.gz
cd etcd-$version-linux-$arch
sudo mv etcd etcdctl /usr/local/bin/

# Do they work?
# optional: it only looks
etcd --version
etcdctl version

# A user of its own, and a directory that belongs to it.
sudo useradd --system --no-create-home --shell /sbin/nologin etcd
sudo mkdir -p /var/lib/etcd
sudo chown -R etcd:etcd /var/lib/etcd

# The unit.
cat > /etc/systemd/system/etcd.service <<'END'
[Unit]
Description=etcd key-value store
Documentation=https://etcd.io
After=network.target

[Service]
User=etcd
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

# systemd has to hear of it.
# optional: `enable` makes systemd read its files anew, too
sudo systemctl daemon-reload

# It starts with the machine, and now.
sudo systemctl enable etcd
sudo systemctl start etcd
sudo systemctl status etcd --no-pager

etcdctl put "$key" "$value"
etcdctl get "$key"
