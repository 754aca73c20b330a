# What still works? Each is tried, and a time limit spares the waiting.
export ETCDCTL_ENDPOINTS=https://127.0.0.1:2379 ETCDCTL_CACERT=/etc/kubernetes/pki/etcd/ca.crt \
  ETCDCTL_CERT=/etc/kubernetes/pki/etcd/server.crt ETCDCTL_KEY=/etc/kubernetes/pki/etcd/server.key
try() { etcdctl --command-timeout=${limit:-2s} "${@:2}" && echo "$1 = yes" >> /root/quorum.txt || echo "$1 = no" >> /root/quorum.txt; }
try write put /probe 1
try read get /accounts/1
try serializable_read get /accounts/1 --consistency=s
limit=30s try snapshot snapshot save /root/probe.db
try member_add member add probe --peer-urls=https://192.168.10.179:2380
echo "revision = $(etcdctl endpoint status -w json | grep -o '"revision":[0-9]*' | cut -d: -f2)" >> /root/quorum.txt

# The balance, from this member alone.
etcdctl get /accounts/$last --consistency=s --print-value-only | tee /root/balance.txt

# The survivor's data is the newest there is. Without a limit `snapshot save` waits for ever where
# nobody answers.
etcdctl --command-timeout=30s snapshot save /root/survivor.db
etcdctl snapshot status /root/survivor.db -w table
systemctl stop etcd
mv /var/lib/etcd /var/lib/etcd-before

# A new cluster of three from it, each member restored on its own machine.
cluster=etcd1=https://192.168.10.171:2380,etcd2=https://192.168.10.172:2380,etcd3=https://192.168.10.173:2380
for number in 1 2 3; do
  [ etcd$number = "$(hostname)" ] || scp /root/survivor.db etcd$number:/root/survivor.db
  ssh -n etcd$number "etcdctl snapshot restore /root/survivor.db --name etcd$number --initial-cluster $cluster \
    --initial-cluster-token after-the-loss --initial-advertise-peer-urls https://192.168.10.17$number:2380 --data-dir /var/lib/etcd &&
    chown -R etcd:etcd /var/lib/etcd"
done

# The first waits for the second, so nobody waits for the first.
for number in 1 2 3; do ssh -n etcd$number 'systemctl enable etcd; systemctl start --no-block etcd'; done
for attempt in $(seq 40); do
  [ "$(etcdctl endpoint health --cluster 2>&1 | grep -c 'is healthy')" = 3 ] && break
  sleep 0.5
done
etcdctl endpoint status --cluster -w table
