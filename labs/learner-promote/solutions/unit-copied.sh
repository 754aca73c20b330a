# A place for a learner in the member list. A cluster that has just started refuses for some
# seconds ("unhealthy cluster").
export ETCDCTL_ENDPOINTS=https://127.0.0.1:2379 ETCDCTL_CACERT=/etc/kubernetes/pki/etcd/ca.crt \
  ETCDCTL_CERT=/etc/kubernetes/pki/etcd/server.crt ETCDCTL_KEY=/etc/kubernetes/pki/etcd/server.key
for attempt in $(seq 15); do etcdctl member add etcd3 --learner --peer-urls=https://192.168.10.173:2380 && break; sleep 1; done

# The unit file of etcd1, with the names and addresses of etcd3.
ssh -n etcd1 cat /etc/systemd/system/etcd.service \
  | sed -e "s/--name=etcd1/--name=etcd3/" -e "/listen\|advertise/s/192.168.10.171/192.168.10.173/g" \
    -e "s|--initial-cluster=[^ ]*|&,etcd3=https://192.168.10.173:2380|" -e "s/state=new/state=existing/" \
  | ssh etcd3 "cat > /etc/systemd/system/etcd.service"
ssh -n etcd3 "systemctl daemon-reload && systemctl enable --now etcd"

# Refused until the learner is in sync; nobody but us asks again.
for attempt in $(seq 15); do
  etcdctl member promote "$(etcdctl member list | grep 192.168.10.173:2380 | cut -d, -f1)" && break
  sleep 1
done
etcdctl endpoint status --cluster -w table
