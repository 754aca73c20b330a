# A Pod of kube-system whose name ends with the node's is a static one.
kubectl get pods -n kube-system
ls /etc/kubernetes/manifests

# What it was started with.
flag() { sed -n "s|^ *- --$1=||p" /etc/kubernetes/manifests/etcd.yaml; }

# With what the manifest names.
etcdctl() { ETCDCTL_API=3 command etcdctl --endpoints=https://127.0.0.1:2379 --cacert=$(flag trusted-ca-file) --cert=$(flag cert-file) --key=$(flag key-file) "$@"; }
etcdctl endpoint status --cluster -w table
etcdctl member list

# The answers, from what is there.
cat > /root/etcd.txt <<END
deployment: static pod
version: $(etcdctl endpoint status | cut -d, -f3)
data_dir: $(flag data-dir)
cert: $(flag cert-file)
key: $(flag key-file)
ca: $(flag trusted-ca-file)
endpoints: $(etcdctl member list | cut -d, -f5 | paste -sd,)
members: $(etcdctl member list | cut -d, -f1 | paste -sd,)
leader: $(etcdctl endpoint status --cluster | grep ', true, false, ' | cut -d, -f1)
END
cat /root/etcd.txt
