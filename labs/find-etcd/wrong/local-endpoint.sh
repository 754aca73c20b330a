# Asks one endpoint and takes it for all there are.
kubectl get pods -n kube-system -o wide
flag() { ssh -n $2 sed -n "'s|^ *- --$1=||p'" /etc/kubernetes/manifests/etcd.yaml; }
etcdctl() { ETCDCTL_API=3 command etcdctl --cacert=$(flag trusted-ca-file $(hostname)) --cert=$(flag cert-file $(hostname)) --key=$(flag key-file $(hostname)) "$@"; }
etcdctl member list -w table
etcdctl endpoint status --cluster -w table
cat > /root/cluster.txt <<END
endpoints: https://127.0.0.1:2379
members: $(etcdctl member list | cut -d, -f1 | paste -sd,)
leader: $(etcdctl endpoint status --cluster | grep ', true, false, ' | cut -d, -f1)
END
cat /root/cluster.txt
ssh $where 'cat > /root/member.txt' <<END
deployment: static pod
version: $(etcdctl --endpoints=https://$where:2379 endpoint status | cut -d, -f3)
data_dir: $(flag data-dir $where)
cert: $(flag cert-file $where)
key: $(flag key-file $where)
ca: $(flag trusted-ca-file $where)
END
ssh -n $where cat /root/member.txt
