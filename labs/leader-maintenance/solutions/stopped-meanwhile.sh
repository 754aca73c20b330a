# On the leader's own node its own endpoint is enough.
ssh "$leader" bash <<'END'
pki=/etc/kubernetes/pki/etcd
export ETCDCTL_ENDPOINTS=https://127.0.0.1:2379 ETCDCTL_CACERT=$pki/ca.crt ETCDCTL_CERT=$pki/server.crt ETCDCTL_KEY=$pki/server.key
etcdctl move-leader "$(etcdctl member list | grep ', controlplane, ' | cut -d, -f1)"
END

# The member stops while its manifest is away.
ssh -n "$leader" mv /etc/kubernetes/manifests/etcd.yaml /root/etcd.yaml
for attempt in $(seq 300); do ssh -n "$leader" pgrep -x etcd >/dev/null || break; sleep 0.1; done
ssh -n "$leader" "sed -i 's|--snapshot-count=.*|--snapshot-count=$count|' /root/etcd.yaml"
ssh -n "$leader" mv /root/etcd.yaml /etc/kubernetes/manifests/etcd.yaml

# Until all three are back.
for attempt in $(seq 40); do
  [ "$(etcdctl --endpoints=https://127.0.0.1:2379 --cacert=/etc/kubernetes/pki/etcd/ca.crt --cert=/etc/kubernetes/pki/etcd/server.crt \
    --key=/etc/kubernetes/pki/etcd/server.key endpoint health --cluster 2>&1 | grep -c 'is healthy')" = 3 ] && break
  sleep 0.5
done
