# The same list of members everywhere.
five=$(for n in 1 2 3 4 5; do echo etcd$n=https://192.168.10.17$n:2380; done | paste -sd,)

# etcd takes its settings from a file as well.
configuration() {
  cat <<END
name: etcd$1
data-dir: /var/lib/etcd
listen-client-urls: https://127.0.0.1:2379,https://192.168.10.17$1:2379
advertise-client-urls: https://192.168.10.17$1:2379
listen-peer-urls: https://192.168.10.17$1:2380
initial-advertise-peer-urls: https://192.168.10.17$1:2380
initial-cluster: $five
initial-cluster-token: $token
initial-cluster-state: new
client-transport-security:
  cert-file: /etc/kubernetes/pki/etcd/server.crt
  key-file: /etc/kubernetes/pki/etcd/server.key
  trusted-ca-file: /etc/kubernetes/pki/etcd/ca.crt
  client-cert-auth: true
peer-transport-security:
  cert-file: /etc/kubernetes/pki/etcd/peer.crt
  key-file: /etc/kubernetes/pki/etcd/peer.key
  trusted-ca-file: /etc/kubernetes/pki/etcd/ca.crt
  client-cert-auth: true
END
}
for n in 1 2 3 4 5; do
  configuration $n | ssh etcd$n 'cat > /etc/etcd.yaml'
  ssh -n etcd$n 'sudo -u etcd setsid etcd --config-file /etc/etcd.yaml >/tmp/etcd.log 2>&1 </dev/null &'
done

export ETCDCTL_ENDPOINTS=https://127.0.0.1:2379 ETCDCTL_CACERT=/etc/kubernetes/pki/etcd/ca.crt \
  ETCDCTL_CERT=/etc/kubernetes/pki/etcd/server.crt ETCDCTL_KEY=/etc/kubernetes/pki/etcd/server.key
for attempt in $(seq 40); do
  [ "$(etcdctl endpoint health --cluster 2>&1 | grep -c 'is healthy')" = 5 ] && break
  sleep 0.5
done
etcdctl endpoint status --cluster -w table
etcdctl put $key "$value"
