# Restores the snapshot of last week: what was written since is lost.
export ETCDCTL_ENDPOINTS=https://127.0.0.1:2379 ETCDCTL_CACERT=/etc/kubernetes/pki/etcd/ca.crt \
  ETCDCTL_CERT=/etc/kubernetes/pki/etcd/server.crt ETCDCTL_KEY=/etc/kubernetes/pki/etcd/server.key
cat > /root/quorum.txt <<END
write: no
read: no
serializable_read: yes
snapshot: yes
member_add: no
revision: $(etcdctl endpoint status -w fields | sed -n 's/^"Revision" : //p')
END
etcdctl get /accounts/$last --consistency=s --print-value-only > /root/balance.txt
systemctl stop etcd
mv /var/lib/etcd /var/lib/etcd-before
cluster=etcd1=https://192.168.10.171:2380,etcd2=https://192.168.10.172:2380,etcd3=https://192.168.10.173:2380
for number in 1 2 3; do
  [ etcd$number = "$(hostname)" ] || scp /root/last-week.db etcd$number:/root/last-week.db
  ssh -n etcd$number "etcdctl snapshot restore /root/last-week.db --name etcd$number --initial-cluster $cluster \
    --initial-advertise-peer-urls https://192.168.10.17$number:2380 --data-dir /var/lib/etcd && chown -R etcd:etcd /var/lib/etcd"
done
for number in 1 2 3; do ssh -n etcd$number 'systemctl enable etcd; systemctl start --no-block etcd'; done
for attempt in $(seq 300); do
  [ "$(etcdctl endpoint health --cluster 2>&1 | grep -c 'is healthy')" = 3 ] && break
  sleep 0.2
done
