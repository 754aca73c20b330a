# No Pod of that node is etcd's, and yet it has a member: a service.
kubectl get pods -n kube-system -o wide
ssh -n $where systemctl cat etcd

# One pair of certificates opens the door to all members.
export ETCDCTL_API=3 ETCDCTL_ENDPOINTS=https://127.0.0.1:2379 ETCDCTL_CACERT=/etc/kubernetes/pki/etcd/ca.crt \
  ETCDCTL_CERT=/etc/kubernetes/pki/etcd/peer.crt ETCDCTL_KEY=/etc/kubernetes/pki/etcd/peer.key
cat > /root/cluster.txt <<END
endpoints: $(etcdctl member list | cut -d, -f5 | paste -sd,)
members: $(etcdctl member list | cut -d, -f1 | paste -sd,)
leader: $(etcdctl endpoint status --cluster | grep ', true, false, ' | cut -d, -f1)
END
cat /root/cluster.txt

# The unit has the flags.
flag() { ssh -n $where systemctl cat etcd | sed -n "s/.* --$1=\\([^ ]*\\).*/\\1/p"; }
ssh $where 'cat > /root/member.txt' <<END
deployment: $(ssh -n $where systemctl is-active --quiet etcd && echo service || echo static pod)
version: $(ETCDCTL_ENDPOINTS=https://$where:2379 etcdctl endpoint status | cut -d, -f3)
data_dir: $(flag data-dir)
cert: $(flag cert-file)
key: $(flag key-file)
ca: $(flag trusted-ca-file)
END
ssh -n $where cat /root/member.txt
