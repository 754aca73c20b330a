# It says that an address is in use. By whom?
# optional: it is for the waiting at the end alone
export ETCDCTL_ENDPOINTS=https://127.0.0.1:2379 ETCDCTL_CACERT=/etc/kubernetes/pki/etcd/ca.crt \
  ETCDCTL_CERT=/etc/kubernetes/pki/etcd/server.crt ETCDCTL_KEY=/etc/kubernetes/pki/etcd/server.key
ssh -n "$victim" journalctl -u etcd -n 15 --no-pager
ssh -n "$victim" ss -ltnp

# Nothing is said of the files.
printf 'member: %s\ncause: port\n' "$victim" > /root/why.txt

# The unit whose process it is; it would be back after the next start of the machine.
ssh "$victim" bash <<'END'
unit=$(basename $(grep -lE '^listen=.*:2380' /etc/*.conf) .conf)
systemctl disable --now $unit
systemctl restart etcd
END
for attempt in $(seq 60); do
  [ "$(etcdctl endpoint health --cluster 2>&1 | grep -c 'is healthy')" = 3 ] && break
  sleep 0.5
done
