# Which line is cut, and which hold back what they carry?
for n in etcd1 etcd2 etcd3; do ssh -n $n grep -q '^cut=yes$' /etc/peer-link.conf && echo $n; done > /root/cut.txt
for n in etcd1 etcd2 etcd3; do ssh -n $n grep -q '^hold_ms=0$' /etc/peer-link.conf || echo $n; done > /root/slow.txt

# The line that is cut has to be mended; no time-out fits it.
ssh -n $(cat /root/cut.txt) sed -i 's/^cut=.*/cut=no/' /etc/peer-link.conf

# The slow ones stay as they are; all members get the same patience.
for n in etcd1 etcd2 etcd3; do
  ssh -n $n "sed -i 's|--name=|--heartbeat-interval=500 --election-timeout=8000 --name=|' /etc/systemd/system/etcd.service; systemctl daemon-reload; systemctl restart --no-block etcd"
done

# Until all three answer.
for attempt in $(seq 30); do
  [ "$(etcdctl --command-timeout=10s --endpoints=https://192.168.10.171:2379,https://192.168.10.172:2379,https://192.168.10.173:2379 --cacert=/etc/kubernetes/pki/etcd/ca.crt --cert=/etc/kubernetes/pki/etcd/server.crt --key=/etc/kubernetes/pki/etcd/server.key endpoint health 2>&1 | grep -c 'is healthy')" = 3 ] && break
  sleep 0.5
done
