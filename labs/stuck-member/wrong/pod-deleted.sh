# Deletes the Pod that the API shows: the kubelet, or nobody, writes it again, and nothing
# on the node has changed.
echo "$stuck" > /root/stuck.txt
kubectl -n kube-system delete pod "etcd-$stuck" --force --grace-period=0
sleep 2
kubectl -n kube-system get pods
