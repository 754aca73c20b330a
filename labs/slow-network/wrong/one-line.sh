# Mends the cut, and stops at the first slow line that is found.
for n in etcd1 etcd2 etcd3; do ssh -n $n grep -q '^cut=yes$' /etc/peer-link.conf && echo $n; done > /root/cut.txt
ssh -n $(cat /root/cut.txt) sed -i 's/^cut=.*/cut=no/' /etc/peer-link.conf
for n in etcd1 etcd2 etcd3; do
  ssh -n $n grep -q '^hold_ms=0$' /etc/peer-link.conf && continue
  echo $n > /root/slow.txt
  ssh -n $n sed -i 's/^hold_ms=.*/hold_ms=0/' /etc/peer-link.conf
  break
done

pki=/etc/kubernetes/pki/etcd
for attempt in $(seq 30); do
  [ "$(etcdctl --command-timeout=10s --endpoints=https://192.168.10.171:2379,https://192.168.10.172:2379,https://192.168.10.173:2379 --cacert=$pki/ca.crt --cert=$pki/server.crt --key=$pki/server.key endpoint health 2>&1 | grep -c 'is healthy')" = 3 ] && break
  sleep 0.5
done
