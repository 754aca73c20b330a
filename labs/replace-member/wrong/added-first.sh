# Adds before it removes, which etcd refuses; then starts what nobody waits for.
export ETCDCTL_ENDPOINTS=https://127.0.0.1:2379 ETCDCTL_CACERT=/etc/kubernetes/pki/etcd/ca.crt \
  ETCDCTL_CERT=/etc/kubernetes/pki/etcd/server.crt ETCDCTL_KEY=/etc/kubernetes/pki/etcd/server.key
[ "$victim" = etcd2 ] && address=192.168.10.172 || address=192.168.10.173
etcdctl member add "$victim" --peer-urls=https://$address:2381
ssh -n "$victim" "sed -i 's/--initial-cluster-state=new/--initial-cluster-state=existing/' /etc/systemd/system/etcd.service"
ssh -n "$victim" 'systemctl daemon-reload; systemctl start --no-block etcd'
sleep 2
