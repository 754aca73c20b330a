# The member works, but as root, and its data is root's.
export ETCDCTL_ENDPOINTS=https://127.0.0.1:2379 ETCDCTL_CACERT=/etc/kubernetes/pki/etcd/ca.crt \
  ETCDCTL_CERT=/etc/kubernetes/pki/etcd/server.crt ETCDCTL_KEY=/etc/kubernetes/pki/etcd/server.key
for attempt in $(seq 100); do etcdctl member add etcd3 --learner --peer-urls=https://192.168.10.173:2380 && break; sleep 0.2; done

ssh -n etcd1 cat /etc/systemd/system/etcd.service |
  sed -e "s/--name=etcd1/--name=etcd3/" -e "/listen\|advertise/s/192.168.10.171/192.168.10.173/g" \
    -e "s|--initial-cluster=[^ ]*|&,etcd3=https://192.168.10.173:2380|" -e "s/state=new/state=existing/" -e "/^User=/d" |
  ssh etcd3 "cat > /etc/systemd/system/etcd.service"
ssh -n etcd3 "chown root:root /var/lib/etcd; systemctl daemon-reload && systemctl enable --now etcd"

for attempt in $(seq 100); do
  etcdctl member promote "$(etcdctl member list | grep 192.168.10.173:2380 | cut -d, -f1)" && break
  sleep 0.2
done
etcdctl endpoint status --cluster -w table
