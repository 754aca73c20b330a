# Makes every member more patient than the last one: each fits the lines, and none the others.
for n in etcd1 etcd2 etcd3; do ssh -n $n grep -q '^cut=yes$' /etc/peer-link.conf && echo $n; done > /root/cut.txt
for n in etcd1 etcd2 etcd3; do ssh -n $n grep -q '^hold_ms=0$' /etc/peer-link.conf || echo $n; done > /root/slow.txt
ssh -n $(cat /root/cut.txt) sed -i 's/^cut=.*/cut=no/' /etc/peer-link.conf
election=5500
for n in etcd1 etcd2 etcd3; do
  ssh -n $n "sed -i 's|--name=|--heartbeat-interval=500 --election-timeout=$election --name=|' /etc/systemd/system/etcd.service; systemctl daemon-reload; systemctl restart --no-block etcd"
  election=$((election + 500))
done

pki=/etc/kubernetes/pki/etcd
for attempt in $(seq 30); do
  [ "$(etcdctl --command-timeout=10s --endpoints=https://192.168.10.171:2379,https://192.168.10.172:2379,https://192.168.10.173:2379 --cacert=$pki/ca.crt --cert=$pki/server.crt --key=$pki/server.key endpoint health 2>&1 | grep -c 'is healthy')" = 3 ] && break
  sleep 0.5
done
