# Who answers, who leads, who knows of no leader?
etcdctl --endpoints=https://192.168.10.171:2379,https://192.168.10.172:2379,https://192.168.10.173:2379 --cacert=/etc/kubernetes/pki/etcd/ca.crt --cert=/etc/kubernetes/pki/etcd/server.crt --key=/etc/kubernetes/pki/etcd/server.key endpoint status -w table
ssh -n etcd1 cat /etc/peer-link.conf
ssh -n etcd2 cat /etc/peer-link.conf
ssh -n etcd3 cat /etc/peer-link.conf

# Which line is cut, and which hold back what they carry?
for n in etcd1 etcd2 etcd3; do ssh -n $n grep -q '^cut=yes$' /etc/peer-link.conf && echo $n; done > /root/cut.txt
for n in etcd1 etcd2 etcd3; do ssh -n $n grep -q '^hold_ms=0$' /etc/peer-link.conf || echo $n; done > /root/slow.txt

# The relay reads its file by itself.
ssh -n $(cat /root/cut.txt) sed -i 's/^cut=.*/cut=no/' /etc/peer-link.conf
for n in $(cat /root/slow.txt); do ssh -n $n sed -i 's/^hold_ms=.*/hold_ms=0/' /etc/peer-link.conf; done

# Until all three answer.
for attempt in $(seq 40); do
  [ "$(etcdctl --endpoints=https://192.168.10.171:2379,https://192.168.10.172:2379,https://192.168.10.173:2379 --cacert=/etc/kubernetes/pki/etcd/ca.crt --cert=/etc/kubernetes/pki/etcd/server.crt --key=/etc/kubernetes/pki/etcd/server.key endpoint health 2>&1 | grep -c 'is healthy')" = 3 ] && break
  sleep 0.5
done
