# Writes down the flags of the member where the shell is, for the member of another node.
kubectl get pods -n kube-system -o wide
flag() { ssh -n $2 sed -n "'s|^ *- --$1=||p'" /etc/kubernetes/manifests/etcd.yaml; }
etcdctl() { ETCDCTL_API=3 command etcdctl --cacert=$(flag trusted-ca-file $(hostname)) --cert=$(flag cert-file $(hostname)) --key=$(flag key-file $(hostname)) "$@"; }
etcdctl member list -w table
etcdctl endpoint status --cluster -w table
cat > /root/cluster.txt <<END
endpoints: $(etcdctl member list | cut -d, -f5 | paste -sd,)
members: $(etcdctl member list | cut -d, -f1 | paste -sd,)
leader: $(etcdctl endpoint status --cluster | grep ', true, false, ' | cut -d, -f1)
END
cat /root/cluster.txt
ssh $where 'cat > /root/member.txt' <<END
deployment: static pod
version: $(etcdctl --endpoints=https://$where:2379 endpoint status | cut -d, -f3)
data_dir: $(flag data-dir $(hostname))
cert: $(flag cert-file $(hostname))
key: $(flag key-file $(hostname))
ca: $(flag trusted-ca-file $(hostname))
END
ssh -n $where cat /root/member.txt
