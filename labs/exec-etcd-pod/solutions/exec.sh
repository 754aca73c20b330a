# The Pod's name ends with the node's.
kubectl -n kube-system get pods

# Who is there?
kubectl -n kube-system exec etcd-controlplane -- sh -c "ETCDCTL_API=3 etcdctl member list --endpoints=https://127.0.0.1:2379 --cacert=/etc/kubernetes/pki/etcd/ca.crt --cert=/etc/kubernetes/pki/etcd/server.crt --key=/etc/kubernetes/pki/etcd/server.key" | tee /root/members
kubectl -n kube-system exec etcd-controlplane -- sh -c "ETCDCTL_API=3 etcdctl endpoint status --endpoints=https://127.0.0.1:2379 --cacert=/etc/kubernetes/pki/etcd/ca.crt --cert=/etc/kubernetes/pki/etcd/server.crt --key=/etc/kubernetes/pki/etcd/server.key" | tee /root/status
echo "version: $(cut -d, -f3 /root/status)" > /root/answers.txt
echo "id: $(cut -d, -f1 /root/members)" >> /root/answers.txt
echo "peers: $(cut -d, -f4 /root/members)" >> /root/answers.txt
echo "leader: $(grep ', true, false, ' /root/status | cut -d, -f2)" >> /root/answers.txt
echo "size: $(cut -d, -f4 /root/status)" >> /root/answers.txt
cat /root/answers.txt

# The snapshot goes where the container sees the node.
grep -A3 -E 'volumeMounts|hostPath' /etc/kubernetes/manifests/etcd.yaml
kubectl -n kube-system exec etcd-controlplane -- sh -c "ETCDCTL_API=3 etcdctl snapshot save /var/lib/etcd/$file.db --endpoints=https://127.0.0.1:2379 --cacert=/etc/kubernetes/pki/etcd/ca.crt --cert=/etc/kubernetes/pki/etcd/server.crt --key=/etc/kubernetes/pki/etcd/server.key"
ls -l /var/lib/etcd
