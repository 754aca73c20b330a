# Restarts the leader at once. It hands over as it ends, but to whom it likes.
pki=/etc/kubernetes/pki/etcd
all=https://192.168.10.150:2379,https://192.168.10.151:2379,https://192.168.10.152:2379
etcd() { etcdctl --endpoints=$all --cacert=$pki/ca.crt --cert=$pki/server.crt --key=$pki/server.key "$@"; }
ssh -n "$leader" "sed -i 's|--snapshot-count=.*|--snapshot-count=$count|' /etc/kubernetes/manifests/etcd.yaml"
for attempt in $(seq 300); do ssh -n "$leader" "pgrep -fx 'etcd .*--snapshot-count=$count.*'" >/dev/null && break; sleep 0.2; done
for attempt in $(seq 300); do
  [ "$(etcd endpoint health 2>&1 | grep -c 'is healthy')" = 3 ] && break
  sleep 0.2
done
