# A Pod of kube-system whose name ends with the node's is a static one.
kubectl get pods -n kube-system
ls /etc/kubernetes/manifests

# What it was started with.
flag() { sed -n "s|^ *- --$1=||p" /etc/kubernetes/manifests/etcd.yaml; }

# optional: 3.5 speaks API 3 unless told otherwise
export ETCDCTL_API=3

# With what the manifest names.
ctl() { etcdctl --endpoints=https://127.0.0.1:2379 --cacert=$(flag trusted-ca-file) --cert=$(flag cert-file) --key=$(flag key-file) "$@"; }

# optional: it only looks
ctl endpoint status --cluster -w table
ctl member list

# The answers, from what is there.

cat > /root/etcd.txt <<END
deployment: static pod
version: $(ctl endpoint status | cut -d, -f3)
data_dir: $(flag data-dir)
cert: $(flag cert-file)
key: $(flag key-file)
ca: $(flag trusted-ca-file)
endpoints: $(ctl member list | cut -d, -f5 | paste -sd,)
members: $(ctl member list | cut -d, -f1 | paste -sd,)
leader: $(ctl endpoint status --cluster | grep ', true, false, ' | cut -d, -f1)
END
cat /root/etcd.txt
