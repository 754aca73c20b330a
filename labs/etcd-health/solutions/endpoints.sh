# Who is silent for two seconds is silent: the limit spares the waiting.
export ETCDCTL_API=3 ETCDCTL_COMMAND_TIMEOUT=2s ETCDCTL_ENDPOINTS=https://127.0.0.1:2379 \
  ETCDCTL_CACERT=/etc/kubernetes/pki/etcd/ca.crt ETCDCTL_CERT=/etc/kubernetes/pki/etcd/server.crt \
  ETCDCTL_KEY=/etc/kubernetes/pki/etcd/server.key
members=$(etcdctl member list)
export ETCDCTL_ENDPOINTS=$(echo "$members" | cut -d, -f5 | tr -d ' ' | paste -sd,)
etcdctl endpoint health
etcdctl endpoint status -w table

# A member's ID, in hexadecimal, is in the second column.
healthy=$(etcdctl endpoint status 2>/dev/null)
echo "members = $(echo "$members" | cut -d, -f1 | paste -sd' ')" > /root/health.txt
echo "endpoints = $ETCDCTL_ENDPOINTS" >> /root/health.txt
for member in $(echo "$members" | cut -d, -f1); do
  echo "$healthy" | grep -q ", $member, " || echo "silent = $(echo "$members" | grep "^$member," | cut -d, -f3)" >> /root/health.txt
done
echo "leader = $(echo "$healthy" | grep ', true, false, ' | cut -d, -f2)" >> /root/health.txt
echo "size = $(echo "$healthy" | head -1 | cut -d, -f4)" >> /root/health.txt
echo "version = v$(echo "$healthy" | head -1 | cut -d, -f3 | tr -d ' ')" >> /root/health.txt
cat /root/health.txt
