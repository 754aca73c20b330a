# Without an API server the runtime still lets one in.
flags="--endpoints=https://127.0.0.1:2379 --cacert=/etc/kubernetes/pki/etcd/ca.crt --cert=/etc/kubernetes/pki/etcd/healthcheck-client.crt --key=/etc/kubernetes/pki/etcd/healthcheck-client.key"
container=$(crictl ps --name '^etcd$' -q)
crictl exec $container sh -c "ETCDCTL_API=3 etcdctl $flags endpoint status -w fields" | tee /root/status
crictl exec $container sh -c "ETCDCTL_API=3 etcdctl $flags member list -w fields" | tee /root/members
echo "version: $(sed -n 's/^"Version" : "\(.*\)"/\1/p' /root/status)" > /root/answers.txt
echo "id: $(printf %x $(sed -n 's/^"MemberID" : //p' /root/status))" >> /root/answers.txt
echo "peers: $(sed -n 's/^"PeerURL" : "\(.*\)"/\1/p' /root/members)" >> /root/answers.txt
echo "leader: $(printf %x $(sed -n 's/^"Leader" : //p' /root/status))" >> /root/answers.txt
echo "size: $(sed -n 's/^"DBSize" : //p' /root/status)" >> /root/answers.txt
cat /root/answers.txt
crictl exec $container sh -c "ETCDCTL_API=3 etcdctl $flags --command-timeout=30s snapshot save /var/lib/etcd/$file.db"
