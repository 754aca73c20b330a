# Takes the pair for peers for the one for clients.
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
data_dir: $(flag data-dir $where)
cert: $(flag peer-cert-file $where)
key: $(flag peer-key-file $where)
ca: $(flag trusted-ca-file $where)
END
ssh -n $where cat /root/member.txt
