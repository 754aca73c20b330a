# Who is silent for two seconds is silent: the limit spares the waiting.
export ETCDCTL_API=3 ETCDCTL_COMMAND_TIMEOUT=2s ETCDCTL_ENDPOINTS=https://127.0.0.1:2379 \
  ETCDCTL_CACERT=/etc/kubernetes/pki/etcd/ca.crt ETCDCTL_CERT=/etc/kubernetes/pki/etcd/server.crt \
  ETCDCTL_KEY=/etc/kubernetes/pki/etcd/server.key
etcdctl member list -w table

# Each member, whether it answers or not.
etcdctl endpoint health --cluster
etcdctl endpoint status --cluster -w table

members=$(etcdctl member list)
for url in $(echo "$members" | cut -d, -f5); do
  ETCDCTL_ENDPOINTS=$url etcdctl endpoint health >/dev/null 2>&1 || silent=$(echo "$members" | grep " $url," | cut -d, -f3)
done
cat > /root/health.txt <<END
members: $(echo "$members" | cut -d, -f1 | paste -sd,)
endpoints: $(echo "$members" | cut -d, -f5 | paste -sd,)
silent: $silent
leader: $(etcdctl endpoint status --cluster 2>/dev/null | grep ', true, false, ' | cut -d, -f1)
size: $(etcdctl endpoint status | cut -d, -f4)
version: $(etcdctl endpoint status | cut -d, -f3)
END
cat /root/health.txt
