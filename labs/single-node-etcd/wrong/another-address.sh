# Listens on the loopback address alone: from here it works, from elsewhere it does not.
nohup etcd --name "$name" --data-dir /var/lib/etcd --listen-client-urls http://127.0.0.1:$port \
  --advertise-client-urls http://192.168.10.171:$port >/var/log/etcd.log 2>&1 </dev/null &
for attempt in $(seq 100); do etcdctl --endpoints=http://127.0.0.1:$port endpoint health && break; sleep 0.1; done
etcdctl --endpoints=http://127.0.0.1:$port put "$key" "$value"
