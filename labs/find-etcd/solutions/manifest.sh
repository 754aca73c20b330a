# A Pod of kube-system whose name ends with a node's is a static one.
kubectl get pods -n kube-system -o wide

# What this node's member was started with opens the door to all of them.
flag() { ssh -n $2 sed -n "'s|^ *- --$1=||p'" /etc/kubernetes/manifests/etcd.yaml; }
etcdctl() { ETCDCTL_API=3 command etcdctl --cacert=$(flag trusted-ca-file $(hostname)) --cert=$(flag cert-file $(hostname)) --key=$(flag key-file $(hostname)) "$@"; }
etcdctl member list -w table
etcdctl endpoint status --cluster -w table

# Who leads is asked, not looked up.
cat > /root/cluster.txt <<END
endpoints: $(etcdctl member list | cut -d, -f5 | paste -sd,)
members: $(etcdctl member list | cut -d, -f1 | paste -sd,)
leader: $(etcdctl endpoint status --cluster | grep ', true, false, ' | cut -d, -f1)
END
cat /root/cluster.txt

# One node's member, by that node's manifest.
ssh $where 'cat > /root/member.txt' <<END
deployment: static pod
version: $(etcdctl --endpoints=https://$where:2379 endpoint status | cut -d, -f3)
data_dir: $(flag data-dir $where)
cert: $(flag cert-file $where)
key: $(flag key-file $where)
ca: $(flag trusted-ca-file $where)
END
ssh -n $where cat /root/member.txt
