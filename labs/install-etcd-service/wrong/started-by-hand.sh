# Everything is right but that nobody will start it again.
arch=$(uname -m | sed "s/x86_64/amd64/;s/aarch64/arm64/")
wget https://github.com/etcd-io/etcd/releases/download/$version/etcd-$version-linux-$arch.tar.gz
tar -xvf etcd-$version-linux-$arch.tar.gz
cd etcd-$version-linux-$arch
sudo mv etcd etcdctl /usr/local/bin/
sudo useradd --system --no-create-home --shell /sbin/nologin etcd
sudo mkdir -p /var/lib/etcd
sudo chown -R etcd:etcd /var/lib/etcd
cd /
sudo -u etcd setsid /usr/local/bin/etcd --data-dir /var/lib/etcd >/tmp/etcd.log 2>&1 </dev/null &
for attempt in $(seq 100); do etcdctl endpoint health && break; sleep 0.1; done
etcdctl put "$key" "$value"
