# Where it listens, and what it tells others of itself.
url=http://192.168.10.171:$port
nohup etcd --name "$name" --data-dir /var/lib/etcd \
  --listen-client-urls $url --advertise-client-urls $url >/var/log/etcd.log 2>&1 </dev/null &

# It is ready when it answers.
for attempt in $(seq 100); do etcdctl --endpoints=$url endpoint health && break; sleep 0.1; done
etcdctl --endpoints=$url member list -w table
etcdctl --endpoints=$url put "$key" "$value"
