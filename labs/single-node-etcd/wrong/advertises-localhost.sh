# Tells every client to look for it on the client's own machine.
nohup etcd --name "$name" --data-dir /var/lib/etcd --listen-client-urls http://0.0.0.0:$port \
  --advertise-client-urls http://127.0.0.1:$port >/var/log/etcd.log 2>&1 </dev/null &
for attempt in $(seq 100); do etcdctl --endpoints=http://192.168.10.171:$port endpoint health && break; sleep 0.1; done
etcdctl --endpoints=http://192.168.10.171:$port put "$key" "$value"
