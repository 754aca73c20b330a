# Everything is right but that nobody will start it again.
arch=$(uname -m | sed "s/x86_64/amd64/;s/aarch64/arm64/")
mkdir -p /root/release && cd /root/release
wget https://github.com/etcd-io/etcd/releases/download/$version/etcd-$version-linux-$arch.tar.gz
wget https://github.com/etcd-io/etcd/releases/download/$version/SHA256SUMS
sha256sum -c --ignore-missing SHA256SUMS
scp etcd-$version-linux-$arch.tar.gz etcd1:/root/
ssh -n etcd1 tar -xf /root/etcd-$version-linux-$arch.tar.gz -C /root
ssh -n etcd1 mv /root/etcd-$version-linux-$arch/etcd /root/etcd-$version-linux-$arch/etcdctl /usr/local/bin/
ssh -n etcd1 useradd --system --no-create-home --shell /sbin/nologin etcd
ssh -n etcd1 'mkdir -p /var/lib/etcd && chown -R etcd:etcd /var/lib/etcd'
ssh -n etcd1 'sudo -u etcd setsid /usr/local/bin/etcd --data-dir /var/lib/etcd >/tmp/etcd.log 2>&1 </dev/null &'
for attempt in $(seq 100); do ssh -n etcd1 etcdctl endpoint health && break; sleep 0.1; done
ssh -n etcd1 etcdctl put "$key" "$value"
ssh -n etcd1 etcdctl get "$key"
ssh -n etcd1 reboot
for attempt in $(seq 60); do ssh -n etcd1 test -s /var/log/boot-report.txt 2>/dev/null && break; sleep 0.5; done
ssh -n etcd1 cat /var/log/boot-report.txt
